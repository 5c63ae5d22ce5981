#include <charconv>
#include <cmath>
#include <unordered_map>

#include "host/core/atomic_file.hpp"
#include "host/data/cohort.hpp"
#include "host/data/csv.hpp"
#include "host/data/excerpt.hpp"

namespace ragtime {
namespace {

double parse_label(const CsvReader& reader, std::string_view text) {
  double label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(label))
    reader.refuse("label is ", excerpt(text), ": expected a finite number");
  return label;
}

}  // namespace

std::vector<PatientLabel> read_labels(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  CsvReader reader(content, file.string());
  const std::size_t patient_column = reader.column("patient_id");
  const std::size_t label_column = reader.column("label");
  std::vector<PatientLabel> labels;
  std::unordered_map<std::string, std::int64_t> lines;
  while (reader.next()) {
    const std::string patient(reader.field(patient_column));
    if (patient.empty()) reader.refuse("patient_id is empty");
    const auto [first, is_new] = lines.emplace(patient, reader.line());
    if (!is_new)
      reader.refuse("patient_id ", excerpt(patient), " was labelled before, at line ", first->second);
    labels.push_back({patient, parse_label(reader, reader.field(label_column))});
  }
  check(!labels.empty(), ErrorCode::parse_error, file.string(), " holds no labels: only a header line");
  return labels;
}

}  // namespace ragtime
