#include "host/train/batch_loader.hpp"

#include "host/core/sixteen_bit.hpp"
#include "host/core/staging.hpp"

namespace ragtime {

BatchLoader::BatchLoader(std::shared_ptr<Backend> backend, const EncodedCohort& encoded,
                         const ExampleSet& examples, DType dtype)
    : backend_(std::move(backend)), encoded_(encoded), examples_(examples), dtype_(dtype), batch_(backend_) {}

void BatchLoader::load(std::span<const std::int32_t> indices, Stream stream) {
  host_batch_ = make_batch(encoded_, examples_, indices);
  batch_.load(host_batch_, stream);
}

void BatchLoader::load_with_targets(std::span<const std::int32_t> indices, Stream stream) {
  load(indices, stream);
  host_targets_ = make_targets(examples_, indices);
  rounded_values_.resize(host_targets_.values.size() * size_of(dtype_));
  from_floats(host_targets_.values, dtype_, rounded_values_.data());

  Staging staging(backend_);
  const std::size_t values = staging.add(rounded_values_);
  const std::size_t labels = staging.add(host_targets_.labels);
  const std::size_t event_time = staging.add(host_targets_.event_time);
  const std::size_t observed = staging.add(host_targets_.observed);
  const std::size_t row_weight = staging.add(host_targets_.row_weight);
  staging.copy(target_staging_, target_memory_, stream);

  const auto at = [&]<class T>(const std::vector<T>& of, std::size_t begin) {
    return of.empty() ? nullptr : reinterpret_cast<const T*>(target_memory_.as<std::byte>() + begin);
  };
  targets_.values = at(rounded_values_, values);
  targets_.labels = at(host_targets_.labels, labels);
  targets_.event_time = at(host_targets_.event_time, event_time);
  targets_.observed = at(host_targets_.observed, observed);
  targets_.row_weight = at(host_targets_.row_weight, row_weight);
}

}  // namespace ragtime
