// Who trains, who validates and who tests: shares, files of parts, what a run writes down of it and what
// predictions say of it.

#include "host/tool/train/split.hpp"
#include "tests/tool/cli/tool_test.hpp"
#include "tests/tool/train/written_histories.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Splits : public ToolTest {
 protected:
  void SetUp() override {
    histories_ = make_histories(90);
    data_ = write("events.csv", meds_text(histories_)).string();
  }
  Arguments task(const Arguments& more, const std::string& out = "model") const {
    return train(data_, at(out),
                 Arguments{"--task", "visit_binary", "--label-code", "X", "--horizon-days", "200"} + more);
  }
  ToolResult must_run(const Arguments& arguments) const {
    ToolResult result = run_tool(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  // patient -> part, of a file.
  std::map<std::string, std::string> parts(const std::string& file) const {
    std::map<std::string, std::string> result;
    const auto lines = lines_of(bytes_of(file));
    for (std::size_t i = 1; i < lines.size(); ++i)
      result[lines[i].substr(0, lines[i].find(','))] = lines[i].substr(lines[i].find(',') + 1);
    EXPECT_EQ(result.size() + 1, lines.size());
    return result;
  }
  // Patient and part in the predictions, and whether there is the column.
  std::map<std::string, std::string> predicted_parts(const std::string& model,
                                                     const std::string& data) const {
    const auto lines = lines_of(must_predict(at(model), data));
    EXPECT_EQ(lines.at(0), "patient_id,part,visit,p0");
    std::map<std::string, std::string> result;
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const std::size_t first = lines[i].find(','), second = lines[i].find(',', first + 1);
      result[lines[i].substr(0, first)] = lines[i].substr(first + 1, second - first - 1);
    }
    return result;
  }

  Histories histories_;
  std::string data_;
};

TEST_F(Splits, SharesWithATestPart) {
  const ToolResult result = must_run(task({"--split", "0.6,0.2,0.2", "--seed", "4"}));
  const auto lines = lines_of(result.out);
  EXPECT_THAT(lines.at(lines.size() - 2), StartsWith("Validation auroc "));
  EXPECT_THAT(lines.back(),
              testing::MatchesRegex("Test       auroc [01]\\.[0-9]+, average_precision [01]\\.[0-9]+, "
                                    "accuracy [01]\\.[0-9]+; the length of the history alone has auroc "
                                    "[01]\\.[0-9]+ \\(visits\\), auroc [01]\\.[0-9]+ \\(days\\)"));
  const auto split = parts(at("model/splits.csv"));
  EXPECT_EQ(split.size(), 90u);
  std::map<std::string, int> sizes;
  for (const auto& [patient, part] : split) {
    const double position = split_position(patient, 4);
    EXPECT_EQ(part, position < 0.2 ? "validation" : position < 0.4 ? "test" : "train") << patient;
    ++sizes[part];
  }
  EXPECT_GT(sizes["train"], 35);
  EXPECT_GT(sizes["validation"], 5);
  EXPECT_GT(sizes["test"], 5);
  const auto training = json_of(at("model/training.json"));
  EXPECT_EQ(training["validation"], 0.2);
  EXPECT_EQ(training["test"], 0.2);
  EXPECT_EQ(training["split_given"], true);

  EXPECT_EQ(predicted_parts("model", data_), split);
  // Whom training did not know is in no part.
  Histories others = histories_;
  others["stranger"] = {{first_day, 100, "c1"}};
  auto expected = split;
  expected["stranger"] = "";
  EXPECT_EQ(predicted_parts("model", write("others.csv", meds_text(others)).string()), expected);
}

