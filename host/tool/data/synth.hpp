#pragma once

// A synthetic cohort in Synthea's CSV format, with structure that a model can learn: conditions bring their
// medications, chronic ones come back, and diabetes follows from four risk conditions. No real person and no
// real frequency is in it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

namespace ragtime {

// The condition whose risk follows from earlier codes: what --label-code would predict.
inline constexpr std::string_view synth_target_code = "44054006";
inline constexpr std::string_view synth_target_name = "Diabetes";

inline constexpr std::int64_t most_synth_patients = 10'000'000;

struct SynthOptions {
  std::int64_t patients = 0;  // 1 to most_synth_patients
  std::filesystem::path out;  // a folder that is not there yet, or is empty
  std::uint64_t seed = 0;
};

struct SynthSummary {
  std::int64_t patients = 0;
  std::int64_t visits = 0;
  std::int64_t rows = 0;             // of conditions, medications and procedures
  std::int64_t target_patients = 0;  // patients with synth_target_code
};

// Writes conditions.csv, medications.csv, procedures.csv, encounters.csv and patients.csv. The same seed
// gives the same bytes on every platform, and patient i does not depend on how many there are. An event is
// not before the START of its encounter, nor after its STOP; where it has a date alone, it is the
// encounter's. The folder appears whole or not at all. progress(done) gets the number of patients done, and
// may throw.
SynthSummary write_synthetic_cohort(const SynthOptions& options,
                                    const std::function<void(std::int64_t)>& progress = {});

}  // namespace ragtime
