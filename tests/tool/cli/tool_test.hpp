#pragma once

// What the tests of the command line share: a folder to work in, cohorts and runs small enough for a fraction
// of a second, the bytes of a folder, and what a refusal looks like.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.hpp"
#include "tests/support/tool.hpp"

namespace ragtime::test {

using Arguments = std::vector<std::string>;
using Folder = std::map<std::string, std::string>;  // file -> bytes

inline constexpr const char* diabetes = "44054006";  // what ragtime synth lets a model foresee

inline Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  EXPECT_TRUE(stream.good()) << "no file " << file;
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

inline Folder bytes_of_folder(const std::filesystem::path& folder) {
  Folder files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = std::filesystem::relative(entry.path(), folder).string();
    files[name] = entry.is_directory() ? "a folder" : bytes_of(entry.path());
  }
  return files;
}

inline std::vector<std::string> names_of(const Folder& files) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  return names;
}

// The options of binary_classification: whether diabetes occurs in the year after each prediction.
inline Arguments binary_task(const std::string& predict_at) {
  return {"--task", "binary_classification", "--label-code", diabetes, "--predict-at", predict_at};
}

// Says which file differs instead of printing both.
inline testing::AssertionResult same_files(const Folder& actual, const Folder& expected) {
  if (names_of(actual) != names_of(expected))
    return testing::AssertionFailure() << "files are " << testing::PrintToString(names_of(actual))
                                       << ", expected " << testing::PrintToString(names_of(expected));
  for (const auto& [name, bytes] : expected)
    if (actual.at(name) != bytes) return testing::AssertionFailure() << name << " has other bytes";
  return testing::AssertionSuccess();
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Failed with this status, one "error: " on standard error that says all of `parts`, nothing on standard
// output.
inline void expect_refused(const ToolResult& result, int status, const std::vector<std::string>& parts) {
  EXPECT_EQ(result.status, status) << result.err;
  EXPECT_EQ(result.out, "");
  const std::string all = "\n" + result.err;
  const std::size_t at = all.find("\nerror: ");
  ASSERT_NE(at, std::string::npos) << "no error in: " << result.err;
  const std::string error = all.substr(at + 1);
  EXPECT_EQ(error.find("\nerror: "), std::string::npos) << error;
  EXPECT_EQ(error.back(), '\n');
  for (const std::string& part : parts) EXPECT_THAT(error, testing::HasSubstr(part));
  EXPECT_EQ(error.find("' says what it takes\n") != std::string::npos, status == 2) << error;
}

class ToolTest : public testing::Test {
 protected:
  const std::filesystem::path& root() const { return folder_.path(); }
  std::string at(const std::string& name) const { return (root() / name).string(); }
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    return folder_.write(name, content);
  }

  // A cohort in a folder of this name, and its path.
  std::string synth(int patients, const std::string& name = "cohort", int seed = 1) const {
    const ToolResult result = run_tool(
        {"synth", "--patients", std::to_string(patients), "--out", at(name), "--seed", std::to_string(seed)});
    EXPECT_EQ(result.status, 0) << result.err;
    return at(name);
  }

  // A run with small sizes and two epochs, but for what `more` says.
  Arguments train(const std::string& data, const std::string& out, const Arguments& more = {}) const {
    const auto given = [&](const char* option) {
      return std::find(more.begin(), more.end(), option) != more.end();
    };
    Arguments run = {"train", "--data", data, "--out", out};
    const std::pair<const char*, const char*> small[] = {
        {"--hidden-dim", "8"}, {"--embedding-dim", "6"}, {"--batch-size", "8"}, {"--epochs", "2"}};
    for (const auto& [option, value] : small)
      if (!given(option) && !(option == std::string("--batch-size") && given("--batch-rows")))
        run = run + Arguments{option, value};
    return run + more;
  }
  void must_train(const std::string& data, const std::string& out, const Arguments& more) const {
    const ToolResult result = run_tool(train(data, out, more));
    ASSERT_EQ(result.status, 0) << result.err;
  }
  Arguments predict(const std::string& model, const std::string& data, const std::string& out) const {
    return {"predict", "--model", model, "--data", data, "--out", out};
  }
  // The bytes of the predictions.
  std::string must_predict(const std::string& model, const std::string& data) const {
    const ToolResult result = run_tool(predict(model, data, at("predictions.csv")));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, "");
    return bytes_of(at("predictions.csv"));
  }

 private:
  TemporaryFolder folder_;
};

inline nlohmann::ordered_json json_of(const std::filesystem::path& file) {
  return nlohmann::ordered_json::parse(bytes_of(file));
}

}  // namespace ragtime::test
