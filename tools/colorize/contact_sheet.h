// Pictures side by side, each under its name.
#pragma once

#include <string>
#include <vector>

#include "train/image/image.h"

namespace gan {

// The longest side of a picture on a sheet; larger ones are shrunk.
constexpr int kMaxPanelSide = 1600;

struct Panel {
  std::string label;  // ASCII
  Image picture;      // RGB
};

// One row of panels from left to right, on white. Pictures that are too large for a sheet are shrunk
// there; all of them are of one size.
Image contact_sheet(const std::vector<Panel>& panels);

// The size that a picture has on a sheet.
struct PanelSize {
  int width, height;
};
PanelSize panel_size(int width, int height);

}  // namespace gan
