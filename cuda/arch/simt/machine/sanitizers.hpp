#pragma once

// What the emulation tells the sanitizers, and nothing at all in a plain build.
//
// AddressSanitizer: which bytes of shared memory are red zones, and that stacks are switched.
// ThreadSanitizer: every emulated thread is one of its fibers, and only what orders memory on a GPU orders
// memory here. The emulation's own files are compiled without it (RAGTIME_SIMT_TSAN says that kernels are
// not), since one thread of the machine runs them all; Unwatched covers what they call.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define RAGTIME_SIMT_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RAGTIME_SIMT_ASAN
#endif
#endif

#ifdef RAGTIME_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef RAGTIME_SIMT_TSAN
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_set_fiber_name(void* fiber, const char* name);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_read_range(void* address, unsigned long bytes);
void __tsan_write_range(void* address, unsigned long bytes);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace ragtime::simt {

#ifdef RAGTIME_SIMT_ASAN
inline void poison(const void* memory, std::size_t bytes) {
  __asan_poison_memory_region(memory, bytes);
}
inline void unpoison(const void* memory, std::size_t bytes) {
  __asan_unpoison_memory_region(memory, bytes);
}
#else
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
#endif

#ifdef RAGTIME_SIMT_TSAN
inline void acquire(void* point) {
  __tsan_acquire(point);
}
inline void release(void* point) {
  __tsan_release(point);
}

// While one lives, ThreadSanitizer overlooks what its thread reads and writes.
class Unwatched {
 public:
  Unwatched() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};
// As if the running thread had read or written there.
inline void note_read(const void* memory, std::size_t bytes) {
  __tsan_read_range(const_cast<void*>(memory), bytes);
}
inline void note_write(void* memory, std::size_t bytes) {
  __tsan_write_range(memory, bytes);
}
#else
inline void acquire(void*) {}
inline void release(void*) {}
class Unwatched {
 public:
  Unwatched() {}
  ~Unwatched() {}
};
inline void note_read(const void*, std::size_t) {}
inline void note_write(void*, std::size_t) {}
#endif

}  // namespace ragtime::simt
