// Options that make no sense are refused by name, the settings of two runs are equal exactly when they must
// end with the same bits, and training.json gives back what predict must repeat.

#include "host/tool/train/train_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "host/base/atomic_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

using Change = std::function<void(TrainOptions&)>;

TrainOptions good_options() {
  TrainOptions options;
  options.data = "cohort";
  options.out = "model";
  options.task.label_code = "X";
  options.task.predict_at = predict_at_from_text("visit:3");
  return options;
}

std::string refusal(const Change& change) {
  TrainOptions options = good_options();
  change(options);
  return error_of(ErrorCode::invalid_argument, [&] { validate(options); });
}

TEST(TrainOptions, GoodOnesAreTaken) {
  EXPECT_NO_THROW(validate(good_options()));
  const auto taken = [](const Change& change) {
    TrainOptions options = good_options();
    change(options);
    EXPECT_NO_THROW(validate(options));
  };
  taken([](TrainOptions& o) { o.patience = 0; });
  taken([](TrainOptions& o) { o.min_code_count = 0, o.code_dropout = 0; });
  taken([](TrainOptions& o) { o.optimizer.clip_norm = o.optimizer.weight_decay = 0; });
  taken([](TrainOptions& o) { o.batch_size = 0, o.batch_rows = 1; });
  taken([](TrainOptions& o) { o.model.bidirectional = true; });
  taken([](TrainOptions& o) { o.task = {.task = Task::next_visit}; });
  taken([](TrainOptions& o) { o.task = {.task = Task::multi_class, .labels_file = "f"}; });
  taken([](TrainOptions& o) { o.task.label_code = "Gr\xC3\xBC\xC3\x9F"; });
}

TEST(TrainOptions, NumbersAreNeitherNaNNorInfiniteNorNegative) {
  for (const double bad : {nan, infinity, -infinity, -1.0, 0.0}) {
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.optimizer.learning_rate = bad; }), StartsWith("--lr is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.split.validation = bad; }), StartsWith("--validation is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.task.horizon_days = bad; }),
                StartsWith("--horizon-days is "));
    if (bad == 0) continue;
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.optimizer.weight_decay = bad; }),
                StartsWith("--weight-decay is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.optimizer.clip_norm = bad; }), StartsWith("--clip is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.model.dropout = bad; }), StartsWith("dropout is "));
  }
  for (const double bad : {-0.1, 1.0, std::nan("")})
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.code_dropout = bad; }),
                testing::AllOf(StartsWith("--code-dropout is "), HasSubstr("a probability")));
  EXPECT_THAT(refusal([](TrainOptions& o) { o.split.validation = 1; }),
              StartsWith("--validation is 1: expected"));
  EXPECT_THAT(refusal([](TrainOptions& o) { o.model.dropout = 1; }), StartsWith("dropout is 1: expected"));
  EXPECT_THAT(refusal([](TrainOptions& o) { o.task.horizon_days = 2e6; }), HasSubstr("at most 1000000"));
}

TEST(TrainOptions, CountsAreInTheirRange) {
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t bad : {lowest, std::int64_t{-1}, std::int64_t{0}, highest}) {
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.epochs = bad; }), StartsWith("--epochs is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.model.embedding_dim = bad; }),
                StartsWith("embedding_dim is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.model.hidden_dim = bad; }), StartsWith("hidden_dim is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.model.num_layers = bad; }), StartsWith("num_layers is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.batch_size = bad; }), StartsWith("--batch-size is "));
    if (bad == 0) continue;
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.batch_rows = bad; }), StartsWith("--batch-rows is "));
    if (bad > 0) continue;
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.patience = bad; }), StartsWith("--patience is "));
    EXPECT_THAT(refusal([&](TrainOptions& o) { o.min_code_count = bad; }),
                StartsWith("--min-code-count is "));
  }
  EXPECT_THAT(refusal([](TrainOptions& o) { o.model.hidden_dim = o.model.embedding_dim = 1 << 20; }),
              HasSubstr("parameters"));
}

TEST(TrainOptions, ABatchIsMeasuredInOneWay) {
  EXPECT_THAT(refusal([](TrainOptions& o) { o.batch_rows = 100; }),
              AllOf(HasSubstr("--batch-size is 64"), HasSubstr("--batch-rows is 100"),
                    HasSubstr("exactly one of them")));
}

