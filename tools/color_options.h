// How colours leave the network: options that the programs share.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "train/color/colorizer.h"

namespace gan {

struct ColorOptions {
  std::string tta = "none";
  std::string saturation = "1";
  bool smooth = true;
};

// Adds --tta, --saturation and --no-smooth.
void add_color_options(CLI::App& app, ColorOptions& options);

// What they mean for weights with this metadata: the saturation `auto` is the metadata's
// "saturation", or 1; which of them is said on standard error. Throws DataError when that is none.
ColorizeOptions colorize_options(const ColorOptions& options,
                                 const std::map<std::string, std::string>& metadata);

}  // namespace gan
