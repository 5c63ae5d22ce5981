#include "host/tool/train/chart_axis.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace ragtime {
namespace {

template <class... Format>
std::string to_text(double value, Format... format) {
  std::array<char, 400> buffer;  // 309 digits before the point at most
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format...);
  return {buffer.data(), result.ptr};
}

// "1.5e-07" as "1.5e-7", "2e+06" as "2e6".
std::string with_short_exponent(std::string text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  const bool negative = text[e + 1] == '-';
  const std::size_t digits = std::min(text.find_first_not_of('0', e + 2), text.size() - 1);
  return text.substr(0, e + 1) + (negative ? "-" : "") + text.substr(digits);
}

double in_range(double value) {
  return std::clamp(value, -1e307, 1e307);  // whose differences are finite
}

int exponent_of(double value) {
  return static_cast<int>(std::floor(std::log10(value)));
}

}  // namespace

std::string fixed_text(double value, int decimals) {
  std::string text = to_text(value, std::chars_format::fixed, decimals);
  const bool is_minus_zero = text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos;
  return is_minus_zero ? text.substr(1) : text;
}

std::string significant_text(double value, int precision) {
  return with_short_exponent(to_text(value, std::chars_format::general, precision));
}

ValueAxis::ValueAxis(std::span<const std::optional<double>> values, double length, bool may_be_log) {
  std::optional<double> lowest, highest;
  for (const auto& value : values) {
    if (!value) continue;
    lowest = std::min(lowest.value_or(*value), *value);
    highest = std::max(highest.value_or(*value), *value);
  }
  if (!lowest) return;
  log_ = may_be_log && *lowest > 0 && *highest / *lowest > 100;
  if (log_)
    make_log(*lowest, *highest, length);
  else
    make_linear(in_range(*lowest), in_range(*highest), length);
}

double ValueAxis::place(double value) const {
  const double on_axis = log_ ? std::log10(value) : in_range(value);
  return std::clamp((on_axis - low_) / (high_ - low_), 0.0, 1.0);
}

void ValueAxis::make_linear(double lowest, double highest, double length) {
  const double magnitude = std::max(std::abs(lowest), std::abs(highest));
  low_ = lowest;
  high_ = highest;
  if (magnitude < 1e-290) {
    low_ = 0;
    high_ = 1;
  } else if (highest - lowest < 0.01 * magnitude) {
    low_ = lowest / 2 + highest / 2 - 0.005 * magnitude;
    high_ = low_ + 0.01 * magnitude;
  }
  const double margin = 0.06 * (high_ - low_);
  low_ -= margin;
  high_ += margin;
  // Losses are not negative, and no score is above 1.
  if (lowest >= 0) low_ = std::max(low_, 0.0);
  if (lowest >= 0 && highest <= 1) high_ = std::min(high_, 1.0);

  // The least of 1, 2, 5, 10 times a power of ten that keeps the labels apart.
  const double least = (high_ - low_) * std::max(18.0, length / 8) / length;
  int exponent = exponent_of(least);
  double factor = 10;
  for (const double candidate : {5, 2, 1})
    if (candidate * std::pow(10, exponent) >= least) factor = candidate;
  if (factor == 10) {
    factor = 1;
    ++exponent;
  }
  const double step = factor * std::pow(10, exponent);
  std::vector<double> numbers;
  for (double k = std::ceil(low_ / step); k * step <= high_; ++k) numbers.push_back(k * step);
  double largest = step;
  for (const double number : numbers) largest = std::max(largest, std::abs(number));
  const bool plain = exponent >= -5 && largest < 1e6;
  const int digits = std::max(0, exponent_of(largest * (1 + 1e-9)) - exponent);
  for (const double number : numbers) {
    std::string label = "0";
    if (plain)
      label = fixed_text(number, std::max(0, -exponent));
    else if (std::abs(number) > step / 2)
      label = with_short_exponent(to_text(number, std::chars_format::scientific, digits));
    ticks_.push_back({(number - low_) / (high_ - low_), label});
  }
}

void ValueAxis::make_log(double lowest, double highest, double length) {
  const double low = std::log10(lowest), high = std::log10(highest);
  const double margin = 0.06 * (high - low);
  low_ = low - margin;
  high_ = high + margin;
  const int every = static_cast<int>(std::ceil((high_ - low_) * std::max(18.0, length / 8) / length));
  const int first = static_cast<int>(std::ceil(low_ / every)) * every;
  for (int exponent = first; exponent <= high_; exponent += every) {
    const bool plain = exponent >= -3 && exponent <= 4;
    ticks_.push_back({(exponent - low_) / (high_ - low_),
                      plain ? fixed_text(std::pow(10, exponent), std::max(0, -exponent))
                            : "1e" + std::to_string(exponent)});
  }
}

double EpochAxis::place(std::int64_t epoch) const {
  if (first_ == last_) return 0.5;
  return static_cast<double>(epoch - first_) / static_cast<double>(last_ - first_);
}

std::vector<Tick> EpochAxis::ticks(double length, double character_width) const {
  const double needed = character_width * (static_cast<double>(std::to_string(last_).size()) + 2);
  const double least = needed / length * static_cast<double>(last_ - first_);
  std::int64_t step = 1;
  for (std::int64_t power = 1, factor = 1; static_cast<double>(step) < least && step < INT64_MAX / 3;) {
    factor = factor == 1 ? 2 : factor == 2 ? 5 : 1;
    if (factor == 1) power *= 10;
    step = factor * power;
  }
  std::vector<Tick> ticks;
  const auto add = [&](std::int64_t epoch) { ticks.push_back({place(epoch), std::to_string(epoch)}); };
  // The multiples of the step, and the first epoch where it has room or stands alone.
  const std::int64_t gap = first_ % step == 0 ? 0 : step - first_ % step;
  if (gap > last_ - first_) {
    add(first_);
    return ticks;
  }
  if (gap > 0 && place(first_ + gap) * length >= needed) add(first_);
  std::int64_t epoch = first_ + gap;
  for (add(epoch); last_ - epoch >= step; add(epoch)) epoch += step;
  return ticks;
}

}  // namespace ragtime
