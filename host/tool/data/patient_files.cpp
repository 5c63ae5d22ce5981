#include "host/tool/data/patient_files.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/tool/data/csv.hpp"
#include "host/tool/data/text_file.hpp"

namespace ragtime {
namespace {

constexpr std::array<std::string_view, 2> patient_columns = {"subject_id", "patient_id"};
constexpr std::array<std::string_view, 2> part_columns = {"part", "split"};

std::string patient_of(CsvReader& reader, std::size_t column) {
  const std::string_view id = reader.field(column);
  if (id.empty()) reader.refuse(reader.header()[column], " is empty");
  return std::string(id);
}

Timestamp time_of(CsvReader& reader, std::size_t column) {
  const std::string_view text = reader.field(column);
  Timestamp time;
  if (!parse_timestamp(text, time))
    reader.refuse(reader.header()[column], " is ", excerpt(text),
                  ": expected a time such as 2019-01-23 or 2019-01-23T10:20:30Z");
  return time;
}

double number_of(const CsvReader& reader, std::string_view name, std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
    reader.refuse(name, " is ", excerpt(text), ": expected a finite number");
  return number;
}

// Lines by a key that each may have once.
class SeenLines {
 public:
  // The line that had the key before, if one had.
  std::optional<std::int64_t> add(const std::string& key, std::int64_t line) {
    const auto [first, is_new] = lines_.emplace(key, line);
    return is_new ? std::nullopt : std::optional(first->second);
  }

 private:
  std::unordered_map<std::string, std::int64_t> lines_;
};

LabelTable read_whole_record_labels(CsvReader& reader, LabelValues values) {
  LabelTable table;
  const std::size_t patient_column = reader.column("patient_id");
  const bool has_label = values == LabelValues::required;
  const std::size_t label_column = has_label ? reader.column("label") : 0;
  SeenLines seen;
  while (reader.next()) {
    const std::string patient = patient_of(reader, patient_column);
    if (const auto before = seen.add(patient, reader.line()))
      reader.refuse("patient_id ", excerpt(patient), " was labelled before, at line ", *before);
    const double label = has_label ? number_of(reader, "label", reader.field(label_column)) : 0;
    table.labels.push_back({patient, label});
  }
  return table;
}

enum class ValueKind : std::uint8_t { boolean, integer, real, category };

constexpr std::array<const char*, 4> value_names = {"boolean_value", "integer_value", "float_value",
                                                    "categorical_value"};

// A value of a line in the MEDS label schema.
struct LabelValue {
  ValueKind kind;
  double number = 0;
  std::string category = {};

  bool operator==(const LabelValue&) const = default;
};

LabelValue parse_value(const CsvReader& reader, ValueKind kind, std::string_view text) {
  const char* name = value_names[static_cast<std::size_t>(kind)];
  switch (kind) {
    case ValueKind::boolean:
      for (const std::string_view yes : {"true", "True", "TRUE", "1"})
        if (text == yes) return {kind, 1};
      for (const std::string_view no : {"false", "False", "FALSE", "0"})
        if (text == no) return {kind, 0};
      reader.refuse(name, " is ", excerpt(text), ": expected true or false");
    case ValueKind::integer: {
      const double number = number_of(reader, name, text);
      if (number != std::floor(number)) reader.refuse(name, " is ", excerpt(text), ": expected an integer");
      return {kind, number};
    }
    case ValueKind::real:
      return {kind, number_of(reader, name, text)};
    case ValueKind::category:
      return {kind, 0, std::string(text)};
  }
  return {kind};
}

// The columns of the four kinds of value that a file has.
class ValueColumns {
 public:
  explicit ValueColumns(const CsvReader& reader) {
    for (std::size_t k = 0; k < value_names.size(); ++k) columns_[k] = reader.find_column(value_names[k]);
    if (std::none_of(columns_.begin(), columns_.end(), [](const auto& column) { return column.has_value(); }))
      reader.column("boolean_value, integer_value, float_value or categorical_value");  // throws
  }

  // The one value of the current line, or nothing where all are empty.
  std::optional<LabelValue> value(CsvReader& reader) {
    std::optional<std::size_t> filled;
    for (std::size_t k = 0; k < columns_.size(); ++k) {
      if (!columns_[k] || reader.field(*columns_[k]).empty()) continue;
      if (filled)
        reader.refuse(value_names[*filled], " and ", value_names[k], " are both filled: expected one value");
      filled = k;
    }
    if (!filled) return std::nullopt;
    if (!used_) {
      used_ = filled;
      first_line_ = reader.line();
    } else if (*used_ != *filled) {
      reader.refuse(value_names[*filled], " is filled, but ", value_names[*used_], " at line ", first_line_,
                    ": expected the same column in every line");
    }
    return parse_value(reader, static_cast<ValueKind>(*filled), reader.field(*columns_[*filled]));
  }

