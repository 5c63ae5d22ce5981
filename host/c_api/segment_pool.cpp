#include "ragtime/segment_pool.hpp"

#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

using Pool = Planned<SegmentPoolPlan, SegmentPoolDesc, Kind::segment_pool>;

PoolMode mode_of(ragtime_pool_mode mode) {
  switch (static_cast<int>(mode)) {
    case RAGTIME_POOL_SUM:
      return PoolMode::sum;
    case RAGTIME_POOL_MEAN:
      return PoolMode::mean;
    case RAGTIME_POOL_MAX:
      return PoolMode::max;
    case RAGTIME_POOL_ATTENTION:
      return PoolMode::attention;
    case RAGTIME_POOL_LAST:
      return PoolMode::last;
  }
  fail(ErrorCode::invalid_argument, "desc.mode is ", static_cast<int>(mode),
       ": expected one of ragtime_pool_mode");
}

SegmentPoolDesc desc_of(const ragtime_segment_pool_desc& given) {
  SegmentPoolDesc desc;
  desc.dtype = dtype_of(given.dtype, "desc.dtype");
  desc.mode = mode_of(given.mode);
  desc.width = given.width;
  desc.segments = given.segments;
  desc.items = given.items;
  desc.vocab_size = given.vocab_size;
  check(given.padding_row >= 0 && given.padding_row <= std::max<std::int64_t>(given.vocab_size, 0),
        ErrorCode::invalid_argument, "desc.padding_row is ", given.padding_row,
        ": expected 0, or 1 + a row of the table, at most ", given.vocab_size);
  desc.padding_idx = given.padding_row - 1;
  desc.attention_width = given.attention_width;
  desc.weighted = flag(given.weighted, "desc.weighted");
  desc.atomic_gradients = flag(given.atomic_gradients, "desc.atomic_gradients");
  desc.tf32 = flag(given.tf32, "desc.tf32");
  return desc;
}

// The checked tensors of one run. What the arrays have room for stands in their sizes.
struct Reader {
  template <class Given>
  Reader(const Pool& pool, const Given& given)
      : desc(pool.desc),
        is_host(pool.backend->device() == DeviceType::cpu),
        read(pool.reader()),
        segments(std::max<std::int64_t>(first_size(given.offsets, "args.offsets") - 1, 0)),
        items(desc.vocab_size > 0 ? first_size(given.codes, "args.codes")
                                  : first_size(given.values, "args.values")) {}

  void* values(const ragtime_tensor* tensor, const char* name, bool or_more) const {
    if (desc.vocab_size > 0) return read(tensor, name, {{desc.vocab_size}, {desc.width}});
    return read(tensor, name, {{items, or_more}, {desc.width}});
  }
  void* pooled(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {{segments, true}, {desc.width}});
  }
  template <class Pointers>
  Pointers attention(const ragtime_attention_weights& given, const char* w1, const char* b1, const char* w2,
                     const char* b2) const {
    if (desc.mode != PoolMode::attention) return {};
    const Extent width{desc.attention_width};
    return {read(given.w1, w1, {width, {desc.width}}), read(given.b1, b1, {width}),
            read(given.w2, w2, {Extent{1}, width}), read(given.b2, b2, {Extent{1}})};
  }

  const SegmentPoolDesc& desc;
  bool is_host;
  TensorReader read;
  std::int64_t segments, items;
};

