#include "cuda/lstm/choice/choice.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "cuda/lstm/choice/model.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

using Options = std::vector<LstmPassChoice>;

bool holds(const LstmCandidate& candidate, std::int64_t hidden) {
  return candidate.tile.hidden >= hidden;
}
// Groups wait for each other's blocks, so those of all directions have to be resident at once; of clusters
// one may wait for another's end.
bool fits(const LstmDesc& desc, const LstmCandidate& candidate) {
  return candidate.resident_clusters >= (candidate.tile.grid ? desc.directions() : 1);
}

// The smallest Hp for which every pass of the plan has a kernel that fits the device; 0: none.
int padded_hidden(const LstmDesc& desc, const LstmCandidates& candidates) {
  int smallest = 0;
  for (const LstmCandidate& forward : candidates.forward) {
    const auto serves = [&](const LstmCandidate& backward) {
      return backward.tile.hidden == forward.tile.hidden && fits(desc, backward);
    };
    if (!holds(forward, desc.hidden_size) || !fits(desc, forward)) continue;
    if (desc.training && std::none_of(candidates.backward.begin(), candidates.backward.end(), serves))
      continue;
    if (smallest == 0 || forward.tile.hidden < smallest) smallest = forward.tile.hidden;
  }
  return smallest;
}

std::string sizes_of(const LstmDesc& desc) {
  return concat("hidden_size ", desc.hidden_size, " in ",
                desc.dtype == DType::f32 ? "tf32" : name_of(desc.dtype));
}

// Why the persistent algorithm cannot run the description on this device, given that Hp is `hidden`.
std::optional<std::string> obstacle(const LstmDesc& desc, const LstmCandidates& candidates, int hidden) {
  if (desc.proj_size > 0)
    return concat("proj_size is ", desc.proj_size, ": the persistent algorithm has no projection");
  if (desc.dtype == DType::f32 && !desc.tf32)
    return "dtype is f32 with tf32 = false: the persistent algorithm multiplies in tf32, bf16 or f16";
  if (hidden > 0) return std::nullopt;
  int largest = 0;
  for (const LstmCandidate& candidate : candidates.forward)
    largest = std::max(largest, candidate.tile.hidden);
  if (largest >= desc.hidden_size) return concat(sizes_of(desc), ": no kernel for it fits this device");
  return concat(sizes_of(desc), ": no tile holds it; the largest has ", largest, " units");
}

Options options_of(const LstmDesc& desc, LstmPass pass, const std::vector<LstmCandidate>& candidates,
                   int hidden, const LstmCosts& costs) {
  Options options;
  for (const LstmCandidate& candidate : candidates)
    if (candidate.tile.hidden == hidden && fits(desc, candidate))
      options.push_back(predict_persistent(desc, pass, candidate, costs));
  options.push_back(predict_stepwise(desc, pass, costs));
  // Among equals the one that occupies less of the device.
  std::stable_sort(options.begin(), options.end(), [](const LstmPassChoice& a, const LstmPassChoice& b) {
    const auto blocks = [](const LstmPassChoice& option) { return option.clusters * option.cluster; };
    return a.us != b.us ? a.us < b.us : blocks(a) < blocks(b);
  });
  return options;
}

std::vector<LstmCut> cuts_of(const Options& options) {
  std::vector<LstmCut> cuts;
  for (const LstmPassChoice& option : options)
    if (option.algorithm == LstmAlgorithm::persistent) cuts.push_back({option.cluster, option.slots});
  std::sort(cuts.begin(), cuts.end(), [](const LstmCut& a, const LstmCut& b) {
    return a.cluster != b.cluster ? a.cluster < b.cluster : a.slots < b.slots;
  });
  return cuts;
}

// "cluster is 3 and slots is 8"
std::string forced_cut(const LstmDesc& desc) {
  std::string text;
  if (desc.cluster != 0) text = concat("cluster is ", desc.cluster);
  if (desc.slots != 0) text += concat(text.empty() ? "" : " and ", "slots is ", desc.slots);
  return text;
}

