#include "host/data/synth.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "host/core/atomic_file.hpp"
#include "host/core/check.hpp"
#include "host/data/synth_patient.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t acute_days = 14;

// A folder that takes its name when it is whole, and is gone otherwise.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::exists(status)) {
      check(std::filesystem::is_directory(status), ErrorCode::io_error, "out is ", path.string(),
            ", which is no folder: expected a folder that is not there yet, or is empty");
      const bool empty = std::filesystem::is_empty(path, error);
      refuse(error, "reading", path);
      check(empty, ErrorCode::io_error, "out is ", path.string(),
            ", which is not empty: expected a folder that is not there yet, or is empty");
    }
    path_ = std::filesystem::weakly_canonical((path / "").parent_path(), error);  // "a/" is a
    refuse(error, "finding", path);
    if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), error);
    refuse(error, "creating", path_.parent_path());
    temporary_ = path_;
    temporary_ += concat(".tmp", ::getpid());
    std::filesystem::create_directory(temporary_, error);
    refuse(error, "creating", temporary_);
  }

  ~AtomicFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
  }

  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }

  void commit() {
    std::error_code error;
    std::filesystem::rename(temporary_, path_, error);
    refuse(error, "renaming to", path_);
    temporary_.clear();
  }

 private:
  static void refuse(const std::error_code& error, const char* action, const std::filesystem::path& path) {
    check(!error, ErrorCode::io_error, action, " ", path.string(), " failed: ", error.message());
  }

  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

// A version 4 UUID out of the seed's numbers that no patient draws from.
std::string uuid(std::uint64_t seed, std::uint32_t patient, std::uint32_t index) {
  auto numbers = philox({index, patient, 0, 1}, seed);
  numbers[1] = (numbers[1] & 0xFFFF0FFF) | 0x4000;
  numbers[2] = (numbers[2] & 0x3FFFFFFF) | 0x80000000;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (int digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) text += '-';
    text += digits[(numbers[digit / 8] >> (28 - 4 * (digit % 8))) & 15];
  }
  return text;
}

std::string date(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  const auto two = [](unsigned number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return std::to_string(static_cast<int>(date.year())) + "-" + two(static_cast<unsigned>(date.month())) +
         "-" + two(static_cast<unsigned>(date.day()));
}

std::string fields(const SynthCode& code) {
  const bool quoted = code.description.find(',') != std::string::npos;
  return code.code + (quoted ? ",\"" + code.description + "\"" : "," + code.description);
}

class Tables {
 public:
  Tables(const std::filesystem::path& folder, const SynthCodes& codes)
      : codes_(codes),
        conditions_(folder / "conditions.csv"),
        medications_(folder / "medications.csv"),
        procedures_(folder / "procedures.csv") {
    conditions_.write("START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION\n");
    medications_.write("START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION,REASONCODE,REASONDESCRIPTION\n");
    procedures_.write("DATE,PATIENT,ENCOUNTER,CODE,DESCRIPTION,REASONCODE,REASONDESCRIPTION\n");
  }

  void write(const std::string& patient, const std::string& encounter, const SynthVisit& visit) {
    const std::string start = date(visit.day);
    const std::string stop = date(visit.day + acute_days);
    const std::string ids = "," + patient + "," + encounter + ",";
    const auto stop_of = [&](std::int32_t condition) { return "," + (is_acute(condition) ? stop : ""); };
    for (const std::int32_t condition : visit.conditions)
      conditions_.write(start + stop_of(condition) + ids + fields(codes_.conditions[condition]) + "\n");
    for (const SynthOrder& order : visit.medications)
      medications_.write(start + stop_of(order.reason) + ids + fields(codes_.medications[order.code]) + "," +
                         fields(codes_.conditions[order.reason]) + "\n");
    for (const SynthOrder& order : visit.procedures)
      procedures_.write(start + ids + fields(codes_.procedures[order.code]) + "," +
                        fields(codes_.conditions[order.reason]) + "\n");
  }

  void commit() {
    conditions_.commit();
    medications_.commit();
    procedures_.commit();
  }

 private:
  const SynthCodes& codes_;
  AtomicFile conditions_;
  AtomicFile medications_;
  AtomicFile procedures_;
};

}  // namespace

SynthSummary write_synthetic_cohort(const SynthOptions& options) {
  check(options.patients >= 1 && options.patients <= most_synth_patients, ErrorCode::invalid_argument,
        "patients is ", options.patients, ": expected 1 to ", most_synth_patients);
  check(!options.out.empty(), ErrorCode::invalid_argument, "out is empty: expected the folder to write");
  AtomicFolder folder(options.out);
  const SynthModel model;
  SynthSummary summary;
  {
    Tables tables(folder.path(), model.codes());
    for (std::uint32_t patient = 0; patient < options.patients; ++patient) {
      const std::string id = uuid(options.seed, patient, 0);
      const auto visits = model.draw_patient(options.seed, patient);
      bool has_target = false;
      for (std::size_t i = 0; i < visits.size(); ++i) {
        const SynthVisit& visit = visits[i];
        tables.write(id, uuid(options.seed, patient, static_cast<std::uint32_t>(i + 1)), visit);
        has_target |= std::any_of(visit.conditions.begin(), visit.conditions.end(), is_target);
        summary.rows += static_cast<std::int64_t>(visit.conditions.size() + visit.medications.size() +
                                                  visit.procedures.size());
      }
      ++summary.patients;
      summary.visits += static_cast<std::int64_t>(visits.size());
      summary.target_patients += has_target;
    }
    tables.commit();
  }
  folder.commit();
  return summary;
}

}  // namespace ragtime
