// string-map KEYS OPS: see bench/workloads/string_map.cc.
package main

import (
	"bytes"
	"fmt"
	"unsafe"
)

type mapEntry struct {
	next               *mapEntry
	key, value         *byte
	hash               uint64
	keySize, valueSize uint32
}

type mapKey struct {
	text [24]byte
	size uint32
	hash uint64
}

func newKey(number uint64) mapKey {
	k := mapKey{hash: 0xcbf29ce484222325}
	r := rng{number}
	for x := r.next(); x != 0; x /= 10 {
		k.text[k.size] = byte('0' + x%10)
		k.size++
	}
	for _, c := range k.text[:k.size] {
		k.hash = (k.hash ^ uint64(c)) * 0x100000001b3
	}
	return k
}

type stringMap struct {
	table []*mapEntry
	size  uint64
}

func (e *mapEntry) matches(k *mapKey) bool {
	return e.hash == k.hash && e.keySize == k.size &&
		bytes.Equal(unsafe.Slice(e.key, e.keySize), k.text[:k.size])
}

// findLink is the slot that points to the entry, or the nil at the end of its chain.
func (m *stringMap) findLink(k *mapKey) **mapEntry {
	link := &m.table[k.hash&uint64(len(m.table)-1)]
	for *link != nil && !(*link).matches(k) {
		link = &(*link).next
	}
	return link
}

func (m *stringMap) put(k mapKey, valueSize uint32, mark uint64) {
	value := markedBytes(uint64(valueSize), mark)
	link := m.findLink(&k)
	if e := *link; e != nil {
		e.value = value
		e.valueSize = valueSize
		return
	}
	text := newBytes(uint64(k.size))
	copy(unsafe.Slice(text, k.size), k.text[:k.size])
	*link = &mapEntry{nil, text, value, k.hash, k.size, valueSize}
	if m.size++; m.size > uint64(len(m.table)) {
		m.grow()
	}
}

func (m *stringMap) erase(k mapKey) {
	link := m.findLink(&k)
	if e := *link; e != nil {
		*link = e.next
		m.size--
	}
}

func (m *stringMap) grow() {
	table := make([]*mapEntry, 2*len(m.table))
	for _, e := range m.table {
		for e != nil {
			next := e.next
			slot := &table[e.hash&uint64(len(table)-1)]
			e.next = *slot
			*slot = e
			e = next
		}
	}
	m.table = table
}

func runStringMap(a args) {
	keys, ops := a.number(0), a.number(1)
	r := &rng{1}
	m := &stringMap{table: make([]*mapEntry, 16)}
	put := func(number uint64) { m.put(newKey(number), 16+uint32(r.below(64)), number) }
	for i := uint64(0); i < keys; i++ {
		put(i)
	}
	found, sum := uint64(0), uint64(0)
	for i := uint64(0); i < ops; i++ {
		number := r.below(2 * keys)
		switch r.below(4) {
		case 2:
			put(number)
		case 3:
			m.erase(newKey(number))
		default:
			k := newKey(number)
			if e := *m.findLink(&k); e != nil {
				found++
				sum += uint64(e.valueSize) + uint64(*byteAt(e.value, uint64(e.valueSize)-1))
			}
		}
	}
	fmt.Printf("%d found, sum %d, size %d\n", found, sum, m.size)
}

var stringMapWorkload = workload{"string-map", args{"2000000", "10000000"}, args{"2000", "20000"},
	runStringMap}
