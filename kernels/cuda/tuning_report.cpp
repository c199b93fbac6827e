#include "kernels/cuda/tuning_report.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "engine/error.h"

namespace gan {
namespace {

constexpr size_t kDirections = 3, kLayerWidth = 62, kCellWidth = 9;
constexpr size_t kLetters = 26, kLegendWidth = 120;
constexpr const char* kDirectionNames[kDirections] = {"forward", "data gradient",
                                                      "weight gradient"};

// The directions stand in the same order for both kinds of convolution.
size_t direction_of(const Call& call) {
  return static_cast<size_t>(call.op) % kDirections;
}

bool same_layer(const Call& a, const Call& b) {
  const bool alike = (a.op >= Op::conv_transpose_forward) == (b.op >= Op::conv_transpose_forward);
  return alike && a.dtype == b.dtype && a.x == b.x && a.y == b.y && a.geometry == b.geometry &&
         a.finishes == b.finishes && a.x_pitch == b.x_pitch && a.y_pitch == b.y_pitch;
}

std::string shape_text(const Shape& shape, int64_t pitch) {
  return str(shape, pitch > 0 ? str(" of ", pitch) : "");
}

std::string layer_text(const Call& call) {
  const ConvGeometry& g = call.geometry;
  return str(call.op >= Op::conv_transpose_forward ? "conv_transpose " : "conv ", g.kernel, "x",
             g.kernel, g.stride > 1 ? str("/", g.stride) : "", " ", name_of(call.dtype), " ",
             shape_text(call.x, call.x_pitch), " > ", shape_text(call.y, call.y_pitch),
             call.finishes ? " +" : "");
}

std::string to_the_left(std::string text, size_t width) {
  text.append(text.size() < width ? width - text.size() : 1, ' ');
  return text;
}
std::string to_the_right(const std::string& text, size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}

// Every backend's name, in the order in which they come.
std::vector<std::string> names_in(const std::vector<Measured>& measured) {
  std::vector<std::string> names;
  for (const Measured& one : measured) {
    for (const auto& [name, seconds] : one.seconds) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

// A letter for every variant taken: a, b, ..., z, aa, ab, ...
class Legend {
 public:
  explicit Legend(const std::vector<Measured>& measured) {
    for (const Measured& one : measured)
      if (!one.variant.empty()) letters_[one.variant];
    size_t i = 0;
    for (auto& [variant, letter] : letters_) {
      if (i >= kLetters) letter += static_cast<char>('a' + i / kLetters - 1);
      letter += static_cast<char>('a' + i++ % kLetters);
    }
  }

  // Of the automatic one: none.
  std::string letter(const std::string& variant) const {
    return variant.empty() ? "" : letters_.at(variant);
  }
  size_t width() const { return letters_.empty() ? 0 : letters_.size() > kLetters ? 2 : 1; }
  std::string lines() const {
    std::string text, line;
    for (const auto& [variant, letter] : letters_) {
      const std::string entry = letter + " " + variant;
      if (!line.empty() && line.size() + entry.size() > kLegendWidth)
        text += std::exchange(line, "") + "\n";
      line += (line.empty() ? "" : "   ") + entry;
    }
    return line.empty() ? text : text + line + "\n";
  }

 private:
  std::map<std::string, std::string> letters_;
};

// "27.0*a": microseconds, with a mark at what was chosen and the letter of its variant.
std::string cell(const Measured* measured, std::string_view backend, const Legend& legend) {
  std::string time = measured ? "-" : "", mark;
  if (measured) {
    for (const auto& [name, seconds] : measured->seconds) {
      if (name != backend) continue;
      time = fixed(1e6 * seconds, 1);
      if (name == measured->chosen) mark = "*" + legend.letter(measured->variant);
    }
  }
  return time + mark + std::string(1 + legend.width() - mark.size(), ' ');
}

}  // namespace

std::string tuning_table(const std::vector<Measured>& measured) {
  struct Layer {
    Call call;
    std::array<const Measured*, kDirections> directions = {};
  };
  std::vector<Layer> layers;
  for (const Measured& one : measured) {
    const auto known = std::find_if(layers.begin(), layers.end(), [&](const Layer& layer) {
      return same_layer(layer.call, one.call);
    });
    Layer& layer = known != layers.end() ? *known : layers.emplace_back(Layer{one.call});
    layer.directions[direction_of(one.call)] = &one;
  }
  const std::vector<std::string> names = names_in(measured);
  const Legend legend(measured);
  const size_t width = kCellWidth + legend.width();
  const size_t block = names.size() * width + 1;  // a direction's columns
  std::string directions = to_the_left("microseconds, * taken", kLayerWidth);
  std::string heads(kLayerWidth, ' ');
  for (const char* direction : kDirectionNames) {
    directions += to_the_right(direction, block - 1) + " ";
    for (const std::string& name : names)
      heads += to_the_left(to_the_right(name, kCellWidth - 1), width);
    heads += " ";
  }
  const auto line_of = [](std::string line) {
    return line.erase(line.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = line_of(directions) + line_of(heads);
  for (const Layer& layer : layers) {
    std::string line = to_the_left(layer_text(layer.call), kLayerWidth);
    for (const Measured* direction : layer.directions) {
      for (const std::string& name : names)
        line += to_the_right(cell(direction, name, legend), width);
      line += " ";
    }
    text += line_of(line);
  }
  return text + legend.lines();
}

std::string tuning_summary(const std::vector<Measured>& measured) {
  std::string text =
      str(measured.size(), measured.size() == 1 ? " convolution" : " convolutions", " measured");
  const char* separator = ": ";
  for (const std::string& name : names_in(measured)) {
    const auto taken = std::count_if(measured.begin(), measured.end(),
                                     [&](const Measured& one) { return one.chosen == name; });
    text += str(separator, taken, " to ", name);
    separator = ", ";
  }
  return text;
}

}  // namespace gan