const LstmPassChoice& best_persistent(const LstmDesc& desc, LstmPass pass, const Options& options) {
  for (const LstmPassChoice& option : options)
    if (option.algorithm == LstmAlgorithm::persistent &&
        (desc.cluster == 0 || desc.cluster == option.cluster) &&
        (desc.slots == 0 || desc.slots == option.slots))
      return option;
  std::string list;
  for (const LstmCut& cut : cuts_of(options))
    list += concat(list.empty() ? "" : ", ", cut.cluster, " x ", cut.slots);
  fail(ErrorCode::unsupported, forced_cut(desc), ": expected what ",
       pass == LstmPass::forward ? "forward" : "backward", " has for ", sizes_of(desc),
       " on this device, cluster x slots: ", list);
}

const LstmPassChoice& stepwise_of(const Options& options) {
  return *std::find_if(options.begin(), options.end(), [](const LstmPassChoice& option) {
    return option.algorithm == LstmAlgorithm::stepwise;
  });
}

std::string microseconds(double us) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f us", us < 10 ? 1 : 0, us);
  return text;
}

}  // namespace

LstmChoice choose_lstm(const LstmDesc& desc, const LstmCandidates& candidates, const LstmCosts& costs) {
  const bool forced = desc.cluster != 0 || desc.slots != 0;
  const bool may_persist =
      desc.algorithm == LstmAlgorithm::automatic || desc.algorithm == LstmAlgorithm::persistent;
  check(may_persist || !forced, ErrorCode::unsupported, forced_cut(desc), ", but algorithm is ",
        name_of(desc.algorithm), ": expected 0, or algorithm persistent");

  int hidden = padded_hidden(desc, candidates);
  const std::optional<std::string> why_not = obstacle(desc, candidates, hidden);
  if (why_not) hidden = 0;
  check(!why_not || desc.algorithm != LstmAlgorithm::persistent, ErrorCode::unsupported,
        "algorithm is persistent, but ", why_not.value_or(""));
  check(!why_not || !forced, ErrorCode::unsupported, forced_cut(desc), ", but ", why_not.value_or(""));

  LstmChoice choice;
  choice.costs = costs.source;
  choice.forward_options = options_of(desc, LstmPass::forward, candidates.forward, hidden, costs);
  choice.cuts = cuts_of(choice.forward_options);
  if (desc.training) {
    choice.backward_options = options_of(desc, LstmPass::backward, candidates.backward, hidden, costs);
    const std::vector<LstmCut> others = cuts_of(choice.backward_options);
    std::erase_if(choice.cuts, [&](const LstmCut& cut) {
      return std::find(others.begin(), others.end(), cut) == others.end();
    });
  }

  const auto take = [&](LstmAlgorithm algorithm, std::string reason) {
    choice.algorithm = algorithm;
    choice.reason = std::move(reason);
    choice.graph_takes_any_batch = algorithm == LstmAlgorithm::persistent;
    const auto pick = [&](LstmPass pass, const Options& options) {
      if (algorithm == LstmAlgorithm::persistent) return best_persistent(desc, pass, options);
      if (algorithm == LstmAlgorithm::stepwise) return stepwise_of(options);
      LstmPassChoice unknown;
      unknown.algorithm = algorithm;
      return unknown;
    };
    choice.forward = pick(LstmPass::forward, choice.forward_options);
    if (desc.training) choice.backward = pick(LstmPass::backward, choice.backward_options);
    return choice;
  };
  if (desc.algorithm != LstmAlgorithm::automatic) return take(desc.algorithm, "as the description asks");
  if (why_not) return take(LstmAlgorithm::stepwise, *why_not);
  take(LstmAlgorithm::persistent, "");
  const double persistent = choice.forward.us + choice.backward.us;
  double stepwise = stepwise_of(choice.forward_options).us;
  if (desc.training) stepwise += stepwise_of(choice.backward_options).us;
  if (forced) return take(LstmAlgorithm::persistent, forced_cut(desc) + ", which only persistent has");
  return persistent <= stepwise
             ? take(LstmAlgorithm::persistent, concat("expected to take ", microseconds(persistent),
                                                      ", stepwise ", microseconds(stepwise)))
             : take(LstmAlgorithm::stepwise, concat("expected to take ", microseconds(stepwise),
                                                    ", persistent ", microseconds(persistent)));
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
