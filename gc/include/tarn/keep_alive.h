// KeepAlive(p): the object stays reachable up to this point of the program, whatever the optimiser
// does with the pointer's other uses.
#ifndef TARN_KEEP_ALIVE_H_
#define TARN_KEEP_ALIVE_H_

namespace tarn {

template <class T>
inline void KeepAlive(T* p) {
  asm volatile("" : : "r"(p) : "memory");
}

}  // namespace tarn

#endif  // TARN_KEEP_ALIVE_H_
