// Blobs without pointers, one word in the object that has them, as in the C++ workloads.
package main

import "unsafe"

func newBytes(n uint64) *byte {
	return unsafe.SliceData(make([]byte, n))
}

// byteAt is the i-th byte of a blob; i is within it.
func byteAt(blob *byte, i uint64) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(blob), i))
}

// markedBytes begin and end with the low byte of mark.
func markedBytes(size, mark uint64) *byte {
	bytes := newBytes(size)
	*bytes = byte(mark)
	*byteAt(bytes, size-1) = byte(mark)
	return bytes
}
