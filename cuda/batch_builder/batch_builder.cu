#include "cuda/batch_builder/batch_builder.cuh"

#include <algorithm>

#include "cuda/operations.hpp"
#include "cuda/runtime/sort.hpp"
#include "cuda/support/enqueue.cuh"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

class BatchBuilderCuda final : public BatchBuilderOperation {
 public:
  explicit BatchBuilderCuda(const BatchBuilderDesc& desc)
      : capacity_(desc.capacity),
        allow_zero_length_(desc.allow_zero_length),
        key_bits_(bits_for(desc.capacity.steps)),
        sort_bytes_(std::max(sort_pairs_workspace(desc.capacity.sequences, key_bits_),
                             limited_sum_workspace(desc.capacity.sequences))) {}

  std::size_t workspace_bytes() const override {
    Carver carver(nullptr);
    carve(carver);
    return carver.bytes();
  }

  void from_lengths(const std::int32_t* lengths, const BatchBuild& args, Stream stream) const override {
    const auto [parts, sort_workspace] = cut(args);
    enqueue(config("batch_from_lengths", capacity_.sequences, BatchBuilderTuning::threads, stream),
            batch_from_lengths, parts, lengths);
    finish(parts, sort_workspace, stream);
  }

  void from_mask(const std::uint8_t* mask, std::int64_t padded_steps, const BatchBuild& args,
                 Stream stream) const override {
    const auto [parts, sort_workspace] = cut(args);
    const bool long_rows = padded_steps >= BatchBuilderTuning::steps_for_a_block;
    enqueue(config("batch_from_mask", capacity_.sequences, long_rows ? 1 : BatchBuilderTuning::warps, stream),
            long_rows ? batch_from_mask<true> : batch_from_mask<false>, parts, mask, padded_steps);
    finish(parts, sort_workspace, stream);
  }

 private:
  struct Parts {
    BatchBuilderArgs args;
    void* sort_workspace;
  };

  Parts carve(Carver& carver) const {
    Parts parts{};
    for (std::int32_t* BatchBuilderArgs::*array :
         {&BatchBuilderArgs::lengths, &BatchBuilderArgs::ends, &BatchBuilderArgs::keys,
          &BatchBuilderArgs::sorted_keys, &BatchBuilderArgs::sequences, &BatchBuilderArgs::sorted_sequences})
      parts.args.*array = carver.take<std::int32_t>(capacity_.sequences);
    parts.sort_workspace = carver.take<std::byte>(static_cast<std::int64_t>(sort_bytes_));
    return parts;
  }

  Parts cut(const BatchBuild& build) const {
    Carver carver(build.workspace);
    Parts parts = carve(carver);
    parts.args.build = build;
    parts.args.capacity = static_cast<std::int32_t>(capacity_.sequences);
    parts.args.most_rows = static_cast<std::int32_t>(capacity_.rows);
    parts.args.most_steps = static_cast<std::int32_t>(capacity_.steps);
    parts.args.allow_zero_length = allow_zero_length_;
    return parts;
  }

  void finish(const BatchBuilderArgs& args, void* sort_workspace, Stream stream) const {
    limited_sum(args.lengths, args.ends, args.capacity, args.most_rows, sort_workspace, stream);
    enqueue(config("batch_sort_keys", capacity_.sequences, BatchBuilderTuning::threads, stream),
            batch_sort_keys, args);
    sort_pairs(args.keys, args.sorted_keys, args.sequences, args.sorted_sequences, args.capacity, key_bits_,
               sort_workspace, stream);
    enqueue(config("batch_write", std::max(capacity_.sequences, capacity_.steps), BatchBuilderTuning::threads,
                   stream),
            batch_write, args);
  }

  static arch::LaunchConfig config(const char* name, std::int64_t items, unsigned per_block, Stream stream) {
    return {.name = name,
            .grid = {blocks_for(items, per_block)},
            .block = {BatchBuilderTuning::threads},
            .stream = stream.handle};
  }

  Capacity capacity_;
  bool allow_zero_length_;
  int key_bits_;
  std::size_t sort_bytes_;
};

}  // namespace

std::unique_ptr<BatchBuilderOperation> make_batch_builder(const BatchBuilderDesc& desc) {
  return std::make_unique<BatchBuilderCuda>(desc);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
