// The command line itself: what is asked for goes to standard output with status 0; what makes no sense is
// named on standard error with status 2 and a way to help; what fails has status 1.

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

using Usage = ToolTest;

TEST_F(Usage, HelpOfEveryCommandNamesItsOptions) {
  const std::map<std::string, std::vector<std::string>> options = {
      {"", {"synth", "info", "train", "predict", "--version", "RAGTIME_THREADS", "Exit status"}},
      {"synth", {"--patients", "--out", "--seed"}},
      {"info",
       {"--data", "--tables", "--batch-size", "--plan", "--device-model", "--measure", "RAGTIME_CACHE_DIR"}},
      {"train", {"--data",           "--tables",         "--task",          "--label-code",
                 "--labels",         "--horizon-days",   "--predict-at",    "--gap-days",
                 "--observed-until", "--before",         "--exclude-codes", "--split",
                 "--split-file",     "--min-code-count", "--code-dropout",  "--visit-by",
                 "--strict",         "--preset",         "--embedding-dim", "--hidden-dim",
                 "--num-layers",     "--aggregation",    "--bidirectional", "--dropout",
                 "--epochs",         "--batch-size",     "--batch-rows",    "--lr",
                 "--weight-decay",   "--clip",           "--patience",      "--validation",
                 "--seed",           "--device",         "--resume",        "--out",
                 "next_visit",       "ragtime train "}},
      {"predict",
       {"--model", "--data", "--out", "--device", "--tables", "--at", "--labels", "--before", "--visit-by",
        "patient_id,visit,p0"}}};
  for (const auto& [command, parts] : options)
    for (const char* flag : {"--help", "-h"}) {
      const ToolResult help = run_tool(command.empty() ? Arguments{flag} : Arguments{command, flag});
      EXPECT_EQ(help.status, 0) << command;
      EXPECT_EQ(help.err, "") << command;
      for (const std::string& part : parts) EXPECT_THAT(help.out, HasSubstr(part)) << command;
    }
}

