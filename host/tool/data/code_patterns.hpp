#pragma once

// Sets of codes by name or by how their names begin.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

class CodePatterns {
 public:
  CodePatterns() = default;
  // Each a code, or the beginning of codes and a '*' behind it. Throws Error(invalid_argument) on an empty
  // one, and on a '*' alone, which every code would match.
  explicit CodePatterns(std::vector<std::string> patterns);

  bool match(std::string_view code) const;
  const std::vector<std::string>& patterns() const { return patterns_; }  // in string order, each once

  bool operator==(const CodePatterns& other) const { return patterns_ == other.patterns_; }

 private:
  std::vector<std::string> patterns_;
  std::vector<std::string> codes_;     // in string order
  std::vector<std::string> prefixes_;  // without their '*'
};

// As --exclude-codes gives them: patterns, or "@FILE" for those of a file, one a line, where
// blank lines and blanks around a pattern do not count. Throws Error(invalid_argument, io_error).
CodePatterns read_code_patterns(std::span<const std::string> arguments);

}  // namespace ragtime