// What forward and backward take alike.
template <class Run, class Given>
Run run_of(const Pool& pool, const Reader& reader, const Given& given) {
  Run run;
  run.segments = reader.read.of<std::int32_t>(given.segments, "args.segments", {Extent{1}});
  run.offsets = reader.read.of<std::int32_t>(given.offsets, "args.offsets", {Extent{reader.segments + 1}});
  if (reader.desc.vocab_size > 0)
    run.codes = reader.read.of<std::int32_t>(given.codes, "args.codes", {Extent{reader.items}});
  run.values = reader.values(given.values, "args.values", false);
  if (reader.desc.weighted)
    run.weights = reader.read.of<float>(given.weights, "args.weights", {Extent{reader.items, true}});
  run.attention = reader.template attention<AttentionWeights>(
      given.attention, "args.attention.w1", "args.attention.b1", "args.attention.w2", "args.attention.b2");
  // Where the host can look, it does. What is null has an error of its own, in the plan.
  const bool misses_items =
      reader.desc.items > 0 && (reader.desc.vocab_size > 0 ? run.codes == nullptr : run.values == nullptr);
  if (reader.is_host && !misses_items && run.segments != nullptr && run.offsets != nullptr) {
    const std::int32_t used = run.segments[0];
    check(used >= 0 && used <= reader.segments, ErrorCode::out_of_range, "args.segments[0] is ", used,
          ": expected 0 to ", reader.segments, ", for which args.offsets has room");
    check(run.offsets[0] == 0, ErrorCode::out_of_range, "args.offsets[0] is ", run.offsets[0],
          ": expected 0");
    for (std::int32_t i = 0; i < used; ++i)
      check(run.offsets[i + 1] >= run.offsets[i], ErrorCode::out_of_range, "args.offsets[", i + 1, "] is ",
            run.offsets[i + 1], ": expected at least ", run.offsets[i], ", the offset before it");
    check(run.offsets[used] <= reader.items, ErrorCode::out_of_range, "args.offsets[", used, "] is ",
          run.offsets[used], ": expected at most ", reader.items, ", the number of ",
          reader.desc.vocab_size > 0 ? "args.codes" : "rows of args.values");
  }
  check_space(*pool.backend, given.workspace, given.workspace_bytes, pool.plan.workspace_bytes(),
              "args.workspace");
  run.workspace = given.workspace;
  return run;
}

}  // namespace

ragtime_status ragtime_segment_pool_create(ragtime_backend backend, const ragtime_segment_pool_desc* desc,
                                           ragtime_segment_pool* pool) {
  return call("ragtime_segment_pool_create", [&] { create<Pool>(backend, desc, desc_of, pool, "pool"); });
}

ragtime_status ragtime_segment_pool_destroy(ragtime_segment_pool pool) {
  return call("ragtime_segment_pool_destroy", [&] { remove_handle(Kind::segment_pool, pool, "pool"); });
}

ragtime_status ragtime_segment_pool_workspace_bytes(ragtime_segment_pool pool, size_t* bytes) {
  return call("ragtime_segment_pool_workspace_bytes", [&] { workspace_bytes<Pool>(pool, "pool", bytes); });
}

ragtime_status ragtime_segment_pool_reserve_bytes(ragtime_segment_pool pool, size_t* bytes) {
  return call("ragtime_segment_pool_reserve_bytes", [&] { reserve_bytes<Pool>(pool, "pool", bytes); });
}

ragtime_status ragtime_segment_pool_forward(ragtime_segment_pool pool,
                                            const ragtime_segment_pool_forward_args* args,
                                            ragtime_stream stream) {
  return call("ragtime_segment_pool_forward", [&] {
    const auto object = object_of<Pool>(pool, "pool");
    const ragtime_segment_pool_forward_args given = taken(args, "args");
    const Reader reader(*object, given);
    const FaultWord faults(*object->backend, given.faults);
    auto run = run_of<SegmentPoolForward>(*object, reader, given);
    run.out = reader.pooled(given.out, "args.out");
    if (given.reserve != nullptr)
      check_space(*object->backend, given.reserve, given.reserve_bytes, object->plan.reserve_bytes(),
                  "args.reserve");
    run.reserve = given.reserve;
    run.status = faults.word();
    object->plan.forward(run, {stream});
  });
}

ragtime_status ragtime_segment_pool_backward(ragtime_segment_pool pool,
                                             const ragtime_segment_pool_backward_args* args,
                                             ragtime_stream stream) {
  return call("ragtime_segment_pool_backward", [&] {
    const auto object = object_of<Pool>(pool, "pool");
    const ragtime_segment_pool_backward_args given = taken(args, "args");
    const Reader reader(*object, given);
    auto run = run_of<SegmentPoolBackward>(*object, reader, given);
    run.d_out = reader.pooled(given.d_out, "args.d_out");
    run.d_values = reader.values(given.d_values, "args.d_values", true);
    run.d_attention =
        reader.attention<AttentionGradients>(given.d_attention, "args.d_attention.w1", "args.d_attention.b1",
                                             "args.d_attention.w2", "args.d_attention.b2");
    run.accumulate = flag(given.accumulate, "args.accumulate");
    check_space(*object->backend, given.reserve, given.reserve_bytes, object->plan.reserve_bytes(),
                "args.reserve");
    run.reserve = given.reserve;
    object->plan.backward(run, {stream});
  });
}
