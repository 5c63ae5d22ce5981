// The folder of a run: taken when it is new, empty or to be gone on with, refused when something else is in
// it, and tidied of what a killed run left half-written and of nothing else.

#include "host/train/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_folder.hpp"

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
  const RunFolder folder(deep);
  EXPECT_FALSE(std::filesystem::exists(deep.out)) << "asking makes nothing";
  folder.create();
  EXPECT_TRUE(std::filesystem::is_directory(deep.out));
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

}  // namespace
}  // namespace ragtime
