#include <algorithm>
#include <cmath>

#include "host/tool/train/history.hpp"
#include "host/tool/train/svg_drawing.hpp"

namespace ragtime {
namespace {

// Pixels. A character of 12 or 11 is at most this wide on average, in the widest of the usual fonts.
constexpr double wide_character = 7.4, narrow_character = 6.8;
constexpr double picture_width = 1000, border = 28, between_columns = 36;
constexpr double plots_top = 112, plots_height = 240, plot_least_height = 90, between_plots = 20;
constexpr double label_height = 16, swatch = 16;
constexpr std::size_t longest_name = 24, longest_task = 60;

constexpr const char *grid = "#e6e6e6", *axis_color = "#8a8a8a", *tick_color = "#595959",
                     *best_color = "#8a8a8a";

struct Curve {
  std::string name;
  std::vector<std::optional<double>> values;  // [epochs]
  SvgDrawing::Stroke stroke;
  bool marks_best = true;
};

struct Column {
  std::string title;
  std::vector<std::vector<Curve>> plots;  // from top to bottom, on one axis of epochs
  bool may_be_log = false;
  double left = 0, right = 0;

  double needed_height() const {
    double height = plot_least_height;
    for (const auto& curves : plots)
      height = std::max(height, label_height * static_cast<double>(curves.size()));
    const auto count = static_cast<double>(plots.size());
    return count * height + (count - 1) * between_plots;
  }
};

// The colours of Okabe and Ito, which those who see fewer colours tell apart; blue and vermilion are the
// losses', so that metrics begin behind them. When they are used up they come again, dashed.
SvgDrawing::Stroke stroke_of(std::size_t index) {
  constexpr const char* colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
  constexpr const char* dashes[] = {nullptr, "6 4", "2 4"};
  return {colors[index % 6], "2", dashes[index / 6 % 3]};
}

struct Extent {
  double lowest = INFINITY, highest = -INFINITY, least_span = INFINITY, least_magnitude = INFINITY;

  bool empty() const { return lowest > highest; }
  double magnitude() const { return std::max(std::abs(lowest), std::abs(highest)); }
  // Whether one axis shows all of it without pressing a curve flat.
  bool is_readable() const {
    const double span = highest / 10 - lowest / 10;
    return span <= least_span && magnitude() / 10 <= least_magnitude;
  }
};

Extent extent_of(const Curve& curve) {
  Extent extent;
  for (const auto& value : curve.values)
    if (value) {
      extent.lowest = std::min(extent.lowest, *value);
      extent.highest = std::max(extent.highest, *value);
    }
  // A constant cannot be pressed flatter, and zero is no scale.
  if (extent.lowest < extent.highest) extent.least_span = extent.highest - extent.lowest;
  if (!extent.empty() && extent.magnitude() > 0) extent.least_magnitude = extent.magnitude();
  return extent;
}

Extent joined(const Extent& a, const Extent& b) {
  return {std::min(a.lowest, b.lowest), std::max(a.highest, b.highest), std::min(a.least_span, b.least_span),
          std::min(a.least_magnitude, b.least_magnitude)};
}

// Each metric goes to the first plot whose curves are on a scale like its own.
std::vector<std::vector<Curve>> plots_of_metrics(const History& history) {
  std::vector<std::vector<Curve>> plots;
  std::vector<Extent> extents;
  const std::size_t count = history.epochs.empty() ? 0 : history.epochs[0].metrics.size();
  for (std::size_t m = 0; m < count; ++m) {
    Curve curve{history.epochs[0].metrics[m].name, {}, stroke_of(m + 2)};
    for (const EpochRecord& record : history.epochs) curve.values.push_back(record.metrics[m].value);
    const Extent extent = extent_of(curve);
    std::size_t plot = 0;
    while (plot < plots.size() && !joined(extents[plot], extent).is_readable()) ++plot;
    if (plot == plots.size()) {
      plots.emplace_back();
      extents.emplace_back();
    }
    plots[plot].push_back(std::move(curve));
    extents[plot] = joined(extents[plot], extent);
  }
  return plots;
}

Column losses_of(const History& history) {
  Curve train{"train", {}, stroke_of(0), false}, validation{"validation", {}, stroke_of(1)};
  for (const EpochRecord& record : history.epochs) {
    train.values.push_back(record.train_loss);
    validation.values.push_back(record.validation_loss);
  }
  return {"loss", {{train, validation}}, true};
}

// Where a straight line of one pixel is sharp.
double on_pixel(double position) {
  return std::floor(position) + 0.5;
}

struct Place {
  double x, y;
};

class Picture {
 public:
  explicit Picture(const History& history) : history_(history) {}

