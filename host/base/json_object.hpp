#pragma once

// The members of one JSON object, each with its type, none twice, none unknown. Members are numbers, strings,
// true, false, null or, where they are allowed, lists of these; whatever is deeper is refused before it is
// built. Every Error names the file and the member.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace ragtime {

enum class JsonLists : bool { refused, allowed };

class JsonObject {
 public:
  JsonObject(std::string file, const std::string& text, JsonLists lists = JsonLists::refused);

  // A member that is missing leaves the value as it is, unless it is required.
  void read(const char* key, std::int64_t& value, bool required = false);
  void read(const char* key, std::uint64_t& value, bool required = false);
  void read(const char* key, double& value, bool required = false);
  void read(const char* key, bool& value);
  void read(const char* key, std::string& value, bool required = false);
  void read_nullable(const char* key, std::string& value);  // null leaves it too
  void read(const char* key, std::vector<std::string>& values);

  // Throws on members that nothing has asked for.
  void refuse_the_rest() const;

 private:
  using Json = nlohmann::json;

  // required: what is expected where the member has to be there.
  const Json* take(const char* key, const char* required = nullptr);
  [[noreturn]] void refuse(const char* key, const Json& value, const char* expected) const;

  std::string file_;
  Json object_;
  std::set<std::string> known_;
};

}  // namespace ragtime
