// What ragtime train leaves in --out and says on standard output, for every task; which runs it will not
// touch or go on with; and that it learns what there is to learn.

#include <cmath>
#include <iterator>
#include <set>

#include "host/tool/data/cohort.hpp"
#include "host/tool/train/split.hpp"
#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> run_files = {
    "checkpoint.safetensors", "config.json", "history.json",  "history.svg",
    "model.safetensors",      "splits.csv",  "training.json", "vocabulary.txt"};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

class Train : public ToolTest {
 protected:
  // A label for every patient but the first, from the number of visits.
  std::string labels(const std::string& data, int classes) const {
    const Cohort cohort = read_cohort(data);
    std::string text = "patient_id,label\n";
    for (std::int64_t p = 1; p < cohort.patients(); ++p)
      text += cohort.patient_ids[p] + "," +
              std::to_string((cohort.visit_offsets[p + 1] - cohort.visit_offsets[p]) % classes) + "\n";
    return write("labels.csv", text).string();
  }
};

struct TaskRun {
  const char* task;
  bool labels;
  std::vector<std::string> metrics;
};

void PrintTo(const TaskRun& run, std::ostream* out) {
  *out << run.task;
}

class TrainTask : public Train, public testing::WithParamInterface<TaskRun> {};

TEST_P(TrainTask, WritesAModelItsHistoryAndATable) {
  const auto& [task, with_labels, metrics] = GetParam();
  const std::string data = synth(120);
  Arguments target = {"--task", task};
  if (with_labels)
    target = target + Arguments{"--labels", labels(data, 3)};
  else if (task != std::string("next_visit"))
    target = target + Arguments{"--label-code", diabetes};
  if (task == std::string("binary_classification")) target = target + Arguments{"--predict-at", "visits"};
  const ToolResult result = run_tool(train(data, at("model"), target + Arguments{"--seed", "7"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(names_of(bytes_of_folder(at("model"))), run_files);

  const auto config = json_of(at("model/config.json"));
  EXPECT_EQ(config["task"], task);
  EXPECT_EQ(config["hidden_dim"], 8);
  EXPECT_EQ(config["embedding_dim"], 6);
  const std::int64_t vocabulary =
      static_cast<std::int64_t>(lines_of(bytes_of(at("model/vocabulary.txt"))).size());
  EXPECT_EQ(config["vocab_size"], vocabulary);
  EXPECT_EQ(config["output_dim"], task == std::string("next_visit")    ? vocabulary
                                  : task == std::string("multi_class") ? 3
                                                                       : 1);
  const auto training = json_of(at("model/training.json"));
  EXPECT_EQ(training["task"], task);
  EXPECT_EQ(training["seed"], 7);
  EXPECT_EQ(training["precision"], "f32");
  EXPECT_EQ(training["label_code"].is_null(), with_labels || task == std::string("next_visit"));
  EXPECT_EQ(training["labels"].is_null(), !with_labels);
  EXPECT_THAT(bytes_of(at("model/history.svg")), testing::StartsWith("<svg"));

  // The same names and numbers in history.json and in the table.
  const auto history = json_of(at("model/history.json"));
  EXPECT_EQ(history["task"], task);
  ASSERT_EQ(history["epochs"].size(), 2u);
  const auto lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 5u) << result.out;
  Arguments header = {"epoch", "train", "loss", "valid", "loss"};
  EXPECT_EQ(words_of(lines[0]), header + metrics + Arguments{"rows/s"});
  for (std::size_t e = 0; e < 2; ++e) {
    const auto words = words_of(lines[e + 1]);
    ASSERT_GE(words.size(), 4 + metrics.size());
    EXPECT_EQ(words[0], std::to_string(e + 1));
    EXPECT_NEAR(std::stod(words[1]), history["epochs"][e]["train_loss"].get<double>(), 1e-3);
    EXPECT_NEAR(std::stod(words[2]), history["epochs"][e]["validation_loss"].get<double>(), 1e-3);
    std::size_t column = 3;
    for (const auto& [name, value] : history["epochs"][e]["metrics"].items()) {
      ASSERT_LT(column - 3, metrics.size());
      EXPECT_EQ(name, metrics[column - 3]);
      EXPECT_NEAR(std::stod(words[column++]), value.get<double>(), 1e-4) << name;
    }
    EXPECT_EQ(column, 3 + metrics.size());
  }
  EXPECT_THAT(lines[3], HasSubstr("Best epoch " + history["best_epoch"].dump() + ","));
  EXPECT_THAT(lines[3], HasSubstr(at("model/history.svg")));
  // And those of the best epoch once more.
  const auto& best = history["epochs"][history["best_epoch"].get<std::size_t>() - 1]["metrics"];
  std::string results;
  for (const auto& [name, value] : best.items()) {
    char number[32];
    std::snprintf(number, sizeof number, "%.4f", value.get<double>());
    results += (results.empty() ? "" : ", ") + name + " " + number;
  }
  const bool binary = task == std::string("binary_classification") || task == std::string("visit_binary");
  EXPECT_THAT(lines[4], testing::MatchesRegex("Validation " + results + (binary ? "; the length.*" : "")));
  EXPECT_THAT(result.err, HasSubstr("120 patients"));
}

INSTANTIATE_TEST_SUITE_P(
    All, TrainTask,
    testing::Values(TaskRun{"binary_classification", false, {"auroc", "average_precision", "accuracy"}},
                    TaskRun{"multi_class", true, {"accuracy"}}, TaskRun{"regression", true, {"rmse", "mae"}},
                    TaskRun{"next_visit", false, {"recall@10"}},
                    TaskRun{"visit_binary", false, {"auroc", "average_precision", "accuracy"}},
                    TaskRun{"survival", false, {"concordance"}}),
    [](const auto& run) { return run.param.task; });

TEST_F(Train, TheVocabularyIsTheTrainingPatientsCodesInStringOrder) {
  const std::string data = synth(40);
  const Cohort cohort = read_cohort(data);
  std::map<std::string, std::set<std::int64_t>> patients;  // of training, by code
  std::set<std::string> others;
  for (std::int64_t p = 1; p < cohort.patients(); ++p)  // the first has no label
    for (std::int64_t v = cohort.visit_offsets[p]; v < cohort.visit_offsets[p + 1]; ++v)
      for (const std::int32_t code : cohort.visit_codes(v))
        if (split_position(cohort.patient_ids[p], 5) < 0.3)
          others.insert(cohort.code_names[code]);
        else
          patients[cohort.code_names[code]].insert(p);
  EXPECT_TRUE(std::any_of(others.begin(), others.end(), [&](const auto& code) {
    return !patients.contains(code);
  })) << "this cohort tells nothing";
  for (const char* count : {"0", "2", ""}) {
    const std::string out = at(std::string("model") + count);
    const Arguments option = *count == 0 ? Arguments{} : Arguments{"--min-code-count", count};
    must_train(data, out,
               option + Arguments{"--task", "regression", "--labels", labels(data, 4), "--seed", "5",
                                  "--validation", "0.3"});
    std::string expected = "[PAD]\t0\n[UNK]\t1\n";
    int id = 2;
    const std::size_t fewest = *count == 0 ? 5 : std::stoul(count);
    for (const auto& [code, who] : patients)
      if (who.size() >= fewest) expected += code + "\t" + std::to_string(id++) + "\n";
    EXPECT_EQ(bytes_of(out + "/vocabulary.txt"), expected) << count;
  }
}

TEST_F(Train, CountsLabelsWithoutPatientsAndPatientsWithoutLabels) {
  const std::string data = synth(30);
  std::ofstream(labels(data, 2), std::ios::app) << "nobody,1\nno one,0\n";
  const ToolResult result =
      run_tool(train(data, at("model"), {"--task", "binary_classification", "--labels", at("labels.csv")}));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("warning: 2 patients of " + at("labels.csv") + " are not in the data\n"));
  EXPECT_THAT(result.err, HasSubstr("1 patients have no label in"));
}

TEST_F(Train, AMedsFileAndBothDirections) {
  std::string events = "subject_id,time,code\n", labels = "patient_id,label\n";
  for (int p = 0; p < 40; ++p) {
    const std::string id = "s" + std::to_string(p);
    for (int v = 0; v <= p % 4; ++v)
      events +=
          id + ",2020-01-0" + std::to_string(v + 1) + " 08:00:00,c" + std::to_string((p + v) % 5) + "\n";
    events += id + ",,born\n";
    labels += id + "," + std::to_string(p % 2) + "\n";
  }
  const ToolResult result = run_tool(train(
      write("events.csv", events).string(), at("model"),
      {"--task", "binary_classification", "--labels", write("labels.csv", labels).string(), "--bidirectional",
       "--aggregation", "attention", "--num-layers", "2", "--batch-rows", "20", "--dropout", "0.2"}));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("40 rows without a time were skipped"));
  EXPECT_EQ(json_of(at("model/config.json"))["bidirectional"], true);
}

