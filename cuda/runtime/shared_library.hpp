#pragma once

// Libraries of CUDA that are opened when they are first needed: a program that computes on the CPU neither
// waits for hundreds of megabytes to load nor needs them to be there.

#include <dlfcn.h>

#include <initializer_list>
#include <string>

#include "host/core/check.hpp"

namespace ragtime::cuda {

class SharedLibrary {
 public:
  // The first of the names that opens. Throws Error(unsupported) with the loader's reason.
  explicit SharedLibrary(std::initializer_list<const char*> names) {
    std::string reasons;
    for (const char* name : names) {
      handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (handle_ != nullptr) return;
      reasons += (reasons.empty() ? "" : "; ") + std::string(dlerror());
    }
    fail(ErrorCode::unsupported, "a library of CUDA is missing: ", reasons);
  }
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  template <class Function>
  void find(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(dlsym(handle_, name));
    check(function != nullptr, ErrorCode::unsupported, "a library of CUDA is too old: it has no ", name);
  }

 private:
  void* handle_ = nullptr;  // never closed: its functions live as long as the process
};

}  // namespace ragtime::cuda
