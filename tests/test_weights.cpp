// Weights files: what is saved loads again, wider if wanted; what does not fit is refused.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "model/weights.h"
#include "model/widen.h"
#include "tests/model_check.h"
#include "tests/temp_folder.h"

namespace gan {
namespace {

// What loading refuses a file with; empty when it loads.
std::string refusal(const std::string& path) {
  try {
    load_generator(path, host_memory());
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a saved generator loads as the same bytes and gives the same picture", "[model]") {
  const TempFolder folder;
  const std::string first = (folder / "a.bin").string(), second = (folder / "b.bin").string();
  const std::string model = GENERATE(from_range(generator_models()));
  CAPTURE(model);
  const auto generator = ready(model, 8, 5);
  disturb_norms(generator->parameters(), 6);
  save_generator(first, *generator, {{"recipe", "classic"}, {"step", "17"}});
  const LoadedGenerator loaded = load_generator(first, host_memory());
  CHECK(loaded.generator->model() == model);
  CHECK(loaded.metadata.at("recipe") == "classic");
  CHECK(loaded.metadata.at("step") == "17");
  save_generator(second, *loaded.generator, {{"recipe", "classic"}, {"step", "17"}});
  const bool same_bytes = read_text(first) == read_text(second);
  CHECK(same_bytes);
  CHECK(folder.entries() == 2);  // no temporary file stays

  Device device = open_device({.backend = "reference"});
  const int side = std::max(16, generator->size_multiple());
  const std::vector<float> picture = infer(device, *generator, side);
  CHECK(picture.size() == static_cast<size_t>(3 * side * side));
  CHECK(same(infer(device, *loaded.generator, side), picture));
}

TEST_CASE("a generator with a chroma head predicts half the size, and loads as what it was",
          "[model]") {
  Device device = open_device({});
  const TempFolder folder;
  for (ColorHead head : {ColorHead::chroma64, ColorHead::chroma128}) {
    CAPTURE(name_of(head));
    const auto generator = make_generator("gan", 8, head);
    generator->parameters().allocate(device.memory, DType::f32, Use::inference);
    generator->parameters().initialize(2);
    const std::vector<float> before = infer(device, *generator, 64);
    const size_t side = head == ColorHead::chroma64 ? 32 : 64;
    CHECK(before.size() == side * side * 2);
    CHECK(std::all_of(before.begin(), before.end(), [](float c) { return std::abs(c) < 1; }));

    const std::string path = (folder.path() / name_of(head)).string();
    save_generator(path, *generator, {});
    const LoadedGenerator loaded = load_generator(path, device.memory);
    CHECK(loaded.generator->head() == head);
    CHECK(same(infer(device, *loaded.generator, 64), before));
  }
  CHECK_THROWS_AS(make_generator("demo", 16, ColorHead::chroma64), UsageError);
  CHECK_THROWS_AS(color_head_named("lab"), UsageError);
}

TEST_CASE("a wider network begins as what the narrower one was", "[model]") {
  const ColorHead head = GENERATE(ColorHead::rgb, ColorHead::chroma64);
  const int factor = GENERATE(2, 3);
  CAPTURE(name_of(head), factor);
  const auto narrow = make_generator("gan", 4, head);
  narrow->parameters().allocate(host_memory(), DType::f32, Use::inference);
  narrow->parameters().initialize(7);
  disturb_norms(narrow->parameters(), 8);
  const auto wide = make_generator("gan", 4 * factor, head);
  wide->parameters().allocate(host_memory(), DType::f32, Use::inference);
  TensorFile file;
  store_parameters(narrow->parameters(), "", file);
  const TensorFile begun = widened(wide->parameters(), file, "narrow.bin", 1);
  load_parameters(wide->parameters(), "", begun, "narrow.bin");

  Device device = open_device({.backend = "reference"});
  const std::vector<float> before = infer(device, *narrow, 32), after = infer(device, *wide, 32);
  REQUIRE(before.size() == after.size());
  double worst = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(before[i]) - after[i]));
  }
  CHECK(worst < 1e-5);  // sums of more, smaller numbers

  // Channels that came from one are read differently, and so will learn different things.
  const std::vector<double> weights = begun.at("enc3.conv.weight", "").values();
  const int64_t taps = 9, columns = 8 * factor;
  int64_t equal = 0;
  for (int64_t row = 0; row < columns; ++row) {
    equal += weights[row * columns * taps] == weights[(row * columns + 1) * taps];
  }
  CHECK(equal == 0);
}

