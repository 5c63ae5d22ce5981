#include <span>

#include "host/c_api/call.hpp"
#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace ragtime::c_api {
namespace {

RaggedLayout layout_of(const std::int32_t* lengths, std::int64_t sequences, std::int32_t allow_zero_length) {
  check(sequences >= 0 && sequences <= INT32_MAX, ErrorCode::invalid_argument, "sequences is ", sequences,
        ": expected 0 to 2147483647");
  check(sequences == 0 || lengths != nullptr, ErrorCode::invalid_argument, "lengths is null: expected ",
        sequences, " lengths on the host");
  return RaggedLayout::from_lengths({lengths, static_cast<std::size_t>(sequences)},
                                    {flag(allow_zero_length, "allow_zero_length")});
}

}  // namespace

std::shared_ptr<Batch> loaded_batch(ragtime_batch handle, const Backend& backend, const char* name) {
  auto batch = object_of<Batch>(handle, name);
  check(batch->backend->device() == backend.device() && batch->backend->index() == backend.index(),
        ErrorCode::shape_mismatch, name, " is on ", name_of(batch->backend->device()), ": expected ",
        name_of(backend.device()));
  check(batch->is_loaded, ErrorCode::invalid_argument, name, " is empty: expected one that was loaded");
  return batch;
}

}  // namespace ragtime::c_api

ragtime_status ragtime_batch_create(ragtime_backend backend, ragtime_batch* batch) {
  return call("ragtime_batch_create", [&] {
    const auto owner = backend_of(backend);
    *out(batch, "batch") = handle_for<ragtime_batch>(std::make_shared<Batch>(owner));
  });
}

ragtime_status ragtime_batch_destroy(ragtime_batch batch) {
  return call("ragtime_batch_destroy", [&] { remove_handle(Kind::batch, batch, "batch"); });
}

ragtime_status ragtime_batch_fix(ragtime_batch batch, const ragtime_capacity* capacity) {
  return call("ragtime_batch_fix", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    check(capacity != nullptr, ErrorCode::invalid_argument, "capacity is null: expected a struct");
    object->device.fix(capacity_of(*capacity));
  });
}

ragtime_status ragtime_batch_load_lengths(ragtime_batch batch, const int32_t* lengths, int64_t sequences,
                                          int32_t allow_zero_length, ragtime_stream stream) {
  return call("ragtime_batch_load_lengths", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    object->device.load(layout_of(lengths, sequences, allow_zero_length), {stream});
    object->is_loaded = true;
  });
}

ragtime_status ragtime_batch_load_codes(ragtime_batch batch, const int32_t* lengths, int64_t sequences,
                                        const int32_t* code_offsets, const int32_t* codes,
                                        const uint32_t* sequence_ids, int32_t allow_zero_length,
                                        ragtime_stream stream) {
  return call("ragtime_batch_load_codes", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    RaggedBatch loaded;
    loaded.layout = layout_of(lengths, sequences, allow_zero_length);
    check(code_offsets != nullptr, ErrorCode::invalid_argument, "code_offsets is null: expected ",
          loaded.layout.rows() + std::int64_t{1}, " offsets on the host");
    loaded.code_offsets.assign(code_offsets, code_offsets + loaded.layout.rows() + 1);
    const std::int32_t count = loaded.code_offsets.back();
    check(count >= 0, ErrorCode::invalid_argument, "code_offsets[", loaded.layout.rows(), "] is ", count,
          ": expected 0 or more");
    check(count == 0 || codes != nullptr, ErrorCode::invalid_argument, "codes is null: expected ", count,
          " codes on the host");
    if (count > 0) loaded.codes.assign(codes, codes + count);
    if (sequence_ids != nullptr) loaded.sequence_ids.assign(sequence_ids, sequence_ids + sequences);
    object->device.load(loaded, {stream});
    object->is_loaded = true;
  });
}

ragtime_status ragtime_batch_size(ragtime_batch batch, ragtime_capacity* size) {
  return call("ragtime_batch_size", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    const Capacity& sizes = object->sizes();
    *out(size, "size") = {sizes.sequences, sizes.rows, sizes.codes, sizes.steps};
  });
}

ragtime_status ragtime_batch_export(ragtime_batch batch, ragtime_batch_array array,
                                    ragtime_managed_tensor** tensor) {
  return call("ragtime_batch_export", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    out(tensor, "tensor");
    check(object->is_loaded, ErrorCode::invalid_argument, "batch is empty: expected one that was loaded");
    const RaggedView& view = object->device.view();
    const Capacity& sizes = object->sizes();
    const std::int32_t* data = nullptr;
    std::int64_t count = 0;
    switch (static_cast<int>(array)) {
      case RAGTIME_COUNTS:
        data = view.counts, count = 4;
        break;
      case RAGTIME_VISIT_OFFSETS:
        data = view.visit_offsets, count = sizes.sequences + 1;
        break;
      case RAGTIME_ORDER:
        data = view.order, count = sizes.sequences;
        break;
      case RAGTIME_INVERSE_ORDER:
        data = view.inverse_order, count = sizes.sequences;
        break;
      case RAGTIME_BATCH_SIZES:
        data = view.batch_sizes, count = sizes.steps;
        break;
      case RAGTIME_CODE_OFFSETS:
        data = object->device.code_offsets(), count = sizes.rows + 1;
        break;
      case RAGTIME_CODES:
        data = object->device.codes(), count = sizes.codes;
        break;
      default:
        fail(ErrorCode::invalid_argument, "array is ", static_cast<int>(array),
             ": expected one of ragtime_batch_array");
    }
    check(data != nullptr, ErrorCode::invalid_argument, "array is ", static_cast<int>(array),
          ", codes or their offsets, which this batch was loaded without");
    *tensor =
        make_tensor(*object->backend, Element::int32, &count, 1, const_cast<std::int32_t*>(data), object);
  });
}