TEST_F(Usage, Version) {
  const ToolResult version = run_tool({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, MatchesRegex("ragtime [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_EQ(version.err, "");
}

TEST_F(Usage, NoCommandAndUnknownOnesAreMisuse) {
  expect_refused(run_tool({}), 2, {"A subcommand is required", "'ragtime --help'"});
  expect_refused(run_tool({"tarin"}), 2, {"tarin is no command", "synth, info, train or predict"});
  expect_refused(run_tool({"--verbose"}), 2, {"--verbose is no command and no option"});
  expect_refused(run_tool({""}), 2, {"'ragtime --help'"});
}

TEST_F(Usage, UnknownOptionsAreNamedWithTheirCommand) {
  const std::map<std::string, Arguments> complete = {
      {"synth", {"--patients", "3", "--out", at("out")}},
      {"info", {}},
      {"train", {"--data", at("no"), "--task", "next_visit", "--out", at("out")}},
      {"predict", {"--model", at("no"), "--data", at("no"), "--out", at("out")}}};
  for (const auto& [command, arguments] : complete) {
    const std::string help = "'ragtime " + command + " --help' says what it takes";
    expect_refused(run_tool(Arguments{command} + arguments + Arguments{"--speed", "3"}), 2,
                   {"--speed", help});
    expect_refused(run_tool(Arguments{command} + arguments + Arguments{"stray"}), 2, {"stray", help});
  }
  EXPECT_TRUE(bytes_of_folder(root()).empty());
}

TEST_F(Usage, MissingOptionsAreNamed) {
  const std::map<std::string, std::map<std::string, std::string>> required = {
      {"synth", {{"--patients", "3"}, {"--out", at("out")}}},
      {"train", {{"--data", at("no")}, {"--task", "next_visit"}, {"--out", at("out")}}},
      {"predict", {{"--model", at("no")}, {"--data", at("no")}, {"--out", at("out")}}}};
  for (const auto& [command, options] : required)
    for (const auto& [missing, unused] : options) {
      Arguments arguments = {command};
      for (const auto& [name, value] : options)
        if (name != missing) arguments = arguments + Arguments{name, value};
      expect_refused(run_tool(arguments), 2, {missing + " is required", "'ragtime " + command + " --help'"});
      expect_refused(run_tool(arguments + Arguments{missing}), 2, {missing});  // without its value
    }
  EXPECT_TRUE(bytes_of_folder(root()).empty());
}

TEST_F(Usage, EmptyPathsAreRefusedBeforeAnythingIsRead) {
  const std::string expected = "expected a value, not an empty text";
  expect_refused(run_tool({"synth", "--patients", "3", "--out", ""}), 2, {"--out", expected});
  expect_refused(run_tool({"info", "--data", ""}), 2, {"--data", expected});
  expect_refused(run_tool(train(at("no"), "", {"--task", "next_visit"})), 2, {"--out", expected});
  expect_refused(run_tool(train("", at("out"), {"--task", "next_visit"})), 2, {"--data", expected});
  expect_refused(run_tool(predict("", at("no"), at("out"))), 2, {"--model", expected});
  expect_refused(run_tool(predict(at("no"), at("no"), "")), 2, {"--out", expected});
}

TEST_F(Usage, AFullDiskBehindStandardOutputIsAFailure) {
  for (const Arguments& arguments : {Arguments{"--help"}, Arguments{"--version"}, Arguments{"info"}}) {
    const ToolResult result = run_tool(arguments, {.out_file = "/dev/full"});
    expect_refused(result, 1, {"writing to standard output failed"});
  }
}

TEST_F(Usage, ACohortFromABareNameAndABadOne) {
  // A bare name has no folder before it: the first command of --help.
  const ToolResult made = run_tool({"synth", "--patients", "12", "--out", "cohort"}, {.directory = root()});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("cohort: 12 patients"));
  EXPECT_EQ(made.err, "");
  const Folder before = bytes_of_folder(root());
  EXPECT_THAT(names_of(before), testing::Contains("cohort/conditions.csv"));

  expect_refused(run_tool({"synth", "--patients", "12", "--out", at("cohort")}), 1,
                 {at("cohort"), "not empty"});
  for (const char* number : {"0", "-1", "10000001", "99999999999999999999"})
    expect_refused(run_tool({"synth", "--patients", number, "--out", at("new")}), 2, {"--patients is "});
  for (const char* number : {"", "1.5", "nan", "many"})
    expect_refused(run_tool({"synth", "--patients", number, "--out", at("new")}), 2, {"--patients"});
  for (const char* seed : {"-1", "18446744073709551616", "1.5", "x", ""})
    expect_refused(run_tool({"synth", "--patients", "3", "--out", at("new"), "--seed", seed}), 2,
                   {"--seed", "integer from 0 to 2^64 - 1"});
  EXPECT_TRUE(same_files(bytes_of_folder(root()), before));
}

TEST_F(Usage, InfoSaysWhatWasBuilt) {
  const ToolResult info = run_tool({"info"});
  EXPECT_EQ(info.status, 0);
  EXPECT_EQ(info.err, "");
  EXPECT_THAT(info.out, MatchesRegex("ragtime [0-9.]+\nbackends    cpu(, cuda)?\ndevice      cpu.*"));
  expect_refused(run_tool({"info", "--batch-size", "0"}), 2, {"--batch-size is 0"});
  expect_refused(run_tool({"info", "--batch-size", "-2"}), 2, {"--batch-size is -2"});
  expect_refused(run_tool({"info", "--tables", "conditions"}), 2, {"--tables without --data"});
}

TEST_F(Usage, InfoPlanNamesWhatItDoesNotUnderstand) {
  const auto misuse = [](const std::string& plan, const std::vector<std::string>& parts) {
    expect_refused(run_tool({"info", "--plan", plan}), 2, parts);
  };
  misuse("hidden=3", {"--plan: \"hidden\" is no key", "H, in, L", "algorithm, C, S"});
  misuse("H", {"--plan: \"H\": expected KEY=VALUE"});
  misuse("H=3,,B=2", {"--plan: \"\": expected KEY=VALUE"});
  misuse("H=3,B=2,H=4", {"--plan: H stands twice"});
  for (const char* number : {"", "0", "-1", "1.5", "x", "268435456", "99999999999999999999", "3 "})
    misuse(std::string("H=") + number, {"--plan: H is \"", number, "an integer from 1 to 268435455"});
  for (const char* key : {"B", "N", "T"})
    misuse(key + std::string("=2147483648"),
           {key, " is \"2147483648\": expected an integer from 0 to 2147483647"});
  for (const char* key : {"L", "in"})
    misuse(key + std::string("=0"), {key, "expected an integer from 1 to "});
  for (const char* key : {"C", "S"})
    misuse(key + std::string("=-8"), {key, "expected an integer from 0 to 1024"});
  misuse("dtype=f64", {"--plan: dtype is \"f64\": expected one of f32, tf32, bf16, f16"});
  misuse("algorithm=fast",
         {"--plan: algorithm is \"fast\": expected one of automatic, persistent, stepwise, cudnn"});
  misuse("bidirectional=2", {"--plan: bidirectional is \"2\": expected one of false, true"});
  misuse("P=256", {"--plan: P is 256: expected less than H, 256"});

  expect_refused(run_tool({"info", "--device-model", "h200"}), 2, {"--device-model without --plan"});
  expect_refused(run_tool({"info", "--plan", "H=8", "--device-model", "gtx"}), 2, {"--device-model", "gtx"});
  expect_refused(run_tool({"info", "--plan", "H=8", "--measure"}), 2, {"--data, --plan and --measure"});
  expect_refused(run_tool({"info", "--plan", "H=8", "--data", at("no")}), 2,
                 {"--data, --plan and --measure"});
}

TEST_F(Usage, InfoPlanSaysWhatRunsAnLstm) {
  const Arguments plan = {"info", "--plan", "H=200,B=64,T=50,N=900", "--device-model", "h200"};
  if (run_tool({"info"}).out.find(", cuda") == std::string::npos) {
    expect_refused(run_tool(plan), 1, {"this build of ragtime has no CUDA backend"});
    expect_refused(run_tool({"info", "--plan", "H=200"}), 1, {"this build of ragtime has no CUDA backend"});
    expect_refused(run_tool({"info", "--measure"}), 1, {"no CUDA backend"});
    return;
  }
  const ToolResult said = run_tool(plan);
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_EQ(said.err, "");
  for (const char* part :
       {"device      as an h200 would\n", "algorithm   persistent: ", "costs       estimated", "\nforward ",
        "\nbackward ", "\n> persistent ", "\n  stepwise ", "us/step"})
    EXPECT_THAT(said.out, HasSubstr(part));
  const ToolResult forced =
      run_tool({"info", "--plan", "H=200,training=false,algorithm=stepwise", "--device-model", "a100"});
  EXPECT_THAT(forced.out, HasSubstr("algorithm   stepwise: as the description asks"));
  EXPECT_THAT(forced.out, testing::Not(HasSubstr("backward")));
  expect_refused(run_tool({"info", "--plan", "H=200,C=7", "--device-model", "h200"}), 1,
                 {"cluster is 7", "8 x 8"});
  // With whatever answers here, or as on an H200.
  const ToolResult here = run_tool({"info", "--plan", "H=200"});
  EXPECT_EQ(here.status, 0) << here.err;
  EXPECT_THAT(here.out, HasSubstr("\nalgorithm   "));
}

TEST_F(Usage, InfoSaysHowRaggedACohortIs) {
  // Three patients with 1, 2 and 3 visits; batches of two hold 2 x 2 and 1 x 3 visits in patient order.
  write("events.csv",
        "subject_id,time,code\na,2020-01-01,x\nb,2020-01-01,x\nb,2020-01-02,x\nb,2020-01-02,y\n"
        "c,2020-01-01,x\nc,2020-01-02,x\nc,2020-01-03,x\nc,,static\n");
  const ToolResult info = run_tool({"info", "--data", at("events.csv"), "--batch-size", "2"});
  EXPECT_EQ(info.status, 0) << info.err;
  for (const char* part : {"patients    3\n", "visits      6\n", "codes       7\n", "vocabulary  2\n",
                           "Padded batches of 2 patients", "85.7 %"})
    EXPECT_THAT(info.out, HasSubstr(part));
  EXPECT_THAT(info.err, HasSubstr("1 rows without a time were skipped"));
  expect_refused(run_tool({"info", "--data", at("none")}), 1, {at("none") + " is not there"});
}

}  // namespace
}  // namespace ragtime::test
