// What a run writes down about itself: layers' norms, growing tables, how varied colours are.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/error.h"
#include "kernels/device.h"
#include "model/adam.h"
#include "tests/temp_folder.h"
#include "train/files/growing_table.h"
#include "train/metrics/chroma_metrics.h"
#include "train/metrics/metrics.h"
#include "train/recipe/network_norms.h"

namespace gan {
namespace {

std::string content(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Image filled(uint8_t r, uint8_t g, uint8_t b) {
  Image image(16, 16, 3);
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    image.pixels[i] = r;
    image.pixels[i + 1] = g;
    image.pixels[i + 2] = b;
  }
  return image;
}

}  // namespace

TEST_CASE("norms of a layer before and after an update", "[stable]") {
  Device device = open_device({.backend = "reference"});
  ParameterSet parameters;
  Parameter& w =
      parameters.add("l.conv.weight", vector_shape(4), FileLayout::vector, Initial::constant(2));
  Parameter& b =
      parameters.add("l.bn.weight", vector_shape(4), FileLayout::vector, Initial::constant(1));
  parameters.add_running("l.bn.running_var", vector_shape(4), Initial::constant(0.25));
  parameters.allocate(device.memory, DType::f32, Use::training);
  parameters.initialize(1);
  const std::vector<float> gradient = {3, 3, 3, 3};
  for (Parameter* p : {&w, &b}) {
    from_host(device.memory, p->grad, gradient.data());
    p->grad_written = true;
  }
  Adam adam(parameters, {.learning_rate = 0.1});
  const UpdateProbe probe(parameters);
  adam.update(device.kernels);
  const std::vector<LayerNorms> layers = probe.finish();
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].name == "l.conv.weight");
  CHECK(layers[0].weight == Approx(4));
  CHECK(layers[0].gradient == Approx(6));
  CHECK(layers[0].update ==
        Approx(0.2).epsilon(1e-4));  // Adam's first step: the learning rate each
  CHECK(layers[0].update_ratio() == Approx(0.05).epsilon(1e-4));
  CHECK(median_update_ratio(layers) == Approx(0.05).epsilon(1e-4));  // of weights, not of bn
  CHECK(total_gradient(layers) == Approx(std::sqrt(72)));
  CHECK(least_variance(parameters) == 0.25);
  CHECK(relative_distance(parameters, parameters) == 0);
  CHECK(std::isnan(total_gradient({})));
  CHECK(std::isnan(median_update_ratio({})));
}

TEST_CASE("a growing table goes on from a checkpoint's step", "[stable]") {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "steps.csv";
  {
    GrowingTable table(path);
    table.begin(0);
    table.add("step,x", 10, "1");
    table.add("step,x", 20, "2");
    CHECK(!std::filesystem::exists(path));
    table.flush();
    table.add("step,x", 30, "3");
    table.flush();
  }
  CHECK(content(path) == "step,x\n10,1\n20,2\n30,3\n");
  std::ofstream(path, std::ios::app) << "4";  // a row that a killed run did not finish
  GrowingTable table(path);
  table.begin(20);
  CHECK(content(path) == "step,x\n10,1\n20,2\n");
  table.add("step,x", 30, "3.5");
  table.flush();
  CHECK(content(path) == "step,x\n10,1\n20,2\n30,3.5\n");
  std::ofstream(path, std::ios::app) << "40,";  // what a try that failed left of the next row
  table.add("step,x", 40, "4");
  table.flush();
  CHECK(content(path) == "step,x\n10,1\n20,2\n30,3.5\n40,4\n");
  GrowingTable anew(path);
  anew.begin(0);
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("a growing table that cannot be written keeps its rows", "[stable]") {
  const TempFolder folder;
  const std::filesystem::path place = folder.path() / "run";
  GrowingTable table(place / "steps.csv");
  table.begin(0);
  table.add("step,x", 10, "1");
  CHECK_THROWS_AS(table.flush(), DataError);
  std::filesystem::create_directory(place);
  table.add("step,x", 20, "2");
  table.flush();
  CHECK(content(place / "steps.csv") == "step,x\n10,1\n20,2\n");
}

TEST_CASE("how varied colours are", "[metrics]") {
  ChromaHistogram histogram{};
  CHECK(entropy(histogram) == 0);
  histogram[0] = histogram[5] = histogram[9] = histogram[200] = 3;
  CHECK(entropy(histogram) == Approx(2));
  const Image gray = filled(100, 100, 100), red = filled(250, 10, 10), green = filled(10, 200, 20);
  CHECK(entropy(chroma_histogram(red)) == 0);
  CHECK(chroma_histogram(red)[5 * kChromaCells + 15] == 256);

  // Two photos of two colours, painted as in truth, both in one colour, and left gray.
  const MetricsSummary right = summarize({measure(red, red), measure(green, green)});
  CHECK(right.entropy_ratio == Approx(1));
  CHECK(right.variety_ratio == Approx(1));
  const MetricsSummary alike = summarize({measure(red, red), measure(red, green)});
  CHECK(alike.entropy_ratio == Approx(0).margin(1e-9));
  CHECK(alike.variety_ratio == Approx(0).margin(1e-6));
  const MetricsSummary left = summarize({measure(gray, red), measure(gray, green)});
  CHECK(left.variety_ratio == Approx(0).margin(1e-3));
}

}  // namespace gan
