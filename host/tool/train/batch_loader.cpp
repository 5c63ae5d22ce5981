#include "host/tool/train/batch_loader.hpp"

#include "host/base/sixteen_bit.hpp"
#include "host/runtime/staging.hpp"

namespace ragtime {

BatchLoader::BatchLoader(std::shared_ptr<Backend> backend, const EncodedCohort& encoded,
                         const ExampleSet& examples, DType dtype, const TargetScale& scale)
    : backend_(std::move(backend)),
      encoded_(encoded),
      examples_(examples),
      dtype_(dtype),
      scale_(scale),
      batch_(backend_) {}

void BatchLoader::load(std::span<const std::int32_t> indices, Stream stream) {
  host_batch_ = make_batch(encoded_, examples_, indices);
  batch_.load(host_batch_, stream);
}

void BatchLoader::load_with_targets(std::span<const std::int32_t> indices, Stream stream,
                                    const CodeDropout& dropout) {
  host_batch_ = make_batch(encoded_, examples_, indices);
  std::vector<std::int32_t> target_codes, target_code_offsets;
  const bool own_targets = dropout.probability <= 0 || examples_.options.task != Task::next_visit;
  if (!own_targets) {
    target_codes = host_batch_.codes;
    target_code_offsets = host_batch_.code_offsets;
    target_code_offsets.push_back(target_code_offsets.back());
  }
  drop_codes(host_batch_, dropout);
  batch_.load(host_batch_, stream);
  host_targets_ = make_targets(examples_, indices);
  if (examples_.options.task == Task::regression)
    for (std::size_t i = 0; i < indices.size(); ++i)
      host_targets_.values[i] = scale_.standardised(examples_.examples[indices[i]].label);
  rounded_values_.resize(host_targets_.values.size() * size_of(dtype_));
  from_floats(host_targets_.values, dtype_, rounded_values_.data());

  Staging staging(backend_);
  const std::size_t values = staging.add(rounded_values_);
  const std::size_t labels = staging.add(host_targets_.labels);
  const std::size_t event_time = staging.add(host_targets_.event_time);
  const std::size_t observed = staging.add(host_targets_.observed);
  const std::size_t row_weight = staging.add(host_targets_.row_weight);
  const std::size_t codes = staging.add(target_codes);
  const std::size_t code_offsets = staging.add(target_code_offsets);
  staging.copy(target_staging_, target_memory_, stream);

  const auto at = [&]<class T>(const std::vector<T>& of, std::size_t begin) {
    return of.empty() ? nullptr : reinterpret_cast<const T*>(target_memory_.as<std::byte>() + begin);
  };
  targets_.values = at(rounded_values_, values);
  targets_.labels = at(host_targets_.labels, labels);
  targets_.event_time = at(host_targets_.event_time, event_time);
  targets_.observed = at(host_targets_.observed, observed);
  targets_.row_weight = at(host_targets_.row_weight, row_weight);
  targets_.target_code_offsets = at(target_code_offsets, code_offsets);
  // With no code in the whole batch it is not read, and still not null.
  targets_.target_codes =
      own_targets ? nullptr : reinterpret_cast<const std::int32_t*>(target_memory_.as<std::byte>() + codes);
}

}  // namespace ragtime
