// Same data, same options, same seed: the same bytes in every file, whatever the number of threads, and
// however often the run was interrupted or killed and gone on with. With dropout and two layers, so that
// everything random is in it.

#include <chrono>
#include <cstring>

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t batches_done(const std::filesystem::path& checkpoint) {
  const std::string bytes = bytes_of(checkpoint);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const auto header = nlohmann::json::parse(bytes.substr(sizeof length, length));
  return nlohmann::json::parse(header["__metadata__"]["position"].get<std::string>())["batch"];
}

bool has_temporary(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().filename().string().find(".tmp") != std::string::npos) return true;
  return false;
}

class Resume : public ToolTest {
 protected:
  void SetUp() override {
    data_ = synth(300);
    ToolRun watch;
    Clock::time_point begun;
    watch.when = [&](const ToolResult&) {  // never true
      if (begun == Clock::time_point() && std::filesystem::exists(at("whole/checkpoint.safetensors")))
        begun = Clock::now();
      return false;
    };
    const ToolResult result = run_tool(run("whole"), watch);
    ASSERT_EQ(result.status, 0) << result.err;
    length_ = seconds_since(begun);
    whole_ = bytes_of_folder(at("whole"));
  }

  // Batches of a few patients: an epoch has many moments to be interrupted at.
  Arguments run(const std::string& out) const {
    return train(data_, at(out),
                 {"--task", "visit_binary", "--label-code", diabetes, "--num-layers", "2", "--dropout", "0.3",
                  "--batch-size", "2", "--epochs", "3", "--seed", "11"});
  }
  // Sends the signal when the run has gone on for this share of a whole run.
  ToolRun stop_at(const std::string& out, int signal, double share) const {
    ToolRun stop;
    stop.signal = signal;
    stop.when = [this, out, share, begun = Clock::time_point()](const ToolResult&) mutable {
      if (begun == Clock::time_point()) {
        if (std::filesystem::exists(at(out + "/checkpoint.safetensors"))) begun = Clock::now();
        return false;
      }
      return seconds_since(begun) > share * length_;
    };
    return stop;
  }
  void resume_and_compare(const std::string& out) const {
    const ToolResult result = run_tool(run(out) + Arguments{"--resume"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(same_files(bytes_of_folder(at(out)), whole_));
  }

  std::string data_;
  double length_ = 0;  // seconds of training
  Folder whole_;       // of a run that nothing disturbed
};

TEST_F(Resume, TheBytesDoNotDependOnTheNumberOfThreads) {
  for (const char* threads : {"1", "2", "3"}) {
    const std::string out = std::string("threads") + threads;
    const ToolResult result = run_tool(run(out), {.environment = {{"RAGTIME_THREADS", threads}}});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(same_files(bytes_of_folder(at(out)), whole_)) << threads << " threads";
    const ToolResult predicted =
        run_tool(predict(at(out), data_, at(out + ".csv")), {.environment = {{"RAGTIME_THREADS", threads}}});
    EXPECT_EQ(predicted.status, 0) << predicted.err;
    EXPECT_EQ(bytes_of(at(out + ".csv")), bytes_of(at("threads1.csv")));
  }
}

TEST_F(Resume, AnotherSeedGivesOtherBytes) {
  Arguments other = run("other");
  other.back() = "12";
  ASSERT_EQ(run_tool(other).status, 0);
  EXPECT_FALSE(same_files(bytes_of_folder(at("other")), whole_));
}

TEST_F(Resume, InterruptedInTheMiddleOfAnEpoch) {
  int interrupted = 0, in_an_epoch = 0;
  for (const int signal : {SIGINT, SIGTERM})
    for (const double share : {0.1, 0.25, 0.55, 0.8}) {
      const std::string out = "signal" + std::to_string(signal) + "-" + std::to_string(share);
      const ToolResult result = run_tool(run(out), stop_at(out, signal, share));
      if (result.out.find("Best epoch") != std::string::npos) continue;  // it was through before
      EXPECT_EQ(result.status, 1) << result.err;
      EXPECT_THAT(result.err, HasSubstr("interrupted; the same command with --resume goes on"));
      EXPECT_FALSE(has_temporary(at(out)));
      ++interrupted;
      in_an_epoch += batches_done(at(out + "/checkpoint.safetensors")) > 0;
      resume_and_compare(out);
    }
  EXPECT_GT(interrupted, 0);
  EXPECT_GT(in_an_epoch, 0);
}

TEST_F(Resume, InterruptedAgainAndAgain) {
  int times = 0;
  ToolResult result;
  for (int go = 0; go < 100; ++go) {
    ToolRun stop;
    stop.signal = SIGINT;
    // Every go takes a little longer, so that it gets somewhere in the end.
    stop.when = [&, start = Clock::now()](const ToolResult& said) {
      return said.err.find("parameters\n") != std::string::npos &&
             seconds_since(start) > (0.1 + 0.05 * go) * length_;
    };
    result = run_tool(run("often") + Arguments{"--resume"}, stop);
    if (result.status == 0) break;
    ASSERT_TRUE(result.status == 1 || result.status == -SIGINT)
        << result.err;  // -SIGINT: before training began
    ++times;
  }
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_GT(times, 1);
  EXPECT_TRUE(same_files(bytes_of_folder(at("often")), whole_));
}

TEST_F(Resume, Killed) {
  int killed = 0;
  for (const double share : {0.0, 0.2, 0.4, 0.6, 0.9}) {
    const std::string out = "killed" + std::to_string(share);
    const ToolResult result = run_tool(run(out), stop_at(out, SIGKILL, share));
    if (result.status == 0) continue;
    EXPECT_EQ(result.status, -SIGKILL) << result.err;
    ++killed;
    resume_and_compare(out);
  }
  EXPECT_GT(killed, 2);
}

TEST_F(Resume, KilledWhileItWroteAFile) {
  // A moment that cannot be hit at will, so several are tried; what it may leave behind is put there as well.
  for (int go = 0; go < 4; ++go) {
    const std::string out = "torn" + std::to_string(go);
    ToolRun stop;
    stop.signal = SIGKILL;
    stop.when = [&, seen = 0](const ToolResult&) mutable { return has_temporary(at(out)) && seen++ == go; };
    const ToolResult result = run_tool(run(out), stop);
    EXPECT_TRUE(result.status == 0 || result.status == -SIGKILL) << result.err;
    write(out + "/model.safetensors.tmp123-4", "half a model");
    write(out + "/checkpoint.safetensors.tmp9-0", "");
    write(out + "/notes.tmp", "mine");
    const ToolResult resumed = run_tool(run(out) + Arguments{"--resume"});
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(bytes_of(at(out + "/notes.tmp")), "mine");  // not the run's
    std::filesystem::remove(at(out + "/notes.tmp"));
    EXPECT_TRUE(same_files(bytes_of_folder(at(out)), whole_));
  }
}

TEST_F(Resume, KilledBeforeTheFirstCheckpointBeginsAnew) {
  std::filesystem::create_directory(at("early"));
  write("early/checkpoint.safetensors.tmp1-0", "half");
  const ToolResult result = run_tool(run("early") + Arguments{"--resume"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("holds no checkpoint yet: beginning at the first epoch"));
  EXPECT_TRUE(same_files(bytes_of_folder(at("early")), whole_));
}

TEST_F(Resume, ABrokenCheckpointIsRefusedAndKept) {
  const std::string file = at("whole/checkpoint.safetensors");
  const std::string bytes = whole_["checkpoint.safetensors"];
  const std::map<std::string, std::string> broken = {{"truncated", bytes.substr(0, bytes.size() / 2)},
                                                     {"empty", ""},
                                                     {"no checkpoint", whole_["model.safetensors"]}};
  for (const auto& [how, content] : broken) {
    SCOPED_TRACE(how);
    write("whole/checkpoint.safetensors", content);
    const Folder before = bytes_of_folder(at("whole"));
    expect_refused(run_tool(run("whole") + Arguments{"--resume"}), 1, {file});
    EXPECT_TRUE(same_files(bytes_of_folder(at("whole")), before));
  }
}

}  // namespace
}  // namespace ragtime::test
