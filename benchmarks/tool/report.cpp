#include "benchmarks/tool/report.hpp"

#include <algorithm>
#include <optional>

namespace ragtime::benchmarks {
namespace {

constexpr const char* columns[] = {"ms", "us/step", "GB/s", "TFLOP/s", "of floor"};

// Three digits or more; "-" where there is no number.
std::string number(const nlohmann::ordered_json& row, const char* key) {
  if (!row.contains(key)) return "-";
  const double value = row[key].get<double>();
  char text[64];
  if (value >= 1e-3)
    std::snprintf(text, sizeof text, "%.*f", value >= 100 ? 1 : value >= 1 ? 3 : 5, value);
  else
    std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

std::string cells(const std::string& first, std::size_t width, const std::vector<std::string>& rest) {
  std::string line = first + std::string(width - std::min(width, first.size()), ' ');
  for (const std::string& cell : rest) {
    line += "  " + std::string(cell.size() < 10 ? 10 - cell.size() : 0, ' ') + cell;
  }
  return line;
}

std::string header(const Report& report, const Backend& backend, const Timing& timing, std::size_t width) {
  std::string text = report.origin.facts.name;
  if (!report.origin.facts.driver.empty()) text += ", driver " + report.origin.facts.driver;
  char times[96];
  std::snprintf(times, sizeof times, "; ms: median of %d times %g s or more\n", timing.repetitions,
                timing.seconds);
  text += times;
  if (backend.device() == DeviceType::cuda && !is_gpu(backend))
    text += "emulated: the times say nothing of a GPU\n";
  return text + cells("case", width, {std::begin(columns), std::end(columns)});
}

}  // namespace

std::string table_line(const Measurement& measurement, const Ceilings& ceilings, std::size_t name_width) {
  const Record& record = measurement.record;
  const std::string name = measurement.name();
  if (!record.reason.empty())
    return cells(name, name_width, {}) + (record.unsupported ? "  not supported: " : "  not timed: ") +
           record.reason;
  const nlohmann::ordered_json row = row_of(measurement, ceilings, {});
  std::string share = "-";
  if (row.contains("share_of_floor")) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %%", 100 * row["share_of_floor"].get<double>());
    share = text;
  }
  return cells(name, name_width,
               {number(row, "ms"), number(row, "us_per_step"), number(row, "gb_per_s"),
                number(row, "tflop_per_s"), share});
}

bool measure_all(std::vector<Measurement>& measurements, const std::shared_ptr<Backend>& backend,
                 const Timing& timing, const Report& report, std::FILE* out, std::FILE* errors) {
  std::size_t width = 0;
  for (const Measurement& measurement : measurements) width = std::max(width, measurement.name().size());
  if (!report.json) std::fprintf(out, "%s\n", header(report, *backend, timing, width).c_str());
  bool right = true, timed = false;
  std::string why_not;
  for (Measurement& measurement : measurements) {
    measure(measurement, backend, report.origin.facts.second_level, timing.repetitions, timing.seconds);
    const Record& record = measurement.record;
    const std::string line = report.json ? row_of(measurement, report.ceilings, report.origin).dump()
                                         : table_line(measurement, report.ceilings, width);
    std::fprintf(out, "%s\n", line.c_str());
    std::fflush(out);
    timed = timed || record.reason.empty();
    if (record.unsupported) why_not = record.reason;
    if (!record.failed()) continue;
    right = false;
    std::fprintf(errors, "error: %s is not timed: %s\n", measurement.name().c_str(), record.reason.c_str());
  }
  if (right && !timed) std::fprintf(errors, "error: nothing was timed: %s\n", why_not.c_str());
  return right && timed;
}

}  // namespace ragtime::benchmarks
