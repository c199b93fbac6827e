#include "tools/color_options.h"

#include <cstdlib>
#include <iostream>
#include <optional>

#include "engine/error.h"

namespace gan {
namespace {

constexpr double kMostSaturation = 3;

std::optional<double> saturation_in(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0 && value <= kMostSaturation)) return {};
  return value;
}

}  // namespace

void add_color_options(CLI::App& app, ColorOptions& options) {
  app.add_option(
         "--tta", options.tta,
         "flip: average the colours of the photo and of its mirror image, in twice the time")
      ->check(CLI::IsMember({"none", "flip"}));
  app.add_option("--saturation", options.saturation,
                 "Factor on the colours, 0 to 3; auto: the one the weights recommend, or 1")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool good = text == "auto" || saturation_in(text);
            return good ? std::string() : str("Value ", text, " is neither in 0..3 nor auto");
          },
          "", "saturation"));
  app.add_flag(
      "--no-smooth{false}", options.smooth,
      "Leave a network's chroma as it is; else it evens out within what the photo's edges enclose");
}

ColorizeOptions colorize_options(const ColorOptions& options,
                                 const std::map<std::string, std::string>& metadata) {
  ColorizeOptions result{.flip = options.tta == "flip", .smooth = options.smooth};
  std::string text = options.saturation;
  if (text == "auto") {
    const auto known = metadata.find("saturation");
    text = known == metadata.end() ? "1" : known->second;
    std::cerr << "note: "
              << (known == metadata.end() ? "the weights recommend no saturation; 1 is used"
                                          : "saturation " + text + ", as the weights recommend")
              << std::endl;
  }
  const std::optional<double> saturation = saturation_in(text);
  if (!saturation) {
    throw DataError(str("the weights recommend a saturation of '", text,
                        "', which is not in 0..3; name one with --saturation"));
  }
  result.saturation = *saturation;
  return result;
}

}  // namespace gan
