// Files are whole or untouched: whatever fails on the way (a full disk, a missing folder, no permission, a
// kill), the old content stays, nothing is left over, and the error names the path and the reason. Links and
// permissions are treated as a shell's redirection would.

#include "host/base/atomic_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/base/atomic_file_folder.hpp"

namespace ragtime {
namespace {

namespace fs = std::filesystem;
TEST_F(AtomicFileTest, WritesAndReadsBackAnyBytes) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
  for (const std::size_t repeats : {std::size_t{0}, std::size_t{1}, std::size_t{16}, std::size_t{9000}}) {
    std::string content;
    for (std::size_t i = 0; i < repeats; ++i) content += every_byte;
    write_file_atomically(folder / "file", content);
    EXPECT_EQ(read_file(folder / "file"), content);
    EXPECT_EQ(names(), Names{"file"});
  }
}

TEST_F(AtomicFileTest, ManySmallWritesAreOneFile) {
  AtomicFile file(folder / "file");
  std::string expected;
  for (int line = 0; line < 200000; ++line) {
    const std::string text = std::to_string(line) + "\n";
    file.write(text);
    expected += text;
  }
  file.commit();
  EXPECT_EQ(read_file(folder / "file"), expected);
}

TEST_F(AtomicFileTest, NothingIsSeenBeforeCommit) {
  write_file_atomically(folder / "file", "old");
  {
    AtomicFile file(folder / "file");
    file.write(std::string(std::size_t{3} << 20, 'x'));  // beyond the buffer, so that some of it is on disk
    EXPECT_EQ(read_file(folder / "file"), "old");
    EXPECT_EQ(names().size(), 2u);
    file.commit();
  }
  EXPECT_EQ(read_file(folder / "file").size(), std::size_t{3} << 20);
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(AtomicFileTest, WithoutCommitNothingHappened) {
  write_file_atomically(folder / "old", "old");
  {
    AtomicFile over_old(folder / "old"), fresh(folder / "new");
    over_old.write(std::string(std::size_t{3} << 20, 'x'));
    fresh.write("new");
  }
  EXPECT_EQ(read_file(folder / "old"), "old");
  EXPECT_EQ(names(), Names{"old"});
}

TEST_F(AtomicFileTest, TwoWritersOfOnePathDoNotMix) {
  AtomicFile first(folder / "file"), second(folder / "file");
  first.write("first");
  second.write("second, and longer");
  second.commit();
  EXPECT_EQ(read_file(folder / "file"), "second, and longer");
  first.commit();
  EXPECT_EQ(read_file(folder / "file"), "first");
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(AtomicFileTest, TakesNoTemporaryThatIsSomebodyElses) {
  write_file_atomically(folder / "precious", "precious");
  // Whatever number is next, its name is taken by a link that would lead the write astray.
  for (int number = 0; number < 300; ++number)
    fs::create_symlink("precious",
                       folder / ("file.tmp" + std::to_string(::getpid()) + "-" + std::to_string(number)));
  write_file_atomically(folder / "file", "content");
  EXPECT_EQ(read_file(folder / "precious"), "precious");
  EXPECT_EQ(read_file(folder / "file"), "content");
  EXPECT_FALSE(fs::is_symlink(folder / "file"));
}

TEST_F(AtomicFileTest, AnExistingFileKeepsItsPermissions) {
  for (const mode_t mode : {0600, 0640, 0666, 0755, 0606}) {
    write_file_atomically(folder / "file", "old");
    ASSERT_EQ(::chmod((folder / "file").c_str(), mode), 0);
    write_file_atomically(folder / "file", "new");
    EXPECT_EQ(mode_of(folder / "file"), mode);
    EXPECT_EQ(read_file(folder / "file"), "new");
    fs::remove(folder / "file");
  }
}

TEST_F(AtomicFileTest, ANewFileFollowsTheUmask) {
  const mode_t before = ::umask(027);
  write_file_atomically(folder / "file", "new");
  ::umask(before);
  EXPECT_EQ(mode_of(folder / "file"), 0640u);
}

TEST_F(AtomicFileTest, ALinkStaysALink) {
  fs::create_directory(folder / "elsewhere");
  write_file_atomically(folder / "elsewhere/file", "old");
  fs::create_symlink("elsewhere/file", folder / "link");
  fs::create_symlink(folder / "link", folder / "link_to_link");
  write_file_atomically(folder / "link_to_link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(fs::is_symlink(folder / "link_to_link"));
  EXPECT_EQ(read_file(folder / "elsewhere/file"), "new");
  EXPECT_EQ(names(), (Names{"elsewhere", "link", "link_to_link"}));
}

TEST_F(AtomicFileTest, ALinkToNothingCreatesWhatItNames) {
  fs::create_directory(folder / "elsewhere");
  fs::create_symlink("elsewhere/file", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "elsewhere/file"), "new");
}

TEST_F(AtomicFileTest, LinksThatGoInCirclesAreRefused) {
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  expect_error(ErrorCode::io_error, {folder / "a", "Too many levels of symbolic links"},
               [&] { write_file_atomically(folder / "a", "new"); });
  EXPECT_EQ(names(), (Names{"a", "b"}));
  EXPECT_TRUE(fs::is_symlink(folder / "a"));
}

TEST_F(AtomicFileTest, AFolderIsRefused) {
  fs::create_directory(folder / "folder");
  expect_error(ErrorCode::io_error, {folder / "folder", "is a directory"},
               [&] { AtomicFile file(folder / "folder"); });
  expect_error(ErrorCode::io_error, {folder / "folder", "Is a directory"},
               [&] { read_file(folder / "folder"); });
  EXPECT_EQ(names(), Names{"folder"});
}

TEST_F(AtomicFileTest, AMissingFolderIsRefused) {
  expect_error(ErrorCode::io_error, {folder / "missing/file", "No such file or directory"},
               [&] { AtomicFile file(folder / "missing/file"); });
  expect_error(ErrorCode::io_error, {folder / "missing", "No such file or directory"},
               [&] { read_file(folder / "missing"); });
  EXPECT_EQ(names(), Names{});
}

TEST_F(AtomicFileTest, AFileInPlaceOfAFolderIsRefused) {
  write_file_atomically(folder / "file", "old");
  expect_error(ErrorCode::io_error, {folder / "file/inner", "Not a directory"},
               [&] { AtomicFile file(folder / "file/inner"); });
}

TEST_F(AtomicFileTest, WhatMayNotBeWrittenIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user without rights";
  write_file_atomically(folder / "read_only", "old");
  fs::permissions(folder / "read_only", fs::perms::owner_read | fs::perms::others_read);
  fs::create_directory(folder / "closed");
  fs::permissions(folder, fs::perms::all);
  const int status = in_child([&] {
    if (::seteuid(65534) != 0) ::_exit(2);
    for (const char* name : {"read_only", "closed/file"})
      expect_error(ErrorCode::io_error, {folder / name, "Permission denied"},
                   [&] { AtomicFile file(folder / name); });
    ::_exit(HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(folder / "read_only"), "old");
  EXPECT_EQ(names(), (Names{"closed", "read_only"}));
}

TEST_F(AtomicFileTest, AFullDeviceIsReported) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  AtomicFile small("/dev/full");
  small.write("content");
  expect_error(ErrorCode::io_error, {"writing /dev/full", "No space left on device"},
               [&] { small.commit(); });
  AtomicFile large("/dev/full");
  expect_error(ErrorCode::io_error, {"writing /dev/full", "No space left on device"},
               [&] { large.write(std::string(std::size_t{3} << 20, 'x')); });
}

// A limit on the size of files stands in for a disk that fills up half-way.
TEST_F(AtomicFileTest, ADiskThatFillsUpLeavesTheOldFile) {
  write_file_atomically(folder / "file", "old");
  const int status = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1 << 16, 1 << 16};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    expect_error(ErrorCode::io_error, {"writing", folder / "file", "File too large"},
                 [&] { write_file_atomically(folder / "file", std::string(std::size_t{3} << 20, 'x')); });
    ::_exit(HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(folder / "file"), "old");
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(AtomicFileTest, AKillInTheMiddleLeavesTheOldFile) {
  write_file_atomically(folder / "file", "old");
  const int status = in_child([&] {
    AtomicFile file(folder / "file");
    file.write(std::string(std::size_t{3} << 20, 'x'));
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(read_file(folder / "file"), "old");
  EXPECT_EQ(names().size(), 2u);
  // What the dead process left is not in the way of the next one, which removes it.
  write_file_atomically(folder / "file", "new");
  EXPECT_EQ(read_file(folder / "file"), "new");
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(AtomicFileTest, RemovesWhatKilledProcessesLeftAndNothingElse) {
  const Names leftovers = {"file.tmp1-0", "file.tmp99999-7"};
  const Names others = {"other.tmp1-0", "file.tmp", "file.tmp1", "file.tmp1-0.bak", "myfile.tmp1-0"};
  for (const Names& all : {leftovers, others})
    for (const std::string& name : all) temporary.write(name, "half");
  fs::create_symlink("other.tmp1-0", folder / "file.tmp2-0");
  fs::create_directory(folder / "file.tmp3-0");
  ASSERT_EQ(::mkfifo((folder / "file.tmp4-0").c_str(), 0600), 0);
  AtomicFile file(folder / "file");
  for (const std::string& name : leftovers) EXPECT_FALSE(fs::exists(folder / name)) << name;
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(folder / name)) << name;
  for (const char* name : {"file.tmp2-0", "file.tmp3-0", "file.tmp4-0"})
    EXPECT_TRUE(fs::is_symlink(folder / name) || fs::exists(folder / name)) << name << " is no file of ours";
}

// Many writers that come, clean up, write and go: none may lose its temporary to another.
TEST_F(AtomicFileTest, LiveWritersKeepTheirTemporaries) {
  constexpr int processes = 4, rounds = 200;
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        for (int round = 0; round < rounds; ++round) write_file_atomically(folder / "file", "content");
      } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s\n", problem.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_file(folder / "file"), "content");
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(AtomicFileTest, AFailedRenameLeavesNothingOver) {
  {
    AtomicFile file(folder / "file");
    file.write("content");
    fs::create_directories(folder / "file/inner");  // the path became a folder in the meantime
    expect_error(ErrorCode::io_error, {"renaming to", folder / "file"}, [&] { file.commit(); });
  }
  EXPECT_EQ(names(), Names{"file"});
  EXPECT_TRUE(fs::is_directory(folder / "file/inner"));
}

TEST_F(AtomicFileTest, ReadsFilesThatTellNoSize) {
  EXPECT_NE(read_file("/proc/self/status").find("Name:"), std::string::npos);
  EXPECT_EQ(read_file("/dev/null"), "");
}

TEST_F(AtomicFileTest, LeavesNoDescriptorOpen) {
  const auto open_descriptors = [] {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) count += !entry.path().empty();
    return count;
  };
  const std::size_t before = open_descriptors();
  fs::create_directory(folder / "folder");
  for (int repeat = 0; repeat < 10; ++repeat) {
    write_file_atomically(folder / "file", "content");
    read_file(folder / "file");
    EXPECT_THROW(read_file(folder / "folder"), Error);
    EXPECT_THROW(AtomicFile(folder / "missing/file"), Error);
    EXPECT_THROW(write_file_atomically("/dev/full", "content"), Error);
    EXPECT_THROW(write_file_atomically("/dev/fd/987", "content"), Error);
    AtomicFile abandoned(folder / "abandoned");
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace ragtime
