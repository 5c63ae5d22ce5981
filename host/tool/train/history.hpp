#pragma once

// What a training run measured, epoch by epoch: history.json and its picture. Neither holds a time or a rate:
// a run that was interrupted and resumed writes the same bytes as one that went through.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

struct Metric {
  std::string name;             // "auroc"
  std::optional<double> value;  // empty where the data do not define it

  bool operator==(const Metric&) const = default;
};

struct EpochRecord {
  std::int64_t epoch = 0;  // from 1, ascending
  double train_loss = 0;   // mean over valid elements
  double validation_loss = 0;
  std::vector<Metric> metrics = {};  // of the validation patients, same names in every epoch

  bool operator==(const EpochRecord&) const = default;
};

struct History {
  std::string task;  // name_of(Task)
  std::vector<EpochRecord> epochs = {};
  std::int64_t best_epoch = 0;  // 0: none yet

  bool operator==(const History&) const = default;
};

// Throws Error(invalid_argument) for what could not be drawn or read back: a number that is not finite,
// epochs out of order, metrics that differ between epochs, a best epoch that is not there.
void validate(const History& history);

// Ends in a line break; the same bits give the same bytes, and history_from_json gives the same bits back.
std::string to_json(const History& history);

// Throws Error(parse_error) that starts with `name` and says which key is wrong.
History history_from_json(std::string_view text, const std::string& name);

// A self-contained picture: losses on the left, metrics on the right.
std::string to_svg(const History& history);

}  // namespace ragtime