  std::string draw() {
    std::vector<Column> columns = {losses_of(history_)};
    auto metrics = plots_of_metrics(history_);
    if (!metrics.empty()) columns.push_back({"validation metrics", std::move(metrics)});
    double height = plots_height;
    for (const Column& column : columns) height = std::max(height, column.needed_height());
    const auto count = static_cast<double>(columns.size());
    const double width = (picture_width - 2 * border - (count - 1) * between_columns) / count;
    draw_heading();
    for (std::size_t c = 0; c < columns.size(); ++c) {
      columns[c].left = border + static_cast<double>(c) * (width + between_columns);
      columns[c].right = columns[c].left + width;
      draw_column(columns[c], plots_top + height);
    }
    return drawing_.finish(picture_width, plots_top + height + 52,
                           "Training history: " + xml_text(history_.task, longest_task));
  }

 private:
  void draw_heading() {
    drawing_.text(border, 38, xml_text(history_.task, longest_task), {18, "#1a1a1a", "start", true});
    std::vector<std::string> parts;
    const auto best = std::find_if(history_.epochs.begin(), history_.epochs.end(),
                                   [&](const auto& record) { return record.epoch == history_.best_epoch; });
    if (history_.epochs.empty()) {
      parts = {"no epoch yet"};
    } else if (best == history_.epochs.end()) {
      parts = {concat("epoch ", history_.epochs.back().epoch, ", none the best yet")};
    } else {
      parts = {concat("best epoch ", best->epoch, " of ", history_.epochs.back().epoch),
               "validation loss " + significant_text(best->validation_loss, 4)};
      for (const auto& [name, value] : best->metrics)
        parts.push_back(printable(name, longest_name) + ' ' +
                        (value ? significant_text(*value, 4) : "not defined"));
    }
    std::string line;
    for (const std::string& part : parts) {
      const std::string longer = line + (line.empty() ? "" : ", ") + part;
      if (static_cast<double>(longer.size()) * wide_character > picture_width - 2 * border) break;
      line = longer;
    }
    drawing_.text(border, 60, xml_text(line, line.size()), {12, tick_color});
  }

  void draw_column(const Column& column, double bottom) {
    const auto count = static_cast<double>(column.plots.size());
    const double height = (bottom - plots_top - (count - 1) * between_plots) / count;
    std::vector<ValueAxis> axes;
    std::size_t longest_tick = 0, longest_label = 0;
    for (const auto& curves : column.plots) {
      std::vector<std::optional<double>> all;
      for (const Curve& curve : curves) {
        all.insert(all.end(), curve.values.begin(), curve.values.end());
        longest_label = std::max(longest_label, label_of(curve).size());
      }
      axes.emplace_back(all, height, column.may_be_log);
      for (const Tick& tick : axes.back().ticks()) longest_tick = std::max(longest_tick, tick.label.size());
    }
    left_ = column.left + narrow_character * static_cast<double>(longest_tick) + 8;
    right_ = column.right - wide_character * static_cast<double>(longest_label) - swatch - 14;
    const bool is_log = axes[0].is_log();
    drawing_.text(column.left, plots_top - 24, column.title + (is_log ? " (logarithmic)" : ""),
                  {12, "#1a1a1a", "start", true});
    draw_epochs(bottom);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      top_ = plots_top + static_cast<double>(i) * (height + between_plots);
      bottom_ = top_ + height;
      draw_plot(axes[i], column.plots[i]);
    }
  }

  EpochAxis epochs() const { return {history_.epochs.front().epoch, history_.epochs.back().epoch}; }
  double x_of(std::int64_t epoch) const {
    constexpr double margin = 8;  // keeps the first and the last point off the edges
    return left_ + margin + epochs().place(epoch) * (right_ - left_ - 2 * margin);
  }

