#pragma once

// Libraries of CUDA that are opened when they are first needed: a program that computes on the CPU neither
// waits for hundreds of megabytes to load nor needs them to be there.

#include <dlfcn.h>

#include <string>

#include "host/base/check.hpp"

namespace ragtime::cuda {

class SharedLibrary {
 public:
  // As the loader finds it, else beside the toolkit that ragtime was built with. Throws Error(unsupported)
  // that says who needs it and why it did not open.
  SharedLibrary(const char* user, const std::string& name) : name_(name) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return;
    const char* const error = dlerror();
    const std::string reason = error == nullptr ? "no reason given" : error;
    handle_ = dlopen((RAGTIME_CUDA_LIBRARIES "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
    check(handle_ != nullptr, ErrorCode::unsupported, user, " needs ", name,
          ", which could not be loaded: ", reason, "; install it or add its folder to LD_LIBRARY_PATH");
  }
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  template <class Function>
  Function find(const char* function) const {
    void* const symbol = dlsym(handle_, function);
    check(symbol != nullptr, ErrorCode::unsupported, "the ", name_, " found has no ", function,
          ": expected a later one");
    return reinterpret_cast<Function>(symbol);
  }

 private:
  std::string name_;
  void* handle_ = nullptr;  // never closed: its functions live as long as the process
};

}  // namespace ragtime::cuda
