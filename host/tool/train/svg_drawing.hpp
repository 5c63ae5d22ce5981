#pragma once

// The few SVG elements a chart needs, each on a line of its own.

#include <string>
#include <string_view>

#include "host/base/check.hpp"
#include "host/base/printable.hpp"
#include "host/tool/train/chart_axis.hpp"

namespace ragtime {

// Text from outside, fit for XML: ASCII, short, nothing in it markup.
inline std::string xml_text(std::string_view text, std::size_t longest) {
  std::string escaped;
  for (const char character : printable(text, longest)) {
    switch (character) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += character;
    }
  }
  return escaped;
}

class SvgDrawing {
 public:
  struct Stroke {
    const char* color;
    const char* width = "1";
    const char* dashes = nullptr;
  };
  struct Font {
    int size = 12;
    const char* color = "#333333";
    const char* anchor = "start";
    bool bold = false;
  };

  static std::string px(double value) { return fixed_text(value, 2); }

  void raw(const std::string& element) { body_ += element + '\n'; }
  void line(double x1, double y1, double x2, double y2, const Stroke& stroke) {
    raw(concat("<line x1=\"", px(x1), "\" y1=\"", px(y1), "\" x2=\"", px(x2), "\" y2=\"", px(y2), '"',
               attributes(stroke), "/>"));
  }
  void path(const std::string& steps, const Stroke& stroke) {
    raw(concat("<path d=\"", steps, "\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\"",
               attributes(stroke), "/>"));
  }
  void circle(double x, double y, double radius, const char* fill, const Stroke& stroke) {
    raw(concat("<circle cx=\"", px(x), "\" cy=\"", px(y), "\" r=\"", px(radius), "\" fill=\"", fill, '"',
               attributes(stroke), "/>"));
  }
  // `content` is XML already.
  void text(double x, double y, const std::string& content, const Font& font) {
    raw(concat("<text x=\"", px(x), "\" y=\"", px(y), "\" font-size=\"", font.size, "\" text-anchor=\"",
               font.anchor, "\" fill=\"", font.color, '"', font.bold ? " font-weight=\"600\"" : "", '>',
               content, "</text>"));
  }

  // The whole file: its title for those who hear it, and a background of its own, so that it can be read on a
  // dark page too.
  std::string finish(double width, double height, const std::string& title) const {
    const std::string w = fixed_text(width, 0), h = fixed_text(height, 0);
    return concat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", w, "\" height=\"", h,
                  "\" viewBox=\"0 0 ", w, ' ', h,
                  "\" role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', Helvetica, ",
                  "Arial, sans-serif\">\n<title>", title, "</title>\n<rect x=\"0.5\" y=\"0.5\" width=\"",
                  px(width - 1), "\" height=\"", px(height - 1),
                  "\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d8d8d8\"/>\n", body_, "</svg>\n");
  }

 private:
  static std::string attributes(const Stroke& stroke) {
    const std::string dashes = stroke.dashes ? concat(" stroke-dasharray=\"", stroke.dashes, '"') : "";
    return concat(" stroke=\"", stroke.color, "\" stroke-width=\"", stroke.width, '"', dashes);
  }

  std::string body_;
};

}  // namespace ragtime