 private:
  std::array<std::optional<std::size_t>, 4> columns_;
  std::optional<std::size_t> used_;
  std::int64_t first_line_ = 0;
};

// Of a date without a time of day: nothing that happened on that day.
Time label_limit(const Timestamp& time) {
  return time.date_only ? time.time - 1 : time.time;
}

LabelTable read_meds_labels(CsvReader& reader, LabelValues values) {
  LabelTable table;
  table.has_times = true;
  const std::size_t patient_column = reader.column("subject_id");
  const std::size_t time_column = reader.column("prediction_time");
  std::optional<ValueColumns> columns;
  if (values == LabelValues::required) columns.emplace(reader);
  struct First {
    std::int64_t line;
    LabelValue value;
  };
  std::unordered_map<std::string, First> first_lines;  // by patient and time
  std::vector<std::string> categories;                 // of labels
  while (reader.next()) {
    const std::string patient = patient_of(reader, patient_column);
    const Timestamp time = time_of(reader, time_column);
    std::optional<LabelValue> value = LabelValue{ValueKind::boolean};
    if (columns) value = columns->value(reader);
    if (!value) {
      ++table.null_values;
      continue;
    }
    PatientLabel label{patient, value->number, label_limit(time), std::string(reader.field(time_column)),
                       time};
    const auto [first, is_new] =
        first_lines.emplace(patient + '\n' + std::to_string(label.until), First{reader.line(), *value});
    if (!is_new) {
      if (first->second.value != *value)
        reader.refuse("subject_id ", excerpt(patient), " has another value at ", label.time_text,
                      " already, at line ", first->second.line);
      ++table.duplicates;
      continue;
    }
    table.is_categorical = value->kind == ValueKind::category;
    categories.push_back(std::move(value->category));
    table.labels.push_back(std::move(label));
  }
  if (!table.is_categorical) return table;
  table.classes = categories;
  std::sort(table.classes.begin(), table.classes.end());
  table.classes.erase(std::unique(table.classes.begin(), table.classes.end()), table.classes.end());
  for (std::size_t i = 0; i < table.labels.size(); ++i)
    table.labels[i].label = static_cast<double>(
        std::lower_bound(table.classes.begin(), table.classes.end(), categories[i]) - table.classes.begin());
  return table;
}

}  // namespace

LabelTable read_labels(const std::filesystem::path& file, LabelValues values) {
  const std::string content = read_text_file(file);
  CsvReader reader(content, file.string());
  const bool has_times =
      reader.find_column("prediction_time").has_value() || reader.find_column("subject_id").has_value();
  LabelTable table = has_times ? read_meds_labels(reader, values) : read_whole_record_labels(reader, values);
  if (table.labels.empty() && table.null_values > 0)
    fail(ErrorCode::parse_error, file.string(), " holds no labels: none of its ", table.null_values,
         " lines has a value");
  check(!table.labels.empty(), ErrorCode::parse_error, file.string(), " holds no labels: only a header line");
  return table;
}

std::vector<PatientTime> read_patient_times(const std::filesystem::path& file) {
  const std::string content = read_text_file(file);
  CsvReader reader(content, file.string());
  const std::size_t patient_column = reader.column(patient_columns);
  const std::size_t time_column = reader.column("time");
  std::vector<PatientTime> times;
  SeenLines seen;
  while (reader.next()) {
    times.push_back({patient_of(reader, patient_column), time_of(reader, time_column)});
    if (const auto before = seen.add(times.back().patient_id, reader.line()))
      reader.refuse(reader.header()[patient_column], " ", excerpt(times.back().patient_id),
                    " has a time already, at line ", *before);
  }
  check(!times.empty(), ErrorCode::parse_error, file.string(), " holds no times: only a header line");
  return times;
}

const char* name_of(Part part) {
  switch (part) {
    case Part::training:
      return "train";
    case Part::validation:
      return "validation";
    case Part::test:
      return "test";
  }
  return "";
}

std::vector<PatientPart> read_patient_parts(const std::filesystem::path& file) {
  const std::string content = read_text_file(file);
  CsvReader reader(content, file.string());
  const std::size_t patient_column = reader.column(patient_columns);
  const std::size_t part_column = reader.column(part_columns);
  std::vector<PatientPart> parts;
  std::unordered_map<std::string, std::pair<Part, std::int64_t>> seen;  // with the line
  while (reader.next()) {
    const std::string_view text = reader.field(part_column);
    PatientPart entry{patient_of(reader, patient_column)};
    if (text == "train") {
      entry.part = Part::training;
    } else if (text == "validation" || text == "tuning") {
      entry.part = Part::validation;
    } else if (text == "test" || text == "held_out") {
      entry.part = Part::test;
    } else {
      reader.refuse(reader.header()[part_column], " is ", excerpt(text),
                    ": expected train, validation (or tuning) or test (or held_out)");
    }
    const auto [first, is_new] = seen.emplace(entry.patient_id, std::pair(entry.part, reader.line()));
    if (!is_new && first->second.first != entry.part)
      reader.refuse(reader.header()[patient_column], " ", excerpt(entry.patient_id), " is in ",
                    name_of(entry.part), " and, at line ", first->second.second, ", in ",
                    name_of(first->second.first), ": expected one part for each");
    if (is_new) parts.push_back(std::move(entry));
  }
  check(!parts.empty(), ErrorCode::parse_error, file.string(), " holds no parts: only a header line");
  return parts;
}

}  // namespace ragtime
