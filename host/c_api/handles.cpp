#include "host/c_api/handles.hpp"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace ragtime::c_api {
namespace {

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::backend:
      return "a backend";
    case Kind::faults:
      return "a fault word";
    case Kind::batch:
      return "a batch";
    case Kind::batch_builder:
      return "a batch builder";
    case Kind::lstm:
      return "an LSTM";
    case Kind::lstm_step:
      return "an LSTM step";
    case Kind::segment_pool:
      return "a segment pool";
    case Kind::masked_loss:
      return "a masked loss";
    case Kind::layout:
      return "a layout conversion";
    case Kind::final_state:
      return "a final state";
  }
  return "?";
}

struct Entry {
  Kind kind;
  std::shared_ptr<void> object;
};

class Table {
 public:
  void* add(Entry entry) {
    const std::lock_guard lock(mutex_);
    const std::uintptr_t number = next_;
    entries_.emplace(number, std::move(entry));
    next_ += step;
    return reinterpret_cast<void*>(number);
  }

  std::shared_ptr<void> find(Kind kind, const void* handle, const char* name) {
    const std::shared_lock lock(mutex_);
    return checked(kind, handle, name)->second.object;
  }

  void remove(Kind kind, const void* handle, const char* name) {
    std::shared_ptr<void> last;  // ends outside the lock: to end a plan may take a while
    const std::lock_guard lock(mutex_);
    const auto found = checked(kind, handle, name);
    last = std::move(found->second.object);
    entries_.erase(found);
  }

 private:
  // Odd, so that no number is the address of anything.
  static constexpr std::uintptr_t first = 0x1001, step = 2;
  using Entries = std::unordered_map<std::uintptr_t, Entry>;

  Entries::iterator checked(Kind kind, const void* handle, const char* name) {
    check(handle != nullptr, ErrorCode::invalid_argument, name, " is null: expected ", name_of(kind));
    const auto found = entries_.find(reinterpret_cast<std::uintptr_t>(handle));
    check(found != entries_.end(), ErrorCode::invalid_argument, name, " is ", handle,
          ", which was destroyed or never a handle: expected ", name_of(kind));
    check(found->second.kind == kind, ErrorCode::invalid_argument, name, " is ", name_of(found->second.kind),
          ": expected ", name_of(kind));
    return found;
  }

  std::shared_mutex mutex_;
  Entries entries_;
  std::uintptr_t next_ = first;
};

// Never ends, so that handles may be destroyed while the process does.
Table& table() {
  static Table& table = *new Table;
  return table;
}

}  // namespace

void* add_handle(Kind kind, std::shared_ptr<void> object) {
  return table().add({kind, std::move(object)});
}
std::shared_ptr<void> find_handle(Kind kind, const void* handle, const char* name) {
  return table().find(kind, handle, name);
}
void remove_handle(Kind kind, const void* handle, const char* name) {
  if (handle != nullptr) table().remove(kind, handle, name);
}

}  // namespace ragtime::c_api
