// Every option of ragtime train with values that can never be right, and data and labels that are not: each
// is named, with the right exit status, and --out is not there afterwards, or is as it was.

#include <unistd.h>

#include "host/tool/data/cohort.hpp"
#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;

class Options : public ToolTest {
 protected:
  // A run that lacks nothing, on data that are not there: what is refused with status 2 was refused before a
  // look.
  void expect_misuse(const Arguments& more, const std::vector<std::string>& parts) const {
    SCOPED_TRACE(testing::PrintToString(more));
    expect_refused(run_tool(Arguments{"train", "--data", at("none"), "--out", at("model")} + more), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(at("model")));
  }
  void expect_failure(const std::string& data, const Arguments& more,
                      const std::vector<std::string>& parts) const {
    SCOPED_TRACE(testing::PrintToString(more));
    expect_refused(run_tool(train(data, at("model"), more)), 1, parts);
    EXPECT_FALSE(std::filesystem::exists(at("model")));
  }
};

struct Numeric {
  const char* option;
  std::vector<const char*> bad;  // beyond what no numeric option takes
  const char* name;              // as messages call it
};

void PrintTo(const Numeric& numeric, std::ostream* out) {
  *out << numeric.option;
}

class NumericOptions : public Options, public testing::WithParamInterface<Numeric> {};

TEST_P(NumericOptions, RefusesWhatIsNoSensibleNumber) {
  const auto& [option, bad, name] = GetParam();
  for (const char* value : {"nan", "-nan", "inf", "-inf", "-1", "1e400", "x", "1,5", "3 4", ""})
    expect_misuse({"--task", "visit_binary", "--label-code", "X", option, value}, {name});
  for (const char* value : bad)
    expect_misuse({"--task", "visit_binary", "--label-code", "X", option, value}, {name});
  expect_misuse({"--task", "visit_binary", "--label-code", "X", option, "1", option, "1"}, {option});
}

