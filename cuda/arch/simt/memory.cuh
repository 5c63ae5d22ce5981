#pragma once

#include "cuda/arch/simt/threads.cuh"

// The lambda makes a key of its own for every line and every instance of a template.
#define RAGTIME_SHARED(T, name, count)                            \
  T* const name = static_cast<T*>(::ragtime::simt::static_shared( \
      [] {                                                        \
        static const char key = 0;                                \
        return &key;                                              \
      }(),                                                        \
      sizeof(T) * (count), ::ragtime::simt::Site::here()))

namespace ragtime::arch {
inline namespace on_simt {

template <class T>
T atomic_update(T* pointer, auto&& updated) {
  simt::may_switch();
  T before;
  __atomic_load(pointer, &before, __ATOMIC_RELAXED);
  for (;;) {
    T after = updated(before);
    if (__atomic_compare_exchange(pointer, &before, &after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) break;
  }
  simt::wake_spinning();
  return before;
}
template <class T>
T atomic_add(T* pointer, T value) {
  return atomic_update(pointer, [&](T before) { return static_cast<T>(before + value); });
}
template <class T>
T atomic_min(T* pointer, T value) {
  return atomic_update(pointer, [&](T before) { return value < before ? value : before; });
}
template <class T>
T atomic_max(T* pointer, T value) {
  return atomic_update(pointer, [&](T before) { return before < value ? value : before; });
}
template <class T>
T atomic_cas(T* pointer, T expected, T desired) {
  return atomic_update(pointer, [&](T before) { return before == expected ? desired : before; });
}

inline unsigned atomic_increment(unsigned* pointer) {
  return atomic_add(pointer, 1u);
}
inline unsigned atomic_add_acq_rel(unsigned* pointer, unsigned value) {
  simt::may_switch();
  const unsigned before = __atomic_fetch_add(pointer, value, __ATOMIC_ACQ_REL);
  simt::wake_spinning();
  return before;
}
template <class T>
T load_acquire(const T* pointer, Site site = Site::here()) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  simt::poll(pointer, site);
  return __atomic_load_n(pointer, __ATOMIC_ACQUIRE);
}
template <class T>
void store_release(T* pointer, T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  __atomic_store_n(pointer, value, __ATOMIC_RELEASE);
  simt::wake_spinning();
  simt::may_switch();
}
template <class T, class Done>
T spin_until(const T* pointer, Done done, Site site = Site::here()) {
  T value = load_acquire(pointer, site);
  while (!done(value)) value = load_acquire(pointer, site);
  return value;
}

template <int Bytes>
Chunk<Bytes> load(const void* pointer, Site site = Site::here()) {
  simt::check_aligned(pointer, Bytes, "load", site);
  Chunk<Bytes> value;
  std::memcpy(&value, pointer, Bytes);
  return value;
}
template <int Bytes>
void store(void* pointer, Chunk<Bytes> value, Site site = Site::here()) {
  simt::check_aligned(pointer, Bytes, "store", site);
  std::memcpy(pointer, &value, Bytes);
}
template <int Bytes>
Chunk<Bytes> load_once(const void* pointer, Site site = Site::here()) {
  return load<Bytes>(pointer, site);
}
template <int Bytes>
void store_once(void* pointer, Chunk<Bytes> value, Site site = Site::here()) {
  store(pointer, value, site);
}

class SharedMemory {
 public:
  template <class T>
  T* take(std::size_t count, std::size_t alignment = 16, Site site = Site::here()) {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    T* const array = static_cast<T*>(simt::take_shared(used_, count * sizeof(T), alignment, site));
    used_ += count * sizeof(T);
    return array;
  }

 private:
  std::size_t used_ = 0;
};

}  // namespace on_simt
}  // namespace ragtime::arch