TEST_F(Train, ASecondRunIntoTheSameFolderIsRefused) {
  const std::string data = synth(30);
  const Arguments options = {"--task", "next_visit"};
  must_train(data, at("model"), options);
  const Folder before = bytes_of_folder(at("model"));
  expect_refused(run_tool(train(data, at("model"), options)), 1, {at("model"), "already", "--resume"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("model")), before));
}

TEST_F(Train, ResumeWithOtherOptionsOrDataIsRefused) {
  const std::string data = synth(30), other = synth(30, "other", 2);
  const Arguments begun = {"--task", "visit_binary", "--label-code", diabetes, "--resume"};
  must_train(data, at("model"), {"--task", "visit_binary", "--label-code", diabetes});
  const Folder before = bytes_of_folder(at("model"));
  const std::vector<std::pair<std::string, std::string>> changes = {{"--hidden-dim", "9"},
                                                                    {"--embedding-dim", "7"},
                                                                    {"--batch-size", "9"},
                                                                    {"--horizon-days", "30"},
                                                                    {"--tables", "conditions"},
                                                                    {"--num-layers", "2"},
                                                                    {"--aggregation", "sum"},
                                                                    {"--dropout", "0.5"},
                                                                    {"--lr", "0.01"},
                                                                    {"--clip", "1"},
                                                                    {"--weight-decay", "0.3"},
                                                                    {"--validation", "0.4"},
                                                                    {"--seed", "3"},
                                                                    {"--gap-days", "7"},
                                                                    {"--predict-at", "sample:0.5"},
                                                                    {"--min-code-count", "2"},
                                                                    {"--code-dropout", "0.2"},
                                                                    {"--observed-until", "record"},
                                                                    {"--exclude-codes", "SYN-A*"},
                                                                    {"--visit-by", "time"}};
  for (const auto& [option, value] : changes) {
    expect_refused(run_tool(train(data, at("model"), begun + Arguments{option, value})), 1,
                   {"--resume with " + option, value, "the same options"});
    EXPECT_TRUE(same_files(bytes_of_folder(at("model")), before)) << option;
  }
  expect_refused(run_tool(train(data, at("model"), {"--task", "next_visit", "--resume"})), 1,
                 {"--resume with --task"});
  expect_refused(run_tool(train(data, at("model"), begun + Arguments{"--split", "0.6,0.4"})), 1,
                 {"--resume with --validation 0.4"});
  expect_refused(
      run_tool(train(data, at("model"), begun + Arguments{"--split-file", at("model/splits.csv")})), 1,
      {"--resume with --split-file"});
  expect_refused(run_tool(train(data, at("model"), begun + Arguments{"--batch-rows", "50"})), 1,
                 {"--resume with --batch-size 0"});
  expect_refused(run_tool(train(other, at("model"), begun)), 1,
                 {"--resume with other data", "the same --data"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("model")), before));
}

