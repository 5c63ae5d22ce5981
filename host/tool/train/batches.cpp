// Batches of examples: the codes that are input, and the targets.

#include <limits>

#include "host/base/check.hpp"
#include "host/tool/train/tasks.hpp"

namespace ragtime {

std::vector<std::int32_t> example_lengths(const ExampleSet& set) {
  std::vector<std::int32_t> lengths;
  lengths.reserve(set.examples.size());
  for (const Example& example : set.examples) lengths.push_back(example.visits);
  return lengths;
}

RaggedBatch make_batch(const EncodedCohort& encoded, const ExampleSet& set,
                       std::span<const std::int32_t> indices) {
  const Cohort& cohort = *encoded.cohort;
  RaggedBatch batch;
  std::vector<std::int32_t> lengths;
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    lengths.push_back(example.visits);
    batch.sequence_ids.push_back(static_cast<std::uint32_t>(example.patient));
    for_each_visit(cohort, example, [&](std::int64_t visit) {
      for (std::int64_t i = encoded.code_offsets[visit]; i < encoded.code_offsets[visit + 1]; ++i)
        if (encoded.code_times[i] <= example.until) batch.codes.push_back(encoded.codes[i]);
      check(batch.codes.size() <= std::numeric_limits<std::int32_t>::max(), ErrorCode::out_of_range,
            "a batch holds more than 2^31 - 1 codes: use a smaller --batch-size or --batch-rows");
      batch.code_offsets.push_back(static_cast<std::int32_t>(batch.codes.size()));
    });
  }
  batch.layout = RaggedLayout::from_lengths(lengths);
  return batch;
}

HostTargets make_targets(const ExampleSet& set, std::span<const std::int32_t> indices) {
  HostTargets targets;
  const auto append_rows = [](std::vector<float>& to, const std::vector<float>& from,
                              const Example& example) {
    to.insert(to.end(), from.begin() + example.first_row, from.begin() + example.first_row + example.visits);
  };
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    switch (set.options.task) {
      case Task::binary_classification:
      case Task::regression:
        targets.values.push_back(static_cast<float>(example.label));
        break;
      case Task::multi_class:
        targets.labels.push_back(static_cast<std::int32_t>(example.label));
        break;
      case Task::next_visit:
        targets.row_weight.insert(targets.row_weight.end(), static_cast<std::size_t>(example.visits), 1.0f);
        targets.row_weight.back() = 0;
        break;
      case Task::visit_binary:
        append_rows(targets.values, set.row_values, example);
        append_rows(targets.row_weight, set.row_weights, example);
        break;
      case Task::survival:
        targets.event_time.push_back(example.event_time);
        targets.observed.push_back(example.observed ? 1 : 0);
        break;
    }
  }
  return targets;
}

}  // namespace ragtime
