#include <algorithm>

#include "host/data/cohort.hpp"

namespace ragtime {

EncodedCohort encode(const Cohort& cohort, const Vocabulary& vocabulary) {
  std::vector<std::int32_t> ids;  // by code of the cohort
  std::vector<bool> known;
  ids.reserve(cohort.code_names.size());
  known.reserve(cohort.code_names.size());
  for (const std::string& name : cohort.code_names) {
    ids.push_back(vocabulary.map(name));
    known.push_back(vocabulary.find(name) >= 0);
  }

  EncodedCohort encoded;
  encoded.cohort = &cohort;
  encoded.code_offsets.reserve(cohort.code_offsets.size());
  encoded.codes.reserve(cohort.codes.size());
  for (std::int64_t visit = 0; visit < cohort.visits(); ++visit) {
    const auto begin = static_cast<std::ptrdiff_t>(encoded.codes.size());
    for (const std::int32_t code : cohort.visit_codes(visit)) {
      if (!known[code]) ++encoded.unknown_codes;
      if (ids[code] >= 0) encoded.codes.push_back(ids[code]);
    }
    std::sort(encoded.codes.begin() + begin, encoded.codes.end());
    encoded.codes.erase(std::unique(encoded.codes.begin() + begin, encoded.codes.end()), encoded.codes.end());
    encoded.code_offsets.push_back(static_cast<std::int64_t>(encoded.codes.size()));
  }
  return encoded;
}

}  // namespace ragtime
