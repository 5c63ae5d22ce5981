#include "host/tool/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace ragtime::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds redraw_interval(100);
constexpr std::int64_t bar_width = 24;

bool line_is_shown = false;
Clock::time_point last_drawn;

bool is_terminal() {
  static const bool terminal = ::isatty(STDERR_FILENO) != 0;
  return terminal;
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

void show_progress(const std::string& label, std::int64_t done, std::int64_t total, const std::string& text) {
  if (!is_terminal() || total <= 0) return;
  const auto now = Clock::now();
  if (line_is_shown && done < total && now - last_drawn < redraw_interval) return;
  last_drawn = now;
  const std::int64_t filled = std::clamp<std::int64_t>(done * bar_width / total, 0, bar_width);
  std::string line = label + " [" + std::string(static_cast<std::size_t>(filled), '#') +
                     std::string(static_cast<std::size_t>(bar_width - filled), '.') + "] " +
                     std::to_string(done * 100 / total) + " %  " + text;
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fflush(stdout);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  line_is_shown = true;
}

void clear_progress() {
  if (!line_is_shown) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  line_is_shown = false;
}

std::string with_separators(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string as_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto all = static_cast<long long>(std::min(std::ceil(seconds), 1e12));
  char text[48];
  if (all >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", all / 3600, all / 60 % 60, all % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", all / 60, all % 60);
  }
  return text;
}

}  // namespace ragtime::cli