TEST(TrainOptions, ABackwardDirectionWouldReadTheAnswersOfVisits) {
  for (const Task task : {Task::next_visit, Task::visit_binary, Task::survival})
    EXPECT_THAT(refusal([&](TrainOptions& o) {
                  o.task.task = task;
                  o.task.predict_at = {};
                  if (task == Task::visit_binary) o.task.predict_at = predict_at_from_text("visits");
                  if (task == Task::next_visit) o.task.label_code.clear();
                  o.model.bidirectional = true;
                }),
                StartsWith("--bidirectional with --task "));
}

TEST(TrainOptions, MustSuitTheTask) {
  EXPECT_THAT(refusal([](TrainOptions& o) { o.task.predict_at = {}; }), HasSubstr("needs --predict-at"));
  EXPECT_THAT(refusal([](TrainOptions& o) { o.task.label_code.clear(); }),
              HasSubstr("needs --label-code or --labels"));
  EXPECT_THAT(refusal([](TrainOptions& o) { o.task.labels_file = "f"; }), HasSubstr("both given"));
}

// training.json and the checkpoint are JSON, which holds no other text: told before any work is done.
TEST(TrainOptions, TextMustBeUtf8) {
  EXPECT_THAT(refusal([](TrainOptions& o) { o.task.label_code = "Gr\xFC\xDF"; }),
              AllOf(StartsWith("--label-code is \"Gr\\xfc\\xdf\""), HasSubstr("UTF-8")));
  EXPECT_THAT(refusal([](TrainOptions& o) {
                o.task.label_code.clear();
                o.task.labels_file = "\xFF.csv";
              }),
              AllOf(StartsWith("--labels is \"\\xff.csv\""), HasSubstr("UTF-8")));
  EXPECT_THAT(refusal([](TrainOptions& o) {
                o.tables = {"conditions", "\x80"};
              }),
              AllOf(StartsWith("--tables is \"\\x80\""), HasSubstr("UTF-8")));
}

// Each of these would end with other bits; the option as a person would type it.
const std::pair<const char*, Change> decisive[] = {
    {"--task", [](TrainOptions& o) { o.task.task = Task::survival; }},
    {"--label-code", [](TrainOptions& o) { o.task.label_code = "Y"; }},
    {"--label-code",
     [](TrainOptions& o) {
       o.task.label_code.clear();
       o.task.predict_at = {};
       o.task.labels_file = "f";
     }},
    {"--predict-at", [](TrainOptions& o) { o.task.predict_at = predict_at_from_text("visit:4"); }},
    {"--gap-days", [](TrainOptions& o) { o.task.gap_days = 1; }},
    {"--observed-until", [](TrainOptions& o) { o.task.observed_until = observed_until_from_text("record"); }},
    {"--before", [](TrainOptions& o) { o.task.before = true; }},
    {"--visit-by", [](TrainOptions& o) { o.visit_by = VisitBy::time; }},
    {"--exclude-codes", [](TrainOptions& o) { o.exclude_codes = CodePatterns({"A*"}); }},
    {"--test", [](TrainOptions& o) { o.split.test = 0.1; }},
    {"--split-file", [](TrainOptions& o) { o.split.file = "parts.csv"; }},
    {"--horizon-days", [](TrainOptions& o) { o.task.horizon_days = 365.00000000000006; }},
    {"--tables", [](TrainOptions& o) { o.tables = {"conditions"}; }},
    {"--embedding-dim", [](TrainOptions& o) { o.model.embedding_dim = 64; }},
    {"--hidden-dim", [](TrainOptions& o) { o.model.hidden_dim = 64; }},
    {"--num-layers", [](TrainOptions& o) { o.model.num_layers = 2; }},
    {"--aggregation", [](TrainOptions& o) { o.model.visit_aggregation = PoolMode::max; }},
    {"--bidirectional", [](TrainOptions& o) { o.model.bidirectional = true; }},
    {"--dropout", [](TrainOptions& o) { o.model.dropout = 5e-324; }},
    {"--batch-size", [](TrainOptions& o) { o.batch_size = 65; }},
    {"--batch-size", [](TrainOptions& o) { o.batch_size = 0, o.batch_rows = 64; }},
    {"--lr", [](TrainOptions& o) { o.optimizer.learning_rate = 0.0010000000000000002; }},
    {"--weight-decay", [](TrainOptions& o) { o.optimizer.weight_decay = 0; }},
    {"--clip", [](TrainOptions& o) { o.optimizer.clip_norm = 0; }},
    {"--validation", [](TrainOptions& o) { o.split.validation = 0.25; }},
    {"--min-code-count", [](TrainOptions& o) { o.min_code_count = 0; }},
    {"--code-dropout", [](TrainOptions& o) { o.code_dropout = 0; }},
    {"--seed", [](TrainOptions& o) { o.seed = std::numeric_limits<std::uint64_t>::max(); }},
    {"--precision", [](TrainOptions& o) { o.precision = Precision::bf16; }},
};

