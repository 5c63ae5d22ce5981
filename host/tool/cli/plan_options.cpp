#include "host/tool/cli/plan_options.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>
#include <vector>

#include "host/base/check.hpp"
#include "host/base/printable.hpp"
#include "host/ops/lstm_choice_text.hpp"
#include "ragtime/lstm_choice.hpp"

namespace ragtime::cli {
namespace {

constexpr const char* default_model = "h200";

struct Plan {
  LstmDesc desc;
  bool has_rows = false;
};

[[noreturn]] void refuse(std::string_view key, std::string_view value, const std::string& expected) {
  fail(ErrorCode::invalid_argument, "--plan: ", key, " is \"", printable(value, 40), "\": expected ",
       expected);
}

std::int64_t integer(std::string_view key, std::string_view value, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < least || number > most)
    refuse(key, value, concat("an integer from ", least, " to ", most));
  return number;
}

// One of some words, as its place among them.
std::size_t word(std::string_view key, std::string_view value, const std::vector<std::string>& words) {
  const auto found = std::find(words.begin(), words.end(), value);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string list;
  for (const std::string& each : words) list += (list.empty() ? "" : ", ") + each;
  refuse(key, value, "one of " + list);
}

bool truth(std::string_view key, std::string_view value) {
  return word(key, value, {"false", "true"}) == 1;
}

struct Key {
  const char* name;
  const char* help;
  std::function<void(std::string_view key, std::string_view value, Plan& plan)> set;
};

std::function<void(std::string_view, std::string_view, Plan&)> size(std::int64_t LstmDesc::*member,
                                                                    std::int64_t least, std::int64_t most) {
  return [=](std::string_view key, std::string_view value, Plan& plan) {
    plan.desc.*member = integer(key, value, least, most);
  };
}
std::function<void(std::string_view, std::string_view, Plan&)> flag(bool LstmDesc::*member) {
  return [=](std::string_view key, std::string_view value, Plan& plan) {
    plan.desc.*member = truth(key, value);
  };
}

const std::vector<Key>& keys() {
  constexpr std::int64_t most_units = (std::int64_t{1} << 28) - 1, most_items = INT32_MAX;
  static const std::vector<Key> keys = {
      {"H", "units (256)", size(&LstmDesc::hidden_size, 1, most_units)},
      {"in", "width of the input (H)", size(&LstmDesc::input_size, 1, most_units)},
      {"L", "layers (1)", size(&LstmDesc::num_layers, 1, 1024)},
      {"P", "width of the projection, 0 for none (0)", size(&LstmDesc::proj_size, 0, most_units)},
      {"dtype", "f32, tf32, bf16 or f16 (bf16)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         constexpr DType dtypes[] = {DType::f32, DType::f32, DType::bf16, DType::f16};
         const std::size_t which = word(key, value, {"f32", "tf32", "bf16", "f16"});
         plan.desc.dtype = dtypes[which];
         plan.desc.tf32 = which == 1;
       }},
      {"bidirectional", "true or false (false)", flag(&LstmDesc::bidirectional)},
      {"training", "true or false (true)", flag(&LstmDesc::training)},
      {"B", "sequences, at most (64)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         plan.desc.capacity.sequences = integer(key, value, 0, most_items);
       }},
      {"T", "steps of the longest, at most (100)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         plan.desc.capacity.steps = integer(key, value, 0, most_items);
       }},
      {"N", "rows of all sequences together, at most (B x T)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         plan.desc.capacity.rows = integer(key, value, 0, most_items);
         plan.has_rows = true;
       }},
      {"algorithm", "automatic, persistent, stepwise or cudnn (automatic)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         std::vector<std::string> names;
         constexpr LstmAlgorithm algorithms[] = {LstmAlgorithm::automatic, LstmAlgorithm::persistent,
                                                 LstmAlgorithm::stepwise, LstmAlgorithm::cudnn};
         for (const LstmAlgorithm algorithm : algorithms) names.emplace_back(name_of(algorithm));
         plan.desc.algorithm = algorithms[word(key, value, names)];
       }},
      {"C", "blocks of a cluster, 0 leaves it open (0)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         plan.desc.cluster = static_cast<int>(integer(key, value, 0, 1024));
       }},
      {"S", "slots of a cluster, 0 leaves it open (0)",
       [](std::string_view key, std::string_view value, Plan& plan) {
         plan.desc.slots = static_cast<int>(integer(key, value, 0, 1024));
       }},
  };
  return keys;
}

// A GPU that answers, or null.
std::shared_ptr<Backend> gpu(std::string& why_not) {
  try {
    return make_backend("cuda");
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::unsupported) throw;
    why_not = problem.what();
    return nullptr;
  }
}

}  // namespace

LstmDesc plan_from_text(const std::string& text) {
  Plan plan;
  plan.desc.hidden_size = 256;
  plan.desc.dtype = DType::bf16;
  plan.desc.capacity = {64, 0, 0, 100};
  std::set<std::string_view> seen;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    const std::size_t equals = entry.find('=');
    check(equals != entry.npos, ErrorCode::invalid_argument, "--plan: \"", printable(entry, 40),
          "\": expected KEY=VALUE");
    const std::string_view name = entry.substr(0, equals);
    const auto key =
        std::find_if(keys().begin(), keys().end(), [&](const Key& each) { return name == each.name; });
    if (key == keys().end()) {
      std::string names;
      for (const Key& each : keys()) names += (names.empty() ? "" : ", ") + std::string(each.name);
      fail(ErrorCode::invalid_argument, "--plan: \"", printable(name, 40), "\" is no key: expected one of ",
           names);
    }
    check(seen.insert(key->name).second, ErrorCode::invalid_argument, "--plan: ", key->name, " stands twice");
    key->set(key->name, entry.substr(equals + 1), plan);
  }
  LstmDesc& desc = plan.desc;
  if (desc.input_size == 0) desc.input_size = desc.hidden_size;
  if (!plan.has_rows)
    desc.capacity.rows = std::min<std::int64_t>(desc.capacity.sequences * desc.capacity.steps, INT32_MAX);
  check(desc.proj_size < desc.hidden_size, ErrorCode::invalid_argument, "--plan: P is ", desc.proj_size,
        ": expected less than H, ", desc.hidden_size);
  return desc;
}

std::string plan_keys() {
  std::string text;
  for (const Key& key : keys())
    text += concat("  ", key.name, std::string(15 - std::string_view(key.name).size(), ' '), key.help, "\n");
  return text;
}

std::string plan_text(const std::string& plan, const std::string& device_model) {
  const LstmDesc desc = plan_from_text(plan);
  std::string device = device_model, why_not;
  if (device.empty()) {
    if (const std::shared_ptr<Backend> backend = gpu(why_not))
      return concat("device      ", backend->description(), "\n", to_text(LstmPlan(backend, desc).choice()));
    device = default_model;
  }
  const LstmChoice choice = lstm_choice_on(device, desc);
  return concat("device      as an ", device, " would", why_not.empty() ? "" : "; ", why_not, "\n",
                to_text(choice));
}

}  // namespace ragtime::cli
