#pragma once

// Runs the ragtime executable as a person would: arguments in, exit status and both streams out.

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace ragtime::test {

struct ToolResult {
  int status = 0;  // exit status; of a process that a signal ended, minus the signal
  std::string out;
  std::string err;
  std::int64_t peak_bytes = 0;  // most memory it held
  bool signalled = false;       // ToolRun::signal was sent
};

struct ToolRun {
  std::filesystem::path directory = {};                 // to run in; empty: the test's
  std::map<std::string, std::string> environment = {};  // beside the test's
  std::string out_file = {};                            // standard output goes there
  std::optional<rlim_t> largest_file = std::nullopt;    // a write beyond fails, as on a full disk
  int signal = 0;                                       // sent once,
  std::function<bool(const ToolResult&)> when = {};     // as soon as this holds; sees what was said so far
  bool stands_still = false;                            // while `when` is asked, however long that takes
  std::chrono::seconds timeout = std::chrono::seconds(300);
};

namespace detail {

[[noreturn]] inline void become_tool(const ToolRun& run, char* const* arguments, char* const* environment,
                                     int out, int err) {
  // Between fork and exec only what is safe in a signal handler.
  if (run.largest_file) {
    const rlimit limit = {*run.largest_file, *run.largest_file};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_IGN);
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    ::signal(signal, SIG_DFL);  // a background job ignores some
  const int in = ::open("/dev/null", O_RDONLY);
  const bool ready = in >= 0 && out >= 0 && ::dup2(in, 0) >= 0 && ::dup2(out, 1) >= 0 &&
                     ::dup2(err, 2) >= 0 && (run.directory.empty() || ::chdir(run.directory.c_str()) == 0);
  if (ready) ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

inline std::vector<std::string> environment_of(const ToolRun& run) {
  // Two threads, however many cores: what the tests train is small.
  std::map<std::string, std::string> values = {{"RAGTIME_THREADS", "2"}};
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (const std::size_t equals = text.find('=');
        equals != text.npos && !values.contains(text.substr(0, equals)))
      values[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : run.environment) values[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : values) entries.push_back(name + "=" + value);
  return entries;
}

inline std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// What there is to read now; false at the end of the stream.
inline bool drain(int descriptor, std::string& into) {
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got > 0) into.append(buffer, static_cast<std::size_t>(got));
    if (got == 0) return false;
    if (got < 0 && errno != EINTR) return errno == EAGAIN;
  }
}

}  // namespace detail

inline ToolResult run_tool(std::vector<std::string> arguments, const ToolRun& run = {}) {
  using Clock = std::chrono::steady_clock;
  arguments.insert(arguments.begin(), RAGTIME_TOOL_PATH);
  std::vector<std::string> environment = detail::environment_of(run);
  const std::vector<char*> argv = detail::pointers(arguments), envp = detail::pointers(environment);
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0 || ::pipe2(err, O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::runtime_error("pipe2");
  for (const int end : {out[1], err[1]}) ::fcntl(end, F_SETFL, 0);  // the tool's ends wait
  const int out_file = run.out_file.empty() ? -1 : ::open(run.out_file.c_str(), O_WRONLY | O_CLOEXEC);
  const pid_t process = ::fork();
  if (process < 0) throw std::runtime_error("fork");
  if (process == 0)
    detail::become_tool(run, argv.data(), envp.data(), run.out_file.empty() ? out[1] : out_file, err[1]);
  for (const int end : {out[1], err[1], out_file})
    if (end >= 0) ::close(end);

  ToolResult result;
  const auto deadline = Clock::now() + run.timeout;
  bool killed = false;
  for (bool open = true; open;) {
    pollfd streams[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    ::poll(streams, 2, run.when && !result.signalled ? 1 : 100);
    const bool more_out = detail::drain(out[0], result.out), more_err = detail::drain(err[0], result.err);
    open = more_out || more_err;
    if (open && run.when && !result.signalled) {
      if (run.stands_still) {
        ::kill(process, SIGSTOP);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(process), &info, WSTOPPED | WEXITED | WNOWAIT);
      }
      result.signalled = run.when(result);
      if (result.signalled) ::kill(process, run.signal);
      if (run.stands_still) ::kill(process, SIGCONT);
    }
    if (open && !killed && Clock::now() > deadline) {
      ::kill(process, SIGKILL);
      killed = true;
    }
  }
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  rusage usage{};
  while (::wait4(process, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  if (killed) throw std::runtime_error("ragtime " + arguments[1] + " took too long; it said: " + result.err);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  result.peak_bytes = std::int64_t{1024} * usage.ru_maxrss;
  return result;
}

}  // namespace ragtime::test
