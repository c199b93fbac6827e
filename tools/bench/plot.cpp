#include "tools/bench/plot.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/error.h"
#include "train/report/markup.h"

namespace gan::bench {
namespace {

using Json = nlohmann::json;

constexpr double kPlotWidth = 400, kPlotHeight = 330;  // pixels
constexpr double kLeft = 60, kTop = 74, kBottom = 96, kRight = 24;
constexpr double kColumn = kLeft + kPlotWidth + kRight;

// What is drawn in one colour: operations whose name ends so.
struct Kind {
  const char* text;
  const char* color;
  bool (*fits)(const std::string& name);
};
bool has(const std::string& name, const char* part) {
  return name.find(part) != std::string::npos;
}
const Kind kConvolutions[] = {
    {"forward", "#1f66ad", [](const std::string& n) { return has(n, "_forward"); }},
    {"gradient of the data", "#c2571a", [](const std::string& n) { return has(n, "_data"); }},
    {"gradient of the weights", "#2b7f5b",
     [](const std::string& n) { return has(n, "_weights"); }}};
const Kind kOthers[] = {
    {"batch norm", "#1f66ad", [](const std::string& n) { return has(n, "batch_norm"); }},
    {"losses, Adam", "#c2571a",
     [](const std::string& n) { return has(n, "loss") || has(n, "bce") || has(n, "adam"); }},
    {"pooling, upsampling", "#2b7f5b",
     [](const std::string& n) { return has(n, "pool") || has(n, "upsample"); }},
    {"the rest", "#7a4fa3", [](const std::string&) { return true; }}};

// A place on a logarithmic axis.
class Axis {
 public:
  Axis(double low, double high, double from, double to)
      : low_(std::pow(10, std::floor(std::log10(low)))),
        high_(std::pow(10, std::ceil(std::log10(high)))),
        from_(from),
        to_(to) {
    if (high_ <= low_) high_ = 10 * low_;
  }
  double operator()(double value) const {
    const double share = std::log(std::clamp(value, low_, high_) / low_) / std::log(high_ / low_);
    return from_ + (to_ - from_) * share;
  }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double low_, high_, from_, to_;
};

std::string px(double value) {
  return fixed(value, 1);
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return str("<path d=\"M", px(x1), " ", px(y1), "L", px(x2), " ", px(y2), "\" ", style, "/>\n");
}

std::string label(double x, double y, const std::string& text, const char* style = "") {
  return str("<text x=\"", px(x), "\" y=\"", px(y), "\" ", style, ">", escaped(text), "</text>\n");
}

std::string tick_text(double value) {
  return value >= 1 ? fixed(value, 0)
                    : fixed(value, static_cast<int>(-std::floor(std::log10(value))));
}

// One operation: where it is, and where the vendor's library is.
struct Point {
  std::string name;
  double x, y, vendor_y;  // 0: none
  double ms, share;
};

struct Panel {
  std::string title, note, x_text, y_text;
  std::vector<Point> points;
  const Kind* kinds;
  size_t kind_count;
  double roof_y, roof_slope;  // the roof is min(roof_y, roof_slope * x); slope 0: level
};

std::string draw_axes(const Panel& panel, const Axis& x, const Axis& y, double left) {
  const double bottom = kTop + kPlotHeight, right = left + kPlotWidth;
  std::string parts;
  for (double tick = y.low(); tick <= y.high() * 1.01; tick *= 10) {
    parts += line(left, y(tick), right, y(tick), "stroke=\"#e4e4df\"");
    parts += label(left - 6, y(tick) + 3.5, tick_text(tick), "text-anchor=\"end\"");
  }
  for (double tick = x.low(); tick <= x.high() * 1.01; tick *= 10) {
    parts += line(x(tick), kTop, x(tick), bottom, "stroke=\"#e4e4df\"");
    parts += label(x(tick), bottom + 15, tick_text(tick), "text-anchor=\"middle\"");
  }
  parts += label(left, kTop - 30, panel.title, "font-weight=\"bold\" font-size=\"13\"");
  parts += label(left, kTop - 14, panel.y_text, "fill=\"#555\"");
  parts += label(right, bottom + 30, panel.x_text, "text-anchor=\"end\" fill=\"#555\"");
  return parts;
}

std::string draw_roof(const Panel& panel, const Axis& x, const Axis& y) {
  const double knee = panel.roof_slope > 0 ? panel.roof_y / panel.roof_slope : x.low();
  const double start = std::max(x.low(), panel.roof_slope > 0 ? y.low() / panel.roof_slope : 0);
  std::string parts;
  const char* style = "stroke=\"#222\" stroke-width=\"1.5\" fill=\"none\"";
  if (knee > start)
    parts += line(x(start), y(panel.roof_slope * start), x(knee), y(panel.roof_y), style);
  parts += line(x(std::max(knee, x.low())), y(panel.roof_y), x(x.high()), y(panel.roof_y), style);
  // In the upper left corner, where no points are: along the line they would hide it.
  return parts + label(x(x.low()) + 6, kTop + 14, str("line: ", panel.note), "font-size=\"10\"");
}

std::string draw_point(const Panel& panel, const Point& p, const Axis& x, const Axis& y) {
  const Kind* kind = panel.kinds;
  while (!kind->fits(p.name) && kind + 1 < panel.kinds + panel.kind_count) ++kind;
  std::string parts;
  if (p.vendor_y > 0) {
    parts += str("<path d=\"M", px(x(p.x)), " ", px(y(p.y)), "L", px(x(p.x)), " ",
                 px(y(p.vendor_y)), "\" stroke=\"", kind->color,
                 "\" opacity=\".35\"/>\n<circle cx=\"", px(x(p.x)), "\" cy=\"", px(y(p.vendor_y)),
                 "\" r=\"2.5\" fill=\"none\" stroke=\"", kind->color, "\"/>\n");
  }
  return parts + str("<circle cx=\"", px(x(p.x)), "\" cy=\"", px(y(p.y)), "\" r=\"3\" fill=\"",
                     kind->color, "\" fill-opacity=\".8\"><title>", escaped(p.name), ": ",
                     fixed(p.ms, 3), " ms, ", fixed(100 * p.share, 0),
                     "% of the peak</title></circle>\n");
}

std::string draw(const Panel& panel, double left) {
  double low_x = HUGE_VAL, high_x = 0, low_y = panel.roof_y, high_y = panel.roof_y;
  for (const Point& p : panel.points) {
    low_x = std::min(low_x, p.x);
    high_x = std::max(high_x, p.x);
    low_y = std::min({low_y, p.y, p.vendor_y > 0 ? p.vendor_y : p.y});
    high_y = std::max({high_y, p.y, p.vendor_y});
  }
  const Axis x(low_x, high_x, left, left + kPlotWidth), y(low_y, high_y, kTop + kPlotHeight, kTop);
  std::string parts = draw_axes(panel, x, y, left) + draw_roof(panel, x, y);
  for (const Point& p : panel.points) parts += draw_point(panel, p, x, y);
  double at = left;
  for (size_t i = 0; i < panel.kind_count; ++i) {
    const double bottom = kTop + kPlotHeight + 52;
    parts += str("<circle cx=\"", px(at + 4), "\" cy=\"", px(bottom - 4), "\" r=\"4\" fill=\"",
                 panel.kinds[i].color, "\"/>\n");
    parts += label(at + 12, bottom, panel.kinds[i].text);
    at += 24 + 6.2 * static_cast<double>(std::string(panel.kinds[i].text).size());
  }
  return parts;
}

// The rows of operations in the file, of the backend that comes first.
std::vector<Json> operations_in(const Json& results) {
  std::vector<Json> rows;
  for (const Json& row : results.at("rows")) {
    if (row.at("level") == "op" && row.contains("median_ms")) rows.push_back(row);
  }
  return rows;
}

double vendor_best(const Json& row) {
  const double vendor = row.value("vendor_ms", 0.0), free = row.value("vendor_any_layout_ms", 0.0);
  return vendor > 0 && free > 0 ? std::min(vendor, free) : std::max(vendor, free);
}

std::string draw_results(const Json& results) {
  const double peak_flop = results.at("peak_gflop_per_s"),
               peak_bytes = results.at("peak_gbyte_per_s");
  Panel products = {"Convolutions: arithmetic",
                    str(fixed(peak_flop, 0), " GFLOP/s, ", fixed(peak_bytes, 1), " GB/s, measured"),
                    "FLOP per byte that has to be moved",
                    "GFLOP/s; circles without filling: the vendor's library at its best",
                    {},
                    kConvolutions,
                    std::size(kConvolutions),
                    peak_flop,
                    peak_bytes};
  Panel moves = {"Everything else: memory",
                 str(fixed(peak_bytes, 1), " GB/s, measured by copying"),
                 "MB that have to be moved",
                 "GB/s; small pictures lie in caches and exceed the memory's rate",
                 {},
                 kOthers,
                 std::size(kOthers),
                 peak_bytes,
                 0};
  for (const Json& row : operations_in(results)) {
    const double ms = row.at("median_ms"), gbyte = row.at("gbyte"), gflop = row.value("gflop", 0.0);
    Point point = {row.at("name"), 0, 0, 0, ms, row.value("share_of_peak", 0.0)};
    if (has(point.name, " conv")) {
      point.x = gflop / gbyte;
      point.y = gflop / ms * 1e3;
      if (vendor_best(row) > 0) point.vendor_y = gflop / vendor_best(row) * 1e3;
      products.points.push_back(point);
    } else {
      point.x = gbyte * 1e3;
      point.y = gbyte / ms * 1e3;
      moves.points.push_back(point);
    }
  }
  std::vector<Panel> panels;
  for (const Panel& panel : {products, moves}) {
    if (!panel.points.empty()) panels.push_back(panel);
  }
  if (panels.empty())
    throw DataError("no rows of the level op: measure with --level op --json FILE");
  const double width = kColumn * static_cast<double>(panels.size());
  std::string svg = str("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", px(width), " ",
                        px(kTop + kPlotHeight + kBottom - 24),
                        "\" font-family=\"sans-serif\" font-size=\"11\">\n",
                        "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
  svg += label(kLeft, 20,
               str(std::string(results.at("device")), ", ", std::string(results.at("precision"))),
               "font-size=\"12\"");
  for (size_t i = 0; i < panels.size(); ++i)
    svg += draw(panels[i], kLeft + kColumn * static_cast<double>(i));
  return svg + "</svg>\n";
}

}  // namespace

std::string roofline_svg(const std::string& json) {
  try {
    return draw_results(Json::parse(json));
  } catch (const Json::exception& error) {
    throw DataError(str("these are no results of gan_bench --json: ", error.what()));
  }
}

}  // namespace gan::bench
