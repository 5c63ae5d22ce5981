// config.json: every key of the reference model's constructor is read and written, and whatever no model can
// have is refused with the file, the key, its value and what was expected. Also what validate and
// model_parameters say of a configuration made in code.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class ConfigFile : public testing::Test {
 protected:
  ModelConfig read(std::string_view content) { return read_config(folder_.write("config.json", content)); }
  std::string refusal(std::string_view content, ErrorCode code = ErrorCode::parse_error) {
    const std::string text = error_of(code, [&] { read(content); });
    EXPECT_THAT(text, HasSubstr("config.json: "));
    EXPECT_LT(text.size(), 400);
    return text;
  }
  // A model of 100 codes with `member` besides.
  std::string refusal_of(const std::string& member, ErrorCode code = ErrorCode::invalid_argument) {
    return refusal("{\"vocab_size\": 100, " + member + "}", code);
  }

  TemporaryFolder folder_;
};

ModelConfig unusual() {
  ModelConfig config;
  config.vocab_size = 1234;
  config.embedding_dim = 33;
  config.hidden_dim = 65;
  config.num_layers = 3;
  config.dropout = 0.1;
  config.bidirectional = true;
  config.visit_aggregation = PoolMode::attention;
  config.output_dim = 1234;
  config.task = Task::next_visit;
  config.padding_idx = 7;
  return config;
}

TEST_F(ConfigFile, ReadsEveryKeyOfTheReference) {
  EXPECT_EQ(
      read(R"({"vocab_size": 1234, "embedding_dim": 33, "hidden_dim": 65, "num_layers": 3, "dropout": 0.1,
                     "bidirectional": true, "visit_aggregation": "attention", "output_dim": 1234,
                     "task": "next_visit", "padding_idx": 7})"),
      unusual());
}

TEST_F(ConfigFile, TakesTheDefaultsForAllButTheVocabulary) {
  ModelConfig defaults;
  defaults.vocab_size = 50;
  EXPECT_EQ(read(R"({"vocab_size": 50})"), defaults);
  EXPECT_EQ(read(R"({"dropout": 0, "vocab_size": 50})"), defaults) << "an integer is a number too";
  EXPECT_THAT(refusal("{}"), EndsWith("key \"vocab_size\" is missing: expected an integer"));
}

TEST_F(ConfigFile, IsReadBackAsWritten) {
  const auto file = folder_.path() / "config.json";
  for (const Task task : {Task::binary_classification, Task::multi_class, Task::regression, Task::next_visit,
                          Task::visit_binary, Task::survival})
    for (const PoolMode mode : {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention}) {
      ModelConfig config = unusual();
      config.task = task;
      config.visit_aggregation = mode;
      config.output_dim = task == Task::multi_class ? 5 : task == Task::next_visit ? 1234 : 1;
      write_config(file, config);
      EXPECT_EQ(read_config(file), config);
    }
  std::vector<std::string> keys;
  const auto written = nlohmann::json::parse(read_file(file));
  for (const auto& [key, value] : written.items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("bidirectional", "dropout", "embedding_dim", "hidden_dim", "num_layers",
                                "output_dim", "padding_idx", "task", "visit_aggregation", "vocab_size"));
}

