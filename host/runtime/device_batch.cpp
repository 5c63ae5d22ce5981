#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "host/base/check.hpp"
#include "host/runtime/capacity.hpp"
#include "host/runtime/staging.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime {
namespace {

// Both structs have public members and may have been filled by hand; what is wrong here would be read out of
// bounds there.
void check_layout(const RaggedLayout& layout) {
  const auto& offsets = layout.visit_offsets;
  const std::size_t sequences = layout.order.size();
  check(offsets.size() == sequences + 1, ErrorCode::shape_mismatch, "visit_offsets has ", offsets.size(),
        " elements: expected ", sequences + 1, ", one more than order");
  check(layout.inverse_order.size() == sequences, ErrorCode::shape_mismatch, "inverse_order has ",
        layout.inverse_order.size(), " elements: expected ", sequences, ", as order");
  check(offsets.front() == 0, ErrorCode::invalid_argument, "visit_offsets[0] = ", offsets.front(),
        ": expected 0");
  for (std::size_t b = 1; b < offsets.size(); ++b)
    check(offsets[b] >= offsets[b - 1], ErrorCode::invalid_argument, "visit_offsets[", b, "] = ", offsets[b],
          " is smaller than visit_offsets[", b - 1, "] = ", offsets[b - 1], ": offsets must not decrease");
  for (std::size_t i = 0; i < sequences; ++i) {
    const std::int32_t b = layout.order[i];
    check(b >= 0 && static_cast<std::size_t>(b) < sequences &&
              layout.inverse_order[b] == static_cast<std::int32_t>(i),
          ErrorCode::invalid_argument, "order[", i, "] = ", b,
          ": expected a permutation of the sequences, with inverse_order its inverse");
    check(i == 0 || layout.length(b) <= layout.length(layout.order[i - 1]), ErrorCode::invalid_argument,
          "order[", i, "] = ", b, " is a longer sequence than order[", i - 1,
          "] = ", i == 0 ? b : layout.order[i - 1], ": expected the longest first");
  }
  const std::int32_t longest = sequences == 0 ? 0 : layout.length(layout.order[0]);
  check(layout.steps() == longest, ErrorCode::shape_mismatch, "batch_sizes has ", layout.batch_sizes.size(),
        " elements: expected ", longest, ", the longest length");
  std::size_t alive = sequences;
  for (std::int32_t t = 0; t < longest; ++t) {
    while (layout.length(layout.order[alive - 1]) <= t) --alive;
    check(layout.batch_sizes[t] == static_cast<std::int32_t>(alive), ErrorCode::invalid_argument,
          "batch_sizes[", t, "] = ", layout.batch_sizes[t], ": expected ", alive,
          ", the sequences longer than ", t);
  }
}

void check_codes(const RaggedBatch& batch) {
  const auto& offsets = batch.code_offsets;
  const std::size_t rows = static_cast<std::size_t>(batch.layout.rows());
  check(offsets.size() == rows + 1, ErrorCode::shape_mismatch, "code_offsets has ", offsets.size(),
        " elements: expected ", rows + 1, ", one more than rows");
  check(offsets.front() == 0, ErrorCode::invalid_argument, "code_offsets[0] = ", offsets.front(),
        ": expected 0");
  for (std::size_t n = 1; n < offsets.size(); ++n)
    check(offsets[n] >= offsets[n - 1], ErrorCode::invalid_argument, "code_offsets[", n, "] = ", offsets[n],
          " is smaller than code_offsets[", n - 1, "] = ", offsets[n - 1], ": offsets must not decrease");
  check(batch.codes.size() == static_cast<std::size_t>(offsets.back()), ErrorCode::shape_mismatch,
        "codes has ", batch.codes.size(), " elements: expected ", offsets.back(),
        ", the last of code_offsets");
  check(batch.code_weights.empty() || batch.code_weights.size() == batch.codes.size(),
        ErrorCode::shape_mismatch, "code_weights has ", batch.code_weights.size(), " elements: expected ",
        batch.codes.size(), " or none");
  check(batch.sequence_ids.empty() ||
            batch.sequence_ids.size() == static_cast<std::size_t>(batch.layout.sequences()),
        ErrorCode::shape_mismatch, "sequence_ids has ", batch.sequence_ids.size(), " elements: expected ",
        batch.layout.sequences(), " or none");
}

}  // namespace

