// Lengths out of the mask, offsets by adding up, and the order by counting: how many sequences are longer
// than t is batch_sizes[t], and also the place in `order` at which those of length t begin.

#include <algorithm>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/parallel.hpp"
#include "host/cpu/status_word.hpp"
#include "host/runtime/capacity.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cpu {
namespace {

constexpr std::int64_t sequences_per_block = 64;

class BatchBuilderCpu final : public BatchBuilderOperation {
 public:
  explicit BatchBuilderCpu(const BatchBuilderDesc& desc) : desc_(desc) {}

  std::size_t workspace_bytes() const override {
    Carver carver(nullptr);
    carve(carver);
    return carver.bytes();
  }

  void from_lengths(const std::int32_t* lengths, const BatchBuild& args, Stream) const override {
    const std::int64_t sequences = sequences_of(args);
    Carver carver(args.workspace);
    const Workspace workspace = carve(carver);
    for (std::int64_t b = 0; b < sequences; ++b) workspace.lengths[b] = std::max(lengths[b], 0);
    check_fits_all(sequences, workspace);  // before anything is written, the status word too
    for (std::int64_t b = 0; b < sequences; ++b) {
      if (lengths[b] < 0) report(args.status, Fault::bad_length, b);
      if (lengths[b] == 0) report_zero(args, b);
    }
    finish(sequences, workspace, args);
  }

  void from_mask(const std::uint8_t* mask, std::int64_t padded_steps, const BatchBuild& args,
                 Stream) const override {
    const std::int64_t sequences = sequences_of(args);
    Carver carver(args.workspace);
    const Workspace workspace = carve(carver);
    parallel_blocks(sequences, sequences_per_block, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        workspace.lengths[b] = measure(mask + b * padded_steps, padded_steps);
    });
    check_fits_all(sequences, workspace);
    for (std::int64_t b = 0; b < sequences; ++b)
      report_mask(mask + b * padded_steps, padded_steps, workspace.lengths[b], b, args);
    finish(sequences, workspace, args);
  }

 private:
  struct Workspace {
    std::int32_t* lengths;  // [B]
    std::int32_t* begins;   // [T+1] where in order the next sequence of that length goes
  };

  Workspace carve(Carver& carver) const {
    return {carver.take<std::int32_t>(desc_.capacity.sequences),
            carver.take<std::int32_t>(desc_.capacity.steps + 1)};
  }

  std::int64_t sequences_of(const BatchBuild& args) const {
    if (args.sequences == nullptr) return desc_.capacity.sequences;
    check_fits(*args.sequences, desc_.capacity.sequences, "sequences");
    return *args.sequences;
  }

  void report_zero(const BatchBuild& args, std::int64_t b) const {
    if (!desc_.allow_zero_length) report(args.status, Fault::zero_length, b);
  }

  static std::int32_t measure(const std::uint8_t* row, std::int64_t steps) {
    return static_cast<std::int32_t>(std::find_if(row, row + steps, [](int value) { return value != 1; }) -
                                     row);
  }

  void report_mask(const std::uint8_t* row, std::int64_t steps, std::int64_t length, std::int64_t b,
                   const BatchBuild& args) const {
    const auto* const wrong = std::find_if(row + length, row + steps, [](int value) { return value != 0; });
    if (wrong != row + steps)
      report(args.status, *wrong == 1 ? Fault::mask_hole : Fault::bad_mask_value, b * steps + (wrong - row));
    else if (length == 0)
      report_zero(args, b);
  }

  void check_fits_all(std::int64_t sequences, const Workspace& workspace) const {
    std::int64_t rows = 0, longest = 0;
    for (std::int64_t b = 0; b < sequences; ++b) {
      rows += workspace.lengths[b];
      longest = std::max<std::int64_t>(longest, workspace.lengths[b]);
    }
    check_fits(longest, desc_.capacity.steps, "steps");
    check_fits(rows, desc_.capacity.rows, "rows");
  }

  void finish(std::int64_t sequences, const Workspace& workspace, const BatchBuild& args) const {
    const RaggedArrays& batch = args.batch;
    std::int32_t longest = 0;
    batch.visit_offsets[0] = 0;
    for (std::int64_t b = 0; b < sequences; ++b) {
      batch.visit_offsets[b + 1] = batch.visit_offsets[b] + workspace.lengths[b];
      longest = std::max(longest, workspace.lengths[b]);
    }

    std::fill_n(workspace.begins, std::int64_t{longest} + 1, 0);
    for (std::int64_t b = 0; b < sequences; ++b) ++workspace.begins[workspace.lengths[b]];
    std::int32_t longer = 0;
    for (std::int64_t t = longest; t >= 0; --t) {
      const std::int32_t as_long = workspace.begins[t];
      workspace.begins[t] = longer;
      if (t < longest) batch.batch_sizes[t] = longer;
      longer += as_long;
    }
    for (std::int64_t b = 0; b < sequences; ++b) {
      const std::int32_t place = workspace.begins[workspace.lengths[b]]++;
      batch.order[place] = static_cast<std::int32_t>(b);
      batch.inverse_order[b] = place;
    }

    batch.counts[0] = static_cast<std::int32_t>(sequences);
    batch.counts[1] = batch.visit_offsets[sequences];
    batch.counts[2] = args.codes == nullptr ? 0 : *args.codes;
    batch.counts[3] = longest;
  }

  BatchBuilderDesc desc_;
};

}  // namespace

std::unique_ptr<BatchBuilderOperation> make_batch_builder(const BatchBuilderDesc& desc) {
  return std::make_unique<BatchBuilderCpu>(desc);
}

}  // namespace ragtime::cpu