TEST(Settings, DifferAndAreNamedWhereTheBitsWould) {
  const std::string begun = settings_json(good_options());
  EXPECT_NO_THROW(check_same_settings(good_options(), begun));
  for (const auto& [option, change] : decisive) {
    TrainOptions options = good_options();
    change(options);
    EXPECT_NE(settings_json(options), begun) << option;
    expect_error(ErrorCode::invalid_argument, {"--resume", option, "begun with"},
                 [&] { check_same_settings(options, begun); });
    EXPECT_NO_THROW(check_same_settings(options, settings_json(options))) << option;
  }
}

TEST(Settings, AreEqualWhereOnlyPlacesAndTheEndDiffer) {
  TrainOptions here = good_options(), there = good_options();
  here.task = there.task = {.task = Task::regression, .labels_file = "labels.csv"};
  there.task.labels_file = "/elsewhere/labels.csv";
  there.data = "/elsewhere/cohort";
  there.out = "/elsewhere/model";
  there.epochs = 7;
  there.patience = 0;
  there.resume = true;
  EXPECT_EQ(settings_json(here), settings_json(there));
  EXPECT_NO_THROW(check_same_settings(there, settings_json(here)));
}

TEST(Settings, OfAnotherVersionAreRefused) {
  const auto refused = [](ErrorCode code, const std::string& settings) {
    return error_of(code, [&] { check_same_settings(good_options(), settings); });
  };
  std::string settings = settings_json(good_options());
  settings.insert(1, "\"momentum\":0.5,");
  EXPECT_THAT(refused(ErrorCode::invalid_argument, settings), HasSubstr("momentum"));
  EXPECT_THAT(refused(ErrorCode::invalid_argument, "{}"), HasSubstr("another version"));
  for (const char* junk : {"", "junk", "[]", "3"})
    EXPECT_THAT(refused(ErrorCode::parse_error, junk), HasSubstr("settings"));
}