DeviceBatch::DeviceBatch(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {
  check(backend_ != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
}

void DeviceBatch::fix(const Capacity& capacity, bool code_weights) {
  check(memory_.data() == nullptr, ErrorCode::invalid_argument,
        "a batch has been loaded: expected fix before the first load, what is loaded has its places");
  for (const auto& [count, name] : {std::pair{capacity.sequences, "capacity.sequences"},
                                    {capacity.rows, "capacity.rows"},
                                    {capacity.codes, "capacity.codes"},
                                    {capacity.steps, "capacity.steps"}})
    check(count >= 0 && count <= std::numeric_limits<std::int32_t>::max(), ErrorCode::invalid_argument, name,
          " is ", count, ": expected 0 to 2^31 - 1");
  capacity_ = capacity;
  is_fixed_ = true;
  fixed_weights_ = code_weights;
}

void DeviceBatch::load(const RaggedBatch& batch, Stream stream) {
  check_layout(batch.layout);
  check_codes(batch);
  stage(batch.layout, &batch, stream);
}

void DeviceBatch::load(const RaggedLayout& layout, Stream stream) {
  check_layout(layout);
  stage(layout, nullptr, stream);
}

void DeviceBatch::stage(const RaggedLayout& layout, const RaggedBatch* batch, Stream stream) {
  const auto codes = batch == nullptr ? std::size_t{0} : batch->codes.size();
  const std::vector<std::int32_t> counts = {layout.sequences(), layout.rows(),
                                            static_cast<std::int32_t>(codes), layout.steps()};
  const Capacity size = {layout.sequences(), layout.rows(), static_cast<std::int64_t>(codes), layout.steps()};
  if (is_fixed_) {
    check_fits(size.sequences, capacity_.sequences, "sequences");
    check_fits(size.rows, capacity_.rows, "rows");
    check_fits(size.codes, capacity_.codes, "codes");
    check_fits(size.steps, capacity_.steps, "steps");
    check(batch == nullptr || fixed_weights_ != batch->code_weights.empty() || codes == 0,
          ErrorCode::invalid_argument, "code_weights has ",
          batch == nullptr ? std::size_t{0} : batch->code_weights.size(), " elements: expected ",
          fixed_weights_ ? codes : 0, ", as fix was told");
  }
  const Capacity room = is_fixed_ ? capacity_ : size;
  Staging staging(backend_);
  const std::size_t at_counts = staging.add(counts);
  const std::size_t at_offsets = staging.add(layout.visit_offsets, room.sequences + 1);
  const std::size_t at_order = staging.add(layout.order, room.sequences);
  const std::size_t at_inverse = staging.add(layout.inverse_order, room.sequences);
  const std::size_t at_sizes = staging.add(layout.batch_sizes, room.steps);
  std::size_t at_code_offsets = 0, at_codes = 0, at_weights = 0, at_ids = 0;
  std::vector<std::int32_t> code_offsets;
  std::vector<std::uint32_t> ids;
  // What is fixed has places for codes whether or not this load has any, so that the next one finds them.
  static const RaggedBatch no_codes;
  if (batch != nullptr || is_fixed_) {
    const RaggedBatch& given = batch != nullptr ? *batch : no_codes;
    if (batch != nullptr)
      code_offsets = given.code_offsets;
    else
      code_offsets.assign(static_cast<std::size_t>(size.rows) + 1, 0);
    // One more, the end once again: whoever asks for the codes of the row after the last finds none.
    code_offsets.push_back(code_offsets.back());
    ids = given.sequence_ids;
    if (is_fixed_ && ids.empty()) {  // what they are where there are none, so that there always are some
      ids.resize(static_cast<std::size_t>(size.sequences));
      std::iota(ids.begin(), ids.end(), 0u);
    }
    at_code_offsets = staging.add(code_offsets, room.rows + 2);
    at_codes = staging.add(given.codes, room.codes);
    at_weights = staging.add(given.code_weights, fixed_weights_ ? room.codes : 0);
    at_ids = staging.add(ids, is_fixed_ ? room.sequences : 0);
  }
  staging.copy(staging_, memory_, stream);

  host_counts_ = counts;
  host_batch_sizes_ = layout.batch_sizes;
  const auto at = [&](std::size_t begin) {
    return reinterpret_cast<const std::int32_t*>(memory_.as<std::byte>() + begin);
  };
  view_ = {};
  view_.counts = at(at_counts);
  view_.visit_offsets = at(at_offsets);
  view_.order = at(at_order);
  view_.inverse_order = at(at_inverse);
  view_.batch_sizes = at(at_sizes);
  view_.host_counts = is_fixed_ ? nullptr : host_counts_.data();
  view_.host_batch_sizes = is_fixed_ ? nullptr : host_batch_sizes_.data();
  const bool has_ids = batch != nullptr && (is_fixed_ || !batch->sequence_ids.empty());
  view_.sequence_ids = has_ids ? reinterpret_cast<const std::uint32_t*>(at(at_ids)) : nullptr;
  code_offsets_ = batch == nullptr ? nullptr : at(at_code_offsets);
  codes_ = batch == nullptr ? nullptr : at(at_codes);
  const bool has_weights = batch != nullptr && (is_fixed_ ? fixed_weights_ : !batch->code_weights.empty());
  code_weights_ = has_weights ? reinterpret_cast<const float*>(at(at_weights)) : nullptr;
  size_ = size;
  capacity_ = room;
}

}  // namespace ragtime
