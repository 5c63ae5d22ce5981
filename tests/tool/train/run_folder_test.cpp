// The folder of a run: taken when it is new, empty or to be gone on with, refused when something else is in
// it, tidied of what a killed run left half-written and of nothing else, and one run's at a time.

#include "host/tool/train/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "host/base/atomic_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RunFolderTest : public testing::Test {
 protected:
  TrainOptions options(bool resume) const {
    TrainOptions options;
    options.out = folder_.path();
    options.resume = resume;
    return options;
  }
  std::string refusal(bool resume) const {
    return error_of(ErrorCode::invalid_argument, [&] { RunFolder{options(resume)}; });
  }
  bool there(const char* name) const { return std::filesystem::exists(folder_.path() / name); }

  TemporaryFolder folder_;
};

TEST_F(RunFolderTest, IsMadeWithTheFoldersAroundIt) {
  TrainOptions deep = options(false);
  deep.out = folder_.path() / "a" / "b";
  for (const bool used : {false, true}) {
    {
      RunFolder folder(deep);
      EXPECT_FALSE(std::filesystem::exists(deep.out)) << "asking makes nothing";
      folder.create();
      EXPECT_TRUE(std::filesystem::is_directory(deep.out));
      if (used) folder_.write("a/b/checkpoint.safetensors", "");
    }
    EXPECT_EQ(std::filesystem::exists(deep.out), used);
    EXPECT_EQ(there("a"), used) << "what was made for nothing is gone";
  }
  EXPECT_FALSE(there("a/b/.lock"));
}

TEST_F(RunFolderTest, ThatWasThereStaysWhereItIs) {
  std::filesystem::create_directory(folder_.path() / "a");
  TrainOptions inner = options(false);
  inner.out = folder_.path() / "a" / "b";
  RunFolder(inner).create();
  EXPECT_TRUE(there("a"));
  EXPECT_FALSE(there("a/b"));
  RunFolder(options(false)).create();
  EXPECT_TRUE(there("."));
}

TEST_F(RunFolderTest, MayHoldWhatIsNoRun) {
  folder_.write("notes.txt", "");
  for (const bool resume : {false, true}) EXPECT_NO_THROW(RunFolder{options(resume)});
}

TEST_F(RunFolderTest, IsNoFile) {
  TrainOptions file = options(false);
  file.out = folder_.write("file", "");
  expect_error(ErrorCode::invalid_argument, {"--out is ", "/file", "no folder"}, [&] { RunFolder{file}; });
  file.out /= "below";
  expect_error(ErrorCode::io_error, {"/file/below"}, [&] { RunFolder(file).create(); });
}

TEST_F(RunFolderTest, WithARunIsOnlyGoneOnWith) {
  folder_.write("checkpoint.safetensors", "");
  EXPECT_THAT(refusal(false), AllOf(HasSubstr("holds a run already"), HasSubstr("--resume")));
  EXPECT_NO_THROW(RunFolder{options(true)});
  folder_.write("model.safetensors", "");
  EXPECT_THAT(refusal(false), HasSubstr("holds a model already"));
  EXPECT_NO_THROW(RunFolder{options(true)});
  EXPECT_FALSE(there(".lock"));
}

TEST_F(RunFolderTest, WithAModelThatNoRunLeftIsNotTouched) {
  for (const char* file : {"model.safetensors", "config.json"}) {
    folder_.write(file, "");
    EXPECT_THAT(refusal(false), HasSubstr("holds a model already"));
    EXPECT_THAT(refusal(true), HasSubstr("no checkpoint.safetensors to go on from"));
    std::filesystem::remove(folder_.path() / file);
  }
}