TEST_CASE("only a network of the same model and a whole fraction of the width is widened",
          "[model]") {
  const auto file_of = [](const std::string& model, int width) {
    TensorFile file;
    store_parameters(ready(model, width, 1)->parameters(), "", file);
    return file;
  };
  const auto wide = make_generator("gan", 12);
  const ParameterSet& parameters = wide->parameters();
  CHECK_THROWS_WITH(widened(parameters, file_of("gan", 8), "w.bin", 1),
                    Catch::Contains("w.bin: tensor enc1.conv.weight: expected shape 12x3x3x3") &&
                        Catch::Contains("found 8x3x3x3"));
  CHECK_THROWS_WITH(widened(parameters, file_of("gan", 24), "w.bin", 1), Catch::Contains("found"));
  CHECK_THROWS_WITH(widened(parameters, file_of("demo", 16), "w.bin", 1),
                    Catch::Contains("enc1.conv.weight is missing"));
  const TensorFile same = file_of("gan", 12);
  const TensorFile kept = widened(parameters, same, "w.bin", 1);
  CHECK(kept.tensors.front().data == same.tensors.front().data);
}

TEST_CASE("a weights file that does not fit is refused with the reason", "[model]") {
  const TempFolder folder;
  const std::string path = (folder / "w.bin").string();
  save_generator(path, *ready("gan", 4, 1), {});
  TensorFile file = read_tensor_file(path);
  const auto at = [&](const std::string& name) -> FileTensor& {
    for (FileTensor& t : file.tensors)
      if (t.name == name) return t;
    throw InternalError("no tensor " + name);
  };
  const auto written_refusal = [&] {
    write_tensor_file(path, file);
    return refusal(path);
  };

  SECTION("nothing wrong") {
    CHECK(written_refusal() == "");
  }
  SECTION("missing tensor") {
    at("dec2.bn.bias").name = "dec2.bn.other";
    CHECK_THAT(written_refusal(), Catch::Contains("dec2.bn.bias") && Catch::Contains("missing") &&
                                      Catch::Contains(path));
  }
  SECTION("wrong shape") {
    at("enc2.conv.weight").shape = {4, 8, 3, 3};
    CHECK_THAT(written_refusal(), Catch::Contains("enc2.conv.weight") &&
                                      Catch::Contains("expected shape 8x4x3x3") &&
                                      Catch::Contains("found 4x8x3x3"));
  }
  SECTION("values that are not finite") {
    const float bad = GENERATE(NAN, INFINITY, -INFINITY);
    FileTensor& tensor = at("enc1.bn.running_var");
    std::vector<float> values(4, 1.0f);
    values[2] = bad;
    tensor = make_file_tensor(tensor.name, tensor.shape, values);
    CHECK_THAT(written_refusal(),
               Catch::Contains("enc1.bn.running_var") && Catch::Contains("not finite"));
  }
  SECTION("integers instead of real numbers") {
    FileTensor& tensor = at("enc1.bn.bias");
    tensor.dtype = "I32";
    CHECK_THAT(written_refusal(), Catch::Contains("enc1.bn.bias") && Catch::Contains("I32"));
  }
  SECTION("no model") {
    file.metadata.erase("model");
    CHECK_THAT(written_refusal(), Catch::Contains("names no model"));
  }
  SECTION("unknown model") {
    file.metadata["model"] = "perceptron";
    CHECK_THAT(written_refusal(), Catch::Contains("perceptron") && Catch::Contains("gan"));
  }
  SECTION("absurd width") {
    file.metadata["width"] =
        GENERATE("0", "-64", "1000000000", "99999999999999999999", "512x", "many", "");
    CHECK(written_refusal() != "");
    if (file.metadata["width"] != "0") CHECK_THROWS_AS(width_of_weights(path), DataError);
  }
  SECTION("a width that the tensors do not have takes no memory for it") {
    file.metadata["width"] = "512";
    CHECK_THAT(written_refusal(), Catch::Contains("enc1.conv.weight") &&
                                      Catch::Contains("expected shape 512x3x3x3") &&
                                      Catch::Contains("found 4x3x3x3"));
  }
}

TEST_CASE("parameters stay as they are when loading fails", "[model]") {
  const auto generator = ready("gan", 4, 1);
  TensorFile file;
  store_parameters(generator->parameters(), "g.", file);
  FileTensor& last = file.tensors.back();
  std::vector<float> values(static_cast<size_t>(last.elements()), NAN);
  last = make_file_tensor(last.name, last.shape, values);
  const auto other = ready("gan", 4, 2);
  const auto before = to_host(host_memory(), other->parameters().values());
  CHECK_THROWS_AS(load_parameters(other->parameters(), "g.", file, "f"), DataError);
  CHECK(same(to_host(host_memory(), other->parameters().values()), before));
}

}  // namespace gan
