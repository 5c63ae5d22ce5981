#include "host/tool/train/unknown_codes.hpp"

#include <algorithm>
#include <set>

#include "host/base/check.hpp"
#include "host/base/philox.hpp"

namespace ragtime {
namespace {

// By code of the cohort, how many patients have it in the input of one of these examples. Nothing that comes
// after a prediction time counts: which codes have an id must not tell what happens then. next_visit and
// survival, which predict at every visit, count whole records.
std::vector<std::int64_t> patients_with_code(const Cohort& cohort, const ExampleSet& examples,
                                             std::span<const std::int32_t> indices) {
  const Task task = examples.options.task;
  const bool whole_records = task == Task::next_visit || task == Task::survival;
  std::vector<std::int64_t> counts(cohort.code_names.size()), counted_for(cohort.code_names.size(), -1);
  for (const std::int32_t index : indices) {  // a patient's examples are neighbours
    const Example& example = examples.examples[index];
    Example input = example;
    if (whole_records) {
      input.until = last_time_of_all;
      input.visits = visits_by(cohort, example.patient, input.until);
    }
    for_each_visit(cohort, input, [&](std::int64_t visit) {
      for (std::int64_t i = cohort.code_offsets[visit]; i < cohort.code_offsets[visit + 1]; ++i) {
        const std::int32_t code = cohort.codes[i];
        if (cohort.code_times[i] > input.until || counted_for[code] == example.patient) continue;
        counted_for[code] = example.patient;
        ++counts[code];
      }
    });
  }
  return counts;
}

// Philox numbers of another key than those of dropout and initialization, which are drawn from the seed.
constexpr std::uint64_t code_dropout_key = 0x9FB21C651E98DF25;

bool is_dropped(const CodeDropout& dropout, std::uint32_t sequence_id, std::int32_t visit,
                std::int32_t code) {
  const auto numbers = philox({static_cast<std::uint32_t>(code), static_cast<std::uint32_t>(visit),
                               sequence_id, static_cast<std::uint32_t>(dropout.epoch)},
                              dropout.seed ^ code_dropout_key);
  return numbers[0] < dropout_threshold(dropout.probability);
}

}  // namespace

TrainingVocabulary training_vocabulary(const Cohort& cohort, const ExampleSet& examples,
                                       std::span<const std::int32_t> training, std::int64_t min_code_count,
                                       const CodePatterns& excluded) {
  const std::vector<std::int64_t> counts = patients_with_code(cohort, examples, training);
  std::vector<std::string> codes;
  std::int64_t rare = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (excluded.match(cohort.code_names[i])) continue;
    if (counts[i] >= std::max<std::int64_t>(min_code_count, 1))
      codes.push_back(cohort.code_names[i]);
    else if (counts[i] > 0)
      ++rare;
  }
  if (codes.empty() && rare > 0) {
    std::set<std::int64_t> patients;
    for (const std::int32_t index : training) patients.insert(examples.examples[index].patient);
    fail(ErrorCode::invalid_argument, "--min-code-count is ", min_code_count, ": none of the ", rare,
         " codes of the ", patients.size(),
         " training patients is in so many of them; expected a smaller number");
  }
  return {Vocabulary::from_codes(codes), rare};
}

std::vector<bool> input_ids(const EncodedCohort& encoded, const ExampleSet& examples,
                            std::span<const std::int32_t> indices, std::int64_t vocab_size) {
  std::vector<bool> there(static_cast<std::size_t>(vocab_size));
  for (const std::int32_t& index : indices)
    for (const std::int32_t code : make_batch(encoded, examples, {&index, 1}).codes) there[code] = true;
  return there;
}

void drop_codes(RaggedBatch& batch, const CodeDropout& dropout) {
  if (dropout.probability <= 0) return;
  std::vector<std::int32_t> codes, offsets = {0};
  codes.reserve(batch.codes.size());
  offsets.reserve(batch.code_offsets.size());
  for (std::int32_t b = 0; b < batch.layout.sequences(); ++b) {
    const std::int32_t first = batch.layout.visit_offsets[b];
    const std::uint32_t id = batch.sequence_ids.empty() ? static_cast<std::uint32_t>(b)
                                                        : batch.sequence_ids[static_cast<std::size_t>(b)];
    for (std::int32_t row = first; row < batch.layout.visit_offsets[b + 1]; ++row) {
      const auto begin = codes.size();
      bool unknown = false;
      for (std::int32_t i = batch.code_offsets[row]; i < batch.code_offsets[row + 1]; ++i) {
        const std::int32_t code = batch.codes[i];
        if (code == unknown_id || is_dropped(dropout, id, row - first, code))
          unknown = true;
        else
          codes.push_back(code);
      }
      if (unknown) codes.insert(codes.begin() + static_cast<std::ptrdiff_t>(begin), unknown_id);
      offsets.push_back(static_cast<std::int32_t>(codes.size()));
    }
  }
  batch.codes = std::move(codes);
  batch.code_offsets = std::move(offsets);
}

}  // namespace ragtime
