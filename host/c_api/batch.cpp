#include <span>

#include "host/c_api/objects.hpp"
#include "host/runtime/capacity.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace ragtime::c_api {
namespace {

// prefix: of the arguments' names.
RaggedLayout layout_of(const std::int32_t* lengths, std::int64_t sequences, bool allow_zero_length,
                       const char* prefix) {
  check(sequences >= 0 && sequences <= INT32_MAX, ErrorCode::invalid_argument, prefix, "sequences is ",
        sequences, ": expected 0 to 2147483647");
  check(sequences == 0 || lengths != nullptr, ErrorCode::invalid_argument, prefix,
        "lengths is null: expected ", sequences, " lengths on the host");
  return RaggedLayout::from_lengths({lengths, static_cast<std::size_t>(sequences)}, {allow_zero_length});
}

// Unless it is fixed, a load into memory that was exported would take it from under its tensors: they keep it
// then, with what it holds.
template <class Loaded>
void load(Batch& batch, const Loaded& loaded, ragtime_stream stream) {
  check(!batch.is_built(), ErrorCode::invalid_argument,
        "batch was built on the device: expected one of its own for loading");
  const bool is_exported = batch.device.use_count() > 1;
  const auto device =
      is_exported && !batch.device->is_fixed() ? std::make_shared<DeviceBatch>(batch.backend) : batch.device;
  device->load(loaded, {stream});
  batch.device = device;
  batch.is_loaded = true;
  batch.fetched.reset();
}

struct BatchArray {
  const char* name;
  const void* data;
  std::int64_t count;
  Element element = Element::int32;
};

BatchArray array_of(const Batch& batch, ragtime_batch_array array) {
  const RaggedView view = batch.view();
  const Capacity sizes = batch.sizes();
  switch (static_cast<int>(array)) {
    case RAGTIME_COUNTS:
      return {"counts", view.counts, 4};
    case RAGTIME_VISIT_OFFSETS:
      return {"visit offsets", view.visit_offsets, sizes.sequences + 1};
    case RAGTIME_ORDER:
      return {"order", view.order, sizes.sequences};
    case RAGTIME_INVERSE_ORDER:
      return {"inverse order", view.inverse_order, sizes.sequences};
    case RAGTIME_BATCH_SIZES:
      return {"batch sizes", view.batch_sizes, sizes.steps};
    case RAGTIME_CODE_OFFSETS:
      return {"code offsets", batch.device->code_offsets(), sizes.rows + 1};
    case RAGTIME_CODES:
      return {"codes", batch.device->codes(), sizes.codes};
    case RAGTIME_CODE_WEIGHTS: {
      // A batch without a single code has all the weights it needs.
      const void* const weights = batch.device->code_weights();
      const bool is_empty = sizes.codes == 0 && batch.device->codes() != nullptr;
      return {"weights of codes", weights == nullptr && is_empty ? batch.device->codes() : weights,
              sizes.codes, Element::f32};
    }
    case RAGTIME_SEQUENCE_COUNT:
      return {"number of sequences", view.counts, 1};
    case RAGTIME_ROW_COUNT:
      return {"number of rows", view.counts + 1, 1};
  }
  fail(ErrorCode::invalid_argument, "array is ", static_cast<int>(array),
       ": expected one of ragtime_batch_array");
}

}  // namespace

Capacity Batch::sizes() const {
  if (!device->is_fixed()) return device->size();
  if (!fetched) return device->capacity();
  const std::int32_t* const counts_in_use = fetched->host_counts;
  return {counts_in_use[0], counts_in_use[1], counts_in_use[2], counts_in_use[3]};
}

RaggedView Batch::view() const {
  if (fetched) return *fetched;
  return is_built() ? built.view() : device->view();
}

std::shared_ptr<Batch> batch_on(const Backend& backend, ragtime_batch handle, const char* name) {
  auto batch = object_of<Batch>(handle, name);
  check_same_device(*batch->backend, backend, name);
  return batch;
}

void check_same_device(const Backend& has, const Backend& expected, const char* name) {
  check(has.device() == expected.device() && has.index() == expected.index(), ErrorCode::shape_mismatch, name,
        " is on ", name_of(has.device()), " ", has.index(), ": expected ", name_of(expected.device()), " ",
        expected.index());
}

