#include "tools/colorize/contact_sheet.h"

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"

namespace gan {
namespace {

constexpr int kGap = 4;        // between pictures
constexpr int kTextScale = 2;  // of stb's font, whose lines are 12 pixels high
constexpr int kTextHeight = 12 * kTextScale + kGap;

constexpr uint8_t kPaper = 255, kInk = 40;

void fill(Image& sheet, int left, int top, int width, int height, uint8_t level) {
  for (int y = std::max(top, 0); y < std::min(top + height, sheet.height); ++y) {
    for (int x = std::max(left, 0); x < std::min(left + width, sheet.width); ++x) {
      std::fill_n(sheet.at(x, y), 3, level);
    }
  }
}

// Draws at most `width` pixels of a line of text. stb gives its letters as rectangles, four corners
// of 16 bytes each: x, y, z and a colour.
void write_text(Image& sheet, int left, int top, int width, std::string text) {
  struct Corner {
    float x, y, z;
    uint8_t color[4];
  };
  std::vector<Corner> corners(text.size() * 4 * 20);
  const int rectangles = stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                                             static_cast<int>(corners.size() * sizeof(Corner)));
  for (int i = 0; i < rectangles; ++i) {
    const Corner &first = corners[4 * i], &third = corners[4 * i + 2];
    const auto scaled = [](float at) { return static_cast<int>(std::lround(at)) * kTextScale; };
    const int x = scaled(first.x), right = std::min(scaled(third.x), width);
    fill(sheet, left + x, top + scaled(first.y), right - x, scaled(third.y - first.y), kInk);
  }
}

}  // namespace

PanelSize panel_size(int width, int height) {
  const double factor = std::min(1.0, static_cast<double>(kMaxPanelSide) / std::max(width, height));
  const auto scaled = [&](int side) {
    return std::max(1, static_cast<int>(std::lround(side * factor)));
  };
  return {scaled(width), scaled(height)};
}

Image contact_sheet(const std::vector<Panel>& panels) {
  require(!panels.empty(), "a contact sheet without pictures");
  const PanelSize size = panel_size(panels[0].picture.width, panels[0].picture.height);
  const int count = static_cast<int>(panels.size());
  Image sheet(count * (size.width + kGap) - kGap, kTextHeight + size.height, 3);
  std::fill(sheet.pixels.begin(), sheet.pixels.end(), kPaper);
  for (int i = 0; i < count; ++i) {
    const int left = i * (size.width + kGap);
    write_text(sheet, left, kGap, size.width, panels[i].label);
    const Image& full = panels[i].picture;
    const bool fits = full.width == size.width && full.height == size.height;
    const Image picture = fits ? full : resize(full, size.width, size.height);
    for (int y = 0; y < size.height; ++y) {
      std::memcpy(sheet.at(left, kTextHeight + y), picture.row(y), picture.row_bytes());
    }
  }
  return sheet;
}

}  // namespace gan
