#include "train/report/curves.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/error.h"
#include "train/report/figures.h"
#include "train/report/markup.h"

namespace gan {
namespace {

constexpr double kPlotWidth = 330, kPlotHeight = 130;               // pixels
constexpr double kLeft = 52, kNames = 78, kTop = 52, kBottom = 34;  // around a plot
constexpr double kColumn = kLeft + kPlotWidth + kNames, kRow = kTop + kPlotHeight + kBottom;
constexpr double kHead = 44, kAir = 0.08;
constexpr const char* kColors[] = {"#1f66ad", "#c2571a", "#2b7f5b", "#7a4fa3", "#8a6d1a"};
constexpr const char* kDashes[] = {"", "7 3", "2 3.5", "9 3 2 3", "12 4"};

// Pixels are as good to a tenth.
std::string px(double value) {
  return fixed(value, 1);
}

std::string tick_text(double value) {
  std::ostringstream text;
  text.precision(4);
  text << (std::abs(value) < 1e-12 ? 0.0 : value);
  return text.str();
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return str("<path d=\"M", px(x1), " ", px(y1), "L", px(x2), " ", px(y2), "\" ", style, "/>\n");
}

std::string label(double x, double y, const std::string& text, const std::string& style) {
  return str("<text x=\"", px(x), "\" y=\"", px(y), "\" ", style, ">", escaped(text), "</text>\n");
}

// One figure's plot: scales and what is drawn with them.
class Plot {
 public:
  Plot(const RunFacts& facts, const Figure& figure, double left, double top)
      : facts_(facts), figure_(figure), left_(left), top_(top), epochs_(facts.column("epoch")) {
    for (const Curve& curve : figure.curves) series_.push_back(facts.column(curve.column));
    find_range();
  }

  std::string draw() const { return heading() + background() + axes() + curves() + names(); }

 private:
  bool logarithmic() const { return figure_.scale == Figure::Scale::logarithmic; }
  bool drawn(double value) const { return std::isfinite(value) && (!logarithmic() || value > 0); }

  void find_range() {
    bool any = false;
    for (const std::vector<double>& values : series_) {
      for (double value : values) {
        if (!drawn(value)) continue;
        low_ = any ? std::min(low_, value) : value;
        high_ = any ? std::max(high_, value) : value;
        any = true;
      }
    }
    if (logarithmic()) {
      if (!any) low_ = high_ = 1;
      if (low_ == high_) {
        low_ /= 2;
        high_ *= 2;
      }
      low_ /= 1.15;
      high_ *= 1.15;
      return;
    }
    double air = high_ - low_;
    if (air == 0) air = high_ == 0 ? 1 : std::abs(high_);
    low_ = figure_.from <= low_ ? figure_.from : low_ - kAir * air;
    high_ = figure_.to >= high_ ? figure_.to : high_ + kAir * air;
  }

  double x(double epoch) const {
    const double first = epochs_.front(), span = epochs_.back() - first;
    return left_ + kPlotWidth * (span > 0 ? (epoch - first) / span : 0.5);
  }
  double y(double value) const {
    const double share = logarithmic() ? std::log(value / low_) / std::log(high_ / low_)
                                       : (value - low_) / (high_ - low_);
    return top_ + kPlotHeight * (1 - share);
  }
  double right() const { return left_ + kPlotWidth; }
  double bottom() const { return top_ + kPlotHeight; }

  std::string heading() const {
    return label(left_, top_ - 26, figure_.title, "font-weight=\"bold\" font-size=\"13\"") +
           label(left_, top_ - 11, figure_.note, "fill=\"#555\" font-size=\"10\"");
  }

  std::string background() const {
    std::string parts;
    if (figure_.band_from < high_ && figure_.band_to > low_) {
      const double from = y(std::min(figure_.band_to, high_)),
                   to = y(std::max(figure_.band_from, low_));
      parts += str("<rect x=\"", px(left_), "\" y=\"", px(from), "\" width=\"", px(kPlotWidth),
                   "\" height=\"", px(to - from), "\" fill=\"#e6f1e8\"/>\n");
    }
    const auto ticks = logarithmic() ? decade_ticks(low_, high_) : round_ticks(low_, high_, 5);
    for (double tick : ticks) {
      parts += line(left_, y(tick), right(), y(tick), "stroke=\"#e4e4df\"");
      parts += label(left_ - 6, y(tick) + 3.5, tick_text(tick), "text-anchor=\"end\"");
    }
    if (figure_.line >= low_ && figure_.line <= high_) {
      parts += line(left_, y(figure_.line), right(), y(figure_.line),
                    "stroke=\"#777\" stroke-dasharray=\"1 3\"");
    }
    const std::vector<PhaseSpan> phases = phases_of(facts_);
    for (size_t i = 1; i < phases.size(); ++i) {
      const double at = x(phases[i].first_epoch - 0.5);
      parts += line(at, top_, at, bottom(), "stroke=\"#aaa\" stroke-dasharray=\"3 3\"");
    }
    return parts;
  }

