#include "kernels/cpu/conv_tiles.h"

namespace gan::cpu {
namespace {

int64_t pieces(int64_t size, int64_t piece) {
  return (size + piece - 1) / piece;
}

// Large tiles have more weights, up to four times as many as the definition; fewer tiles than this
// would mostly wait for them. Of a picture: what is made of it does not depend on others in its batch.
constexpr int64_t kFewestLarge = 16;
// F(4,3) keeps to the definition's tolerance in sums over so many channels.
constexpr int64_t kWideSum = 128;

template <class Pixel, class At>
void list_pixels(int64_t first_row, int64_t first_col, int64_t side, const Shape& s, Pixel* outside,
                 At&& at, Pixel** pixels) {
  for (int64_t y = first_row; y < first_row + side; ++y)
    for (int64_t x = first_col; x < first_col + side; ++x)
      *pixels++ = y >= 0 && y < s.h && x >= 0 && x < s.w ? at(y, x) : outside;
}

}  // namespace

Tiling::Tiling(ConvDirection direction, const ConvShape& shape, TileSizes sizes) {
  const bool data = direction == ConvDirection::data;
  const ConvGeometry& g = shape.geometry;
  results_ = data ? shape.picture : shape.maps;
  backwards_ = data && g.stride == 1;
  // Whichever of the algorithms takes fewest multiplications: larger tiles save more, but may reach
  // further beyond the edge.
  const auto consider = [&](TileAlgorithm algorithm, int64_t fewest_tiles = 1) {
    Tiling other = *this;
    other.algorithm_ = algorithm;
    const TileMicro& m = other.micro();
    other.rows_ = pieces(results_.h, m.outputs);
    other.cols_ = pieces(results_.w, m.outputs);
    other.in_step_ = data ? m.outputs / g.stride : m.outputs * g.stride;
    other.in_first_ = !data ? -g.padding : g.stride == 1 ? g.padding - (g.kernel - 1) : 0;
    const bool fewer = rows_ == 0 || other.multiplications() < multiplications();
    if (fewer && other.rows_ * other.cols_ >= fewest_tiles) *this = other;
  };
  const int64_t ins = data ? shape.maps.c : shape.picture.c;
  if (g.stride == 1) {
    consider(TileAlgorithm::same2);
    if (sizes == TileSizes::all) consider(TileAlgorithm::same3, kFewestLarge);
    if (sizes == TileSizes::all && (ins >= kWideSum || direction == ConvDirection::weights))
      consider(TileAlgorithm::same4, kFewestLarge);
  } else {
    consider(data ? TileAlgorithm::up2 : TileAlgorithm::down2);
    consider(data ? TileAlgorithm::up3 : TileAlgorithm::down3);
    if (sizes != TileSizes::plain)
      consider(data ? TileAlgorithm::up4 : TileAlgorithm::down4, kFewestLarge);
  }
}

int64_t Tiling::multiplications() const {
  return tiles() * micro().products * micro().products;
}

Tiling::Place Tiling::place(int64_t tile) const {
  return {tile / cols_ / rows_, tile / cols_ % rows_, tile % cols_};
}

void Tiling::inputs(const Tensor& from, int64_t tile, const float* outside,
                    const float** pixels) const {
  const Shape& s = from.shape();
  const Place p = place(tile);
  const float* picture = from.as<float>() + p.n * s.h * s.w * from.pitch();
  list_pixels(
      in_first_ + p.row * in_step_, in_first_ + p.col * in_step_, micro().inputs, s, outside,
      [&](int64_t y, int64_t x) { return picture + (y * s.w + x) * from.pitch(); }, pixels);
}

void Tiling::outputs(const Tensor& to, int64_t tile, float* outside, float** pixels) const {
  const Shape& s = to.shape();
  const Place p = place(tile);
  const int64_t side = micro().outputs;
  float* picture = to.as<float>() + p.n * s.h * s.w * to.pitch();
  list_pixels(
      p.row * side, p.col * side, side, s, outside,
      [&](int64_t y, int64_t x) { return picture + (y * s.w + x) * to.pitch(); }, pixels);
}

}  // namespace gan::cpu