TEST_F(ConfigFile, RefusesUnknownKeysAndKeysThatStandTwice) {
  EXPECT_THAT(
      refusal_of("\"hiden_dim\": 3", ErrorCode::parse_error),
      AllOf(HasSubstr("unknown key \"hiden_dim\": expected bidirectional, "), HasSubstr(", hidden_dim, ")));
  EXPECT_THAT(refusal_of("\"Dropout\": 0.5", ErrorCode::parse_error), HasSubstr("unknown key \"Dropout\""));
  EXPECT_THAT(refusal_of("\"\": 1", ErrorCode::parse_error), HasSubstr("unknown key \"\""));
  EXPECT_THAT(refusal_of("\"dropout\": 0, \"dropout\": 0.5", ErrorCode::parse_error),
              HasSubstr("key \"dropout\" stands twice"));
  EXPECT_THAT(refusal_of("\"" + std::string(100'000, 'k') + "\": 1", ErrorCode::parse_error),
              HasSubstr("unknown key \"kkkk"));
}

TEST_F(ConfigFile, NamesTheTypeItExpected) {
  const auto wrong = [&](const std::string& member) { return refusal_of(member, ErrorCode::parse_error); };
  EXPECT_THAT(wrong(R"("hidden_dim": "256")"), EndsWith("hidden_dim is \"256\": expected an integer"));
  EXPECT_THAT(wrong(R"("hidden_dim": 256.0)"), EndsWith("hidden_dim is 256.0: expected an integer"));
  EXPECT_THAT(wrong(R"("hidden_dim": null)"), EndsWith("hidden_dim is null: expected an integer"));
  EXPECT_THAT(wrong(R"("hidden_dim": true)"), EndsWith("hidden_dim is true: expected an integer"));
  EXPECT_THAT(wrong(R"("hidden_dim": 1e400)"), HasSubstr("not JSON"));
  EXPECT_THAT(wrong(R"("hidden_dim": 18446744073709551615)"),
              EndsWith("hidden_dim is 18446744073709551615: expected an integer"));
  EXPECT_THAT(wrong(R"("hidden_dim": 99999999999999999999)"), EndsWith("is 1e+20: expected an integer"));
  EXPECT_THAT(wrong(R"("dropout": "0.5")"), EndsWith("dropout is \"0.5\": expected a number"));
  EXPECT_THAT(wrong(R"("bidirectional": 1)"), EndsWith("bidirectional is 1: expected true or false"));
  EXPECT_THAT(wrong(R"("bidirectional": "true")"), EndsWith("is \"true\": expected true or false"));
  EXPECT_THAT(wrong(R"("task": 3)"), EndsWith("task is 3: expected a string"));
  EXPECT_THAT(wrong(R"("visit_aggregation": null)"), EndsWith("is null: expected a string"));
  EXPECT_THAT(wrong(R"("task": {"name": "regression"})"), HasSubstr("\"task\" is an object or an array"));
  EXPECT_THAT(wrong(R"("hidden_dim": [256])"), HasSubstr("\"hidden_dim\" is an object or an array"));
}

TEST_F(ConfigFile, RefusesValuesNoModelCanHave) {
  EXPECT_THAT(refusal(R"({"vocab_size": 0})", ErrorCode::invalid_argument),
              HasSubstr("vocab_size is 0: expected 1 to 2147483647"));
  EXPECT_THAT(refusal(R"({"vocab_size": 2147483648})", ErrorCode::invalid_argument),
              HasSubstr("vocab_size is 2147483648: expected 1 to 2147483647"));
  for (const char* key : {"embedding_dim", "hidden_dim", "num_layers"})
    for (const char* value : {"0", "-1", "1048577", "1000000000000", "-9223372036854775808"})
      EXPECT_THAT(refusal_of(concat('"', key, "\": ", value)),
                  HasSubstr(concat(key, " is ", value, ": expected 1 to ")));
  EXPECT_THAT(refusal_of(R"("dropout": 1)"), HasSubstr("dropout is 1: expected a number in [0, 1)"));
  EXPECT_THAT(refusal_of(R"("dropout": -0.1)"), HasSubstr("dropout is -0.1"));
  EXPECT_THAT(refusal_of(R"("dropout": 1e300)"), HasSubstr("dropout is 1e+300"));
  EXPECT_THAT(refusal_of(R"("padding_idx": 100)"), HasSubstr("padding_idx is 100: expected 0 to 99"));
  EXPECT_THAT(refusal_of(R"("padding_idx": -1)"), HasSubstr("padding_idx is -1: expected 0 to 99"));
  EXPECT_THAT(refusal_of(R"("visit_aggregation": "last")"),
              HasSubstr("visit_aggregation is \"last\": expected mean, sum, max or attention"));
  EXPECT_THAT(refusal_of(R"("visit_aggregation": "Mean")"), HasSubstr("visit_aggregation is \"Mean\""));
  EXPECT_THAT(refusal_of(R"("visit_aggregation": "attention", "embedding_dim": 1)"),
              HasSubstr("embedding_dim is 1 with visit_aggregation attention"));
  EXPECT_THAT(refusal_of(R"("task": "classification")"),
              HasSubstr("task is \"classification\": expected one of binary_classification, multi_class, "
                        "regression, next_visit, visit_binary, survival"));
  EXPECT_THAT(refusal_of(R"("output_dim": 2)"),
              HasSubstr("output_dim is 2 with task binary_classification: expected 1"));
  EXPECT_THAT(refusal_of(R"("output_dim": 0)"), HasSubstr("output_dim is 0"));
  EXPECT_THAT(refusal_of(R"("task": "multi_class")"),
              HasSubstr("output_dim (multi_class) is 1: expected 2 to"));
  EXPECT_THAT(refusal_of(R"("task": "next_visit", "output_dim": 99)"),
              HasSubstr("output_dim is 99 with task next_visit: expected vocab_size, 100"));
}

// Sizes that are each allowed and together absurd, some with products beyond 2^63.
TEST_F(ConfigFile, RefusesModelsThatNoMemoryHolds) {
  for (const std::string member :
       {R"("hidden_dim": 1048576)", R"("embedding_dim": 1048576)",
        R"("hidden_dim": 1048576, "embedding_dim": 1048576, "num_layers": 1024, "bidirectional": true)",
        R"("hidden_dim": 4096, "num_layers": 1024)",
        R"("task": "multi_class", "output_dim": 2147483647, "hidden_dim": 8)"})
    EXPECT_THAT(refusal_of(member), HasSubstr("parameters (vocab_size 100, embedding_dim ")) << member;
  EXPECT_THAT(refusal(R"({"vocab_size": 2147483647})", ErrorCode::invalid_argument),
              HasSubstr("the model would have about 2.748"));
}

TEST_F(ConfigFile, RefusesWhatIsNoJson) {
  for (const std::string_view junk : {"", " ", "{", "{\"vocab_size\": 5", "{\"vocab_size\": 5}}", "{'a': 1}",
                                      "{\"vocab_size\": NaN}", "{\"vocab_size\": 5,}", "\x7f\x45LF\x01\x02",
                                      "{\"vocab_size\": 5, \"\xff\xfe\": 1}", "// no\n{\"vocab_size\": 5}"}) {
    const std::string text = refusal(junk);
    EXPECT_THAT(text, HasSubstr("not JSON"));
    for (const char character : text)
      EXPECT_TRUE(character >= 0x20 && character < 0x7f) << "unprintable in " << text;
  }
  EXPECT_THAT(refusal(std::string_view("\0\0\0\0", 4)), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[]"), EndsWith("expected a JSON object"));
  EXPECT_THAT(refusal("5"), EndsWith("expected a JSON object"));
  EXPECT_THAT(refusal("null"), EndsWith("expected a JSON object"));
}

TEST_F(ConfigFile, RefusesDeepNestingBeforeItIsBuilt) {
  std::string objects = "{\"vocab_size\": 5, \"extra\": ";
  for (int depth = 0; depth < 100'000; ++depth) objects += "{\"a\": ";
  EXPECT_THAT(refusal(objects), HasSubstr("\"extra\" is an object or an array"));
  EXPECT_THAT(refusal(std::string(1'000'000, '[')), HasSubstr("is an object or an array"));
}

TEST_F(ConfigFile, ReportsWhatTheSystemRefuses) {
  const auto reading = [&](const std::filesystem::path& file) {
    return error_of(ErrorCode::io_error, [&] { read_config(file); });
  };
  EXPECT_THAT(reading(folder_.path() / "absent.json"), HasSubstr("absent.json failed: No such file"));
  EXPECT_THAT(reading(folder_.path()), AllOf(HasSubstr(folder_.path().string()), HasSubstr("directory")));
}

TEST_F(ConfigFile, WritesOnlyWhatItWouldReadAndKeepsTheOldFileOtherwise) {
  const auto file = folder_.write("config.json", "old");
  ModelConfig config = unusual();
  config.dropout = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { write_config(file, config); }),
              HasSubstr("dropout is nan: expected a number in [0, 1)"));
  EXPECT_EQ(read_file(file), "old");
  EXPECT_THAT(
      error_of(ErrorCode::io_error, [&] { write_config(folder_.path() / "absent" / "c.json", unusual()); }),
      HasSubstr("c.json failed: No such file"));
}

// Names, shapes and order as the reference model's state_dict() lists them.
TEST(ModelParameters, AreTheReferenceStateDict) {
  ModelConfig config = unusual();
  config.num_layers = 2;
  const auto text = [](const ModelConfig& of) {
    std::vector<std::string> lines;
    for (const ParameterInfo& parameter : model_parameters(of)) {
      std::string line = parameter.name;
      for (const std::int64_t size : parameter.shape) line += concat(' ', size);
      lines.push_back(line);
    }
    return lines;
  };
  EXPECT_THAT(
      text(config),
      ElementsAre("embedding.weight 1234 33", "visit_encoder.attention.0.weight 16 33",
                  "visit_encoder.attention.0.bias 16", "visit_encoder.attention.2.weight 1 16",
                  "visit_encoder.attention.2.bias 1", "lstm.weight_ih_l0 260 33", "lstm.weight_hh_l0 260 65",
                  "lstm.bias_ih_l0 260", "lstm.bias_hh_l0 260", "lstm.weight_ih_l0_reverse 260 33",
                  "lstm.weight_hh_l0_reverse 260 65", "lstm.bias_ih_l0_reverse 260",
                  "lstm.bias_hh_l0_reverse 260", "lstm.weight_ih_l1 260 130", "lstm.weight_hh_l1 260 65",
                  "lstm.bias_ih_l1 260", "lstm.bias_hh_l1 260", "lstm.weight_ih_l1_reverse 260 130",
                  "lstm.weight_hh_l1_reverse 260 65", "lstm.bias_ih_l1_reverse 260",
                  "lstm.bias_hh_l1_reverse 260", "fc.weight 1234 130", "fc.bias 1234"));
  ModelConfig plain;
  plain.vocab_size = 10;
  EXPECT_THAT(text(plain), ElementsAre("embedding.weight 10 128", "lstm.weight_ih_l0 1024 128",
                                       "lstm.weight_hh_l0 1024 256", "lstm.bias_ih_l0 1024",
                                       "lstm.bias_hh_l0 1024", "fc.weight 1 256", "fc.bias 1"));
  // sum(p.numel() for p in model.parameters()) in PyTorch
  EXPECT_EQ(parameter_count(plain), 1280 + 1024 * (128 + 256 + 2) + 257);
}

}  // namespace
}  // namespace ragtime
