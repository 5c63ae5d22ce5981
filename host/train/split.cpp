#include "host/train/split.hpp"

#include <algorithm>

#include "host/core/check.hpp"
#include "host/core/philox.hpp"

namespace ragtime {
namespace {

// FNV-1a.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const char byte : text) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return value;
}

}  // namespace

double split_position(std::string_view patient_id, std::uint64_t seed) {
  const std::uint64_t id = hash(patient_id);
  const auto numbers =
      philox({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32), 0, 0}, seed);
  return static_cast<double>(numbers[0]) * 0x1p-32;
}

Split split_examples(const Cohort& cohort, const ExampleSet& set, double validation_share,
                     std::uint64_t seed) {
  check(validation_share > 0 && validation_share < 1, ErrorCode::invalid_argument, "--validation is ",
        validation_share, ": expected a share above 0 and below 1");
  Split split;
  for (std::size_t i = 0; i < set.examples.size(); ++i) {
    const std::string& id = cohort.patient_ids[set.examples[i].patient];
    auto& side = split_position(id, seed) < validation_share ? split.validation : split.training;
    side.push_back(static_cast<std::int32_t>(i));
  }
  check(!split.training.empty() && !split.validation.empty(), ErrorCode::invalid_argument, "--validation ",
        validation_share, " leaves ", split.training.size(), " patients to train and ",
        split.validation.size(), " to validate: expected at least one of each");
  return split;
}

std::string split_warning(const Cohort& cohort, const ExampleSet& set, const Split& split) {
  const Task task = set.options.task;
  if (task != Task::binary_classification && task != Task::visit_binary && task != Task::survival) return {};
  const auto count = [&](const std::vector<std::int32_t>& indices) {
    std::int64_t positives = 0, negatives = 0;
    for (const std::int32_t index : indices) {
      if (task == Task::visit_binary) {
        const HostTargets targets = make_targets(cohort, set, {&index, 1});
        for (std::size_t row = 0; row < targets.values.size(); ++row) {
          if (targets.row_weight[row] > 0) ++(targets.values[row] > 0 ? positives : negatives);
        }
      } else {
        const Example& example = set.examples[index];
        ++((task == Task::survival ? example.observed : example.label > 0) ? positives : negatives);
      }
    }
    return std::pair(positives, negatives);
  };
  const auto [train_positives, train_negatives] = count(split.training);
  const auto [positives, negatives] = count(split.validation);
  if (train_positives == 0) return "no training patient has a positive target: there is nothing to learn";
  if (train_negatives == 0 && task != Task::survival)
    return "no training patient has a negative target: there is nothing to learn";
  if (positives == 0) return "no validation patient has a positive target: some metrics are undefined";
  if (negatives == 0 && task != Task::survival)
    return "no validation patient has a negative target: some metrics are undefined";
  return {};
}

}  // namespace ragtime