TEST_F(RunFolderTest, IsTidiedOfTemporariesAlone) {
  const char* temporaries[] = {"checkpoint.safetensors.tmp12-3",
                               "history.json.tmp1-0",
                               "history.svg.tmp1-0",
                               "config.json.tmp1-0",
                               "training.json.tmp1-0",
                               "vocabulary.txt.tmp1-0",
                               "model.safetensors.tmp99-7"};
  const char* others[] = {"checkpoint.safetensors", "predictions.csv.tmp1-0", "mymodel.safetensors.tmp1-0",
                          "model.safetensors",      "model.safetensors.tmpl", "model.safetensors.tmp1-0.bak"};
  for (const char* name : temporaries) folder_.write(name, "");
  for (const char* name : others) folder_.write(name, "");
  RunFolder(options(true)).create();
  for (const char* name : temporaries) EXPECT_FALSE(there(name)) << name;
  for (const char* name : others) EXPECT_TRUE(there(name)) << name;
}

TEST_F(RunFolderTest, KeepsWhatALiveRunWritesAndDropsItWhenThatIsKilled) {
  // A child that dies in the middle of a write, so that nothing it held is given back by its own hand.
  int ready[2] = {}, die[2] = {};
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(die), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    RunFolder folder(options(true));
    folder.create();
    AtomicFile file(folder_.path() / "model.safetensors");
    char byte = 0;
    if (::write(ready[1], &byte, 1) == 1 && ::read(die[0], &byte, 1) == 1) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto temporaries = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      count += is_temporary_of("model.safetensors", entry.path().filename().string());
    return count;
  };
  for (const bool resume : {false, true})
    expect_error(ErrorCode::io_error, {"another run (process " + std::to_string(child)},
                 [&] { RunFolder(options(resume)).create(); });
  remove_leftovers(folder_.path() / "model.safetensors");
  EXPECT_EQ(temporaries(), 1);
  ASSERT_EQ(::write(die[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(there(".lock"));
  EXPECT_EQ(temporaries(), 1);
  RunFolder(options(true)).create();
  EXPECT_EQ(temporaries(), 0);
  EXPECT_FALSE(there(".lock"));
  for (const int end : {ready[0], ready[1], die[0], die[1]}) ::close(end);
}

TEST_F(RunFolderTest, IsOneRunsAtATime) {
  TrainOptions fresh = options(false);
  fresh.out = folder_.path() / "fresh";
  RunFolder early(fresh), late(fresh);  // neither has made it yet
  early.create();
  expect_error(ErrorCode::io_error, {"another run (process ", "is writing to " + fresh.out.string()},
               [&] { late.create(); });
  expect_error(ErrorCode::io_error, {"is writing to " + fresh.out.string()}, [&] { RunFolder{fresh}; });
  fresh.resume = true;
  expect_error(ErrorCode::io_error, {"is writing to " + fresh.out.string()}, [&] { RunFolder{fresh}; });
  EXPECT_TRUE(there("fresh/.lock")) << "the run that was refused removed nothing";
}

TEST_F(RunFolderTest, IsAskedAgainWhenItIsTaken) {
  TrainOptions fresh = options(false);
  fresh.out = folder_.path() / "fresh";
  RunFolder folder(fresh);
  {
    RunFolder quick(fresh);
    quick.create();
    folder_.write("fresh/model.safetensors", "");
  }
  expect_error(ErrorCode::invalid_argument, {"holds a model already"}, [&] { folder.create(); });
  EXPECT_TRUE(there("fresh/model.safetensors"));
  EXPECT_FALSE(there("fresh/.lock"));
}

TEST_F(RunFolderTest, ALockFileThatNobodyHoldsIsNoObstacle) {
  folder_.write(".lock", "process 1 on another\nhost");
  EXPECT_NO_THROW(RunFolder(options(false)).create());
  folder_.write("precious", "precious");
  std::filesystem::create_symlink("precious", folder_.path() / ".lock");
  expect_error(ErrorCode::io_error, {"/.lock failed"}, [&] { RunFolder{options(false)}; });
  EXPECT_EQ(read_file(folder_.path() / "precious"), "precious");
}

}  // namespace
}  // namespace ragtime
