// The file of measured costs: what is written is read, what is damaged or of another device or version is
// said to be and changes nothing; and measuring, on the backends there are, writes it and nothing else.

#include "host/ops/lstm_costs.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "ragtime/lstm_choice.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// An environment variable for one test.
class Variable {
 public:
  Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const std::optional<std::string>& value) const {
    if (value)
      ::setenv(name_, value->c_str(), 1);
    else
      ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

const std::string device = "cuda, NVIDIA H200, sm_90, 132 multiprocessors, 139 GiB";

LstmCosts some_costs() {
  LstmCosts costs;
  costs.device_bytes_per_ns = 4100.25;
  costs.launch_us = 7.5;
  costs.stepwise_launch_us = 1.75;
  costs.stepwise_flops_per_ns = 123456;
  costs.measured_step_ns[{false, DType::bf16, 256, 8, 16}] = 512.3;
  costs.measured_step_ns[{true, DType::f32, 128, 4, 8}] = 0.1 + 0.2;
  return costs;
}

void expect_same(const LstmCosts& a, const LstmCosts& b) {
  EXPECT_EQ(a.device_bytes_per_ns, b.device_bytes_per_ns);
  EXPECT_EQ(a.launch_us, b.launch_us);
  EXPECT_EQ(a.stepwise_launch_us, b.stepwise_launch_us);
  EXPECT_EQ(a.stepwise_flops_per_ns, b.stepwise_flops_per_ns);
  ASSERT_EQ(a.measured_step_ns.size(), b.measured_step_ns.size());
  for (const auto& [key, ns] : a.measured_step_ns) {
    ASSERT_TRUE(b.measured_step_ns.contains(key));
    EXPECT_EQ(b.measured_step_ns.at(key), ns);
  }
}

class LstmCostsFile : public testing::Test {
 protected:
  TemporaryFolder folder;
  Variable cache{"RAGTIME_CACHE_DIR", folder.path().string()};

  std::string path() const { return lstm_costs_file(device).string(); }
  void write(const std::string& content) const {
    folder.write(lstm_costs_file(device).filename().string(), content);
  }
};

TEST_F(LstmCostsFile, ReadsWhatWasWritten) {
  write(lstm_costs_to_text(some_costs(), device));
  const LstmCosts read = read_lstm_costs(device);
  expect_same(read, some_costs());
  EXPECT_EQ(read.source, "measured on " + device + ", " + path());
}

TEST_F(LstmCostsFile, IsFoundWhereTheEnvironmentSays) {
  const std::string name = "lstm-costs-cuda-NVIDIA-H200-sm-90-132-multiprocessors-139-GiB-v1.json";
  EXPECT_EQ(path(), (folder.path() / name).string());
  const Variable without("RAGTIME_CACHE_DIR", "");
  {
    const Variable shared("XDG_CACHE_HOME", "/some/cache"), home("HOME", "/some/home");
    EXPECT_EQ(path(), "/some/cache/ragtime/" + name);
  }
  const Variable shared("XDG_CACHE_HOME", std::nullopt);
  {
    const Variable home("HOME", "/some/home");
    EXPECT_EQ(path(), "/some/home/.cache/ragtime/" + name);
  }
  const Variable home("HOME", std::nullopt);
  expect_error(ErrorCode::io_error, {"RAGTIME_CACHE_DIR", "HOME"}, [&] { path(); });
  const LstmCosts costs = read_lstm_costs(device);
  expect_same(costs, LstmCosts{});
  EXPECT_THAT(costs.source, StartsWith("estimated: no folder"));
}

TEST_F(LstmCostsFile, NamesNeverLeaveTheFolder) {
  const std::vector<std::string> strange_names = {"../../etc/passwd", "/", "", "a\nb",
                                                  std::string(5000, 'x')};
  for (const std::string& strange : strange_names) {
    const std::filesystem::path file = lstm_costs_file(strange);
    EXPECT_EQ(file.parent_path(), folder.path());
    EXPECT_LT(file.filename().string().size(), 130u);
  }
}

TEST_F(LstmCostsFile, ThatIsAbsentLeavesTheEstimates) {
  const LstmCosts costs = read_lstm_costs(device);
  expect_same(costs, LstmCosts{});
  EXPECT_EQ(costs.source, LstmCosts{}.source);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(LstmCostsFile, ThatIsDamagedSaysSoAndLeavesTheEstimates) {
  using Json = nlohmann::json;
  const std::string right = lstm_costs_to_text(some_costs(), device);
  const auto damaged = [&](const std::string& content, const std::string& why) {
    write(content);
    const LstmCosts costs = read_lstm_costs(device);
    expect_same(costs, LstmCosts{});
    EXPECT_THAT(costs.source, AllOf(StartsWith("estimated: " + path()), HasSubstr(why)));
    EXPECT_EQ(costs.source.find('\n'), std::string::npos);
  };
  const auto with = [&](const char* pointer, const Json& value) {
    Json content = Json::parse(right);
    content[Json::json_pointer(pointer)] = value;
    return content.dump();
  };
  damaged("", "not JSON");
  damaged(right.substr(0, right.size() / 2), "not JSON");
  damaged("\x01\xff\n", "not JSON");
  damaged("[]", "\"format\" is missing");
  damaged("{}", "\"format\" is missing");
  damaged("3", "\"format\" is missing");
  damaged(with("/format", 2), "\"format\" is not 1");
  damaged(with("/format", "1"), "\"format\"");
  damaged(with("/version", "0.0.1"), "\"version\" is 0.0.1, this is ");
  damaged(with("/device", "another\nGPU"), "\"device\" is another\\x0aGPU");
  damaged(with("/device", 3), "\"device\" is no string");
  damaged(with("/constants", Json::array()), "\"device_bytes_per_ns\" is missing");
  for (const Json& wrong : {Json(0), Json(-1.5), Json(1e300), Json("3"), Json(), Json::array()})
    damaged(with("/constants/launch_us", wrong), "\"launch_us\" is no number");
  damaged(with("/steps", 3), "\"steps\" is no array");
  damaged(with("/steps/0", 3), "\"pass\" is missing");
  damaged(with("/steps/0/pass", "sideways"), "\"pass\" is neither");
  damaged(with("/steps/0/dtype", "f64"), "\"dtype\" is none");
  damaged(with("/steps/1/ns", 0), "\"ns\" is no number");
  for (const Json& wrong : {Json(0), Json(-8), Json(1.5), Json(std::int64_t{1} << 40), Json("8")})
    damaged(with("/steps/1/slots", wrong), "\"slots\" is no integer");
  damaged(std::string(100000, '['), "");
}

TEST_F(LstmCostsFile, ThatCannotBeReadLeavesTheEstimates) {
  std::filesystem::create_directory(path());
  EXPECT_THAT(read_lstm_costs(device).source, AllOf(StartsWith("estimated: "), HasSubstr(path())));
  std::filesystem::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);  // nobody writes: opening it would wait for ever
  EXPECT_THAT(read_lstm_costs(device).source, AllOf(StartsWith("estimated: "), HasSubstr("no file")));
}

TEST_F(LstmCostsFile, IsReadOnceAProcess) {
  const std::string other = "read once";
  expect_same(lstm_costs_of(other), LstmCosts{});
  folder.write(lstm_costs_file(other).filename().string(), lstm_costs_to_text(some_costs(), other));
  expect_same(lstm_costs_of(other), LstmCosts{});
  expect_same(read_lstm_costs(other), some_costs());
}

class LstmMeasured : public OnBackend {
 protected:
  TemporaryFolder folder;
  Variable cache{"RAGTIME_CACHE_DIR", (folder.path() / "new" / "cache").string()};
  // The smallest kernels, over few steps.
  const LstmMeasurement quick = {.dtypes = {DType::bf16},
                                 .largest_hidden = 32,
                                 .most_cells = 1 << 10,
                                 .longest = 8,
                                 .queued = 1,
                                 .repeats = 1};
};
RAGTIME_TEST_ON_BACKENDS(LstmMeasured);

TEST_P(LstmMeasured, WritesOneFileThatIsRead) {
  if (backend->device() == DeviceType::cpu) {
    expect_error(ErrorCode::unsupported, {"cpu", "nothing to measure"},
                 [&] { measure_lstm(backend, quick); });
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    return;
  }
  LstmDesc desc;
  desc.dtype = DType::bf16;
  desc.input_size = desc.hidden_size = 32;
  desc.capacity = {8, 8, 0, 1};
  const LstmChoice trains = LstmPlan(backend, desc).choice();
  desc.training = false;
  const LstmChoice infers = LstmPlan(backend, desc).choice();
  std::vector<std::string> said;
  const auto path = measure_lstm(backend, quick, [&](const std::string& what) { said.push_back(what); });
  EXPECT_EQ(path, lstm_costs_file(backend->description()));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 1u);
  const LstmCosts costs = read_lstm_costs(backend->description());
  EXPECT_THAT(costs.source, StartsWith("measured on " + backend->description()));
  EXPECT_THAT(said, testing::Contains(HasSubstr("bf16, 32 units, clusters of 1, 8 slots")));
  // Every cut was run; a clock that saw no difference between two lengths leaves a step out.
  EXPECT_EQ(said.size(), 2 + infers.cuts.size());
  std::size_t measured = 0;
  for (const auto& [key, ns] : costs.measured_step_ns) {
    EXPECT_EQ(key.dtype, DType::bf16);
    EXPECT_EQ(key.hidden, 32);
    EXPECT_GT(ns, 0);
    const LstmCut cut = {key.cluster, key.slots};
    EXPECT_THAT(key.backward ? trains.cuts : infers.cuts, testing::Contains(cut));
    ++measured;
  }
  EXPECT_GT(measured, 0u);
}

TEST_P(LstmMeasured, AFolderThatCannotBeWrittenIsAnErrorBeforeAnythingRuns) {
  if (backend->device() == DeviceType::cpu) return;
  const Variable nowhere("RAGTIME_CACHE_DIR", "/dev/null/cache");
  expect_error(ErrorCode::io_error, {"/dev/null/cache"}, [&] {
    measure_lstm(backend, quick, [](const std::string& what) { ADD_FAILURE() << "measured " << what; });
  });
}

}  // namespace
}  // namespace ragtime::test