TEST_F(Train, ResumeOfAFinishedRunChangesNoByte) {
  const std::string data = synth(30);
  const Arguments options = {"--task", "survival", "--label-code", diabetes};
  must_train(data, at("model"), options);
  const Folder before = bytes_of_folder(at("model"));
  const ToolResult again = run_tool(train(data, at("model"), options + Arguments{"--resume"}));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("Going on after 2 whole epochs"));
  EXPECT_THAT(again.out, HasSubstr("Best epoch"));
  EXPECT_TRUE(same_files(bytes_of_folder(at("model")), before));
}

TEST_F(Train, ResumeWithMoreEpochsEqualsARunOfAsMany) {
  const std::string data = synth(30);
  const Arguments options = {"--task", "next_visit", "--dropout", "0.2"};
  must_train(data, at("whole"), options + Arguments{"--epochs", "4"});
  must_train(data, at("parts"), options + Arguments{"--epochs", "1"});
  must_train(data, at("parts"), options + Arguments{"--epochs", "4", "--resume"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("parts")), bytes_of_folder(at("whole"))));
}

TEST_F(Train, StopsEarly) {
  // Labels without rhyme or reason: soon no epoch is better.
  const std::string data = synth(60);
  const ToolResult result = run_tool(train(data, at("model"),
                                           {"--task", "regression", "--labels", labels(data, 7), "--lr",
                                            "0.05", "--patience", "1", "--epochs", "200"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("No better validation loss for 1 epochs: stopped."));
  const auto history = json_of(at("model/history.json"));
  const std::size_t epochs = history["epochs"].size();
  EXPECT_LT(epochs, 200u);
  EXPECT_EQ(history["best_epoch"], epochs - 1);
  double best = INFINITY;
  for (std::size_t e = 0; e + 1 < epochs; ++e) {
    EXPECT_LT(history["epochs"][e]["validation_loss"], best)
        << "it should have stopped after epoch " << e + 1;
    best = history["epochs"][e]["validation_loss"];
  }
  EXPECT_GE(history["epochs"][epochs - 1]["validation_loss"], best);
}

TEST_F(Train, ARunThatDivergesSaysSo) {
  const std::string data = synth(60);
  const ToolResult result = run_tool(train(data, at("model"), {"--task", "next_visit", "--lr", "1e300"}));
  expect_refused(result, 1, {"loss of epoch", "diverged", "--lr"});
  EXPECT_FALSE(std::filesystem::exists(at("model/model.safetensors")));
}

TEST_F(Train, LearnsWhoWillHaveDiabetes) {
  const std::string data = synth(600);
  must_train(data, at("model"), binary_task("sample:0.5") + Arguments{"--epochs", "4", "--lr", "0.02"});
  const auto history = json_of(at("model/history.json"));
  const auto& best = history["epochs"][history["best_epoch"].get<std::size_t>() - 1];
  EXPECT_GT(best["metrics"]["auroc"].get<double>(), 0.65) << history.dump(1);
  EXPECT_LT(history["epochs"][3]["train_loss"], history["epochs"][0]["train_loss"]);
}

}  // namespace
}  // namespace ragtime::test
