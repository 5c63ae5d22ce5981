// ragtime-bench with the CUDA backend, on the emulation: its algorithms, its types, the persistent kernel's
// cuts, and that the table says what the times are worth.

#include "tests/tool_test.hpp"

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

TEST(BenchToolEmulated, EveryOperationIsRightInEveryTypeItIsOfferedIn) {
  std::map<std::string, int> verified;
  for (const auto& row : rows_of({"--workload", "tiny"})) {
    EXPECT_TRUE(row.value("verified", false) || !row.at("supported").get<bool>()) << row;
    if (row.value("verified", false)) ++verified[row.at("operation")];
  }
  EXPECT_EQ(verified.size(), 11u) << testing::PrintToString(verified);
}

TEST(BenchToolEmulated, ShapesOfOnesOwnAreRightInEveryType) {
  const std::vector<Arguments> shapes = {
      {"segment_pool", "--lengths", "3,1,4", "--width", "8", "--vocabulary", "30", "--codes", "3"},
      {"lstm_step", "--lengths", "3,1,4", "--hidden", "16"},
      {"masked_loss", "--lengths", "3,1,4", "--outputs", "9"}};
  for (const Arguments& shape : shapes) {
    std::vector<std::string> types;
    for (const auto& row : rows_of(shape)) {
      EXPECT_TRUE(row.at("verified").get<bool>()) << row;
      types.push_back(row.at("dtype"));
    }
    EXPECT_THAT(types, IsSupersetOf({"f32", "bf16", "f16"})) << shape[0];
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
