// What the commands leave on disk, and what they leave alone: standard output wherever it leads, signals and
// kills in the middle of a write, and two runs that want one folder.

#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;

using testing::StartsWith;

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

bool has_temporary(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename().string().find(".tmp") != std::string::npos) return true;
  return false;
}

class Files : public ToolTest {
 protected:
  // A model and data for it, so large that a prediction can be caught in the middle of it.
  void make_slow_model() {
    data_ = synth(1500);
    must_train(synth(30, "few"), at("model"),
               {"--task", "next_visit", "--hidden-dim", "256", "--embedding-dim", "32", "--epochs", "1"});
  }
  void make_model() {
    data_ = synth(40);
    must_train(data_, at("model"), {"--task", "visit_binary", "--label-code", diabetes, "--epochs", "1"});
    expected_ = must_predict(at("model"), data_);
    ASSERT_THAT(expected_, StartsWith("patient_id,visit,p0\n"));
  }
  Arguments predict_to(const std::string& out) const { return predict(at("model"), data_, out); }

  // Runs a script of bash in the test's folder, where `predict OUT` predicts and says what it has to say into
  // the file `said`; its exit status.
  int shell(const std::string& script) const {
    std::string command;
    for (const std::string& word : predict_to("")) command += word.empty() ? "" : " '" + word + "'";
    write("script", "cd '" + root().string() + "' || exit 99\npredict() { '" RAGTIME_TOOL_PATH "'" + command +
                        " \"$1\" 2>>said; }\n" + script + "\n");
    const int status = std::system(("bash '" + at("script") + "'").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string said() const { return bytes_of(at("said")); }

  ToolRun signal_when(int signal, std::function<bool(const ToolResult&)> when) const {
    ToolRun run;
    run.signal = signal;
    run.when = std::move(when);
    return run;
  }

  std::string data_;
  std::string expected_;  // predictions
};

constexpr const char* names_of_standard_output[] = {
    "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "link"};

TEST_F(Files, StandardOutputIsWrittenWhereItStands) {
  make_model();
  fs::create_symlink("/dev/stdout", at("link"));
  for (const std::string name : names_of_standard_output) {
    SCOPED_TRACE(name);
    EXPECT_EQ(shell("echo before > f; predict " + name + " >> f"), 0);
    EXPECT_EQ(bytes_of(at("f")), "before\n" + expected_);
    EXPECT_EQ(shell("{ echo a; predict " + name + "; echo b; } > f"), 0);
    EXPECT_EQ(bytes_of(at("f")), "a\n" + expected_ + "b\n");
    EXPECT_EQ(shell("predict " + name + " | cat > f"), 0);
    EXPECT_EQ(bytes_of(at("f")), expected_);
  }
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_FALSE(fs::exists(at("-")));
  EXPECT_FALSE(has_temporary(root()));
}

TEST_F(Files, OtherDescriptorsAreWrittenWhereTheyStand) {
  make_model();
  EXPECT_EQ(shell("echo before > f; predict /dev/fd/7 7>> f"), 0);
  EXPECT_EQ(bytes_of(at("f")), "before\n" + expected_);
  EXPECT_EQ(shell("exec 8> f; echo a >&8; predict /proc/$$/fd/8; echo b >&8"), 0);
  EXPECT_EQ(bytes_of(at("f")), "a\n" + expected_ + "b\n");
  EXPECT_EQ(shell("echo before > said; predict /dev/stderr"), 0);
  EXPECT_THAT(said(), StartsWith("before\n"));
  EXPECT_THAT(said(), HasSubstr(expected_));
}

TEST_F(Files, ADashInAFolderIsAFile) {
  make_model();
  EXPECT_EQ(shell("predict ./- > f"), 0);
  EXPECT_EQ(bytes_of(at("-")), expected_);
  EXPECT_EQ(bytes_of(at("f")), "");
}

TEST_F(Files, ADescriptorThatCannotBeWrittenIsRefused) {
  make_model();
  write("kept", "kept");
  for (const std::string script : {"predict - >&-", "predict /dev/stdout >&-", "predict - 1< kept",
                                   "predict /dev/fd/7", "predict /dev/fd/7 7< kept"}) {
    SCOPED_TRACE(script);
    fs::remove(at("said"));
    EXPECT_EQ(shell(script), 1);
    EXPECT_THAT(said(), testing::ContainsRegex("error: opening /dev/.* failed: descriptor [17] is not open"));
  }
  EXPECT_EQ(bytes_of(at("kept")), "kept");
}

TEST_F(Files, AReaderThatGoesAwayIsAnError) {
  make_slow_model();
  EXPECT_EQ(shell("predict - | head -n 1 > f; exit ${PIPESTATUS[0]}"), 1);
  EXPECT_THAT(said(), HasSubstr("error: writing /dev/stdout failed: Broken pipe"));
  EXPECT_THAT(bytes_of(at("f")), StartsWith("patient_id,visit,p0,"));
}

TEST_F(Files, AnInterruptedPredictionLeavesNothing) {
  make_slow_model();
  write("kept.csv", "an earlier answer");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    for (const char* out : {"kept.csv", "new.csv"}) {
      SCOPED_TRACE(std::string(out) + " " + ::strsignal(signal));
      const ToolResult result = run_tool(
          predict_to(at(out)), signal_when(signal, [&](const ToolResult&) { return has_temporary(root()); }));
      expect_refused(result, 1, {"error: interrupted\n"});
      EXPECT_FALSE(has_temporary(root()));
    }
  EXPECT_EQ(bytes_of(at("kept.csv")), "an earlier answer");
  EXPECT_FALSE(fs::exists(at("new.csv")));
}

// The first signal must do: nobody may ever read what is in the pipe.
TEST_F(Files, APredictionThatWaitsForAReaderCanBeInterrupted) {
  make_slow_model();
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const int reader = ::open(at("pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const int capacity = ::fcntl(reader, F_GETPIPE_SZ);
    const auto is_full = [&](const ToolResult&) {
      int bytes = 0;
      return ::ioctl(reader, FIONREAD, &bytes) == 0 && bytes == capacity;
    };
    expect_refused(run_tool(predict_to(at("pipe")), signal_when(signal, is_full)), 1,
                   {"error: interrupted\n"});
    ::close(reader);
  }
}

TEST_F(Files, ASignalThatIsIgnoredStaysIgnored) {
  make_model();
  // The prediction waits for the pipe's reader when the signals come; as under nohup, and in a script's
  // background.
  EXPECT_EQ(
      shell("trap '' HUP INT; mkfifo pipe; predict pipe & until grep -q visits said; do sleep 0.01; done;"
            "sleep 0.2; kill -HUP $!; kill -INT $!; sleep 0.1; cat pipe > f; wait $!"),
      0);
  EXPECT_EQ(bytes_of(at("f")), expected_);
}

TEST_F(Files, TheNextPredictionRemovesWhatAKilledOneLeft) {
  make_slow_model();
  ToolResult second;
  ToolRun first = signal_when(SIGKILL, [&](const ToolResult&) {
    if (!has_temporary(root())) return false;
    second = run_tool(predict(at("model"), at("few"), at("out.csv")));
    EXPECT_TRUE(has_temporary(root())) << "of a run that goes on";
    return true;
  });
  first.stands_still = true;
  const ToolResult killed = run_tool(predict_to(at("out.csv")), first);
  EXPECT_EQ(killed.status, -SIGKILL);
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_TRUE(has_temporary(root()));
  const std::string answer = bytes_of(at("out.csv"));
  ASSERT_EQ(run_tool(predict(at("model"), at("few"), at("other.csv"))).status, 0);
  EXPECT_TRUE(has_temporary(root())) << "of another file";
  ASSERT_EQ(run_tool(predict(at("model"), at("few"), at("out.csv"))).status, 0);
  EXPECT_FALSE(has_temporary(root()));
  EXPECT_EQ(bytes_of(at("out.csv")), answer);
}

Arguments synth_to(const std::string& out, const char* patients) {
  return {"synth", "--patients", patients, "--out", out};
}

TEST_F(Files, AnInterruptedSynthLeavesNothing) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    expect_refused(run_tool(synth_to(at("cohort"), "1000000"),
                            signal_when(signal, [&](const ToolResult&) { return has_temporary(root()); })),
                   1, {"error: interrupted\n"});
    EXPECT_TRUE(fs::is_empty(root()));
  }
}

TEST_F(Files, TheNextSynthRemovesWhatAKilledOneLeft) {
  ToolResult second;
  ToolRun first = signal_when(SIGKILL, [&](const ToolResult&) {
    if (!has_temporary(root())) return false;
    second = run_tool(synth_to(at("cohort"), "3"));
    EXPECT_TRUE(has_temporary(root())) << "of a run that goes on";
    return true;
  });
  first.stands_still = true;
  const ToolResult killed = run_tool(synth_to(at("cohort"), "1000000"), first);
  EXPECT_EQ(killed.status, -SIGKILL);
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_TRUE(has_temporary(root()));
  fs::remove_all(at("cohort"));
  EXPECT_EQ(run_tool(synth_to(at("cohort"), "3")).status, 0);
  EXPECT_FALSE(has_temporary(root()));
}

class Training : public Files {
 protected:
  void SetUp() override { data_ = synth(60); }
  // One that goes on until it is stopped.
  Arguments endless(const Arguments& more = {}) const {
    return train(data_, at("model"), Arguments{"--task", "next_visit", "--epochs", "1000000"} + more);
  }
  bool has_begun() const { return fs::exists(at("model/history.json")); }
};

TEST_F(Training, KeepsItsStateOnEverySignal) {
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) {
    const ToolResult result = run_tool(
        endless({"--resume"}),
        signal_when(signal, [&](const ToolResult& said) { return has_begun() && !said.out.empty(); }));
    EXPECT_EQ(result.status, 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr("interrupted; the same command with --resume goes on"));
    EXPECT_FALSE(has_temporary(at("model")));
    EXPECT_FALSE(fs::exists(at("model/.lock")));
    EXPECT_TRUE(fs::exists(at("model/checkpoint.safetensors")));
  }
}

TEST_F(Training, HasItsFolderForItself) {
  const ToolResult killed =
      run_tool(endless(), signal_when(SIGKILL, [&](const ToolResult&) {
                 if (!has_begun()) return false;
                 for (const Arguments& more : {Arguments{}, Arguments{"--resume"}})
                   expect_refused(run_tool(endless(more)), 1,
                                  {"another run (process ", ") is writing to " + at("model")});
                 return true;
               }));
  EXPECT_EQ(killed.status, -SIGKILL) << killed.err;
  // Nothing of it is in the way of the next.
  const ToolResult next = run_tool(endless({"--resume"}), signal_when(SIGINT, [&](const ToolResult& said) {
                                     return said.err.find("Going on after") != std::string::npos;
                                   }));
  EXPECT_EQ(next.status, 1);
  EXPECT_THAT(next.err, HasSubstr("interrupted; the same command"));
  EXPECT_FALSE(has_temporary(at("model")));
}

// Both look at the folder before either makes it; one of them has it.
TEST_F(Training, OfTwoThatBeginAtOnceOneIsRefused) {
  const std::string words = [&] {
    std::string all = "'" RAGTIME_TOOL_PATH "'";
    for (const std::string& word : endless()) all += " '" + word + "'";
    return all;
  }();
  for (int round = 0; round < 5; ++round) {
    fs::remove_all(at("model"));
    shell(words + " >out1 2>said1 & one=$!;" + words +
          " >out2 2>said2 & two=$!; wait -n; until [ -e model/history.json ]; do sleep 0.01; done;"
          " kill -TERM $one $two 2>/dev/null; wait $one; echo $? > status1; wait $two; echo $? > status2");
    const std::string all = bytes_of(at("said1")) + bytes_of(at("said2"));
    EXPECT_THAT(all, HasSubstr("is writing to " + at("model")));
    EXPECT_THAT(all, HasSubstr("interrupted; the same command with --resume goes on"));
    EXPECT_EQ(bytes_of(at("status1")) + bytes_of(at("status2")), "1\n1\n");
  }
}

TEST_F(Training, ThatIsRefusedLeavesNoFolder) {
  expect_refused(run_tool(train(data_, at("a/model"), {"--task", "next_visit", "--resume", "--labels", "x"})),
                 2, {"--labels"});
  expect_refused(run_tool(train(at("missing"), at("a/model"), {"--task", "next_visit"})), 1, {"missing"});
  EXPECT_FALSE(fs::exists(at("a")));
}

}  // namespace
}  // namespace ragtime::test
