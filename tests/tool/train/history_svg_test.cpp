// The picture of a run, for short and long runs, tiny and huge numbers, gaps and names that are markup: it is
// XML, nothing is outside of it, no two texts cover each other, every value that is defined is in it, and its
// bytes are the same in every locale.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

#include "host/base/check.hpp"
#include "host/tool/train/history.hpp"
#include "tests/support/errors.hpp"
#include "tests/tool/train/xml_elements.hpp"

namespace ragtime {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

struct Box {
  double left, top, right, bottom;
  std::string what;
};

struct Svg {
  explicit Svg(const History& history) : bytes(to_svg(history)), elements(XmlReader::read(bytes)) {
    std::istringstream(elements[0].attributes.at("viewBox")) >> zero[0] >> zero[1] >> width >> height;
  }

  std::vector<const XmlElement*> all(const std::string& name) const {
    std::vector<const XmlElement*> found;
    for (const XmlElement& element : elements)
      if (element.name == name) found.push_back(&element);
    return found;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> found;
    for (const XmlElement* element : all("text")) found.push_back(element->text);
    return found;
  }
  // The points of each curve; a curve with gaps has several pieces.
  std::vector<std::vector<std::vector<std::pair<double, double>>>> curves() const {
    std::vector<std::vector<std::vector<std::pair<double, double>>>> curves;
    for (const XmlElement* path : all("path")) {
      curves.emplace_back();
      std::istringstream steps(path->attributes.at("d"));
      char step = 0;
      for (double x = 0, y = 0; steps >> step >> x >> y;) {
        EXPECT_TRUE(step == 'M' || step == 'L') << path->attributes.at("d");
        if (step == 'M') curves.back().emplace_back();
        curves.back().back().emplace_back(x, y);
      }
      EXPECT_TRUE(steps.eof()) << path->attributes.at("d");
    }
    return curves;
  }
  std::vector<Box> boxes() const;