  // What the plots of a column share: the ticks below them and the line of the best epoch through them.
  void draw_epochs(double bottom) {
    drawing_.text((left_ + right_) / 2, bottom + 36, "epoch", {12, "#1a1a1a", "middle", true});
    if (history_.epochs.empty()) return;
    for (const Tick& tick : epochs().ticks(right_ - left_ - 16, narrow_character)) {
      const double x = left_ + 8 + tick.place * (right_ - left_ - 16);
      drawing_.line(on_pixel(x), bottom, on_pixel(x), bottom + 4, {axis_color});
      drawing_.text(x, bottom + 17, tick.label, {11, tick_color, "middle"});
    }
    if (history_.best_epoch == 0) return;
    const double x = on_pixel(x_of(history_.best_epoch));
    drawing_.line(x, plots_top - 4, x, bottom, {best_color, "1", "3 3"});
    drawing_.text(x, plots_top - 8, "best", {11, tick_color, "middle"});
  }

  void draw_plot(const ValueAxis& axis, const std::vector<Curve>& curves) {
    const auto y_at = [&](double place) { return bottom_ - place * (bottom_ - top_); };
    for (const Tick& tick : axis.ticks()) {
      drawing_.line(left_, on_pixel(y_at(tick.place)), right_, on_pixel(y_at(tick.place)), {grid});
      drawing_.text(left_ - 7, y_at(tick.place) + 4, tick.label, {11, tick_color, "end"});
    }
    drawing_.line(left_, on_pixel(bottom_), right_, on_pixel(bottom_), {axis_color});
    std::vector<double> ends;
    for (const Curve& curve : curves) {
      std::vector<std::optional<Place>> places;
      double end = bottom_;
      for (std::size_t i = 0; i < curve.values.size(); ++i) {
        places.emplace_back();
        if (!curve.values[i]) continue;
        end = y_at(axis.place(*curve.values[i]));
        places.back() = {x_of(history_.epochs[i].epoch), end};
      }
      draw_curve(curve, places);
      ends.push_back(end);
    }
    draw_labels(curves, ends);
  }

  // A point without both neighbours is a dot, else it would not be seen; of few points each is one.
  void draw_curve(const Curve& curve, const std::vector<std::optional<Place>>& places) {
    constexpr std::size_t few = 25;
    const SvgDrawing::Stroke solid{curve.stroke.color, curve.stroke.width};
    std::string steps;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!places[i]) continue;
      const bool follows = i > 0 && places[i - 1];
      steps += concat(steps.empty() ? "" : " ", follows ? 'L' : 'M', SvgDrawing::px(places[i]->x), ' ',
                      SvgDrawing::px(places[i]->y));
    }
    if (!steps.empty()) drawing_.path(steps, curve.stroke);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!places[i]) continue;
      const bool alone = !(i > 0 && places[i - 1]) && !(i + 1 < places.size() && places[i + 1]);
      const bool best = curve.marks_best && history_.epochs[i].epoch == history_.best_epoch;
      if (best)
        drawing_.circle(places[i]->x, places[i]->y, 4.5, "#ffffff", solid);
      else if (alone || places.size() <= few)
        drawing_.circle(places[i]->x, places[i]->y, 2, curve.stroke.color, solid);
    }
  }

  static std::string label_of(const Curve& curve) {
    const bool defined = extent_of(curve).empty() == false;
    return printable(curve.name, longest_name) + (defined || curve.values.empty() ? "" : ": not defined");
  }

  // Beside the ends of the curves, moved apart where they would cover each other.
  void draw_labels(const std::vector<Curve>& curves, const std::vector<double>& ends) {
    std::vector<std::size_t> order(curves.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return ends[a] < ends[b]; });
    std::vector<double> y(curves.size());
    double free = top_;
    for (std::size_t i = 0; i < order.size(); ++i) {
      y[i] = std::max(ends[order[i]], free);
      free = y[i] + label_height;
    }
    double limit = bottom_;
    for (std::size_t i = order.size(); i-- > 0; limit = y[i] - label_height) y[i] = std::min(y[i], limit);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Curve& curve = curves[order[i]];
      drawing_.line(right_ + 6, y[i], right_ + 6 + swatch, y[i], curve.stroke);
      drawing_.text(right_ + 10 + swatch, y[i] + 4, xml_text(label_of(curve), 2 * longest_name), {12});
    }
  }

  const History& history_;
  SvgDrawing drawing_;
  double left_ = 0, right_ = 0, top_ = 0, bottom_ = 0;  // of the plot being drawn
};

}  // namespace

std::string to_svg(const History& history) {
  validate(history);
  return Picture(history).draw();
}

}  // namespace ragtime
