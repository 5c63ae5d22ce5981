// The named workloads as JSON, for peers in other languages: name -> lengths, vocabulary, codes, sizes.
//
//   gpu_workloads >workloads.json

#include <iostream>

#include <nlohmann/json.hpp>

#include "benchmarks/cases/workloads.hpp"

int main() {
  using namespace ragtime::benchmarks;
  nlohmann::ordered_json all;
  std::vector<std::string> names = workload_names();
  names.emplace_back("tiny");
  for (const std::string& name : names) {
    const Workload drawn = workload(name);
    nlohmann::ordered_json& one = all[name];
    one["lengths"] = drawn.lengths;
    for (const ModelSize& size : sizes_of(drawn))
      one["sizes"].push_back(
          {{"name", size.name}, {"input", size.input}, {"hidden", size.hidden}, {"layers", size.layers}});
    if (!drawn.has_codes()) continue;
    const ragtime::RaggedBatch batch = coded_batch(drawn);
    one["vocab_size"] = drawn.vocab_size;
    one["code_offsets"] = batch.code_offsets;
    one["codes"] = batch.codes;
  }
  std::cout << all << '\n';
  return std::cout.flush() ? 0 : 1;
}
