#pragma once

// What happens to a synthetic patient, visit by visit, before it is written anywhere.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/tool/data/synth_random.hpp"

namespace ragtime {

struct SynthCode {
  std::string code;
  std::string description;
};

// What a condition brings along; indices into SynthCodes.
struct SynthTreatment {
  std::int32_t first_medication;
  std::int32_t second_medication;
  std::int32_t procedure;
};

// Conditions are, in this order: chronic ones in groups, the risk conditions, the target, acute ones.
struct SynthCodes {
  std::vector<SynthCode> conditions;
  std::vector<SynthCode> medications;
  std::vector<SynthCode> procedures;
  std::vector<SynthTreatment> treatments;  // by condition

  SynthCodes();
};

bool is_acute(std::int32_t condition);
bool is_target(std::int32_t condition);

struct SynthOrder {
  std::int32_t code;        // a medication or a procedure
  std::int32_t reason;      // a condition
  std::int32_t minute = 0;  // of the day; within the visit
};

struct SynthVisit {
  std::int64_t day = 0;    // since 1970-01-01
  std::int32_t start = 0;  // minutes of the day
  std::int32_t stop = 0;
  std::vector<std::int32_t> conditions;
  std::vector<SynthOrder> medications;
  std::vector<SynthOrder> procedures;
};

struct SynthPerson {
  std::int64_t birth = 0;             // a day before the first visit
  std::optional<std::int64_t> death;  // a day after the last visit
  bool is_female = false;
};

class SynthModel {
 public:
  SynthModel();

  const SynthCodes& codes() const { return codes_; }
  // The visits of one patient, days increasing.
  std::vector<SynthVisit> draw_patient(std::uint64_t seed, std::uint32_t patient) const;
  // The patient of these visits.
  static SynthPerson draw_person(std::uint64_t seed, std::uint32_t patient,
                                 const std::vector<SynthVisit>& visits);

 private:
  class History;

  SynthCodes codes_;
  Zipf groups_;
  Zipf chronic_in_group_;
  Zipf acute_;
};

}  // namespace ragtime
