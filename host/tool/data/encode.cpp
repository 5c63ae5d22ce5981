#include <algorithm>
#include <utility>

#include "host/tool/data/cohort.hpp"

namespace ragtime {

EncodedCohort encode(const Cohort& cohort, const Vocabulary& vocabulary, const CodePatterns& excluded) {
  std::vector<std::int32_t> ids;  // by code of the cohort
  std::vector<bool> known;
  ids.reserve(cohort.code_names.size());
  known.reserve(cohort.code_names.size());
  for (const std::string& name : cohort.code_names) {
    const bool is_input = !excluded.match(name);
    ids.push_back(is_input ? vocabulary.map(name) : -1);
    known.push_back(!is_input || vocabulary.find(name) >= 0);
  }

  EncodedCohort encoded;
  encoded.cohort = &cohort;
  encoded.code_offsets.reserve(cohort.code_offsets.size());
  encoded.codes.reserve(cohort.codes.size());
  encoded.code_times.reserve(cohort.codes.size());
  std::vector<std::pair<std::int32_t, Time>> visit_codes;
  for (std::int64_t visit = 0; visit < cohort.visits(); ++visit) {
    visit_codes.clear();
    for (std::int64_t i = cohort.code_offsets[visit]; i < cohort.code_offsets[visit + 1]; ++i) {
      const std::int32_t code = cohort.codes[i];
      if (!known[code]) ++encoded.unknown_codes;
      if (ids[code] >= 0) visit_codes.emplace_back(ids[code], cohort.code_times[i]);
    }
    std::sort(visit_codes.begin(), visit_codes.end());
    for (std::size_t i = 0; i < visit_codes.size(); ++i) {
      if (i > 0 && visit_codes[i].first == visit_codes[i - 1].first) continue;
      encoded.codes.push_back(visit_codes[i].first);
      encoded.code_times.push_back(visit_codes[i].second);
    }
    encoded.code_offsets.push_back(static_cast<std::int64_t>(encoded.codes.size()));
  }
  return encoded;
}

}  // namespace ragtime
