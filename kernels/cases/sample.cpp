#include "kernels/cases/sample.h"

#include <algorithm>

namespace gan::cases {
namespace {

constexpr int64_t kPictures = 2, kChannels = 4;

// At most `most` of [0, count), the first and the last among them.
std::vector<int64_t> spread(int64_t count, int64_t most) {
  const int64_t taken = std::min(count, most);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < taken; ++i)
    places.push_back(taken == 1 ? 0 : i * (count - 1) / (taken - 1));
  return places;
}

std::vector<int64_t> all(int64_t count) {
  return spread(count, count);
}

// Whether every channel of the result depends on the same channel of the input alone.
bool keeps_channels_apart(Function function) {
  const Op op = op_of(function);
  return (op == Op::batch_norm && function != Function::batch_norm_fold) || op == Op::activation ||
         op == Op::avg_pool || op == Op::max_pool || op == Op::upsample || op == Op::augment ||
         function == Function::channel_sum;
}

}  // namespace

Sample::Sample(const OpCase& op_case, Extent extent) : part_(op_case) {
  if (extent == Extent::whole) return;
  const Shape &x = op_case.x, &y = op_case.y;
  pictures_ = all(x.n);
  x_channels_ = all(x.c);
  y_channels_ = all(y.c);
  switch (op_of(op_case.function)) {
    case Op::conv_forward:
    case Op::conv_transpose_forward:
      pictures_ = spread(x.n, kPictures);
      y_channels_ = spread(y.c, kChannels);
      break;
    case Op::conv_backward_data:
    case Op::conv_transpose_backward_data:
      pictures_ = spread(x.n, kPictures);
      x_channels_ = spread(x.c, kChannels);
      break;
    case Op::conv_backward_weights:
    case Op::conv_transpose_backward_weights:
      x_channels_ = spread(x.c, kChannels);
      y_channels_ = spread(y.c, kChannels);
      break;
    default:
      // Which elements dropout drops depends on how many channels there are.
      if (!keeps_channels_apart(op_case.function) || op_case.drop > 0) return;
      x_channels_ = y_channels_ = spread(x.c, kChannels);
  }
  whole_ = false;
  const auto size = [](const std::vector<int64_t>& list) {
    return static_cast<int64_t>(list.size());
  };
  if (y.n == x.n) part_.y.n = size(pictures_);
  part_.x.n = size(pictures_);
  part_.x.c = size(x_channels_);
  part_.y.c = size(y_channels_);
}

Sample::Axes Sample::axes_of(const Field& field) const {
  if (field.name == "x" || field.name == "dx") return {pictures_, x_channels_};
  if (field.name == "y" || field.name == "dy") return {pictures_, y_channels_};
  if (field.name == "w" || field.name == "dw") {
    const bool transposed = op_of(part_.function) >= Op::conv_transpose_forward;
    return transposed ? Axes{x_channels_, y_channels_} : Axes{y_channels_, x_channels_};
  }
  return {{0}, field.name == "bias" ? y_channels_ : x_channels_};
}

std::vector<double> Sample::pick(const Field& field, const std::vector<double>& values) const {
  if (whole_) return values;
  const Axes axes = axes_of(field);
  const int64_t pixels = field.shape.h * field.shape.w, channels = field.shape.c;
  std::vector<double> picked;
  picked.reserve(axes.first.size() * static_cast<size_t>(pixels) * axes.last.size());
  for (const int64_t n : axes.first)
    for (int64_t p = n * pixels; p < (n + 1) * pixels; ++p)
      for (const int64_t c : axes.last)
        picked.push_back(values[static_cast<size_t>(p * channels + c)]);
  return picked;
}

int64_t Sample::place(const Field& field, int64_t element) const {
  if (whole_) return element;
  const Axes axes = axes_of(field);
  const int64_t pixels = field.shape.h * field.shape.w;
  const auto channels = static_cast<int64_t>(axes.last.size());
  const int64_t c = element % channels, p = element / channels % pixels;
  const int64_t n = axes.first[static_cast<size_t>(element / channels / pixels)];
  return (n * pixels + p) * field.shape.c + axes.last[static_cast<size_t>(c)];
}

}  // namespace gan::cases
