#include "ragtime/backend.hpp"

#include <algorithm>
#include <cstring>

#include "host/c_api/call.hpp"
#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

ragtime_status ragtime_backend_open(const char* device, const ragtime_allocator* allocator,
                                    ragtime_backend* backend) {
  return call("ragtime_backend_open", [&] {
    out(backend, "backend");
    check(device != nullptr, ErrorCode::invalid_argument,
          "device is null: expected \"auto\", \"cpu\" or \"cuda\"");
    auto opened = std::make_shared<OpenBackend>();
    opened->backend = make_backend(device);
    if (allocator != nullptr) {
      const ragtime_allocator given = taken(allocator, "allocator");
      check(given.allocate != nullptr, ErrorCode::invalid_argument,
            "allocator.allocate is null: expected a function");
      check(given.deallocate != nullptr, ErrorCode::invalid_argument,
            "allocator.deallocate is null: expected a function");
      opened->backend = with_allocator(
          opened->backend,
          {[given](std::size_t bytes) { return given.allocate(given.context, bytes); },
           [given](void* memory, std::size_t bytes) { given.deallocate(given.context, memory, bytes); }});
    }
    *backend = handle_for<ragtime_backend>(std::move(opened));
  });
}

ragtime_status ragtime_backend_close(ragtime_backend backend) {
  return call("ragtime_backend_close", [&] { remove_handle(Kind::backend, backend, "backend"); });
}

ragtime_status ragtime_backend_describe(ragtime_backend backend, char* text, size_t bytes) {
  return call("ragtime_backend_describe",
              [&] { write_text(backend_of(backend)->description(), text, bytes); });
}

ragtime_status ragtime_set_cpu_threads(int32_t threads) {
  return call("ragtime_set_cpu_threads", [&] {
    check(threads >= 0 && threads <= 1024, ErrorCode::invalid_argument, "threads is ", threads,
          ": expected 0 to 1024");
    set_cpu_threads(threads);
  });
}

ragtime_status ragtime_backend_synchronize(ragtime_backend backend, ragtime_stream stream) {
  return call("ragtime_backend_synchronize", [&] { backend_of(backend)->synchronize({stream}); });
}

ragtime_status ragtime_tensor_create(ragtime_backend backend, ragtime_dtype dtype, int32_t ndim,
                                     const int64_t* shape, ragtime_managed_tensor** tensor) {
  return call("ragtime_tensor_create", [&] {
    const auto owner = backend_of(backend);
    out(tensor, "tensor");
    const DType type = dtype_of(dtype, "dtype");
    check(ndim >= 0 && ndim <= 8, ErrorCode::invalid_argument, "ndim is ", ndim, ": expected 0 to 8");
    check(ndim == 0 || shape != nullptr, ErrorCode::invalid_argument, "shape is null: expected ", ndim,
          " sizes");
    std::int64_t bytes = static_cast<std::int64_t>(size_of(type));
    for (std::int32_t i = 0; i < ndim; ++i) {
      check(shape[i] >= 0, ErrorCode::invalid_argument, "shape[", i, "] is ", shape[i],
            ": expected 0 or more");
      check(!__builtin_mul_overflow(bytes, shape[i], &bytes), ErrorCode::out_of_memory, "shape[", i, "] is ",
            shape[i], ": a tensor so large is larger than any memory");
    }
    const auto memory = std::make_shared<Buffer>(owner, static_cast<std::size_t>(bytes));
    owner->zero(memory->data(), memory->bytes());
    owner->synchronize();
    *tensor = make_tensor(*owner, element_of(type), shape, ndim, memory->data(), memory);
  });
}

ragtime_status ragtime_faults_create(ragtime_backend backend, ragtime_faults* faults) {
  return call("ragtime_faults_create", [&] {
    const auto owner = backend_of(backend);
    *out(faults, "faults") = handle_for<ragtime_faults>(std::make_shared<Faults>(owner));
  });
}

ragtime_status ragtime_faults_destroy(ragtime_faults faults) {
  return call("ragtime_faults_destroy", [&] { remove_handle(Kind::faults, faults, "faults"); });
}

ragtime_status ragtime_faults_check(ragtime_faults faults, ragtime_stream stream) {
  return call("ragtime_faults_check", [&] { object_of<Faults>(faults, "faults")->status.check({stream}); });
}