class TrainingJson : public testing::Test {
 protected:
  TrainingFile round_trip(const TrainOptions& options) {
    write_training_file(file_, training_file(options));
    return read_training_file(file_);
  }
  std::string refused(const std::string& text, ErrorCode code = ErrorCode::parse_error) {
    folder_.write("training.json", text);
    const std::string message = error_of(code, [&] { read_training_file(file_); });
    EXPECT_THAT(message, StartsWith(file_.string()));
    return message;
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "training.json";
};

TEST_F(TrainingJson, GivesBackWhatPredictRepeats) {
  TrainOptions options = good_options();
  options.task = {.task = Task::visit_binary,
                  .label_code = "a \"quoted\", Gr\xC3\xBC\xC3\x9F",
                  .predict_at = predict_at_from_text("sample:0.25"),
                  .horizon_days = 0.1,
                  .gap_days = 2,
                  .observed_until = observed_until_from_text("date:2020-01-01")};
  options.tables_read = {"conditions", "medications"};
  options.encounters = Encounters::ignored;
  options.visit_by = VisitBy::time;
  options.exclude_codes = CodePatterns({"B", "A*"});
  options.split.test = 0.25;
  options.split.is_explicit = true;
  options.seed = 0xFEDCBA9876543210;
  options.split.validation = 1.0 / 3;
  options.precision = Precision::tf32;
  options.min_code_count = 7;
  options.code_dropout = 0.125;
  for (const auto& task :
       {options.task, TaskOptions{.task = Task::multi_class, .labels_file = "a/b.csv", .before = true},
        TaskOptions{.task = Task::next_visit}}) {
    options.task = task;
    const TrainingFile read = round_trip(options);
    EXPECT_EQ(read.task, task);
    EXPECT_EQ(read.tables, options.tables_read);
    EXPECT_EQ(read.encounters, Encounters::ignored);
    EXPECT_EQ(read.visit_by, VisitBy::time);
    EXPECT_EQ(read.exclude_codes, options.exclude_codes);
    EXPECT_EQ(read.split, options.split);
    EXPECT_EQ(read.seed, options.seed);
    EXPECT_EQ(read.precision, options.precision);
    EXPECT_EQ(read.min_code_count, options.min_code_count);
    EXPECT_EQ(read.code_dropout, options.code_dropout);
  }
  // As written before there was a choice.
  folder_.write("training.json", R"({"task":"next_visit"})");
  EXPECT_EQ(read_training_file(file_).precision, Precision::f32);
  EXPECT_EQ(read_training_file(file_).min_code_count, 0);
  EXPECT_EQ(read_training_file(file_).code_dropout, 0);
  folder_.write("training.json", R"({"task":"visit_binary","label_code":"X","horizon_days":30})");
  EXPECT_EQ(read_training_file(file_).task.predict_at.text, "visits");
  folder_.write("training.json", R"({"task":"binary_classification","label_code":"X"})");
  EXPECT_EQ(read_training_file(file_).task.predict_at.text, "") << "of a version without prediction times";
  options.tables_read.clear();
  EXPECT_TRUE(round_trip(options).tables.empty());
}

TEST_F(TrainingJson, RefusesJunkByName) {
  for (const char* junk : {"", "junk", "[]", "3", "null", "{", "{\"task\":{}}", "\xFF\xFE"}) refused(junk);
  EXPECT_THAT(refused(R"({"task":"next_visit","colour":1})"), HasSubstr("unknown key \"colour\""));
  EXPECT_THAT(refused(R"({"task":"next_visit","task":"survival"})"), HasSubstr("twice"));
  EXPECT_THAT(refused(R"({"task":3})"), HasSubstr("task is 3"));
  EXPECT_THAT(refused(R"({"task":"next_visit","label_code":3})"), HasSubstr("label_code is 3"));
  EXPECT_THAT(refused(R"({"task":"next_visit","tables":"conditions"})"), HasSubstr("tables"));
  EXPECT_THAT(refused(R"({"task":"next_visit","tables":[1]})"), HasSubstr("tables"));
  EXPECT_THAT(refused(R"({"task":"next_visit","seed":-1})"), HasSubstr("seed is -1"));
  EXPECT_THAT(refused(R"({"task":"next_visit","validation":"half"})"), HasSubstr("validation is \"half\""));
  EXPECT_THAT(refused("{}"), HasSubstr("\"task\" is missing"));
  expect_error(ErrorCode::io_error, {"nothing.json"},
               [&] { read_training_file(folder_.path() / "nothing.json"); });
}

TEST_F(TrainingJson, RefusesATaskThatCannotBe) {
  const auto code = ErrorCode::invalid_argument;
  EXPECT_THAT(refused(R"({"task":"weather"})", code), HasSubstr("task is \"weather\""));
  EXPECT_THAT(refused(R"({"task":"survival"})", code), HasSubstr("--label-code"));
  EXPECT_THAT(refused(R"({"task":"visit_binary","label_code":"X","horizon_days":-1})", code),
              HasSubstr("-1"));
}

TEST_F(TrainingJson, RefusesAPrecisionThatCannotBe) {
  EXPECT_THAT(refused(R"({"task":"next_visit","precision":"fp8"})", ErrorCode::invalid_argument),
              HasSubstr("precision is \"fp8\": expected f32, tf32 or bf16"));
}

TEST(PrecisionName, GoesThereAndBackAndOnlyCudaComputesInTheOthers) {
  for (const Precision precision : all_precisions) {
    EXPECT_EQ(precision_from_name(name_of(precision)), precision);
    EXPECT_NO_THROW(check_supported(precision, DeviceType::cuda));
  }
  EXPECT_NO_THROW(check_supported(Precision::f32, DeviceType::cpu));
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    expect_error(ErrorCode::unsupported, {"--precision is ", name_of(precision), "cpu", "expected f32"},
                 [&] { check_supported(precision, DeviceType::cpu); });
}

}  // namespace
}  // namespace ragtime
