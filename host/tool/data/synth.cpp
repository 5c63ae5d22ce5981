#include "host/tool/data/synth.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "host/base/atomic_file.hpp"
#include "host/base/atomic_folder.hpp"
#include "host/base/check.hpp"
#include "host/tool/data/synth_patient.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t acute_days = 14;

constexpr std::array<std::string_view, 5> table_files = {"conditions.csv", "medications.csv",
                                                         "procedures.csv", "encounters.csv", "patients.csv"};

// Why somebody comes; as Synthea has it.
struct EncounterKind {
  std::string_view name;  // ENCOUNTERCLASS
  std::string_view code;
  std::string_view description;
};
constexpr EncounterKind emergency = {"emergency", "50849002", "Emergency room admission (procedure)"};
constexpr EncounterKind symptom = {"ambulatory", "185345009", "Encounter for symptom"};
constexpr EncounterKind problem = {"ambulatory", "185347001", "Encounter for problem (procedure)"};
constexpr EncounterKind follow_up = {"outpatient", "390906007", "Follow-up encounter"};

const EncounterKind& kind_of(const SynthVisit& visit) {
  constexpr std::ptrdiff_t many = 4;  // acute conditions at once
  const auto acute = std::count_if(visit.conditions.begin(), visit.conditions.end(), is_acute);
  if (acute >= many) return emergency;
  if (acute > 0) return symptom;
  return visit.conditions.empty() ? follow_up : problem;
}

// A version 4 UUID out of the seed's numbers that no patient draws from.
std::string uuid(std::uint64_t seed, std::uint32_t patient, std::uint32_t index) {
  auto numbers = philox({index, patient, 0, static_cast<std::uint32_t>(SynthPurpose::uuid)}, seed);
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

std::string two_digits(unsigned number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

std::string date(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return std::to_string(static_cast<int>(date.year())) + "-" +
         two_digits(static_cast<unsigned>(date.month())) + "-" +
         two_digits(static_cast<unsigned>(date.day()));
}

std::string date_and_time(std::int64_t day, std::int32_t minute) {
  return date(day) + "T" + two_digits(static_cast<unsigned>(minute / 60)) + ":" +
         two_digits(static_cast<unsigned>(minute % 60)) + ":00Z";
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
        procedures_(folder / "procedures.csv"),
        encounters_(folder / "encounters.csv"),
        patients_(folder / "patients.csv") {
    conditions_.write("START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION\n");
    medications_.write("START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION,REASONCODE,REASONDESCRIPTION\n");
    procedures_.write("DATE,PATIENT,ENCOUNTER,CODE,DESCRIPTION,REASONCODE,REASONDESCRIPTION\n");
    encounters_.write("Id,START,STOP,PATIENT,ENCOUNTERCLASS,CODE,DESCRIPTION\n");
    patients_.write("Id,BIRTHDATE,DEATHDATE,GENDER\n");
  }

  void write(const std::string& patient, const SynthPerson& person) {
    patients_.write(patient + "," + date(person.birth) + "," + (person.death ? date(*person.death) : "") +
                    "," + (person.is_female ? "F" : "M") + "\n");
  }

  void write(const std::string& patient, const std::string& encounter, const SynthVisit& visit) {
    const std::string ids = "," + patient + "," + encounter + ",";
    const auto stop_of = [&](std::int32_t condition, const std::string& stop) {
      return "," + (is_acute(condition) ? stop : "");
    };
    for (const std::int32_t condition : visit.conditions)
      conditions_.write(date(visit.day) + stop_of(condition, date(visit.day + acute_days)) + ids +
                        fields(codes_.conditions[condition]) + "\n");
    for (const SynthOrder& order : visit.medications)
      medications_.write(date_and_time(visit.day, order.minute) +
                         stop_of(order.reason, date_and_time(visit.day + acute_days, order.minute)) + ids +
                         fields(codes_.medications[order.code]) + "," +
                         fields(codes_.conditions[order.reason]) + "\n");
    for (const SynthOrder& order : visit.procedures)
      procedures_.write(date_and_time(visit.day, order.minute) + ids + fields(codes_.procedures[order.code]) +
                        "," + fields(codes_.conditions[order.reason]) + "\n");
    const EncounterKind& kind = kind_of(visit);
    encounters_.write(concat(encounter, ",", date_and_time(visit.day, visit.start), ",",
                             date_and_time(visit.day, visit.stop), ",", patient, ",", kind.name, ",",
                             kind.code, ",", kind.description, "\n"));
  }

  void commit() {
    conditions_.commit();
    medications_.commit();
    procedures_.commit();
    encounters_.commit();
    patients_.commit();
  }

 private:
  const SynthCodes& codes_;
  AtomicFile conditions_;
  AtomicFile medications_;
  AtomicFile procedures_;
  AtomicFile encounters_;
  AtomicFile patients_;
};

}  // namespace

SynthSummary write_synthetic_cohort(const SynthOptions& options,
                                    const std::function<void(std::int64_t)>& progress) {
  check(options.patients >= 1 && options.patients <= most_synth_patients, ErrorCode::invalid_argument,
        "patients is ", options.patients, ": expected 1 to ", most_synth_patients);
  check(!options.out.empty(), ErrorCode::invalid_argument, "out is empty: expected the folder to write");
  AtomicFolder folder(options.out, table_files);
  const SynthModel model;
  SynthSummary summary;
  {
    Tables tables(folder.path(), model.codes());
    for (std::uint32_t patient = 0; patient < options.patients; ++patient) {
      const std::string id = uuid(options.seed, patient, 0);
      const auto visits = model.draw_patient(options.seed, patient);
      tables.write(id, SynthModel::draw_person(options.seed, patient, visits));
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
      if (progress) progress(summary.patients);
    }
    tables.commit();
  }
  folder.commit();
  return summary;
}

}  // namespace ragtime