TEST_F(Splits, TheTestPartIsNotTrainedOn) {
  const auto without = [&](const std::string& part) {
    must_run(task({"--split", "0.6,0.2,0.2"}, "whole"));
    Histories changed = histories_;
    for (const auto& [patient, name] : parts(at("whole/splits.csv")))
      if (name == part)
        for (Event& event : changed[patient]) event.code = event.code == "X" ? "c0" : "c9";
    std::filesystem::remove_all(at("whole"));
    return write("changed.csv", meds_text(changed)).string();
  };
  must_run(task({"--split", "0.6,0.2,0.2"}));
  data_ = without("test");
  must_run(task({"--split", "0.6,0.2,0.2"}, "other"));
  EXPECT_EQ(bytes_of(at("other/model.safetensors")), bytes_of(at("model/model.safetensors")));
  EXPECT_EQ(bytes_of(at("other/history.json")), bytes_of(at("model/history.json")));
}

TEST_F(Splits, WithoutASplitOfOnesOwnThereIsNoColumn) {
  must_run(task({}));
  EXPECT_EQ(parts(at("model/splits.csv")).size(), 90u);
  EXPECT_EQ(lines_of(must_predict(at("model"), data_)).at(0), "patient_id,visit,p0");
  must_run(task({"--validation", "0.2"}, "same"));
  EXPECT_TRUE(same_files(bytes_of_folder(at("same")), bytes_of_folder(at("model"))));
  // The same shares given as a split are the same split and model.
  must_run(task({"--split", "0.8,0.2"}, "given"));
  EXPECT_EQ(bytes_of(at("given/splits.csv")), bytes_of(at("model/splits.csv")));
  EXPECT_EQ(bytes_of(at("given/model.safetensors")), bytes_of(at("model/model.safetensors")));
  EXPECT_EQ(predicted_parts("given", data_), parts(at("model/splits.csv")));
}

TEST_F(Splits, AFileOfParts) {
  std::string file = "split,note,subject_id\n";
  std::map<std::string, std::string> expected;
  int n = 0, left_out = 0;
  for (const auto& [patient, events] : histories_) {
    const char* const names[] = {"train", "tuning", "held_out", "validation", "test", "train"};
    const char* const meant[] = {"train", "validation", "test", "validation", "test", "train"};
    const int i = n++;
    if (i == 40) {
      left_out = 1;
      continue;
    }
    file += std::string(names[i % 6]) + ",," + patient + "\n";
    expected[patient] = meant[i % 6];
  }
  const std::string path = write("parts.csv", file + "train,,nobody\ntest,,no one\ntrain,,nobody\n").string();
  const ToolResult result = must_run(task({"--split-file", path}));
  EXPECT_THAT(result.err, HasSubstr("warning: 2 patients of " + path + " are not in the data\n"));
  EXPECT_THAT(result.err, HasSubstr("warning: " + std::to_string(left_out) +
                                    " examples are of patients that " + path + " does not name, left out\n"));
  EXPECT_THAT(result.out, HasSubstr("\nTest       auroc "));
  EXPECT_EQ(parts(at("model/splits.csv")), expected);
  EXPECT_EQ(json_of(at("model/training.json"))["split_file"], path);
  auto predicted = predicted_parts("model", data_);
  EXPECT_EQ(predicted.at("p1040"), "");
  predicted.erase("p1040");
  EXPECT_EQ(predicted, expected);
  // Only who trains and who validates.
  std::string two = "subject_id,part\n";
  for (const auto& [patient, part] : expected)
    two += patient + (part == "train" ? ",train\n" : ",validation\n");
  write("two.csv", two);
  EXPECT_THAT(must_run(task({"--split-file", at("two.csv")}, "two")).out, Not(HasSubstr("Test ")));
}

