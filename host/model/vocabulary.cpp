#include <algorithm>
#include <charconv>
#include <limits>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Takes a line from the front of the text, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t length = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, length);
  text.remove_prefix(std::min(length + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_writable(std::string_view code) {
  return !code.empty() && std::none_of(code.begin(), code.end(), [](char character) {
    return static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
  });
}

}  // namespace

Vocabulary Vocabulary::from_codes(const std::vector<std::string>& codes) {
  check(codes.size() < std::numeric_limits<std::int32_t>::max() - 2, ErrorCode::invalid_argument,
        "codes has ", codes.size(), " codes: expected fewer than 2^31");
  Vocabulary vocabulary;
  vocabulary.codes_ = {std::string(padding), std::string(unknown)};
  vocabulary.codes_.insert(vocabulary.codes_.end(), codes.begin(), codes.end());
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& code = vocabulary.codes_[id];
    if (!is_writable(code))
      fail(ErrorCode::invalid_argument, "codes[", id - 2, "] is ", excerpt(code),
           ": expected text without tabs and line breaks");
    const auto [first, is_new] = vocabulary.ids_.emplace(code, id);
    if (!is_new)
      fail(ErrorCode::invalid_argument, "codes[", id - 2, "] is ", excerpt(code), ", which has id ",
           first->second, " already");
  }
  return vocabulary;
}

Vocabulary Vocabulary::read(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  std::string_view rest = content;
  if (rest.starts_with(byte_order_mark)) rest.remove_prefix(byte_order_mark.size());
  check(!rest.empty(), ErrorCode::parse_error, file.string(), " is empty: expected one code<TAB>id a line");
  const std::int64_t lines = std::count(rest.begin(), rest.end(), '\n') + (rest.back() == '\n' ? 0 : 1);
  check(lines <= std::numeric_limits<std::int32_t>::max(), ErrorCode::parse_error, file.string(), " has ",
        lines, " lines: expected fewer than 2^31");

  // As many ids as lines, each in range and none twice: so none is missing.
  Vocabulary vocabulary;
  vocabulary.codes_.resize(lines);
  for (std::int64_t line = 1; line <= lines; ++line) {
    const auto refuse = [&](const auto&... parts) {
      fail(ErrorCode::parse_error, file.string(), ":", line, ": ", parts...);
    };
    const std::string_view text = take_line(rest);
    const std::size_t tab = text.find('\t');
    if (tab == text.npos) refuse(excerpt(text), " has no tab: expected code<TAB>id");
    const std::string code(text.substr(0, tab));
    const std::string_view number = text.substr(tab + 1);
    if (!is_writable(code)) refuse("the code is ", excerpt(code), ": expected text");
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    if (error != std::errc() || end != number.data() + number.size())
      refuse("the id of ", excerpt(code), " is ", excerpt(number), ": expected a number");
    if (id < 0 || id >= lines)
      refuse("the id of ", excerpt(code), " is ", id, ": expected 0 to ", lines - 1,
             " without a gap, for the file has ", lines, lines == 1 ? " line" : " lines");
    if (!vocabulary.codes_[id].empty())
      refuse("the id of ", excerpt(code), " is ", id, ", which ", excerpt(vocabulary.codes_[id]),
             " has already");
    if (id == 0 && code != padding) refuse("id 0 belongs to ", excerpt(code), ": expected ", padding);
    const auto [first, is_new] = vocabulary.ids_.emplace(code, static_cast<std::int32_t>(id));
    if (!is_new) refuse("the code ", excerpt(code), " is listed already, with id ", first->second);
    vocabulary.codes_[id] = code;
  }
  return vocabulary;
}

void Vocabulary::write(const std::filesystem::path& file) const {
  AtomicFile out(file);
  for (std::int32_t id = 0; id < size(); ++id) out.write(concat(codes_[id], '\t', id, '\n'));
  out.commit();
}

std::int32_t Vocabulary::find(std::string_view code) const {
  const auto found = ids_.find(std::string(code));
  return found == ids_.end() ? -1 : found->second;
}

std::int32_t Vocabulary::map(std::string_view code) const {
  const std::int32_t id = find(code);
  return id >= 0 ? id : find(unknown);
}

}  // namespace ragtime