std::shared_ptr<Batch> batch_for_run(const Backend& backend, ragtime_batch handle, const char* name,
                                     const Capacity& capacity) {
  auto batch = batch_on(backend, handle, name);
  check(batch->is_loaded || batch->is_built(), ErrorCode::invalid_argument, name,
        " is empty: expected one that was loaded or built");
  if (!batch->is_known() && backend.device() != DeviceType::cpu) return batch;
  Capacity sizes = batch->sizes();
  if (!batch->is_known()) {  // but in this memory
    const std::int32_t* const counts_in_use = batch->view().counts;
    sizes = {counts_in_use[0], counts_in_use[1], counts_in_use[2], counts_in_use[3]};
  }
  check_fits(sizes.sequences, capacity.sequences, "sequences");
  check_fits(sizes.rows, capacity.rows, "rows");
  check_fits(sizes.steps, capacity.steps, "steps");
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

ragtime_status ragtime_batch_fix(ragtime_batch batch, const ragtime_capacity* capacity,
                                 int32_t code_weights) {
  return call("ragtime_batch_fix", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    check(capacity != nullptr, ErrorCode::invalid_argument, "capacity is null: expected a struct");
    check(!object->is_built(), ErrorCode::invalid_argument,
          "batch was built: expected one before its first build");
    object->device->fix(capacity_of(*capacity), flag(code_weights, "code_weights"));
  });
}

ragtime_status ragtime_batch_load_lengths(ragtime_batch batch, const int32_t* lengths, int64_t sequences,
                                          int32_t allow_zero_length, ragtime_stream stream) {
  return call("ragtime_batch_load_lengths", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    load(*object, layout_of(lengths, sequences, flag(allow_zero_length, "allow_zero_length"), ""), stream);
  });
}

ragtime_status ragtime_batch_load_codes(ragtime_batch batch, const ragtime_batch_codes* codes,
                                        ragtime_stream stream) {
  return call("ragtime_batch_load_codes", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    const ragtime_batch_codes given = taken(codes, "codes");
    RaggedBatch loaded;
    loaded.layout = layout_of(given.lengths, given.sequences,
                              flag(given.allow_zero_length, "codes.allow_zero_length"), "codes.");
    const std::int64_t rows = loaded.layout.rows();
    check(given.code_offsets != nullptr, ErrorCode::invalid_argument, "codes.code_offsets is null: expected ",
          rows + 1, " offsets on the host");
    loaded.code_offsets.assign(given.code_offsets, given.code_offsets + rows + 1);
    const std::int32_t count = loaded.code_offsets.back();
    check(count >= 0, ErrorCode::invalid_argument, "codes.code_offsets[", rows, "] is ", count,
          ": expected 0 or more");
    check(count == 0 || given.codes != nullptr, ErrorCode::invalid_argument, "codes.codes is null: expected ",
          count, " codes on the host");
    if (count > 0) loaded.codes.assign(given.codes, given.codes + count);
    if (given.code_weights != nullptr)
      loaded.code_weights.assign(given.code_weights, given.code_weights + count);
    if (given.sequence_ids != nullptr)
      loaded.sequence_ids.assign(given.sequence_ids, given.sequence_ids + given.sequences);
    load(*object, loaded, stream);
  });
}

ragtime_status ragtime_batch_size(ragtime_batch batch, ragtime_capacity* size) {
  return call("ragtime_batch_size", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    const Capacity sizes = object->sizes();
    *out(size, "size") = {sizes.sequences, sizes.rows, sizes.codes, sizes.steps};
  });
}

ragtime_status ragtime_batch_export(ragtime_batch batch, ragtime_batch_array array,
                                    ragtime_managed_tensor** tensor) {
  return call("ragtime_batch_export", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    out(tensor, "tensor");
    check(object->is_loaded || object->is_built(), ErrorCode::invalid_argument,
          "batch is empty: expected one that was loaded or built");
    const BatchArray found = array_of(*object, array);
    check(found.data != nullptr, ErrorCode::invalid_argument, "array is ", static_cast<int>(array), ", ",
          found.name, ", which this batch was made without");
    *tensor = make_tensor(*object->backend, found.element, &found.count, 1, const_cast<void*>(found.data),
                          object->is_built() ? std::shared_ptr<const void>(object) : object->device);
  });
}
