#include "benchmarks/tool/selection.hpp"

#include <algorithm>

#include "host/base/check.hpp"

namespace ragtime::benchmarks {
namespace {

using Field = std::string Case::*;

// In the order in which they first come.
std::vector<std::string> distinct(const std::vector<Case>& cases, Field field) {
  std::vector<std::string> values;
  for (const Case& what : cases)
    if (std::find(values.begin(), values.end(), what.*field) == values.end()) values.push_back(what.*field);
  return values;
}

std::string list_of(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ", ") + value;
  return list;
}

std::string place(const Operation& operation, const Backend& backend) {
  return operation.name + " on " + name_of(backend.device());
}

// Keeps those whose field has the value.
void keep(std::vector<Case>& cases, const char* option, Field field, const std::string& value,
          const std::string& where, bool peers_too = true) {
  if (value.empty()) return;
  const std::vector<std::string> there_are = distinct(cases, field);
  if (std::find(there_are.begin(), there_are.end(), value) == there_are.end())
    fail(ErrorCode::invalid_argument, option, " ", value, ": ", where, " has ", list_of(there_are));
  std::erase_if(cases, [&](const Case& what) { return what.*field != value && (peers_too || !what.peer); });
}

// Ragtime's own, and the peers that were asked for.
void keep_peers(std::vector<Case>& cases, const std::string& peer, const std::string& where) {
  const auto is_meant = [&](const Case& what) { return !peer.empty() && what.algorithm.starts_with(peer); };
  if (!peer.empty() && std::none_of(cases.begin(), cases.end(),
                                    [&](const Case& what) { return what.peer && is_meant(what); })) {
    std::vector<Case> peers = cases;
    std::erase_if(peers, [](const Case& what) { return !what.peer; });
    const std::string there_are = list_of(distinct(peers, &Case::algorithm));
    fail(ErrorCode::invalid_argument, "--peer ", peer, " is not available: in this build ", where, " has ",
         there_are.empty() ? "no peer" : there_are,
         peer.starts_with("cudnn") ? "; cuDNN takes a build with CUDA, and --device cuda" : "");
  }
  std::erase_if(cases, [&](const Case& what) { return what.peer && !is_meant(what); });
}

// The first, but what is for tests.
std::string usual_size(const std::vector<Case>& cases) {
  for (const Case& what : cases)
    if (what.size != "tiny") return what.size;
  return "tiny";
}

std::vector<Case> with_cut(const Operation& operation, const std::shared_ptr<Backend>& backend,
                           Request request, const LstmCut& cut, const std::string& where) {
  const std::string asked = concat("--cluster ", cut.cluster, ", --slots ", cut.slots, " (0: any)");
  if (!operation.sweeps)
    fail(ErrorCode::invalid_argument, asked, ": expected with lstm, not ", operation.name);
  request.cut = cut;
  std::vector<Case> cases = operation.cases(backend, request);
  if (std::any_of(cases.begin(), cases.end(), [](const Case& what) { return !what.peer; })) return cases;
  request.cut = LstmCut{};
  cases = operation.cases(backend, request);
  std::erase_if(cases, [](const Case& what) { return what.peer; });
  const std::string there_are = list_of(distinct(cases, &Case::algorithm));
  fail(ErrorCode::invalid_argument, asked, ": ", where, " has ",
       there_are.empty() ? "no persistent algorithm for this shape" : there_are);
}

Request request_of(const Operation& operation, const Choice& choice) {
  Request request;
  request.sweep = choice.sweep;
  if (choice.shape.is_given())
    request.problem = problem_of(choice.shape, operation);
  else if (operation.lengths)
    request.workload = choice.shape.workload.empty() ? usual_workload : choice.shape.workload;
  return request;
}

}  // namespace

bool has_workload(const Operation& operation, const std::shared_ptr<Backend>& backend, const Choice& choice) {
  return !operation.cases(backend, request_of(operation, choice)).empty();
}

std::vector<Case> chosen_cases(const Operation& operation, const std::shared_ptr<Backend>& backend,
                               const Choice& choice) {
  const std::string where = place(operation, *backend);
  const Request request = request_of(operation, choice);
  if (choice.sweep && !operation.sweeps)
    fail(ErrorCode::invalid_argument, "--sweep: expected with lstm, not ", operation.name);
  std::vector<Case> cases = choice.cut ? with_cut(operation, backend, request, *choice.cut, where)
                                       : operation.cases(backend, request);
  if (cases.empty())
    fail(ErrorCode::invalid_argument, "--workload ", request.workload, ": ", where, " has ",
         list_of(distinct(operation.cases(backend, {}), &Case::workload)));
  keep_peers(cases, choice.peer, where);
  if (choice.size.empty())
    keep(cases, "--size", &Case::size, usual_size(cases), where);
  else if (choice.size != "all")
    keep(cases, "--size", &Case::size, choice.size, where);
  keep(cases, "--dtype", &Case::type, choice.dtype, where);
  keep(cases, "--pass", &Case::pass, choice.pass, where);
  // With a cut every algorithm is persistent_cC_sS, and persistent means them.
  if (!choice.cut || choice.algorithm != "persistent")
    keep(cases, "--algorithm", &Case::algorithm, choice.algorithm, where, false);
  return cases;
}

nlohmann::ordered_json choices_of(const Operation& operation, const std::shared_ptr<Backend>& backend) {
  std::vector<Case> own = operation.cases(backend, {}), peers = own;
  std::erase_if(own, [](const Case& what) { return what.peer; });
  std::erase_if(peers, [](const Case& what) { return !what.peer; });
  nlohmann::ordered_json choices;
  choices["operation"] = operation.name;
  choices["about"] = operation.about;
  for (const std::string& name : distinct(own, &Case::workload)) {
    std::vector<Case> on_it = own;
    std::erase_if(on_it, [&](const Case& what) { return what.workload != name; });
    choices["workloads"][name] = distinct(on_it, &Case::size);
  }
  choices["dtypes"] = distinct(own, &Case::type);
  choices["algorithms"] = distinct(own, &Case::algorithm);
  choices["passes"] = distinct(own, &Case::pass);
  choices["peers"] = distinct(peers, &Case::algorithm);
  choices["shape"] = shape_of(operation);
  choices["device"] = name_of(backend->device());
  return choices;
}

}  // namespace ragtime::benchmarks