INSTANTIATE_TEST_SUITE_P(
    Each, NumericOptions,
    testing::Values(
        Numeric{"--epochs", {"99999999999999999999", "0", "1.5", "1e3", "2147483648"}, "--epochs"},
        Numeric{"--batch-size", {"99999999999999999999", "0", "1.5", "2147483648"}, "--batch-size"},
        Numeric{"--batch-rows", {"99999999999999999999", "0", "1.5", "2147483648"}, "--batch-rows"},
        Numeric{"--lr", {"0", "-0.001"}, "--lr"}, Numeric{"--weight-decay", {"-1e-9"}, "--weight-decay"},
        Numeric{"--clip", {"-1e-9"}, "--clip"}, Numeric{"--dropout", {"1", "-0.1", "2"}, "dropout"},
        Numeric{"--patience", {"99999999999999999999", "1.5", "2147483648"}, "--patience"},
        Numeric{"--validation", {"0", "1", "-0.2", "1.5"}, "--validation"},
        Numeric{"--seed", {"99999999999999999999", "1.5", "18446744073709551616"}, "--seed"},
        Numeric{"--horizon-days", {"0", "-0.5", "1000001"}, "--horizon-days"},
        Numeric{"--gap-days", {"-0.5", "1000001"}, "--gap-days"},
        Numeric{"--min-code-count", {"99999999999999999999", "1.5", "2147483648"}, "--min-code-count"},
        Numeric{"--code-dropout", {"1", "-0.1", "2"}, "--code-dropout"},
        Numeric{"--embedding-dim", {"99999999999999999999", "0", "1.5", "1048577"}, "embedding"},
        Numeric{"--hidden-dim", {"99999999999999999999", "0", "1.5", "1048577", "1000000"}, "hidden"},
        Numeric{"--num-layers", {"99999999999999999999", "0", "1.5", "1025"}, "layers"}),
    [](const auto& numeric) {
      std::string name = numeric.param.option + 2;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST_F(Options, BothWaysToBatchAtOnce) {
  expect_misuse({"--task", "next_visit", "--batch-size", "4", "--batch-rows", "100"},
                {"--batch-size is 4", "--batch-rows is 100", "exactly one"});
}

TEST_F(Options, UnknownNames) {
  expect_misuse({"--task", "classification"},
                {"\"classification\"", "binary_classification, multi_class, regression"});
  expect_misuse({"--task", ""}, {"--task", "not an empty text"});
  expect_misuse({"--task", "next_visit", "--preset", "tiny"}, {"--preset", "tiny", "small"});
  expect_misuse({"--task", "next_visit", "--aggregation", "last"}, {"--aggregation", "last", "attention"});
  expect_misuse({"--task", "next_visit", "--device", "tpu"}, {"--device", "tpu", "cuda"});
  expect_misuse({"--task", "next_visit", "--precision", "fp8"}, {"--precision", "fp8", "bf16"});
  expect_misuse({"--task", "binary_classification", "--label-code", ""},
                {"--label-code", "not an empty text"});
  expect_misuse({"--task", "next_visit", "--tables", "conditions,visits"},
                {"--tables", "visits", "immunizations"});
  expect_misuse({"--task", "next_visit", "--resume=maybe"}, {"resume"});
  expect_misuse({"--task", "next_visit", "--bidirectional=3"}, {"bidirectional"});
}

TEST_F(Options, WhatTheTaskHasNoUseForOrLacks) {
  const Arguments code = {"--label-code", "X"}, labels = {"--labels", at("none.csv")};
  expect_misuse({"--task", "next_visit", "--label-code", "X"},
                {"next_visit", "neither --label-code nor --labels"});
  expect_misuse({"--task", "next_visit", "--labels", "x.csv"},
                {"next_visit", "neither --label-code nor --labels"});
  expect_misuse({"--task", "binary_classification"}, {"needs --label-code or --labels"});
  for (const char* task : {"multi_class", "regression"}) {
    expect_misuse({"--task", task}, {task, "needs --labels"});
    expect_misuse(Arguments{"--task", task} + code, {task, "needs --labels"});
  }
  for (const char* task : {"visit_binary", "survival"}) {
    expect_misuse({"--task", task}, {task, "needs --label-code"});
    expect_misuse(Arguments{"--task", task} + labels, {task, "needs --label-code"});
    expect_misuse(Arguments{"--task", task, "--bidirectional"} + code,
                  {"--bidirectional", task, "patient-level"});
  }
  expect_misuse({"--task", "next_visit", "--bidirectional"}, {"--bidirectional", "next_visit"});
  expect_misuse(Arguments{"--task", "binary_classification"} + code + labels, {"--label-code and --labels"});
  expect_misuse(Arguments{"--task", "survival", "--horizon-days", "30"} + code,
                {"--horizon-days", "survival"});
  expect_misuse(Arguments{"--task", "survival", "--aggregation", "attention", "--embedding-dim", "1"} + code,
                {"embedding_dim is 1", "attention"});
}

TEST_F(Options, APrecisionThatTheCpuDoesNotComputeIn) {
  for (const char* precision : {"tf32", "bf16"}) {
    const Arguments asked = {"--device", "cpu", "--precision", precision};
    expect_misuse(Arguments{"--task", "next_visit"} + asked,
                  {"--precision is", precision, "cpu", "--device cuda"});
    expect_refused(run_tool(predict(at("none"), at("none"), at("out.csv")) + asked), 2,
                   {"--precision is", precision, "cpu"});
  }
}

TEST_F(Options, CudaWithoutCuda) {
  if (run_tool({"info"}).out.find(", cuda") != std::string::npos) GTEST_SKIP() << "this build has CUDA";
  const std::string data = synth(30);
  expect_failure(data, {"--task", "next_visit", "--device", "cuda"}, {"cuda", "this build", "no CUDA"});
  expect_failure(data, {"--task", "next_visit", "--precision", "bf16"}, {"--precision is bf16", "cpu"});
  must_train(data, at("cpu"),
             {"--task", "next_visit", "--device", "auto", "--precision", "f32", "--epochs", "1"});
  expect_refused(run_tool(predict(at("cpu"), data, at("out.csv")) + Arguments{"--device", "cuda"}), 1,
                 {"no CUDA"});
  EXPECT_FALSE(std::filesystem::exists(at("out.csv")));
}

TEST_F(Options, AHugeModelIsRefusedBeforeItIsAllocated) {
  constexpr std::int64_t plenty = 1'000'000'000;  // of memory, for a process that reads ten patients
  const std::string data = synth(30);
  const auto try_width = [&](const char* width, int status, const char* part) {
    const ToolResult huge = run_tool(
        {"train", "--data", data, "--out", at("model"), "--task", "next_visit", "--hidden-dim", width});
    expect_refused(huge, status, {part, "hidden"});
    EXPECT_LT(huge.peak_bytes, plenty);
    EXPECT_FALSE(std::filesystem::exists(at("model")));
  };
  try_width("1000000", 2, "2^33");
  // 8.5e9 parameters, which the format allows; with gradients and moments 136 GB.
  if (::sysconf(_SC_PHYS_PAGES) > 136'000'000'000 / ::sysconf(_SC_PAGESIZE))
    GTEST_SKIP() << "here it would fit";
  try_width("46000", 1, "GB of this machine");
}

TEST_F(Options, DataThatAreNotThereOrHoldNothing) {
  const Arguments task = {"--task", "next_visit"};
  expect_failure(at("none"), task, {at("none") + " is not there"});
  std::filesystem::create_directory(at("empty"));
  expect_failure(at("empty"), task, {at("empty") + " holds no table of events"});
  write("header.csv", "subject_id,time,code\n");
  expect_failure(at("header.csv"), task, {"header.csv holds no events"});
  expect_failure(write("no_column.csv", "subject_id,code\na,x\n").string(), task, {"no_column.csv", "time"});
  expect_failure(write("junk.csv", std::string_view("\x7f"
                                                    "ELF\0\1\2",
                                                    7))
                     .string(),
                 task, {"junk.csv"});
  const std::string data = synth(30);
  expect_failure(data, task + Arguments{"--tables", "allergies"}, {"has no allergies.csv"});
  expect_failure(data + "/conditions.csv", task + Arguments{"--tables", "conditions"},
                 {"tables names conditions", "is a file"});
}

TEST_F(Options, LabelsThatDoNotFitTheData) {
  const std::string data = synth(30);
  const std::string patient = read_cohort(data).patient_ids.at(0);
  const auto labels = [&](const std::string& lines) {
    return write("labels.csv", "patient_id,label\n" + lines).string();
  };
  const auto expect = [&](const char* task, const std::string& lines, const std::vector<std::string>& parts) {
    expect_failure(data, {"--task", task, "--labels", labels(lines)}, parts);
  };
  expect_failure(data, {"--task", "survival", "--label-code", "12"},
                 {"--label-code is 12", "no visit of the data"});
  expect_failure(data, {"--task", "regression", "--labels", at("none.csv")}, {"none.csv", "No such file"});
  expect_failure(data, {"--task", "regression", "--labels", write("bad.csv", "id,label\na,1\n").string()},
                 {"bad.csv", "no column patient_id"});
  expect("regression", "", {"labels.csv holds no labels"});
  expect("regression", "a,1\nb,1\na,2\n", {"labels.csv:4", "\"a\"", "before, at line 2"});
  for (const char* label : {"nan", "inf", "-inf", "1e999", "", "x", "0x3"})
    expect("regression", patient + "," + label + "\n", {"labels.csv:2", "label is "});
  expect("regression", patient + ",1e300\n", {"1e+300", "finite"});
  expect("binary_classification", patient + ",2\n", {patient, "is 2", "0 or 1"});
  for (const char* label : {"-1", "0.5", "1e9"})
    expect("multi_class", patient + "," + label + "\n", {"a class"});
  expect("regression", "nobody,1\n", {"labels.csv", "none of its 1 patients is in the data"});
  expect("regression", patient + ",1\n", {"--validation", "at least one of each"});
}

TEST_F(Options, AnOutThatIsInUseStaysAsItIs) {
  const std::string data = synth(30);
  const Arguments task = {"--task", "next_visit"};
  write("file", "mine");
  std::filesystem::create_directory(at("stranger"));
  write("stranger/notes.txt", "mine");
  std::filesystem::create_directory(at("model"));
  write("model/config.json", "{}");
  const Folder before = bytes_of_folder(root());
  expect_refused(run_tool(train(data, at("file"), task)), 1, {"--out is " + at("file"), "no folder"});
  expect_refused(run_tool(train(data, at("file/model"), task)), 1, {at("file/model"), "Not a directory"});
  expect_refused(run_tool(train(data, at("model"), task)), 1, {at("model"), "holds a model already"});
  expect_refused(run_tool(train(data, at("model"), task + Arguments{"--resume"})), 1,
                 {at("model"), "no checkpoint.safetensors"});
  expect_refused(run_tool(train(data, at("stranger"), task + Arguments{"--lr", "nan"})), 2, {"--lr is nan"});
  expect_refused(run_tool(train(at("none"), at("stranger"), task)), 1, {"not there"});
  expect_refused(run_tool(train(data, at("stranger"), {"--task", "survival", "--label-code", "12"})), 1,
                 {"12"});
  EXPECT_TRUE(same_files(bytes_of_folder(root()), before));
}

}  // namespace
}  // namespace ragtime::test
