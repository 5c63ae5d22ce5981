// ragtime-bench: the table, the rows, what it lists and what it refuses, process by process; and in the
// process, with cases made for it, that a result that is wrong is not timed.

#include <cmath>

#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/tool/report.hpp"
#include "benchmarks/tool/selection.hpp"
#include "ragtime/error.hpp"
#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::benchmarks {
namespace {

using test::Arguments;
using test::expect_refused;
using test::lines_of;
using test::run_tool;
using test::ToolResult;
using testing::HasSubstr;
using testing::Not;
using test::operator+;

const Arguments quickly = {"--device", "cpu", "--min-time", "0.0005", "--repetitions", "2"};

std::vector<nlohmann::json> rows_of(const Arguments& arguments) {
  const ToolResult result = run_tool(arguments + quickly + Arguments{"--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  std::vector<nlohmann::json> rows;
  for (const std::string& line : lines_of(result.out)) rows.push_back(nlohmann::json::parse(line));
  EXPECT_FALSE(rows.empty());
  return rows;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

class BenchTool : public test::ToolTest {};

TEST_F(BenchTool, TableHasAColumnForEachNumberAndInventsNoFloor) {
  const ToolResult result = run_tool(Arguments{"lstm", "--workload", "tiny"} + quickly);
  EXPECT_EQ(result.status, 0) << result.err;
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 4u) << result.out;
  EXPECT_THAT(lines[0], HasSubstr("cpu"));
  EXPECT_EQ(words_of(lines[1]),
            (std::vector<std::string>{"case", "ms", "us/step", "GB/s", "TFLOP/s", "of", "floor"}));
  const char* cases[] = {"lstm/tiny/tiny/f32/automatic/forward/stream",
                         "lstm/tiny/tiny/f32/automatic/forward_backward/stream"};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::vector<std::string> words = words_of(lines[2 + i]);
    ASSERT_EQ(words.size(), 6u) << lines[2 + i];
    EXPECT_EQ(words[0], cases[i]);
    for (std::size_t column = 1; column < 5; ++column)
      EXPECT_GE(std::stod(words[column]), 0) << words[column];
    EXPECT_GT(std::stod(words[1]), 0);
    EXPECT_EQ(words[5], "-");
  }
}

TEST_F(BenchTool, RowsAgreeWithThemselves) {
  for (const nlohmann::json& row : rows_of({"lstm", "--workload", "tiny"})) {
    EXPECT_TRUE(row.at("verified").get<bool>());
    EXPECT_EQ(row.at("repetitions"), 2);
    const double ms = row.at("ms"), least = row.at("ms_min"), most = row.at("ms_max");
    EXPECT_GT(least, 0);
    EXPECT_LE(least, ms);
    EXPECT_LE(ms, most);
    EXPECT_NEAR(row.at("us_per_step").get<double>(), ms * 1e3 / 7, 1e-9 * ms);
    EXPECT_NEAR(row.at("ns_per_row").get<double>(), ms * 1e6 / 13, 1e-6 * ms);
    EXPECT_FALSE(row.contains("floor_ms")) << row;
    EXPECT_THAT(row.at("command").get<std::string>(), HasSubstr("lstm --workload tiny"));
  }
}

// What a case costs does not depend on how its shape was said.
TEST_F(BenchTool, AShapeOfOnesOwnIsMeasuredAsTheWorkloadOfThatShapeIs) {
  const Arguments lengths = {"--lengths", "3,1,7,2"};
  const std::vector<std::pair<std::string, Arguments>> shapes = {
      {"lstm", {"--input", "5", "--hidden", "8", "--layers", "2"}},
      {"lstm_step", {"--input", "5", "--hidden", "8", "--layers", "2"}},
      {"masked_loss", {"--outputs", "9"}},
      {"linear", {"--input", "8", "--outputs", "5"}},
      {"layout", {"--width", "128"}},
      {"final_state", {"--width", "128"}},
      {"dropout", {"--width", "128"}},
      {"batch_builder", {}}};
  for (const auto& [operation, sizes] : shapes) {
    const auto named = rows_of({operation, "--workload", "tiny"});
    const auto own = rows_of(Arguments{operation} + lengths + sizes);
    ASSERT_EQ(named.size(), own.size()) << operation;
    for (std::size_t i = 0; i < named.size(); ++i) {
      EXPECT_EQ(own[i].at("workload"), "b4_n13_t7");
      EXPECT_EQ(own[i].at("shape"), named[i].at("shape")) << operation;
      for (const char* rate : {"gb_per_s", "tflop_per_s"}) {
        ASSERT_EQ(own[i].contains(rate), named[i].contains(rate)) << operation << ' ' << rate;
        if (!own[i].contains(rate)) continue;
        const double moved = own[i].at(rate).get<double>() * own[i].at("ms").get<double>(),
                     expected = named[i].at(rate).get<double>() * named[i].at("ms").get<double>();
        EXPECT_NEAR(moved, expected, 1e-9 * expected) << operation << ' ' << rate;
      }
    }
  }
}

TEST_F(BenchTool, EveryOperationTakesEachOfItsSizes) {
  const Arguments lengths = {"--sequences", "3", "--length", "4"};
  for (const auto& row : rows_of(Arguments{"segment_pool"} + lengths +
                                 Arguments{"--width", "7", "--vocabulary", "30", "--codes", "5"})) {
    EXPECT_EQ(row.at("shape"), (nlohmann::json{{"N", 12}, {"M", 60}, {"V", 30}, {"E", 7}}));
    EXPECT_TRUE(row.at("verified").get<bool>());
  }
  for (const auto& row : rows_of(
           Arguments{"train_step"} + lengths +
           Arguments{"--hidden", "6", "--input", "4", "--layers", "2", "--vocabulary", "30", "--codes", "2"}))
    EXPECT_EQ(row.at("shape"),
              (nlohmann::json{{"B", 3}, {"N", 12}, {"T", 4}, {"V", 30}, {"E", 4}, {"H", 6}, {"L", 2}}));
  // Codes of one's own on a named workload, in its sizes.
  const auto codes = rows_of({"segment_pool", "--workload", "tiny", "--codes", "2", "--pass", "forward"});
  ASSERT_EQ(codes.size(), 4u);
  EXPECT_EQ(codes[0].at("workload"), "tiny_v50_c2");
  EXPECT_EQ(codes[0].at("shape"), (nlohmann::json{{"N", 13}, {"M", 26}, {"V", 50}, {"E", 5}}));
  for (const auto& row : rows_of({"adamw", "--parameters", "77"}))
    EXPECT_EQ(row.at("shape"), (nlohmann::json{{"parameters", 77}}));
  // Outputs at which three ids of a visit would meet, or are not there.
  for (const char* outputs : {"1", "2", "7", "14"})
    for (const auto& row : rows_of(Arguments{"masked_loss", "--outputs", outputs} + lengths))
      EXPECT_TRUE(row.at("verified").get<bool>());
}

TEST_F(BenchTool, SkewDrawsLengthsAroundTheMedian) {
  const Operation& operation = operation_named("layout");
  Shape shape;
  shape.numbers = {{"sequences", 1'001}, {"length", 30}};
  EXPECT_EQ(problem_of(shape, operation).workload.lengths, std::vector<std::int32_t>(1'001, 30));
  shape.skew = 1;
  std::vector<std::int32_t> lengths = problem_of(shape, operation).workload.lengths;
  EXPECT_EQ(lengths, problem_of(shape, operation).workload.lengths);
  std::sort(lengths.begin(), lengths.end());
  EXPECT_NEAR(lengths[500], 30, 4);
  EXPECT_NEAR(std::log(lengths[841] / 30.0), 1, 0.2);  // one deviation above
  EXPECT_GE(lengths.front(), 1);
  EXPECT_LE(lengths.back(), 600);
}

TEST_F(BenchTool, ShareOfTheFloorComesFromTheProbe) {
  const std::string probe = write("probe.json", R"({"bandwidth": {"kernel": {"gb_per_s": 2}}})").string();
  for (const auto& row : rows_of({"layout", "--workload", "tiny", "--probe", probe})) {
    EXPECT_EQ(row.at("floor_from"), "bytes");
    const double bytes = row.at("gb_per_s").get<double>() * row.at("ms").get<double>() * 1e6;
    EXPECT_NEAR(row.at("floor_ms").get<double>(), bytes / 2e6, 1e-9 * bytes);
    EXPECT_NEAR(row.at("share_of_floor").get<double>(),
                row.at("floor_ms").get<double>() / row.at("ms").get<double>(), 1e-9);
  }
  const ToolResult table = run_tool(Arguments{"layout", "--workload", "tiny", "--probe", probe} + quickly);
  EXPECT_THAT(lines_of(table.out).back(), testing::EndsWith(" %"));
  // The LSTM has steps and products beside bytes: of those the probe knows nothing, so there is no floor.
  const ToolResult lstm = run_tool(Arguments{"lstm", "--workload", "tiny", "--probe", probe} + quickly);
  EXPECT_THAT(lines_of(lstm.out).back(), testing::EndsWith(" -"));
}

TEST_F(BenchTool, ListsWhatThereIs) {
  const ToolResult table = run_tool({"--list", "--device", "cpu"});
  EXPECT_EQ(table.status, 0) << table.err;
  const ToolResult json = run_tool({"--list", "--json", "--device", "cpu"});
  const std::vector<std::string> lines = lines_of(json.out);
  ASSERT_EQ(lines.size(), operations().size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto choices = nlohmann::json::parse(lines[i]);
    EXPECT_EQ(choices.at("operation"), operations()[i].name);
    EXPECT_EQ(choices.at("device"), "cpu");
    EXPECT_THAT(table.out, HasSubstr("\n" + operations()[i].name + ": "));
  }
  const auto pool = nlohmann::json::parse(
      lines_of(run_tool({"segment_pool", "--list", "--json", "--device", "cpu"}).out).at(0));
  EXPECT_EQ(pool.at("algorithms"), (nlohmann::json{"sum", "mean", "max", "attention"}));
  EXPECT_EQ(pool.at("peers"), (nlohmann::json{"gather"}));
  EXPECT_EQ(pool.at("workloads").at("synthea"), (nlohmann::json{"small", "medium", "large"}));
}

// The device may be another than the page's, so what they choose is not looked at.
TEST_F(BenchTool, UnderstandsTheCommandsOfThePage) {
  int commands = 0;
  for (const std::string& line : lines_of(test::bytes_of(RAGTIME_PAGE))) {
    Arguments words = words_of(line.substr(0, line.find('#')));
    if (words.empty() || words[0] != "ragtime-bench") continue;
    words[0] = "--list";
    const ToolResult result = run_tool(words + Arguments{"--device", "cpu"});
    EXPECT_EQ(result.status, 0) << line << '\n' << result.err;
    ++commands;
  }
  EXPECT_GE(commands, 7);
}

TEST_F(BenchTool, ChoosesAmongTheCases) {
  const auto pool =
      rows_of({"segment_pool", "--workload", "tiny", "--algorithm", "max", "--pass", "backward"});
  ASSERT_EQ(pool.size(), 1u);
  EXPECT_EQ(pool[0].at("algorithm"), "max");
  EXPECT_EQ(pool[0].at("pass"), "backward");
  const auto beside =
      rows_of({"segment_pool", "--workload", "tiny", "--algorithm", "max", "--peer", "gather"});
  ASSERT_EQ(beside.size(), 3u);
  EXPECT_EQ(beside[0].at("algorithm"), "gather");
  EXPECT_EQ(rows_of({"dropout", "--workload", "tiny"}).size(), 1u);
  EXPECT_EQ(rows_of({"dropout", "--workload", "tiny", "--size", "all"}).size(), 2u);
  EXPECT_EQ(rows_of({"dropout", "--workload", "tiny", "--size", "w1024"}).at(0).at("size"), "w1024");
}

TEST_F(BenchTool, WithoutAnOperationEveryOneIsMeasuredThatHasTheWorkload) {
  std::vector<std::string> measured;
  for (const auto& row : rows_of({"--workload", "tiny"}))
    if (measured.empty() || measured.back() != row.at("operation")) measured.push_back(row.at("operation"));
  std::vector<std::string> all;
  for (const Operation& operation : operations()) all.push_back(operation.name);
  EXPECT_EQ(measured, all);
}

TEST_F(BenchTool, RefusesWhatMakesNoSense) {
  const auto refused = [](const Arguments& arguments, const std::vector<std::string>& parts) {
    SCOPED_TRACE(testing::PrintToString(arguments));
    expect_refused(run_tool(arguments + Arguments{"--device", "cpu"}), 2, parts);
  };
  refused({"gru"}, {"gru", "lstm_step", "train_step"});
  refused({"lstm", "--workload", "claim"}, {"--workload", "claim", "claims"});
  refused({"lstm", "--hidden", "1e3"}, {"--hidden is \"1e3\"", "an integer from 1 to"});
  refused({"lstm", "--hidden", "0"}, {"--hidden is \"0\"", "from 1 to"});
  refused({"lstm", "--hidden", ""}, {"--hidden", "empty"});
  refused({"lstm", "--lengths", "3,,4", "--hidden", "4"}, {"--lengths is \"\"", "an integer from 1 to"});
  refused({"lstm", "--lengths", "3,-4", "--hidden", "4"}, {"--lengths is \"-4\"", "an integer from 1 to"});
  refused({"lstm", "--lengths", "3"}, {"--hidden is missing", "--layers"});
  refused({"lstm", "--sequences", "3", "--hidden", "4"}, {"--length is missing"});
  refused({"lstm", "--lengths", "3", "--workload", "claims", "--hidden", "4"},
          {"--workload claims", "--lengths"});
  refused({"lstm", "--lengths", "3", "--sequences", "2", "--hidden", "4"}, {"--lengths", "--sequences"});
  refused({"lstm", "--width", "3"}, {"--width", "lstm", "--hidden"});
  refused({"adamw", "--lengths", "3"}, {"--lengths", "adamw", "--parameters"});
  refused({"lstm", "--sequences", "9", "--length", "4", "--hidden", "4", "--skew", "nan"},
          {"--skew is \"nan\"", "a number from 0 to 4"});
  refused({"layout", "--sequences", "16777216", "--length", "2147483647"}, {"visits together", "2147483647"});
  refused({"segment_pool", "--lengths", "3", "--width", "4", "--vocabulary", "9", "--codes", "5"},
          {"--codes 5", "at most 4"});
  refused({"segment_pool", "--workload", "flashrnn"}, {"--workload flashrnn", "segment_pool", "claims"});
  refused({"lstm", "--dtype", "bf16"}, {"--dtype bf16", "lstm on cpu", "f32"});
  refused({"lstm", "--algorithm", "persistent"}, {"--algorithm persistent", "lstm on cpu", "automatic"});
  refused({"lstm", "--pass", "sideways"}, {"--pass sideways", "forward_backward"});
  refused({"lstm", "--size", "huge"}, {"--size huge", "small"});
  refused({"lstm", "--peer", "cudnn"}, {"--peer cudnn is not available", "lstm on cpu"});
  refused({"lstm", "--cluster", "2"}, {"--cluster 2", "lstm on cpu", "no persistent algorithm"});
  refused({"linear", "--slots", "2"}, {"--slots 2", "lstm", "linear"});
  refused({"linear", "--sweep"}, {"--sweep", "lstm", "linear"});
  refused({"--hidden", "8"}, {"OPERATION is missing"});
  refused({"lstm", "--min-time", "0"}, {"--min-time is \"0\"", "a number from"});
  refused({"lstm", "--repetitions", "many"}, {"--repetitions is \"many\"", "an integer from 1 to"});
  expect_refused(run_tool({"lstm", "--device", "gpu"}), 2, {"--device", "gpu", "auto"});
  expect_refused(run_tool({"lstm", "--device", "cpu", "--probe", "/nowhere/probe.json"}), 1,
                 {"/nowhere/probe.json"});
}

// A case that computes 3, in sets that are told apart.
struct Planted {
  std::vector<float> expected = {3};  // of the sets in turn; the last counts for those behind it
  int made = 0, runs = 0;

  Case as_case(const std::string& algorithm, bool peer = false) {
    class Three final : public Work {
     public:
      Three(Planted& planted, float expected) : planted_(planted), expected_(expected) {}
      void run(Stream) override {
        ++planted_.runs;
        y_ = 3;
      }
      void clear() override { y_ = 0; }
      void verify() override { expect_close({y_}, {expected_}, 1e-4, "y"); }
      std::size_t bytes() const override { return 1'000; }

     private:
      Planted& planted_;
      float expected_, y_ = 0;
    };
    Case planted;
    planted.workload = "planted";
    planted.size = "one";
    planted.type = "f32";
    planted.algorithm = algorithm;
    planted.pass = "forward";
    planted.shape = {{"N", 1}};
    planted.costs.bytes = 1e9;
    planted.peer = peer;
    planted.make = [this] {
      const std::size_t set = std::min<std::size_t>(static_cast<std::size_t>(made++), expected.size() - 1);
      return std::make_unique<Three>(*this, expected[set]);
    };
    return planted;
  }
};

struct Outcome {
  bool right;
  std::string out, errors;
};

std::string text_of(std::FILE* file) {
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

Outcome outcome_of(const std::vector<Case>& cases, bool json = false, std::size_t second_level = 0) {
  const auto backend = make_backend("cpu");
  std::vector<Measurement> measurements = measurements_of("nothing", cases, *backend);
  Report report;
  report.json = json;
  report.origin.facts.second_level = second_level;
  std::FILE *out = std::tmpfile(), *errors = std::tmpfile();
  const bool right = measure_all(measurements, backend, {2, 1e-4}, report, out, errors);
  return {right, text_of(out), text_of(errors)};
}

TEST(BenchToolWrongResult, IsNotTimed) {
  Planted right, wrong;
  wrong.expected = {4};
  const Outcome outcome = outcome_of({wrong.as_case("wrong"), right.as_case("right")});
  EXPECT_FALSE(outcome.right);
  EXPECT_EQ(wrong.runs, 1);  // to be verified, and never again
  EXPECT_GT(right.runs, 2);
  EXPECT_THAT(
      outcome.errors,
      HasSubstr("error: nothing/planted/one/f32/wrong/forward/stream is not timed: wrong: y[0] is 3"));
  EXPECT_THAT(outcome.errors, HasSubstr("expected 4"));
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[2], HasSubstr("not timed: wrong: y[0]"));
  EXPECT_EQ(words_of(lines[3]).size(), 6u);
  EXPECT_GT(std::stod(words_of(lines[3])[1]), 0);
}

TEST(BenchToolWrongResult, HasARowWithoutATime) {
  Planted wrong;
  wrong.expected = {4};
  const Outcome outcome = outcome_of({wrong.as_case("wrong")}, true);
  EXPECT_FALSE(outcome.right);
  const auto row = nlohmann::json::parse(outcome.out);
  EXPECT_THAT(row.at("reason").get<std::string>(), HasSubstr("wrong: y[0]"));
  for (const char* key : {"ms", "verified", "gb_per_s", "share_of_floor"})
    EXPECT_FALSE(row.contains(key)) << key;
}

TEST(BenchToolWrongResult, OfAnySetIsNotTimed) {
  Planted planted;
  planted.expected = {3, 3, 4, 3};
  const Outcome outcome = outcome_of({planted.as_case("third")}, false, 2'000);
  EXPECT_FALSE(outcome.right);
  EXPECT_EQ(planted.made, 5);
  EXPECT_EQ(planted.runs, 3);
  EXPECT_THAT(outcome.errors, HasSubstr("wrong: y[0]"));
}

TEST(BenchToolWrongResult, OfAPeerIsAnErrorToo) {
  Planted right, wrong;
  wrong.expected = {4};
  EXPECT_FALSE(outcome_of({right.as_case("right"), wrong.as_case("peer", true)}).right);
}

TEST(BenchToolWrongResult, WhatIsNotOfferedIsNoneButWhereNothingElseIs) {
  Planted right;
  Case absent = right.as_case("absent", true);
  absent.make = []() -> std::unique_ptr<Work> {
    throw Error(ErrorCode::unsupported, "there is no such library");
  };
  const Outcome beside = outcome_of({right.as_case("right"), absent});
  EXPECT_TRUE(beside.right);
  EXPECT_EQ(beside.errors, "");
  EXPECT_THAT(beside.out, HasSubstr("not supported: there is no such library"));
  const Outcome alone = outcome_of({absent});
  EXPECT_FALSE(alone.right);
  EXPECT_THAT(alone.errors, HasSubstr("error: nothing was timed: there is no such library"));
}

}  // namespace
}  // namespace ragtime::benchmarks