  std::string axes() const {
    std::string parts = line(left_, bottom(), right(), bottom(), "stroke=\"#777\"");
    parts += label(right() + 6, bottom() + 15, "epoch", "");
    const double last = std::max(epochs_.back(), epochs_.front() + 1);
    for (double tick : round_ticks(epochs_.front(), last, 5)) {
      if (tick != std::floor(tick) || tick > epochs_.back()) continue;
      parts += line(x(tick), bottom(), x(tick), bottom() + 4, "stroke=\"#777\"");
      parts += label(x(tick), bottom() + 15, tick_text(tick), "text-anchor=\"middle\"");
    }
    for (const EventRecord& event : facts_.events) {
      parts +=
          str("<path d=\"M", px(x(event.epoch)), " ", px(bottom() - 4), "l4 4l-4 4l-4 -4z\"/>\n");
    }
    return parts;
  }

  std::string curves() const {
    std::string parts;
    for (size_t s = 0; s < series_.size(); ++s) {
      std::string path;
      bool drawing = false;
      for (size_t i = 0; i < series_[s].size(); ++i) {
        const double value = series_[s][i];
        if (!drawn(value)) {
          drawing = false;
          continue;
        }
        path += str(drawing ? "L" : "M", px(x(epochs_[i])), " ", px(y(value)),
                    drawing ? "" : "h.01");  // a point alone becomes a dot
        drawing = true;
      }
      parts += str("<path d=\"", path, "\" fill=\"none\" stroke=\"", kColors[s],
                   "\" stroke-width=\"1.5\" stroke-linejoin=\"round\" stroke-linecap=\"round\" "
                   "stroke-dasharray=\"",
                   kDashes[s], "\"/>\n");
      const int best = figure_.marks_best ? facts_.best_row() : -1;
      if (best >= 0 && drawn(series_[s][static_cast<size_t>(best)])) {
        const auto at = static_cast<size_t>(best);
        parts +=
            str("<circle cx=\"", px(x(epochs_[at])), "\" cy=\"", px(y(series_[s][at])),
                "\" r=\"3.5\" fill=\"white\" stroke-width=\"1.8\" stroke=\"", kColors[s], "\"/>\n");
      }
    }
    return parts;
  }

  // Each curve's name where it ends, moved apart where they would touch.
  std::string names() const {
    constexpr double kApart = 13;
    std::vector<std::pair<double, size_t>> ends;
    for (size_t s = 0; s < series_.size(); ++s) {
      const auto last = std::find_if(series_[s].rbegin(), series_[s].rend(),
                                     [&](double value) { return drawn(value); });
      ends.emplace_back(last == series_[s].rend() ? bottom() : y(*last), s);
    }
    std::sort(ends.begin(), ends.end());
    for (size_t i = 1; i < ends.size(); ++i) {
      ends[i].first = std::max(ends[i].first, ends[i - 1].first + kApart);
    }
    double limit = bottom();
    for (size_t i = ends.size(); i-- > 0; limit -= kApart) {
      ends[i].first = std::min(ends[i].first, limit);
    }
    std::string parts;
    for (const auto& [at, s] : ends) {
      parts += label(right() + 6, at + 3.5, figure_.curves[s].label,
                     str("fill=\"", kColors[s], "\" font-weight=\"bold\""));
    }
    return parts;
  }

  const RunFacts& facts_;
  const Figure& figure_;
  double left_, top_;
  std::vector<double> epochs_;
  std::vector<std::vector<double>> series_;
  double low_ = 0, high_ = 1;
};

}  // namespace

std::vector<double> round_ticks(double from, double to, int count) {
  require(std::isfinite(from) && std::isfinite(to) && from < to && count > 0, "no axis from ", from,
          " to ", to);
  const double rough = (to - from) / count, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * 0.999) step = factor * power;
  }
  std::vector<double> ticks;
  for (double i = std::ceil(from / step - 1e-6); i * step <= to + step * 1e-6; ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

std::vector<double> decade_ticks(double from, double to) {
  require(0 < from && from < to && std::isfinite(to), "no axis from ", from, " to ", to);
  const double decades = std::log10(to / from);
  if (decades < 0.7) return round_ticks(from, to, 4);
  const bool short_axis = decades < 1.5;
  std::vector<double> ticks;
  for (double power = std::floor(std::log10(from)); power <= std::ceil(std::log10(to)); ++power) {
    for (double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10, power);
      if ((factor == 1 || short_axis) && value >= from && value <= to) ticks.push_back(value);
    }
  }
  return ticks;
}

std::string curves_svg(const RunFacts& facts) {
  const std::vector<Figure> figures = figures_of(facts);
  const size_t rows = (figures.size() + 1) / 2;
  const double width = 2 * kColumn + 20, height = kHead + static_cast<double>(rows) * kRow;
  std::string all =
      str("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", px(width), "\" height=\"",
          px(height), "\" viewBox=\"0 0 ", px(width), " ", px(height),
          "\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" "
          "fill=\"#1d1f21\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
  all += label(kLeft, 26, facts.name, "font-size=\"16\" font-weight=\"bold\"");
  for (size_t i = 0; i < figures.size(); ++i) {
    const double left = kLeft + (i % 2 == 0 ? 0 : kColumn);
    all += Plot(facts, figures[i], left, kHead + kTop + static_cast<double>(i / 2) * kRow).draw();
  }
  return all + "</svg>\n";
}

}  // namespace gan
