#include "ragtime/batch_builder.hpp"

#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

using Builder = Planned<BatchBuilderPlan, BatchBuilderDesc, Kind::batch_builder>;

BatchBuilderDesc desc_of(const ragtime_batch_builder_desc& given) {
  return {capacity_of(given.capacity), flag(given.allow_zero_length, "desc.allow_zero_length")};
}

// Where builds go: arrays of the batch that has them, else new ones in `memory`. Whether it then is a built
// one, the build decides.
std::shared_ptr<Batch> batch_to_build(const Builder& builder, ragtime_batch handle, Buffer& memory,
                                      RaggedArrays& arrays) {
  auto batch = batch_on(*builder.backend, handle, "args.batch");
  check(!batch->is_loaded, ErrorCode::invalid_argument,
        "args.batch was loaded from the host: expected one of its own for building");
  check(batch->device->is_fixed(), ErrorCode::invalid_argument,
        "args.batch has no fixed capacity: expected one after ragtime_batch_fix");
  const Capacity &room = batch->device->capacity(), &most = builder.desc.capacity;
  const auto covers = [](std::int64_t has, std::int64_t needed, const char* what) {
    check(has >= needed, ErrorCode::out_of_range, "args.batch is fixed at ", has, " ", what,
          ": expected at least ", needed, ", the capacity of the builder");
  };
  covers(room.sequences, most.sequences, "sequences");
  covers(room.rows, most.rows, "rows");
  covers(room.steps, most.steps, "steps");
  arrays = batch->built;
  if (!batch->is_built()) {
    memory = Buffer(batch->backend, RaggedArrays::bytes(room));
    arrays = RaggedArrays::in(memory.data(), room);
  }
  return batch;
}

}  // namespace

ragtime_status ragtime_batch_builder_create(ragtime_backend backend, const ragtime_batch_builder_desc* desc,
                                            ragtime_batch_builder* builder) {
  return call("ragtime_batch_builder_create",
              [&] { create<Builder>(backend, desc, desc_of, builder, "builder"); });
}

ragtime_status ragtime_batch_builder_destroy(ragtime_batch_builder builder) {
  return call("ragtime_batch_builder_destroy",
              [&] { remove_handle(Kind::batch_builder, builder, "builder"); });
}

ragtime_status ragtime_batch_builder_workspace_bytes(ragtime_batch_builder builder, size_t* bytes) {
  return call("ragtime_batch_builder_workspace_bytes",
              [&] { workspace_bytes<Builder>(builder, "builder", bytes); });
}

ragtime_status ragtime_batch_build(ragtime_batch_builder builder, const ragtime_batch_build_args* args,
                                   ragtime_stream stream) {
  return call("ragtime_batch_build", [&] {
    const auto object = object_of<Builder>(builder, "builder");
    const ragtime_batch_build_args given = taken(args, "args");
    check((given.lengths == nullptr) != (given.mask == nullptr), ErrorCode::invalid_argument,
          "args.lengths and args.mask are both ", given.lengths == nullptr ? "null" : "given",
          ": expected exactly one of them");
    const FaultWord faults(*object->backend, given.faults);
    const TensorReader read(*object->backend, DType::f32);
    BatchBuild build;
    build.sequences = read.of<std::int32_t>(given.sequences, "args.sequences", {Extent{1}});
    build.status = faults.word();
    check_space(*object->backend, given.workspace, given.workspace_bytes, object->plan.workspace_bytes(),
                "args.workspace");
    build.workspace = given.workspace;

    // All that there is room for is what a build without args.sequences goes by.
    const bool by_lengths = given.lengths != nullptr;
    const std::int64_t room = object->desc.capacity.sequences;
    const Extent sequences{room, true};
    const std::int32_t* lengths = read.of<std::int32_t>(given.lengths, "args.lengths", {sequences});
    std::int64_t steps = 0;
    const std::uint8_t* mask = nullptr;
    if (!by_lengths) {
      check(given.mask->ndim == 2, ErrorCode::shape_mismatch, "args.mask has ", given.mask->ndim,
            " dimensions: expected 2");
      first_size(given.mask, "args.mask");
      steps = given.mask->shape[1];
      check(steps >= 0 && steps <= object->desc.capacity.steps, ErrorCode::shape_mismatch, "args.mask has ",
            steps, " steps: expected 0 to ", object->desc.capacity.steps, ", the capacity of the builder");
      mask = read.of<std::uint8_t>(given.mask, "args.mask", {sequences, {steps}});
    }

    Buffer memory;
    const auto batch = batch_to_build(*object, given.batch, memory, build.batch);
    if (by_lengths)
      object->plan.from_lengths(lengths, build, {stream});
    else
      object->plan.from_mask(mask, steps, build, {stream});
    if (!batch->is_built()) batch->memory = std::move(memory);
    batch->built = build.batch;
    batch->fetched.reset();
  });
}

ragtime_status ragtime_batch_fetch(ragtime_batch batch, ragtime_stream stream) {
  return call("ragtime_batch_fetch", [&] {
    const auto object = object_of<Batch>(batch, "batch");
    check(object->is_loaded || object->is_built(), ErrorCode::invalid_argument,
          "batch is empty: expected one that was loaded or built");
    if (!object->device->is_fixed()) return;  // the host knows what it loaded
    if (!object->counts) object->counts.emplace(object->backend, object->device->capacity());
    object->fetched.reset();
    object->fetched = object->counts->fetch(object->view(), {stream});
  });
}
