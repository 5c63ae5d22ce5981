// Outputs that are open already, or are no files: standard output and other descriptors, by whatever name,
// are written where they stand; pipes and devices are written directly.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "host/base/atomic_file.hpp"
#include "tests/base/atomic_file_folder.hpp"

namespace ragtime {
namespace {

namespace fs = std::filesystem;
using OpenDescriptorTest = AtomicFileTest;

// As a shell's `>> file`: written where the descriptor stands, whatever the file's name is by now.
TEST_F(OpenDescriptorTest, AnOpenDescriptorIsWrittenWhereItStands) {
  fs::create_symlink("/dev/fd", folder / "descriptors");
  for (const int flags : {O_WRONLY | O_APPEND, O_RDWR}) {
    temporary.write("file", "before ");
    const Descriptor open(::open((folder / "file").c_str(), flags));
    ASSERT_EQ(::lseek(open.number(), 0, SEEK_END), 7);
    const std::string number = std::to_string(open.number());
    fs::remove(folder / "link");
    fs::create_symlink("descriptors/" + number, folder / "link");
    const std::string process = std::to_string(::getpid());
    std::string expected = "before ";
    for (const std::string& name :
         {"/dev/fd/" + number, "/proc/self/fd/" + number, "/proc/thread-self/fd/" + number,
          "/proc/" + process + "/fd/" + number, "/proc/" + process + "/task/" + process + "/fd/" + number,
          "/dev/../dev/fd/" + number, (folder / "descriptors" / number).string(),
          (folder / "link").string()}) {
      SCOPED_TRACE(name);
      { AtomicFile abandoned(name); }
      write_file_atomically(name, name);
      ASSERT_EQ(::write(open.number(), " ", 1), 1) << "the offset is shared";
      expected += name + " ";
      EXPECT_EQ(read_file(folder / "file"), expected);
    }
    EXPECT_TRUE(fs::is_symlink(folder / "link"));
    EXPECT_EQ(names(), (Names{"descriptors", "file", "link"}));
    fs::remove(folder / "file");
    write_file_atomically("/dev/fd/" + number, "into a file without a name");
    EXPECT_EQ(names(), (Names{"descriptors", "link"}));
  }
}

TEST_F(OpenDescriptorTest, AnotherProcesssDescriptorIsWrittenWhereItStands) {
  temporary.write("file", "before ");
  int stop[2] = {};
  ASSERT_EQ(::pipe(stop), 0);
  const Descriptor open(::open((folder / "file").c_str(), O_WRONLY | O_APPEND));
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    ::close(stop[1]);
    static_cast<void>(::read(stop[0], &byte, 1) == 1);
    ::_exit(0);
  }
  write_file_atomically("/proc/" + std::to_string(child) + "/fd/" + std::to_string(open.number()), "after");
  EXPECT_EQ(read_file(folder / "file"), "before after");
  EXPECT_EQ(names(), Names{"file"});
  ::close(stop[0]);
  ::close(stop[1]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
}

TEST_F(OpenDescriptorTest, ADescriptorThatCannotBeWrittenIsRefused) {
  temporary.write("file", "kept");
  const Descriptor reading(::open((folder / "file").c_str(), O_RDONLY));
  const Descriptor path_only(::open((folder / "file").c_str(), O_PATH));
  for (const Descriptor* open : {&reading, &path_only}) {
    const std::string name = "/dev/fd/" + std::to_string(open->number());
    expect_error(ErrorCode::io_error, {"opening " + name, "is not open for writing"},
                 [&] { AtomicFile file(name); });
  }
  for (const char* name : {"/dev/fd/987", "/proc/self/fd/987", "/proc/thread-self/fd/987"})
    expect_error(ErrorCode::io_error, {name, "descriptor 987 is not open"}, [&] { AtomicFile file(name); });
  EXPECT_EQ(read_file(folder / "file"), "kept");
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(OpenDescriptorTest, APipeThatDoesNotWaitIsWaitedFor) {
  int ends[2] = {};
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const std::string content(std::size_t{3} << 20, 'p');
  std::string received;
  std::thread reader([&] {
    for (char buffer[65536];;) {
      const ssize_t got = ::read(from.number(), buffer, sizeof buffer);
      if (got == 0) break;
      if (got > 0) received.append(buffer, static_cast<std::size_t>(got));
    }
  });
  write_file_atomically("/dev/fd/" + std::to_string(to.number()), content);
  to.close();
  reader.join();
  EXPECT_EQ(received, content);
}

TEST_F(OpenDescriptorTest, APipeIsWrittenDirectly) {
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string content(std::size_t{3} << 20, 'p');
  std::string received;
  std::thread reader([&] { received = read_file(pipe); });
  write_file_atomically(pipe, content);
  reader.join();
  EXPECT_EQ(received, content);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(names(), Names{"pipe"});
}

TEST_F(OpenDescriptorTest, APipeWhoseReaderLeftIsReported) {
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int status = in_child([&] {
    ::signal(SIGPIPE, SIG_IGN);  // as the command-line tool does
    const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    AtomicFile file(pipe);
    ::close(reader);
    file.write("content");
    expect_error(ErrorCode::io_error, {"writing", pipe, "Broken pipe"}, [&] { file.commit(); });
    ::_exit(HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ragtime
