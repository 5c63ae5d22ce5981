#include "ragtime/backend.hpp"

#include <array>
#include <cstring>
#include <span>

#include "host/c_api/call.hpp"
#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {
constexpr std::int32_t most_dimensions = 8;  // of tensors made or copied
}

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
    const Element type = element_of(dtype, "dtype");
    check(ndim >= 0 && ndim <= most_dimensions, ErrorCode::invalid_argument, "ndim is ", ndim,
          ": expected 0 to ", most_dimensions);
    check(ndim == 0 || shape != nullptr, ErrorCode::invalid_argument, "shape is null: expected ", ndim,
          " sizes");
    bool is_empty = false;
    for (std::int32_t i = 0; i < ndim; ++i) is_empty = is_empty || shape[i] == 0;
    std::int64_t bytes = is_empty ? 0 : bytes_of(type);
    for (std::int32_t i = 0; i < ndim; ++i) {
      check(shape[i] >= 0, ErrorCode::invalid_argument, "shape[", i, "] is ", shape[i],
            ": expected 0 or more");
      check(!__builtin_mul_overflow(bytes, shape[i], &bytes), ErrorCode::out_of_memory, "shape[", i, "] is ",
            shape[i], ": a tensor so large is larger than any memory");
    }
    const auto memory = std::make_shared<Buffer>(owner, static_cast<std::size_t>(bytes));
    owner->zero(memory->data(), memory->bytes());
    owner->synchronize();
    *tensor = make_tensor(*owner, type, shape, ndim, memory->data(), memory);
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

ragtime_status ragtime_tensor_copy(ragtime_backend backend, const ragtime_tensor* from,
                                   const ragtime_tensor* to, ragtime_stream stream) {
  return call("ragtime_tensor_copy", [&] {
    const auto owner = backend_of(backend);
    check(from != nullptr, ErrorCode::invalid_argument, "from is null: expected a tensor");
    check(to != nullptr, ErrorCode::invalid_argument, "to is null: expected a tensor");
    check(from->ndim >= 0 && from->ndim <= most_dimensions, ErrorCode::shape_mismatch, "from has ",
          from->ndim, " dimensions: expected 0 to ", most_dimensions);
    check(from->ndim == 0 || from->shape != nullptr, ErrorCode::invalid_argument,
          "from.shape is null: expected ", from->ndim, " sizes");
    const Element element = element_of(*from, "from");
    std::array<Extent, most_dimensions> sizes;
    auto bytes = static_cast<std::size_t>(bytes_of(element));
    for (std::int32_t i = 0; i < from->ndim; ++i) {
      check(from->shape[i] >= 0, ErrorCode::shape_mismatch, "from.shape[", i, "] is ", from->shape[i],
            ": expected 0 or more");
      sizes[static_cast<std::size_t>(i)] = {from->shape[i]};
      bytes *= static_cast<std::size_t>(from->shape[i]);  // what overflows is refused by the reader
    }
    const std::span<const Extent> shape(sizes.data(), static_cast<std::size_t>(from->ndim));
    const auto read = [&](const ragtime_tensor* tensor, const char* name) {
      const TensorReader reader =
          is_on_host(*tensor) ? TensorReader::of_host(element) : TensorReader(*owner, element);
      return reader(tensor, name, shape);
    };
    const void* const source = read(from, "from");
    void* const target = read(to, "to");
    if (bytes == 0) return;
    const bool from_host = is_on_host(*from), to_host = is_on_host(*to);
    if (from_host && to_host)
      std::memmove(target, source, bytes);
    else
      owner->copy(target, source, bytes,
                  from_host ? CopyKind::to_device
                  : to_host ? CopyKind::to_host
                            : CopyKind::on_device,
                  {stream});
  });
}