  std::string bytes;
  std::vector<XmlElement> elements;
  double zero[2] = {-1, -1}, width = 0, height = 0;
};

double number(const XmlElement& element, const std::string& key) {
  const std::string& text = element.attributes.at(key);
  EXPECT_TRUE(!text.empty() && text.find_first_not_of("-.0123456789") == std::string::npos) << key << text;
  return std::stod(text);
}

// What each element covers; of a text, about.
std::vector<Box> Svg::boxes() const {
  std::vector<Box> boxes;
  for (const XmlElement& element : elements) {
    const auto at = [&](const char* key) { return number(element, key); };
    if (element.name == "line")
      boxes.push_back({std::min(at("x1"), at("x2")), std::min(at("y1"), at("y2")),
                       std::max(at("x1"), at("x2")), std::max(at("y1"), at("y2")), "line"});
    if (element.name == "circle")
      boxes.push_back(
          {at("cx") - at("r"), at("cy") - at("r"), at("cx") + at("r"), at("cy") + at("r"), "circle"});
    if (element.name == "text") {
      const double size = at("font-size"), length = 0.58 * size * static_cast<double>(element.text.size());
      const std::string& anchor = element.attributes.at("text-anchor");
      const double left = at("x") - (anchor == "end" ? length : anchor == "middle" ? length / 2 : 0);
      boxes.push_back({left, at("y") - 0.75 * size, left + length, at("y") + 0.2 * size, element.text});
    }
  }
  for (const auto& curve : curves())
    for (const auto& piece : curve)
      for (const auto& [x, y] : piece) boxes.push_back({x, y, x, y, "point"});
  return boxes;
}

void expect_sound(const History& history) {
  const double first = history.epochs.empty() ? 0 : history.epochs[0].train_loss;
  SCOPED_TRACE(concat(history.epochs.size(), " epochs, the first loss is ", first));
  const Svg svg(history);
  EXPECT_THAT(svg.zero, Each(0));
  EXPECT_GT(svg.width * svg.height, 0);
  EXPECT_THAT(svg.bytes, Not(HasSubstr("\"nan"))) << "in any attribute";
  const std::vector<Box> boxes = svg.boxes();
  std::vector<const Box*> texts;
  for (const Box& box : boxes) {
    EXPECT_TRUE(box.left >= 0 && box.top >= 0 && box.right <= svg.width && box.bottom <= svg.height)
        << box.what << " is outside: " << box.left << ' ' << box.top << ' ' << box.right << ' ' << box.bottom;
    if (box.what != "line" && box.what != "circle" && box.what != "point") texts.push_back(&box);
  }
  for (std::size_t i = 0; i < texts.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_FALSE(texts[i]->left < texts[j]->right && texts[j]->left < texts[i]->right &&
                   texts[i]->top < texts[j]->bottom && texts[j]->top < texts[i]->bottom)
          << texts[i]->what << " covers " << texts[j]->what;

  std::size_t expected = 0, drawn = 0;
  for (const EpochRecord& record : history.epochs) {
    expected += 2;
    for (const Metric& metric : record.metrics) expected += metric.value.has_value();
  }
  for (const auto& curve : svg.curves())
    for (const auto& piece : curve) drawn += piece.size();
  EXPECT_EQ(drawn, expected) << "values that are defined";
}

// Curves fall from `offset` + `scale` to `offset`.
History history_of(std::int64_t epochs, double offset, double scale, std::vector<std::string> metrics,
                   std::int64_t every = 1) {
  History history{.task = "visit_binary", .best_epoch = (epochs + 1) / 2 * every};
  for (std::int64_t i = 1; i <= epochs; ++i) {
    const auto x = static_cast<double>(i);
    EpochRecord record{.epoch = i * every, .train_loss = offset + scale / x};
    record.validation_loss = offset + scale / std::sqrt(x);
    double factor = 1;
    for (const std::string& name : metrics)
      record.metrics.push_back({name, factor * (offset + scale * x / (x + 2))}), factor *= 1.7;
    history.epochs.push_back(record);
  }
  return history;
}

TEST(HistorySvg, IsSoundForRunsOfAnyLength) {
  for (const std::int64_t epochs : {0, 1, 2, 3, 4, 7, 10, 11, 25, 26, 60, 99, 100, 101, 1000})
    for (const std::int64_t every : {1L, 10L, 1000L, 1'000'000'000'000'000L})
      expect_sound(history_of(epochs, 0.2, 0.5, {"auroc", "average_precision"}, every));
  History last = history_of(1, 0.2, 0.5, {"auroc"});
  last.epochs[0].epoch = std::numeric_limits<std::int64_t>::max();
  last.best_epoch = 0;
  expect_sound(last);
  last.epochs.insert(last.epochs.begin(), last.epochs[0]);
  last.epochs[0].epoch = 1;
  expect_sound(last);
}

TEST(HistorySvg, IsSoundForNumbersOfAnySize) {
  using limits = std::numeric_limits<double>;
  for (const double scale : {0.0, limits::denorm_min(), 1e-300, 1e-12, 1e-7, 1e-4, 0.003, 1.0, 9.99, 10.0,
                             54321.0, 999999.0, 1e7, 1e12, 1e300, limits::max() / 8})
    for (const double offset : {0.0, 1.0, -1.0, 0.99, 1e-9, 1e6, -1e300})
      for (const std::int64_t epochs : {1, 5})
        expect_sound(history_of(epochs, offset, scale, {"a", "b", "c"}));
  History extremes = history_of(3, 1, 1, {"a"});
  extremes.epochs[0].train_loss = limits::max();
  extremes.epochs[1].train_loss = limits::lowest();
  extremes.epochs[1].metrics[0].value = limits::max();
  extremes.epochs[2].metrics[0].value = limits::denorm_min();
  expect_sound(extremes);
  extremes.epochs[1].train_loss = limits::denorm_min();
  expect_sound(extremes);
}

TEST(HistorySvg, IsSoundForManyMetrics) {
  for (const std::size_t count : {0, 1, 3, 8, 30}) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back(concat("recall@", i));
    expect_sound(history_of(6, 0.1, 0.5, names));
    History equal = history_of(6, 0.5, 0, names);
    for (EpochRecord& record : equal.epochs)
      for (Metric& metric : record.metrics) metric.value = 0.5;
    expect_sound(equal);
  }
}

TEST(HistorySvg, SaysWhatItShows) {
  History history = history_of(4, 0.25, 0.5, {"auroc"});
  history.epochs[1].metrics[0].value = 0.9125;
  const Svg svg(history);
  EXPECT_THAT(svg.texts(), IsSupersetOf({"visit_binary", "loss", "epoch", "train", "validation", "auroc",
                                         "best", "1", "2", "3", "4"}));
  EXPECT_THAT(svg.texts(), Contains("best epoch 2 of 4, validation loss 0.6036, auroc 0.9125"));
  history.best_epoch = 0;
  EXPECT_THAT(Svg(history).texts(), Not(Contains("best")));
  EXPECT_THAT(Svg({.task = "survival"}).texts(), Contains("no epoch yet"));
}

// Lower on the page is lower in value, and both curves of a plot are on one axis.
TEST(HistorySvg, PutsValuesWhereTheyBelong) {
  History history = history_of(3, 0, 1, {"auroc"});
  const double train[] = {0.9, 0.3, 0.6}, validation[] = {0.8, 0.6, 0.3};
  for (std::size_t i = 0; i < 3; ++i) {
    history.epochs[i].train_loss = train[i];
    history.epochs[i].validation_loss = validation[i];
  }
  const auto curves = Svg(history).curves();
  ASSERT_EQ(curves.size(), 3u);
  const auto &a = curves[0].at(0), &b = curves[1].at(0);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(a[i].first, b[i].first);
  EXPECT_NEAR(a[1].first - a[0].first, a[2].first - a[1].first, 0.011);
  EXPECT_LT(a[0].first, a[1].first);
  const double pixels = (a[1].second - a[0].second) / (0.9 - 0.3);
  EXPECT_GT(pixels, 200) << "zoomed to the data";
  EXPECT_NEAR((b[2].second - b[0].second) / (0.8 - 0.3), pixels, 0.05);
  EXPECT_NEAR(b[2].second, a[1].second, 0.011);
  EXPECT_NEAR(a[2].second, b[1].second, 0.011);
}

TEST(HistorySvg, ShowsASinglePointAsADot) {
  const Svg svg(history_of(1, 0.2, 0.5, {"auroc"}));
  EXPECT_EQ(svg.all("circle").size(), 3u);
}

// A gap parts the curve; a point between two gaps is a dot, however long the run.
TEST(HistorySvg, LeavesGapsWhereAMetricIsNotDefined) {
  History history = history_of(100, 0.2, 0.5, {"auroc", "concordance"});
  for (const std::size_t hole : {0, 40, 42, 43, 98}) history.epochs[hole].metrics[0].value.reset();
  for (EpochRecord& record : history.epochs) record.metrics[1].value.reset();
  expect_sound(history);
  const Svg svg(history);
  ASSERT_EQ(svg.curves().size(), 3u) << "none for the metric that is nowhere defined";
  const auto pieces = svg.curves()[2];
  std::vector<std::size_t> sizes;
  for (const auto& piece : pieces) sizes.push_back(piece.size());
  EXPECT_THAT(sizes, testing::ElementsAre(39, 1, 54, 1));
  EXPECT_EQ(svg.all("circle").size(), 2u + 2u) << "the best epoch's and those of single points";
  EXPECT_THAT(svg.texts(), Contains("concordance: not defined"));
}

// A curve is never pressed flat by one on another scale.
TEST(HistorySvg, GivesMetricsOnOtherScalesPlotsOfTheirOwn) {
  History history = history_of(5, 0, 1, {"rmse", "r2", "mae"});
  for (EpochRecord& record : history.epochs) {
    const auto x = static_cast<double>(record.epoch);
    record.metrics = {{"rmse", 100 / x}, {"r2", 1 - 1 / x}, {"mae", 70 / x}};
  }
  expect_sound(history);
  const auto curves = Svg(history).curves();  // two losses, rmse, mae, r2
  ASSERT_EQ(curves.size(), 5u);
  std::vector<double> top, bottom;
  for (const auto& curve : curves) {
    const auto by_y = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [low, high] = std::minmax_element(curve[0].begin(), curve[0].end(), by_y);
    top.push_back(low->second);
    bottom.push_back(high->second);
    EXPECT_GT(high->second - low->second, 60);
  }
  EXPECT_LT(std::max(bottom[2], bottom[3]), top[4]) << "r2 below rmse and mae, which share a plot";
  EXPECT_LT(top[3], bottom[2]);
}

TEST(HistorySvg, LaysLossesOverManyDecadesOutByTheirLogarithm) {
  History history = history_of(4, 0, 1, {});
  for (std::size_t i = 0; i < 4; ++i)
    history.epochs[i].train_loss = history.epochs[i].validation_loss =
        std::pow(10, 3 - static_cast<double>(i));
  const Svg svg(history);
  EXPECT_THAT(svg.texts(), IsSupersetOf({"loss (logarithmic)", "1", "10", "100", "1000"}));
  const auto curve = svg.curves()[0].at(0);
  EXPECT_NEAR(curve[1].second - curve[0].second, curve[3].second - curve[2].second, 0.021);
  history.epochs[3].train_loss = 0;
  EXPECT_THAT(Svg(history).texts(), Not(Contains("loss (logarithmic)"))) << "zero has no logarithm";
}

TEST(HistorySvg, EscapesNames) {
  History history = history_of(3, 0.2, 0.5, {"<script>&\"'", "\xff\n\x01", std::string(1000, 'x')});
  history.task = "<b> & \"survival\" \xc3\xa9\t" + std::string(500, 'W');
  expect_sound(history);
  const Svg svg(history);
  EXPECT_THAT(svg.texts(), IsSupersetOf({std::string("<script>&\"'"), std::string("\\xff\\x0a\\x01"),
                                         std::string(24, 'x') + "..."}));
  EXPECT_THAT(svg.texts(), Contains(HasSubstr("<b> & \"survival\" \\xc3\\xa9\\x09")));
}

struct Commas : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(HistorySvg, HasTheSameBytesEveryTimeAndInEveryLocale) {
  const History history = history_of(12, 1234.5, 6789.125, {"rmse", "mae"}, 1000);
  const std::string svg = to_svg(history), json = to_json(history);
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Commas));
  const std::string svg_there = to_svg(history), json_there = to_json(history);
  const History back = history_from_json(json, "h");
  std::locale::global(before);
  EXPECT_EQ(svg_there, svg);
  EXPECT_EQ(json_there, json);
  EXPECT_EQ(back, history);
}

TEST(HistorySvg, RefusesWhatIsNotFinite) {
  History history = history_of(3, 0.2, 0.5, {"auroc"});
  history.epochs[2].train_loss = NAN;
  expect_error(ErrorCode::invalid_argument, {"epochs[2].train_loss is nan"}, [&] { to_svg(history); });
}

}  // namespace
}  // namespace ragtime
