#pragma once

// Axes of a small chart: what range they show and which round numbers stand beside them. The text is the same
// in every locale.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ragtime {

std::string fixed_text(double value, int decimals);         // "0.250"
std::string significant_text(double value, int precision);  // "0.25", "2.5e-7"

struct Tick {
  double place = 0;  // 0 at the start of the axis, 1 at its end
  std::string label;
};

// An axis of measured values, zoomed to them. Never narrower than a hundredth of the largest value, so that
// noise in the last digits of a constant does not look like change.
class ValueAxis {
 public:
  // `length` in pixels decides how many ticks there are; none where no value is. With `may_be_log` positive
  // values over more than two decades are laid out by their logarithm.
  ValueAxis(std::span<const std::optional<double>> values, double length, bool may_be_log);

  double place(double value) const;
  bool is_log() const { return log_; }
  const std::vector<Tick>& ticks() const { return ticks_; }

 private:
  void make_linear(double lowest, double highest, double length);
  void make_log(double lowest, double highest, double length);

  double low_ = 0, high_ = 1;  // of the logarithm when log_
  bool log_ = false;
  std::vector<Tick> ticks_;
};

// An axis of epochs, first to last. Labels of `character_width` pixels a character keep clear of each other.
class EpochAxis {
 public:
  EpochAxis(std::int64_t first, std::int64_t last) : first_(first), last_(last) {}

  double place(std::int64_t epoch) const;
  std::vector<Tick> ticks(double length, double character_width) const;

 private:
  std::int64_t first_, last_;
};

}  // namespace ragtime
