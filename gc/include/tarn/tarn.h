// tarn: a Go-style garbage-collected heap for C++20. This header includes the whole C++ API.
#ifndef TARN_TARN_H_
#define TARN_TARN_H_

#include "tarn/describe.h"
#include "tarn/finalizer.h"
#include "tarn/gc_atomic_ptr.h"
#include "tarn/gc_copy.h"
#include "tarn/gc_mmap.h"
#include "tarn/gc_ptr.h"
#include "tarn/gc_queue.h"
#include "tarn/gc_weak_map.h"
#include "tarn/gc_weak_ptr.h"
#include "tarn/gc_word.h"
#include "tarn/heap.h"
#include "tarn/keep_alive.h"
#include "tarn/limits.h"
#include "tarn/make_gc.h"
#include "tarn/options.h"
#include "tarn/pauses.h"
#include "tarn/root.h"
#include "tarn/thread.h"

#endif  // TARN_TARN_H_