TEST_F(Splits, TheSplitOfOneRunIsThatOfAnother) {
  must_run(task({"--split", "0.6,0.2,0.2", "--seed", "7"}));
  must_run(task({"--split-file", at("model/splits.csv"), "--seed", "7"}, "again"));
  for (const char* file : {"splits.csv", "model.safetensors", "vocabulary.txt", "history.json"})
    EXPECT_EQ(bytes_of(at("again") + "/" + file), bytes_of(at("model") + "/" + file)) << file;
  must_run(task({"--split-file", at("model/splits.csv"), "--seed", "8"}, "seed"));
  EXPECT_EQ(bytes_of(at("seed/splits.csv")), bytes_of(at("model/splits.csv")));
  EXPECT_NE(bytes_of(at("seed/model.safetensors")), bytes_of(at("model/model.safetensors")));
}

TEST_F(Splits, FilesThatMakeNoSense) {
  const auto refused = [&](const std::string& content, const std::vector<std::string>& expected) {
    write("parts.csv", content);
    expect_refused(run_tool(task({"--split-file", at("parts.csv")})), 1, expected);
    EXPECT_FALSE(std::filesystem::exists(at("model")));
  };
  refused("subject_id,part\np1000,train\np1001,tuning\np1000,held_out\n",
          {"parts.csv:4", "\"p1000\"", "in test and, at line 2, in train"});
  refused("subject_id,part\np1000,train\np1001,dev\n",
          {"parts.csv:3", "part is \"dev\"", "validation (or tuning)"});
  refused("subject_id,fold\np1000,1\n", {"parts.csv:1", "no column part or split"});
  refused("subject_id,part\n", {"parts.csv holds no parts"});
  refused("subject_id,part\nnobody,train\n", {"parts.csv leaves 0 examples to train and 0 to validate"});
  refused("subject_id,part\np1000,train\n", {"parts.csv", "to train and 0 to validate"});
  expect_refused(run_tool(task({"--split-file", at("none.csv")})), 1, {at("none.csv"), "No such file"});
}

TEST_F(Splits, SharesThatMakeNoSense) {
  const auto misuse = [&](const Arguments& more, const std::vector<std::string>& expected) {
    SCOPED_TRACE(testing::PrintToString(more));
    // On data that are not there: it was refused before a look.
    const Arguments run = {"train", "--data", at("none"), "--task", "next_visit", "--out", at("model")};
    expect_refused(run_tool(run + more), 2, expected);
  };
  for (const char* split :
       {"0.8,0.1", "0.8,0.3", "0.5,0.2,0.2", "0.6,0.2,0.3", "1", "0.4,0.2,0.2,0.2", "8,1,1"})
    misuse({"--split", split}, {"--split", "which add up to 1, such as 0.8,0.1,0.1"});
  for (const char* split : {"1.2,-0.2", "0.9,0.2,-0.1", "-0.2,0.6,0.6"})
    misuse({"--split", split}, {"--split has the share -0."});
  for (const char* split : {"nan,0.5,0.5", "inf,0,0"}) misuse({"--split", split}, {"--split has the share "});
  for (const char* split : {"x", "0.8;0.2", ""}) misuse({"--split", split}, {"--split"});
  misuse({"--split", "1,0"}, {"share of --split is 0"});
  misuse({"--split", "0.8,0,0.2"}, {"share of --split is 0"});
  misuse({"--split", "0,0.5,0.5"}, {"something left to train on"});
  const Arguments ways[] = {
      {"--validation", "0.2"}, {"--split", "0.8,0.2"}, {"--split-file", at("parts.csv")}};
  for (int left = 0; left < 3; ++left)
    for (int right = left + 1; right < 3; ++right)
      misuse(ways[left] + ways[right], {"--validation, --split and --split-file", "one of them"});
}

TEST_F(Splits, APredictionWithoutTheFileOfPartsSaysWhatIsMissing) {
  must_run(task({"--split", "0.6,0.2,0.2"}));
  std::filesystem::remove(at("model/splits.csv"));
  expect_refused(run_tool(predict(at("model"), data_, at("out.csv"))), 1,
                 {at("model/splits.csv"), "No such file"});
  EXPECT_FALSE(std::filesystem::exists(at("out.csv")));
}

}  // namespace
}  // namespace ragtime::test
