#include "host/tool/data/synth_patient.hpp"

#include <algorithm>
#include <array>

#include "host/base/check.hpp"
#include "host/tool/data/synth.hpp"

namespace ragtime {
namespace {

constexpr std::int32_t group_count = 8;
constexpr std::int32_t group_size = 5;
constexpr std::int32_t first_risk = group_count * group_size;
constexpr std::array<std::array<std::string_view, 2>, 4> risk_conditions = {
    {{"15777000", "Prediabetes"},
     {"162864005", "Body mass index 30+ - obesity (finding)"},
     {"59621000", "Essential hypertension"},
     {"55822004", "Hyperlipidemia"}}};
constexpr std::int32_t risk_count = risk_conditions.size();
constexpr std::int32_t target = first_risk + risk_count;
constexpr std::int32_t first_acute = target + 1;  // and the number of conditions that last
constexpr std::int32_t acute_count = 80;
constexpr std::int32_t acute_medications = 30;
constexpr std::int32_t acute_procedures = 40;

// Chances in ten thousand, at each visit.
constexpr std::uint32_t chronic_onset = 700;
constexpr std::uint32_t risk_onset = 60;
constexpr std::uint32_t risk_onset_when_prone = 1200;
constexpr std::array<std::uint32_t, risk_count + 1> target_onset = {5, 60, 300, 900,
                                                                    1800};  // by risks before
constexpr std::uint32_t hospital_stay = 200;
// And of a patient.
constexpr std::uint32_t prone = 3000;
constexpr std::uint32_t second_group = 4000;

constexpr std::size_t most_lasting_conditions = 10;

constexpr std::array<Knot, 9> visits_per_patient = {
    {{0, 1}, {100, 4}, {250, 8}, {500, 15}, {750, 27}, {900, 47}, {990, 95}, {999, 135}, {1000, 151}}};
constexpr std::array<Knot, 7> days_between_visits = {
    {{0, 1}, {100, 9}, {250, 30}, {500, 84}, {750, 180}, {950, 400}, {1000, 1200}}};
constexpr std::array<Knot, 2> days_to_first_follow_up = {{{0, 7}, {1000, 36}}};

// A visit begins from 07:00 on and before 18:00, and takes 15 to 60 minutes.
constexpr std::int32_t first_minute = 7 * 60;
constexpr std::uint32_t minutes_to_begin = 11 * 60;
constexpr std::int32_t shortest_visit = 15;
constexpr std::uint32_t visit_lengths = 46;

// Days of age at the first visit: a quarter are children.
constexpr std::array<Knot, 4> age_at_first_visit = {{{0, 1}, {250, 6570}, {900, 27000}, {1000, 33000}}};
constexpr std::uint32_t dies = 200;
constexpr std::int64_t days_to_death = 30;  // at least, after the last visit
constexpr std::uint32_t death_within = 336;

constexpr std::int64_t last_visits_from = 18628;  // 2021-01-01
constexpr std::uint32_t last_visits_within = 1095;

std::string numbered(std::string_view prefix, std::int32_t number) {
  std::string digits = std::to_string(number + 1);
  return std::string(prefix) + std::string(3 - digits.size(), '0') + digits;
}

void draw_times(SynthVisit& visit, SynthRandom random) {
  visit.start = first_minute + static_cast<std::int32_t>(random.below(minutes_to_begin));
  visit.stop = visit.start + shortest_visit + static_cast<std::int32_t>(random.below(visit_lengths));
  // Medications are ordered as the visit begins.
  for (SynthOrder& order : visit.medications) order.minute = visit.start;
  for (SynthOrder& order : visit.procedures)
    order.minute = visit.start + static_cast<std::int32_t>(
                                     random.below(static_cast<std::uint32_t>(visit.stop - visit.start)));
}

}  // namespace

SynthCodes::SynthCodes() {
  for (std::int32_t i = 0; i < first_risk; ++i)
    conditions.push_back({numbered("SYN-C", i), numbered("Chronic condition ", i) + ", of group " +
                                                    std::to_string(i / group_size + 1)});
  for (const auto& [code, description] : risk_conditions)
    conditions.push_back({std::string(code), std::string(description)});
  conditions.push_back({std::string(synth_target_code), std::string(synth_target_name)});
  for (std::int32_t i = 0; i < acute_count; ++i)
    conditions.push_back({numbered("SYN-A", i), numbered("Acute condition ", i)});

  for (std::int32_t i = 0; i < 2 * first_acute + acute_medications; ++i)
    medications.push_back({numbered("SYN-M", i), numbered("Medication ", i)});
  for (std::int32_t i = 0; i < first_acute + acute_procedures; ++i)
    procedures.push_back({numbered("SYN-P", i), numbered("Procedure ", i)});

  for (std::int32_t i = 0; i < first_acute; ++i) treatments.push_back({2 * i, 2 * i + 1, i});
  for (std::int32_t i = 0; i < acute_count; ++i) {
    const std::int32_t medication = 2 * first_acute + i % acute_medications;
    treatments.push_back({medication, medication, first_acute + i % acute_procedures});
  }
}

bool is_acute(std::int32_t condition) {
  return condition >= first_acute;
}

bool is_target(std::int32_t condition) {
  return condition == target;
}

// A patient's state between visits.
class SynthModel::History {
 public:
  History(const SynthModel& model, SynthRandom& random) : model_(model), random_(random) {
    prone_ = random_.chance(prone);
    groups_[0] = model_.groups_.draw(random_);
    groups_[1] = random_.chance(second_group) ? model_.groups_.draw(random_) : groups_[0];
    usual_acute_ = draw_acute();
  }

