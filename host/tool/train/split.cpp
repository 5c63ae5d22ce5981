#include "host/tool/train/split.hpp"

#include <optional>

#include "host/base/check.hpp"
#include "host/tool/data/csv_field.hpp"
#include "host/tool/train/patient_random.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t few_positives = 20;  // below, an AUROC says next to nothing

// The part of each patient of the cohort, or none.
std::vector<std::optional<Part>> parts_of(const Cohort& cohort, const SplitOptions& options,
                                          std::span<const PatientPart> file, std::uint64_t seed,
                                          Split& split) {
  std::vector<std::optional<Part>> parts(static_cast<std::size_t>(cohort.patients()));
  if (!options.file.empty()) {
    for (const PatientPart& entry : file) {
      const std::int64_t patient = cohort.find_patient(entry.patient_id);
      if (patient < 0)
        ++split.unmatched;
      else
        parts[patient] = entry.part;
    }
    return parts;
  }
  for (std::size_t patient = 0; patient < parts.size(); ++patient) {
    const double position = split_position(cohort.patient_ids[patient], seed);
    parts[patient] = position < options.validation                  ? Part::validation
                     : position < options.validation + options.test ? Part::test
                                                                    : Part::training;
  }
  return parts;
}

}  // namespace

void validate(const SplitOptions& options) {
  if (!options.file.empty()) return;
  const auto is_share = [](double share) { return share >= 0 && share < 1; };
  check(options.validation > 0 && is_share(options.validation), ErrorCode::invalid_argument,
        options.is_explicit ? "the validation share of --split is " : "--validation is ", options.validation,
        ": expected a share above 0 and below 1");
  check(is_share(options.test) && options.validation + options.test < 1, ErrorCode::invalid_argument,
        "--split validates on ", options.validation, " and tests on ", options.test,
        " of the patients: expected something left to train on");
}

double split_position(std::string_view patient_id, std::uint64_t seed) {
  return patient_random(patient_id, seed, PatientDraw::split);
}

Split split_examples(const Cohort& cohort, const ExampleSet& set, const SplitOptions& options,
                     std::span<const PatientPart> file, std::uint64_t seed) {
  validate(options);
  Split split;
  const auto parts = parts_of(cohort, options, file, seed, split);
  for (std::size_t patient = 0; patient < parts.size(); ++patient)
    if (parts[patient]) split.patients.push_back({cohort.patient_ids[patient], *parts[patient]});
  for (std::size_t i = 0; i < set.examples.size(); ++i) {
    const auto part = parts[set.examples[i].patient];
    if (!part) {
      ++split.without_part;
      continue;
    }
    auto& examples = *part == Part::training     ? split.training
                     : *part == Part::validation ? split.validation
                                                 : split.test;
    examples.push_back(static_cast<std::int32_t>(i));
  }
  const std::string how =
      options.file.empty()
          ? concat(options.is_explicit ? "--split with validation " : "--validation ", options.validation)
          : options.file;
  check(!split.training.empty() && !split.validation.empty(), ErrorCode::invalid_argument, how, " leaves ",
        split.training.size(), " examples to train and ", split.validation.size(),
        " to validate: expected at least one of each");
  check(!split.test.empty() || options.test == 0, ErrorCode::invalid_argument,
        "--split leaves no example to ", "test: expected more patients or a larger share than ",
        options.test);
  return split;
}

std::string to_csv(std::span<const PatientPart> patients) {
  std::string text = "patient_id,part\n";
  for (const PatientPart& entry : patients)
    text += csv_field(entry.patient_id) + ',' + name_of(entry.part) + '\n';
  return text;
}

std::vector<std::string> split_warnings(const ExampleSet& set, const Split& split) {
  const Task task = set.options.task;
  if (task != Task::binary_classification && task != Task::visit_binary && task != Task::survival) return {};
  std::vector<std::string> warnings;
  for (const Part part : all_parts) {
    if (split.part(part).empty()) continue;
    const TargetCount count = count_targets(set, split.part(part));
    const std::int64_t negatives = count.targets - count.positives;
    const std::string where = part == Part::training ? "training" : name_of(part);
    const char* effect =
        part == Part::training ? ": there is nothing to learn" : ": some metrics are undefined";
    if (count.positives == 0)
      warnings.push_back(concat("no ", where, " example is positive", effect));
    else if (negatives == 0 && task != Task::survival)
      warnings.push_back(concat("no ", where, " example is negative", effect));
    else if (count.positives < few_positives)
      warnings.push_back(concat(
          "only ", count.positives, " of ", count.targets, " ", where, " examples are positive: fewer than ",
          few_positives,
          part == Part::training ? " teach a model little" : " make its metrics little more than chance"));
  }
  return warnings;
}

}  // namespace ragtime
