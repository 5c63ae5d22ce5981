#pragma once

// Enough of an XML reader to hold a small document against the grammar: every tag closed by its own kind,
// attributes quoted and none twice, nothing unescaped, no character XML forbids.

#include <cctype>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace ragtime {

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  // unescaped
};

class XmlReader {
 public:
  // The elements in the order they open. Throws std::runtime_error where the text is not well-formed.
  static std::vector<XmlElement> read(const std::string& text) { return XmlReader(text).document(); }

 private:
  explicit XmlReader(const std::string& text) : text_(text) {}

  std::vector<XmlElement> document() {
    element();
    while (place_ < text_.size()) expect('\n');
    return elements_;
  }

  void element() {
    expect('<');
    const std::size_t index = elements_.size();
    elements_.push_back({name(), {}, {}});
    while (peek() == ' ') {
      ++place_;
      const std::string key = name();
      expect('=');
      expect('"');
      if (!elements_[index].attributes.emplace(key, characters('"')).second) fail("attribute twice: " + key);
      expect('"');
    }
    if (peek() == '/') {
      ++place_;
      return expect('>');
    }
    expect('>');
    for (;;) {
      elements_[index].text += characters('<');
      if (text_.compare(place_, 2, "</") == 0) break;
      element();
    }
    place_ += 2;
    if (name() != elements_[index].name) fail("closes another element");
    expect('>');
  }

  std::string name() {
    const std::size_t start = place_;
    while (std::isalnum(static_cast<unsigned char>(peek())) || (place_ > start && peek() == '-')) ++place_;
    if (place_ == start) fail("no name");
    return text_.substr(start, place_ - start);
  }

  std::string characters(char end) {
    std::string content;
    while (peek() != end) {
      const char character = text_[place_++];
      if (character == '<' || character == '>' || character == '\x7f' ||
          (character < ' ' && character != '\n'))
        fail("forbidden character");
      content += character == '&' ? entity() : character;
    }
    return content;
  }

  char entity() {
    for (const auto& [name, character] :
         std::map<std::string, char>{{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}})
      if (text_.compare(place_, name.size(), name) == 0) {
        place_ += name.size();
        return character;
      }
    fail("unknown entity");
  }

  char peek() const {
    if (place_ >= text_.size()) fail("ends early");
    return text_[place_];
  }
  void expect(char character) {
    if (peek() != character) fail(std::string("expected ") + character);
    ++place_;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(what + " at " + std::to_string(place_) + ": " + text_.substr(place_, 40));
  }

  const std::string& text_;
  std::size_t place_ = 0;
  std::vector<XmlElement> elements_;
};

}  // namespace ragtime