  // Days since the visit before.
  std::uint32_t draw_gap() {
    return begun_ >= 0 ? draw(days_to_first_follow_up, random_) : draw(days_between_visits, random_);
  }

  SynthVisit draw_visit() {
    SynthVisit visit;
    const std::int32_t treat_first = begun_;
    begun_ = -1;
    draw_onsets(visit);
    if (treat_first >= 0 && random_.chance(8500))
      follow_up(visit, treat_first);
    else if (!lasting_.empty() && random_.chance(5500))
      follow_up(visit, lasting_[random_.below(static_cast<std::uint32_t>(lasting_.size()))]);
    else
      treat_acute(visit, random_.chance(4000) ? usual_acute_ : draw_acute());
    if (random_.chance(hospital_stay))
      for (std::uint32_t more = 3 + random_.below(6); more > 0; --more) treat_acute(visit, draw_acute());
    return visit;
  }

 private:
  // The target's chance follows from the risks of the visits before this one.
  void draw_onsets(SynthVisit& visit) {
    const bool target_begins = !has(target) && random_.chance(target_onset[risks_]);
    for (std::int32_t risk = first_risk; risk < first_risk + risk_count; ++risk)
      if (!has(risk) && random_.chance(prone_ ? risk_onset_when_prone : risk_onset)) {
        begin(visit, risk);
        ++risks_;
      }
    if (lasting_.size() < most_lasting_conditions && random_.chance(chronic_onset)) {
      const std::uint32_t group = groups_[random_.below(2)];
      const auto condition =
          static_cast<std::int32_t>(group * group_size + model_.chronic_in_group_.draw(random_));
      if (!has(condition)) begin(visit, condition);
    }
    if (target_begins) begin(visit, target);
  }

  bool has(std::int32_t condition) const {
    return std::find(lasting_.begin(), lasting_.end(), condition) != lasting_.end();
  }

  void begin(SynthVisit& visit, std::int32_t condition) {
    visit.conditions.push_back(condition);
    lasting_.push_back(condition);
    begun_ = condition;
  }

  std::int32_t draw_acute() { return first_acute + static_cast<std::int32_t>(model_.acute_.draw(random_)); }

  void follow_up(SynthVisit& visit, std::int32_t condition) {
    const SynthTreatment& treatment = model_.codes_.treatments[condition];
    if (random_.chance(3500)) add(visit.conditions, condition);
    if (random_.chance(3000)) add(visit.medications, {treatment.second_medication, condition});
    if (random_.chance(3000)) add(visit.procedures, {treatment.procedure, condition});
    const bool nothing = visit.conditions.empty() && visit.medications.empty() && visit.procedures.empty();
    if (nothing || random_.chance(7500)) add(visit.medications, {treatment.first_medication, condition});
  }

  void treat_acute(SynthVisit& visit, std::int32_t condition) {
    const SynthTreatment& treatment = model_.codes_.treatments[condition];
    add(visit.conditions, condition);
    if (random_.chance(5000)) add(visit.medications, {treatment.first_medication, condition});
    if (random_.chance(2500)) add(visit.procedures, {treatment.procedure, condition});
  }

  static void add(std::vector<std::int32_t>& conditions, std::int32_t condition) {
    if (std::find(conditions.begin(), conditions.end(), condition) == conditions.end())
      conditions.push_back(condition);
  }

  static void add(std::vector<SynthOrder>& orders, SynthOrder order) {
    const auto same = [&](const SynthOrder& other) { return other.code == order.code; };
    if (std::none_of(orders.begin(), orders.end(), same)) orders.push_back(order);
  }

  const SynthModel& model_;
  SynthRandom& random_;
  bool prone_;
  std::array<std::uint32_t, 2> groups_;
  std::int32_t usual_acute_;
  std::vector<std::int32_t> lasting_;
  std::size_t risks_ = 0;    // of lasting_
  std::int32_t begun_ = -1;  // a condition that began at the last visit
};

SynthModel::SynthModel() : groups_(group_count), chronic_in_group_(group_size), acute_(acute_count) {}

std::vector<SynthVisit> SynthModel::draw_patient(std::uint64_t seed, std::uint32_t patient) const {
  SynthRandom random(seed, patient);
  History history(*this, random);
  std::vector<SynthVisit> visits(draw(visits_per_patient, random));
  std::int64_t day = 0;
  for (SynthVisit& visit : visits) {
    day += history.draw_gap();
    visit = history.draw_visit();
    visit.day = day;
  }
  const std::int64_t shift = last_visits_from + random.below(last_visits_within) - day;
  for (std::size_t i = 0; i < visits.size(); ++i) {
    visits[i].day += shift;
    draw_times(visits[i], SynthRandom(seed, patient, SynthPurpose::times, static_cast<std::uint32_t>(i)));
  }
  return visits;
}

SynthPerson SynthModel::draw_person(std::uint64_t seed, std::uint32_t patient,
                                    const std::vector<SynthVisit>& visits) {
  SynthRandom random(seed, patient, SynthPurpose::person);
  SynthPerson person;
  person.birth = visits.front().day - draw(age_at_first_visit, random);
  person.is_female = random.chance(5000);
  if (random.chance(dies)) person.death = visits.back().day + days_to_death + random.below(death_within);
  return person;
}

}  // namespace ragtime
