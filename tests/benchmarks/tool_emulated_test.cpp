// ragtime-bench with the CUDA backend, on the emulation: its algorithms, its types, the persistent kernel's
// cuts, and that the table says what the times are worth.

#include <set>
#include <tuple>

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsSupersetOf;

const Arguments emulated = {"--device", "cuda_on_simt", "--min-time", "0.000001", "--repetitions", "1"};

std::vector<nlohmann::json> rows_of(const Arguments& arguments) {
  const ToolResult result = run_tool(arguments + emulated + Arguments{"--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<nlohmann::json> rows;
  for (const std::string& line : lines_of(result.out)) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

TEST(BenchToolEmulated, EveryAlgorithmIsVerifiedInEveryType) {
  std::vector<std::string> timed;
  for (const auto& row :
       rows_of({"lstm", "--lengths", "3,1,4", "--hidden", "16", "--pass", "forward_backward"}))
    if (row.value("verified", false))
      timed.push_back(row.at("algorithm").get<std::string>() + " " + row.at("dtype").get<std::string>());
    else
      EXPECT_FALSE(row.at("supported").get<bool>()) << row;
  EXPECT_THAT(timed, IsSupersetOf({"stepwise f32", "stepwise tf32", "stepwise bf16", "stepwise f16",
                                   "persistent tf32", "persistent bf16", "persistent f16",
                                   "persistent_any_batch bf16"}));
}

TEST(BenchToolEmulated, APersistentKernelIsCutAsTold) {
  const Arguments shape = {"lstm",    "--lengths", "3,1,4",  "--hidden", "16",
                           "--dtype", "bf16",      "--pass", "forward"};
  const auto rows = rows_of(shape + Arguments{"--algorithm", "persistent", "--cluster", "1", "--slots", "8"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("algorithm"), "persistent_c1_s8");
  EXPECT_EQ(rows[0].at("forward_choice").at("cluster"), 1);
  EXPECT_EQ(rows[0].at("forward_choice").at("slots"), 8);
  EXPECT_TRUE(rows[0].at("verified").get<bool>());
  for (const auto& row : rows_of(shape + Arguments{"--slots", "16"}))
    EXPECT_THAT(row.at("algorithm").get<std::string>(), EndsWith("_s16"));
  expect_refused(run_tool(shape + emulated + Arguments{"--cluster", "7"}), 2,
                 {"--cluster 7", "lstm on cuda", "persistent_c1_s8"});
}

TEST(BenchToolEmulated, WhatATypeIsNotOfferedInCannotBeTimedAlone) {
  const ToolResult result = run_tool(
      Arguments{"lstm", "--workload", "tiny", "--dtype", "f32", "--algorithm", "persistent"} + emulated);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr("not supported: algorithm is persistent"));
  EXPECT_THAT(result.err, HasSubstr("error: nothing was timed: algorithm is persistent"));
}

// lstm and train_step, which take longer, are run by tests of their own.
TEST(BenchToolEmulated, EveryOtherOperationIsRightInEveryType) {
  const Arguments lengths = {"--lengths", "3,1,4"};
  const std::vector<std::string> all = {"f32", "bf16", "f16"}, but_f16 = {"f32", "bf16"};
  const std::vector<std::tuple<std::string, Arguments, std::vector<std::string>>> shapes = {
      {"segment_pool", lengths + Arguments{"--width", "8", "--vocabulary", "30", "--codes", "3"}, all},
      {"lstm_step", lengths + Arguments{"--hidden", "16"}, all},
      {"masked_loss", lengths + Arguments{"--outputs", "9"}, all},
      {"linear", lengths + Arguments{"--input", "5", "--outputs", "3"}, all},
      {"layout", lengths + Arguments{"--width", "5"}, but_f16},
      {"final_state", lengths + Arguments{"--width", "5"}, all},
      {"dropout", lengths + Arguments{"--width", "5"}, all},
      {"batch_builder", lengths, {"i32", "u8"}},
      {"adamw", {"--parameters", "77"}, all}};
  for (const auto& [operation, shape, expected] : shapes) {
    std::set<std::string> types;
    for (const auto& row : rows_of(Arguments{operation} + shape)) {
      EXPECT_TRUE(row.value("verified", false)) << row;
      types.insert(row.at("dtype"));
    }
    EXPECT_THAT(types, IsSupersetOf(expected)) << operation;
  }
}

TEST(BenchToolEmulated, ListAndTableSayWhatTheDeviceIs) {
  const auto lstm =
      nlohmann::json::parse(run_tool({"lstm", "--list", "--json", "--device", "cuda_on_simt"}).out);
  EXPECT_EQ(lstm.at("algorithms"), (nlohmann::json{"stepwise", "persistent", "persistent_any_batch"}));
  EXPECT_EQ(lstm.at("dtypes"), (nlohmann::json{"f32", "tf32", "bf16", "f16"}));
  const ToolResult table = run_tool(Arguments{"dropout", "--workload", "tiny"} + emulated);
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("emulated: the times say nothing of a GPU"));
}

}  // namespace
}  // namespace ragtime::test
