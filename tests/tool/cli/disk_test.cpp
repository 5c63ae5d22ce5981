// A disk that is full: the command fails with status 1 and names the file, what was there before stays whole,
// no half of a file is left, and with room again a run goes on to the same bytes.

#include <sys/mount.h>

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class Disk : public ToolTest {
 protected:
  // Writes beyond so many bytes of a file fail, as on a full disk.
  static ToolRun room_for(rlim_t bytes) {
    ToolRun run;
    run.largest_file = bytes;
    return run;
  }
  void expect_no_temporaries() const {
    EXPECT_THAT(names_of(bytes_of_folder(root())), Not(Contains(HasSubstr(".tmp"))));
  }
};

TEST_F(Disk, Synth) {
  expect_refused(run_tool({"synth", "--patients", "300", "--out", at("cohort")}, room_for(10'000)), 1,
                 {"cohort", "File too large"});
  EXPECT_TRUE(bytes_of_folder(root()).empty());
}

TEST_F(Disk, TrainFromTheBeginning) {
  const std::string data = synth(30);
  const Arguments options = {"--task", "next_visit"};
  expect_refused(run_tool(train(data, at("model"), options), room_for(4096)), 1,
                 {at("model/checkpoint.safetensors"), "File too large"});
  EXPECT_FALSE(std::filesystem::exists(at("model"))) << "what it made is gone";
  std::filesystem::create_directory(at("model"));
  expect_refused(run_tool(train(data, at("model"), options), room_for(4096)), 1,
                 {at("model/checkpoint.safetensors"), "File too large"});
  EXPECT_TRUE(std::filesystem::is_empty(at("model")));
  must_train(data, at("model"), options);  // an empty folder is no obstacle
}

TEST_F(Disk, TrainThatGoesOn) {
  const std::string data = synth(30);
  const Arguments options = {"--task", "next_visit", "--epochs", "3"};
  must_train(data, at("whole"), options);
  must_train(data, at("model"), {"--task", "next_visit", "--epochs", "1"});
  const Folder before = bytes_of_folder(at("model"));
  expect_refused(run_tool(train(data, at("model"), options + Arguments{"--resume"}), room_for(4096)), 1,
                 {at("model/checkpoint.safetensors"), "File too large"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("model")), before));
  must_train(data, at("model"), options + Arguments{"--resume"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("model")), bytes_of_folder(at("whole"))));
}

TEST_F(Disk, Predict) {
  const std::string data = synth(60);
  must_train(data, at("model"), {"--task", "next_visit"});
  write("kept.csv", "an earlier answer");
  for (const char* out : {"new.csv", "kept.csv"})
    expect_refused(run_tool(predict(at("model"), data, at(out)), room_for(4096)), 1,
                   {at(out), "File too large"});
  EXPECT_EQ(bytes_of(at("kept.csv")), "an earlier answer");
  EXPECT_FALSE(std::filesystem::exists(at("new.csv")));
  expect_no_temporaries();
}

TEST_F(Disk, AFileSystemThatIsFull) {
  const std::string data = synth(60);
  const Arguments options = {"--task", "next_visit"};
  must_train(data, at("whole"), options);
  std::filesystem::create_directory(at("small"));
  if (::mount("tmpfs", at("small").c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "only root may mount";
  struct Unmount {
    std::string folder;
    ~Unmount() { ::umount2(folder.c_str(), MNT_DETACH); }
  } const unmount{at("small")};
  const std::string filler(64 << 10, 'x');
  std::filesystem::create_directory(at("small/model"));
  // Filled so far that the first checkpoint fits, and a second beside it does not.
  must_train(data, at("small/model"), options + Arguments{"--epochs", "1"});
  const Folder before = bytes_of_folder(at("small/model"));
  std::ofstream fill(at("small/fill"), std::ios::binary);
  while (fill.write(filler.data(), static_cast<std::streamsize>(filler.size())).flush()) {
  }
  fill.close();
  expect_refused(run_tool(train(data, at("small/model"), options + Arguments{"--resume"})), 1,
                 {at("small/model/"), "No space left on device"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("small/model")), before));
  expect_refused(run_tool(predict(at("whole"), data, at("small/out.csv"))), 1,
                 {at("small/out.csv"), "No space left on device"});
  EXPECT_FALSE(std::filesystem::exists(at("small/out.csv")));
  expect_no_temporaries();
  std::filesystem::remove(at("small/fill"));
  must_train(data, at("small/model"), options + Arguments{"--resume"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("small/model")), bytes_of_folder(at("whole"))));
}

}  // namespace
}  // namespace ragtime::test
