// The "world stopped" capability for clang's thread-safety analysis: held by a StopTheWorld object,
// required by code that may run only while every other mutator stands still.
// Not here: how the world is stopped (runtime/thread/stop_world.h).
// Cost: none at run time; the object is empty.
#ifndef TARN_RUNTIME_BASE_WORLD_H_
#define TARN_RUNTIME_BASE_WORLD_H_

#include "absl/base/thread_annotations.h"

namespace tarn::rt {

class ABSL_LOCKABLE WorldStopped {};

// Name it in annotations: void Rescan() ABSL_EXCLUSIVE_LOCKS_REQUIRED(world_stopped);
inline WorldStopped world_stopped;

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_BASE_WORLD_H_
