#include "model/widen.h"

#include <algorithm>

#include "engine/random.h"
#include "model/weights.h"

namespace gan {
namespace {

// Which axis of a tensor in a file counts the channels that come in: {out, in, h, w}, or {in, out, h, w}.
enum class InputAxis : uint8_t { none, rows, columns };

InputAxis input_axis(FileLayout layout) {
  switch (layout) {
    case FileLayout::vector:
      return InputAxis::none;
    case FileLayout::transposed_conv:
      return InputAxis::rows;
    case FileLayout::conv:
    case FileLayout::linear:
      return InputAxis::columns;
  }
  return InputAxis::none;
}

// k random numbers whose sum is 1, between 0 and 2/k.
std::vector<double> random_shares(int64_t k, Random& random) {
  std::vector<double> shares(static_cast<size_t>(k));
  double mean = 0;
  for (double& share : shares) {
    share = random.uniform_f64();
    mean += share / static_cast<double>(k);
  }
  for (double& share : shares) share = (1 + share - mean) / static_cast<double>(k);
  return shares;
}

// A tensor as rows x columns x taps; a vector has rows only.
struct Extents {
  int64_t rows = 1, columns = 1, taps = 1;

  explicit Extents(const std::vector<int64_t>& shape) {
    rows = shape[0];
    if (shape.size() > 1) columns = shape[1];
    for (size_t axis = 2; axis < shape.size(); ++axis) taps *= shape[axis];
  }
};

std::vector<float> widened_values(const FileTensor& narrow, const Extents& to, InputAxis input,
                                  Random& random) {
  const Extents from(narrow.shape);
  const int64_t k_rows = to.rows / from.rows, k_columns = to.columns / from.columns;
  const int64_t k = input == InputAxis::none ? 1 : input == InputAxis::rows ? k_rows : k_columns;
  const std::vector<double> values = narrow.values();
  std::vector<float> wide(static_cast<size_t>(to.rows * to.columns * to.taps));
  // Over the new outputs and the old inputs: each pair's weight is shared out among k new inputs.
  const bool inputs_are_rows = input == InputAxis::rows;
  const int64_t outputs = inputs_are_rows ? to.columns : to.rows;
  const int64_t old_inputs = inputs_are_rows ? from.rows : from.columns;
  const int64_t k_outputs = inputs_are_rows ? k_columns : k_rows;
  for (int64_t out = 0; out < outputs; ++out) {
    for (int64_t in = 0; in < old_inputs; ++in) {
      for (int64_t tap = 0; tap < to.taps; ++tap) {
        const int64_t old_row = inputs_are_rows ? in : out / k_outputs;
        const int64_t old_column = inputs_are_rows ? out / k_outputs : in;
        const double value = values[(old_row * from.columns + old_column) * from.taps + tap];
        const std::vector<double> shares = random_shares(k, random);
        for (int64_t r = 0; r < k; ++r) {
          const int64_t row = inputs_are_rows ? in * k + r : out;
          const int64_t column = inputs_are_rows ? out : in * k + r;
          wide[(row * to.columns + column) * to.taps + tap] =
              static_cast<float>(shares[static_cast<size_t>(r)] * value);
        }
      }
    }
  }
  return wide;
}

// The factor between two shapes of one tensor: 1 for channels that no width changes (the photo's), k
// for the others; 0 if there is none.
int64_t factor_between(const std::vector<int64_t>& narrow, const std::vector<int64_t>& wide) {
  if (narrow.size() != wide.size()) return 0;
  int64_t k = 1;
  for (size_t axis = 0; axis < wide.size(); ++axis) {
    if (narrow[axis] == wide[axis]) continue;
    const bool channels = axis < 2 && narrow[axis] > 0 && wide[axis] % narrow[axis] == 0;
    const int64_t here = channels ? wide[axis] / narrow[axis] : 0;
    if (here == 0 || (k != 1 && here != k)) return 0;
    k = here;
  }
  return k;
}

}  // namespace

TensorFile widened(const ParameterSet& wide, const TensorFile& narrow, const std::string& path,
                   uint64_t seed) {
  TensorFile made;
  made.metadata = narrow.metadata;
  int64_t k = 1;
  for (const Parameter& p : wide.all()) {
    const FileTensor& tensor = narrow.at(p.name, path);
    const std::vector<int64_t> shape = file_shape(p);
    const int64_t here = factor_between(tensor.shape, shape);
    if (here == 0 || (here != 1 && k != 1 && here != k)) {
      throw DataError(str(path, ": tensor ", tensor.name, ": expected shape ", shape_text(shape),
                          " or that of a network a half, a third, ... as wide, found ",
                          shape_text(tensor.shape)));
    }
    k = std::max(k, here);
    Random random(seed, made.tensors.size());
    made.tensors.push_back(make_file_tensor(
        p.name, shape, widened_values(tensor, Extents(shape), input_axis(p.layout), random)));
  }
  return k == 1 ? narrow : made;
}

}  // namespace gan
