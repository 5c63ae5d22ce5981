#include "host/train/batch_loader.hpp"

#include <cstring>

namespace ragtime {

BatchLoader::BatchLoader(std::shared_ptr<Backend> backend, const EncodedCohort& encoded,
                         const ExampleSet& examples)
    : backend_(std::move(backend)), encoded_(encoded), examples_(examples), batch_(backend_) {}

void BatchLoader::load(std::span<const std::int32_t> indices) {
  host_batch_ = make_batch(encoded_, examples_, indices);
  batch_.load(host_batch_);
}

void BatchLoader::load_with_targets(std::span<const std::int32_t> indices) {
  load(indices);
  host_targets_ = make_targets(*encoded_.cohort, examples_, indices);

  // As the batch itself: all arrays in one piece of memory, one copy.
  staging_.clear();
  const auto append = [&](const auto& values) {
    constexpr std::size_t alignment = 64;
    const std::size_t begin = (staging_.size() + alignment - 1) / alignment * alignment;
    const std::size_t bytes = values.size() * sizeof(values[0]);
    staging_.resize(begin + bytes);
    if (bytes > 0) std::memcpy(staging_.data() + begin, values.data(), bytes);
    return begin;
  };
  const std::size_t values = append(host_targets_.values);
  const std::size_t labels = append(host_targets_.labels);
  const std::size_t event_time = append(host_targets_.event_time);
  const std::size_t observed = append(host_targets_.observed);
  const std::size_t row_weight = append(host_targets_.row_weight);
  if (target_memory_.bytes() < staging_.size())
    target_memory_ = Buffer(backend_, staging_.size() + staging_.size() / 4);
  backend_->copy(target_memory_.data(), staging_.data(), staging_.size(), CopyKind::to_device);

  const auto at = [&]<class T>(const std::vector<T>& of, std::size_t begin) {
    return of.empty() ? nullptr : reinterpret_cast<const T*>(target_memory_.as<std::byte>() + begin);
  };
  targets_.values = at(host_targets_.values, values);
  targets_.labels = at(host_targets_.labels, labels);
  targets_.event_time = at(host_targets_.event_time, event_time);
  targets_.observed = at(host_targets_.observed, observed);
  targets_.row_weight = at(host_targets_.row_weight, row_weight);
}

}  // namespace ragtime
