#include "host/tool/data/code_patterns.hpp"

#include <algorithm>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/tool/data/text_file.hpp"

namespace ragtime {

CodePatterns::CodePatterns(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {
  std::sort(patterns_.begin(), patterns_.end());
  patterns_.erase(std::unique(patterns_.begin(), patterns_.end()), patterns_.end());
  for (const std::string& pattern : patterns_) {
    check(!pattern.empty() && pattern != "*", ErrorCode::invalid_argument, "--exclude-codes names ",
          excerpt(pattern), ": expected a code, or the beginning of codes with * behind it");
    if (pattern.back() == '*')
      prefixes_.push_back(pattern.substr(0, pattern.size() - 1));
    else
      codes_.push_back(pattern);
  }
}

bool CodePatterns::match(std::string_view code) const {
  return std::binary_search(codes_.begin(), codes_.end(), code) ||
         std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const std::string& prefix) { return code.starts_with(prefix); });
}

CodePatterns read_code_patterns(std::span<const std::string> arguments) {
  std::vector<std::string> patterns;
  for (const std::string& argument : arguments) {
    if (!argument.starts_with('@')) {
      patterns.push_back(argument);
      continue;
    }
    const std::string content = read_text_file(argument.substr(1));
    for (std::size_t begin = 0; begin < content.size();) {
      const std::size_t end = std::min(content.find('\n', begin), content.size());
      std::string line = content.substr(begin, end - begin);
      line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
      line.erase(line.find_last_not_of(" \t\r") + 1);
      if (!line.empty()) patterns.push_back(std::move(line));
      begin = end + 1;
    }
  }
  return CodePatterns(std::move(patterns));
}

}  // namespace ragtime
