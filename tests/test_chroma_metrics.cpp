// Hues, blotches and the area under the error curve, on pictures made for them.
#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

#include "train/metrics/chroma_metrics.h"
#include "train/metrics/metrics.h"

namespace gan {
namespace {

constexpr int kSide = 32;

Lab with_hue(double degrees, double chroma) {
  const double h = degrees * std::numbers::pi / 180;
  return {50, chroma * std::cos(h), chroma * std::sin(h)};
}

std::vector<Lab> plain(const Lab& color) {
  return std::vector<Lab>(kSide * kSide, color);
}

// `inner` in the middle 16x16, `outer` around it.
std::vector<Lab> petal(const Lab& inner, const Lab& outer) {
  std::vector<Lab> picture = plain(outer);
  for (int y = 8; y < 24; ++y)
    for (int x = 8; x < 24; ++x) picture[static_cast<size_t>(y * kSide + x)] = inner;
  return picture;
}

TEST_CASE("A hue's chroma goes to the bins on both sides of it", "[chroma_metrics]") {
  const HueHistogram on = hue_histogram({with_hue(30, 20)});
  REQUIRE(on[2] == Approx(20));
  const HueHistogram between = hue_histogram({with_hue(349, 30), with_hue(349, 0.9)});
  REQUIRE(between[23] == Approx(30 * 11 / 15.0));
  REQUIRE(between[0] == Approx(30 * 4 / 15.0));
  for (size_t i = 1; i < 23; ++i) REQUIRE(between[i] == 0);
}

TEST_CASE("The distance between hues is the share they do not have in common", "[chroma_metrics]") {
  const HueHistogram red = hue_histogram({with_hue(30, 20)});
  const HueHistogram green = hue_histogram({with_hue(150, 50)});
  // 20 of 80 red, 60 of 80 green.
  const HueHistogram both = hue_histogram({with_hue(30, 20), with_hue(150, 60)});
  REQUIRE(hue_distance(red, red) == Approx(0).margin(1e-12));
  REQUIRE(hue_distance(hue_histogram({with_hue(30, 5)}), red) == Approx(0).margin(1e-12));
  REQUIRE(hue_distance(red, green) == Approx(1));
  REQUIRE(hue_distance(both, red) == Approx(0.75));
  REQUIRE(hue_distance(red, both) == Approx(0.75));
  REQUIRE(hue_distance(HueHistogram{}, red) == 1);
  REQUIRE(std::isnan(hue_distance(red, HueHistogram{})));
}

TEST_CASE("The area under the curve is what counting at small steps gives", "[chroma_metrics]") {
  const std::vector<Lab> truth = {{50, 0, 0}, {50, 0, 0}, {50, 10, 0}, {50, 0, 0}};
  const std::vector<Lab> output = {{20, 0, 0}, {50, 30, 40}, {50, 10, -75}, {50, 200, 0}};
  REQUIRE(area_under_curve(truth, truth) == 1);
  double sum = 0;
  constexpr int kSteps = 150000;
  for (int i = 0; i < kSteps; ++i) {
    const double t = 150.0 * (i + 0.5) / kSteps;
    for (const double distance : {0.0, 50.0, 75.0, 200.0}) sum += distance <= t ? 0.25 : 0;
  }
  REQUIRE(area_under_curve(output, truth) == Approx(sum / kSteps).epsilon(1e-6));
}

TEST_CASE("Surfaces become segments, specks do not", "[chroma_metrics]") {
  std::vector<Lab> picture = petal({50, 60, 20}, {40, -20, 25});
  picture[0] = {95, 0, 0};
  const std::vector<int32_t> labels = segments(picture, kSide, kSide);
  REQUIRE(std::set<int32_t>(labels.begin(), labels.end()) == std::set<int32_t>{-1, 0, 1});
  REQUIRE(labels[0] == -1);
  REQUIRE(labels[1] == 0);
  REQUIRE(labels[16 * kSide + 16] == 1);
  REQUIRE(std::count(labels.begin(), labels.end(), 1) == 256);
  // Equal colours that do not touch are two surfaces; shading below the threshold is none.
  std::vector<Lab> stripes = plain({50, 0, 0});
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) stripes[static_cast<size_t>(y * kSide + x)].l += x / 8 % 3 * 20;
  const std::vector<int32_t> four = segments(stripes, kSide, kSide);
  REQUIRE(four[0] == 0);
  REQUIRE(four[31] == 3);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      stripes[static_cast<size_t>(y * kSide + x)].l = 50 + (x + y) % 2 * 8;
  REQUIRE(segments(stripes, kSide, kSide) == std::vector<int32_t>(kSide * kSide, 0));
}

TEST_CASE("A petal half red and half yellow is a blotch, a wrong colour is none",
          "[chroma_metrics]") {
  const Lab pink{60, 50, -5}, red{60, 60, 40}, yellow{60, 10, 70}, leaf{40, -20, 25};
  const std::vector<Lab> truth = petal(pink, leaf);
  const auto score = [&](const std::vector<Lab>& output) {
    return evenness(output, truth, kSide, kSide).blotch;
  };
  REQUIRE(score(truth) == 0);
  REQUIRE(score(plain({50, 0, 0})) == 0);
  REQUIRE(score(petal(yellow, {40, 30, -40})) == Approx(0).margin(1e-6));

  std::vector<Lab> halves = petal(red, leaf);
  for (int y = 8; y < 24; ++y)
    for (int x = 16; x < 24; ++x) halves[static_cast<size_t>(y * kSide + x)] = yellow;
  // Half and half deviate from their mean by half their distance; the petal is a quarter.
  REQUIRE(score(halves) == Approx(0.25 * std::hypot(50, 30) / 2));

  // What the truth itself does within a surface is no blotch.
  std::vector<Lab> veined = truth;
  for (size_t i = 0; i < veined.size(); i += 2) veined[i].b += 6;
  REQUIRE(evenness(veined, veined, kSide, kSide).blotch == 0);
  REQUIRE(evenness(truth, veined, kSide, kSide).blotch == 0);
  REQUIRE(std::isnan(evenness(std::vector<Lab>(9), std::vector<Lab>(9), 3, 3).blotch));
}

TEST_CASE("Colours that follow the things in the picture are coherent, at any saturation",
          "[chroma_metrics]") {
  const Lab pink{60, 50, -5}, red{60, 60, 40}, yellow{60, 10, 70}, leaf{40, -20, 25};
  const std::vector<Lab> truth = petal(pink, leaf);
  const auto score = [&](const std::vector<Lab>& output) {
    return evenness(output, truth, kSide, kSide).coherence;
  };
  REQUIRE(score(truth) == Approx(1));
  REQUIRE(score(petal(yellow, {40, 30, -40})) == Approx(1));
  REQUIRE(std::isnan(score(plain(pink))));
  REQUIRE(std::isnan(score(plain({50, 0, 0}))));
  REQUIRE(std::isnan(evenness(std::vector<Lab>(9), std::vector<Lab>(9), 3, 3).coherence));

  // The left half of the picture red, the right half yellow: nothing of it has to do with the petal.
  std::vector<Lab> halves = plain(red);
  for (size_t i = 0; i < halves.size(); ++i)
    if (i % kSide >= kSide / 2) halves[i] = yellow;
  REQUIRE(score(halves) == Approx(0).margin(1e-6));

  // One petal of two colours: of all the variance that of the petal is lost, whatever the saturation.
  std::vector<Lab> petals = petal(red, leaf);
  for (int y = 8; y < 24; ++y)
    for (int x = 16; x < 24; ++x) petals[static_cast<size_t>(y * kSide + x)] = yellow;
  // A quarter of the pixels spreads by half the distance of its colours around their mean, which itself
  // lies some way from the leaf.
  const double within = 0.25 * (50 * 50 + 30 * 30) / 4.0;
  const double between = 0.25 * 0.75 * (55 * 55 + 30 * 30);
  REQUIRE(score(petals) == Approx(between / (between + within)));
  for (Lab& c : petals) c = {c.l, c.a / 2, c.b / 2};
  REQUIRE(score(petals) == Approx(between / (between + within)));
}

TEST_CASE("An interval holds the mean, narrows with more photos and is always the same",
          "[chroma_metrics]") {
  const auto photos = [](int count) {
    std::vector<PhotoMetrics> all(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      all[static_cast<size_t>(i)].ciede2000 = 10 + i * 7 % 20 / 10.0;
      all[static_cast<size_t>(i)].colorfulness = 40 + i % 3;
      all[static_cast<size_t>(i)].colorfulness_truth = 50;
    }
    return all;
  };
  const MetricsInterval few = confidence(photos(40)), many = confidence(photos(400));
  const MetricsSummary mean = summarize(photos(400));
  REQUIRE(many.low.ciede2000 < mean.ciede2000);
  REQUIRE(many.high.ciede2000 > mean.ciede2000);
  // The standard error of the mean, times 1.96 on each side.
  const double expected = 2 * 1.96 * std::sqrt((20 * 20 - 1) / 12.0) / 10 / std::sqrt(400);
  REQUIRE(many.high.ciede2000 - many.low.ciede2000 == Approx(expected).epsilon(0.1));
  REQUIRE(few.high.ciede2000 - few.low.ciede2000 == Approx(expected * std::sqrt(10)).epsilon(0.1));
  REQUIRE(many.low.colorfulness_ratio == Approx(0.82).margin(0.01));
  REQUIRE(confidence(photos(40)).low.ciede2000 == few.low.ciede2000);
  REQUIRE(std::isnan(confidence({}).low.ciede2000));
}

}  // namespace
}  // namespace gan
