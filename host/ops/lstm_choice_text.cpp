#include "host/ops/lstm_choice_text.hpp"

#include <cstdio>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

std::string decimal(double value, int digits) {
  char text[400];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// Columns of a pass's options.
struct Column {
  const char* title;
  std::size_t width;
};
constexpr Column columns[] = {{"units", 6},     {"cluster", 11}, {"slots", 7},
                              {"clusters", 10}, {"threads", 9},  {"shared KB", 11},
                              {"steps", 12},    {"us/step", 11}, {"us", 14}};

std::string row(const std::string& mark, const std::string& name, const std::vector<std::string>& cells) {
  std::string line = mark + name + std::string(12 - std::min<std::size_t>(name.size(), 12), ' ');
  for (std::size_t i = 0; i < cells.size(); ++i) line += right(cells[i], columns[i].width);
  return line + "\n";
}

std::string row_of(const LstmPassChoice& option, bool chosen) {
  const bool cut = option.algorithm == LstmAlgorithm::persistent, known = option.us > 0 || option.steps > 0;
  const auto if_cut = [&](const std::string& text) { return cut ? text : "-"; };
  const auto if_known = [&](const std::string& text) { return known ? text : "-"; };
  return row(
      chosen ? "> " : "  ", name_of(option.algorithm),
      {if_cut(concat(option.hidden)), if_cut(concat(option.cluster, option.grid ? " (grid)" : "")),
       if_cut(concat(option.slots)), if_cut(concat(option.clusters)), if_cut(concat(option.threads)),
       if_cut(decimal(static_cast<double>(option.shared_bytes) / 1024, 1)), if_known(concat(option.steps)),
       if_known(decimal(option.us_per_step, 3)), if_known(decimal(option.us, 1))});
}

bool same(const LstmPassChoice& a, const LstmPassChoice& b) {
  return a.algorithm == b.algorithm && a.hidden == b.hidden && a.cluster == b.cluster && a.slots == b.slots;
}

std::string table(const char* pass, const LstmPassChoice& chosen, const std::vector<LstmPassChoice>& options,
                  std::size_t most) {
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.emplace_back(column.title);
  std::string text = "\n" + row("", std::string(pass) + "  ", titles) + row_of(chosen, true);
  std::size_t others = 0;
  for (const LstmPassChoice& option : options) {
    if (same(option, chosen)) continue;
    if (++others <= most || most == 0) text += row_of(option, false);
  }
  if (most > 0 && others > most) text += concat("  and ", others - most, " more\n");
  return text;
}

}  // namespace

std::string to_text(const LstmChoice& choice, std::size_t most) {
  std::string text = concat("algorithm   ", name_of(choice.algorithm), ": ", choice.reason, "\n");
  if (choice.costs.empty()) return text;
  text +=
      concat("graph       a captured run holds for ",
             choice.graph_takes_any_batch ? "any batch within the capacity"
                                          : "batches with the same number of sequences alive at each step",
             "\ncosts       ", choice.costs, "\n");
  text += table("forward", choice.forward, choice.forward_options, most);
  if (!choice.backward_options.empty())
    text += table("backward", choice.backward, choice.backward_options, most);
  return text;
}

}  // namespace ragtime
