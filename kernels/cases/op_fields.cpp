// Which tensors each function takes, and what they hold.
#include <algorithm>
#include <cmath>

#include "engine/parallel.h"
#include "engine/random.h"
#include "kernels/cases/op_tensors.h"
#include "kernels/reference/activation.h"

namespace gan::cases {
namespace {

constexpr double kAwayFromKink = 0.05;
constexpr int64_t kPiece = 1 << 14;  // numbers that one thread makes at a time

std::vector<Field> with_norm(std::vector<Field> fields, const OpCase& c, Role running) {
  const Shape v = vector_shape(c.function == Function::batch_norm_fold ? c.y.c : c.x.c);
  fields.push_back({"gamma", Role::input, Content::real, v, {}, 0.5, 1.5});
  fields.push_back({"beta", Role::input, Content::real, v});
  fields.push_back({"running_mean", running, Content::real, v});
  fields.push_back({"running_var", running, Content::real, v, {}, 0.5, 1.5});
  return fields;
}

// Rounds to the number of significant bits that a factor has in this precision.
double representable(double value, Content content, Precision precision) {
  if (precision == Precision::f64) return value;
  if (content != Content::real &&
      (precision == Precision::bf16 || precision == Precision::bf16_products)) {
    return static_cast<float>(bf16(static_cast<float>(value)));
  }
  if (content != Content::real && precision == Precision::tf32) {
    int exponent;
    const double mantissa = std::frexp(value, &exponent);
    return std::ldexp(std::nearbyint(mantissa * 0x1p11), exponent - 11);
  }
  return static_cast<float>(value);
}

double away_from(double value, double kink) {
  const double distance = value - kink;
  if (std::abs(distance) >= kAwayFromKink) return value;
  return kink + (distance < 0 ? -kAwayFromKink : kAwayFromKink);
}

// Batch statistics of x for the backward pass, after moving every x whose normalised value lies so
// near the activation's kink that rounding could decide on which side it is.
void prepare_batch_norm(const OpCase& c, Precision precision, Values& values) {
  const int64_t channels = c.x.c, count = c.x.pixels() / c.kinds;
  const double eps = BatchNorm{}.eps;
  for (int64_t row = 0; row < c.kinds * channels; ++row) {
    const int64_t k = row % channels;
    double* const x = values["x"].data() + row / channels * count * channels;
    const double gamma = values["gamma"][k], beta = values["beta"][k];
    for (int round = 0; round < 20; ++round) {
      double sum = 0, squares = 0;
      for (int64_t p = 0; p < count; ++p) sum += x[p * channels + k];
      const double mean = sum / static_cast<double>(count);
      for (int64_t p = 0; p < count; ++p) squares += std::pow(x[p * channels + k] - mean, 2);
      const double inv_std = 1 / std::sqrt(squares / static_cast<double>(count) + eps);
      values["mean"][row] = representable(mean, Content::real, precision);
      values["inv_std"][row] = representable(inv_std, Content::real, precision);
      if (c.act == Activation::none) break;
      bool moved = false;
      for (int64_t p = 0; p < count; ++p) {
        double& element = x[p * channels + k];
        const double z = gamma * (element - mean) * inv_std + beta;
        if (std::abs(z) >= 1e-3) continue;
        element = representable(element + 0.02, Content::data, precision);
        moved = true;
      }
      if (!moved) break;
    }
  }
}

// Moves every target to the middle of its cell and every x away from where the loss turns linear.
void prepare_chroma(const OpCase& c, Precision precision, Values& values) {
  const auto cells = static_cast<double>(c.cells);
  std::vector<double>&x = values["x"], &target = values["target"];
  for (size_t i = 0; i < x.size(); ++i) {
    const double place = (target[i] + 1) / 2 * cells, cell = std::floor(place);
    const double inside = cell + 0.25 + 0.5 * (place - cell);
    target[i] = representable(2 * inside / cells - 1, Content::data, precision);
    const double d = x[i] - target[i], size = away_from(std::abs(d), kChromaBeta);
    x[i] = representable(target[i] + (d < 0 ? -size : size), Content::data, precision);
  }
}

// Makes the mean and the spread of each picture's channel differ clearly from the truth's, in
// either direction.
void prepare_moments(const OpCase& c, Precision precision, Values& values) {
  constexpr double kApart = 0.05;
  const int64_t pixels = c.x.h * c.x.w;
  std::vector<double>&x = values["x"], &target = values["target"];
  for (int64_t n = 0; n < c.x.n; ++n) {
    for (int64_t k = 0; k < c.x.c; ++k) {
      const auto moments = [&](const std::vector<double>& v) {
        double sum = 0, squares = 0;
        for (int64_t p = 0; p < pixels; ++p) sum += v[(n * pixels + p) * c.x.c + k];
        const double mean = sum / static_cast<double>(pixels);
        for (int64_t p = 0; p < pixels; ++p)
          squares += std::pow(v[(n * pixels + p) * c.x.c + k] - mean, 2);
        return std::pair(mean, std::sqrt(squares / static_cast<double>(pixels)));
      };
      const bool up = (n + k) % 2 == 0;
      const auto [mean, spread] = moments(x);
      for (int round = 0; round < 20; ++round) {
        const auto [truth, truth_spread] = moments(target);
        const bool mean_apart = up ? truth - mean > kApart : mean - truth > kApart;
        const bool spread_apart =
            pixels == 1 || (up ? truth_spread - spread > kApart : spread - truth_spread > kApart);
        if (mean_apart && spread_apart) break;
        for (int64_t p = 0; p < pixels; ++p) {
          double& element = target[(n * pixels + p) * c.x.c + k];
          if (!spread_apart) element = truth + (element - truth) * (up ? 1.3 : 0.7);
          if (!mean_apart) element += up ? 0.3 : -0.3;
          element = representable(element, Content::data, precision);
        }
      }
    }
  }
}

}  // namespace

std::vector<Field> fields_of(const OpCase& c) {
  using enum Function;
  constexpr auto in = Role::input, out = Role::output, both = Role::in_out;
  constexpr auto data = Content::data, weight = Content::weight, real = Content::real;
  const bool conv_transpose = op_of(c.function) >= Op::conv_transpose_forward &&
                              op_of(c.function) <= Op::conv_transpose_backward_weights;
  const int64_t k = c.geometry.kernel;
  const Shape w_shape = op_of(c.function) == Op::linear ? Shape{c.y.c, c.x.h, c.x.w, c.x.c}
                        : conv_transpose                ? Shape{c.x.c, k, k, c.y.c}
                                                        : Shape{c.y.c, k, k, c.x.c};
  // Weights of this size make sums of the size of their terms.
  const double limit =
      std::sqrt(3.0 / static_cast<double>(std::max<int64_t>(1, reduction_length(c))));
  const Field x = {"x", in, data, c.x, c.x_margin}, y = {"y", out, data, c.y, c.y_margin};
  const Field dy = {"dy", in, data, c.y, c.y_margin};
  const Field dx = {"dx", out, data, c.x, c.x_margin, -1, 1, true};
  const Field w = {"w", in, weight, w_shape, {}, -limit, limit};
  const Field dw = {"dw", out, real, w_shape, {}, -1, 1, true};
  const Field bias = {"bias", in, real, vector_shape(c.y.c)};
  const auto vector = [](const char* name, Role role, int64_t channels, bool accumulates) {
    return Field{name, role, Content::real, vector_shape(channels), {}, -1, 1, accumulates};
  };
  const auto statistics = [&](const char* name, Role role) {
    return Field{name, role, Content::real, {c.kinds, 1, 1, c.x.c}, {}, -1, 1, false};
  };
  const Field target = {"target", in, data, c.x, c.y_margin};

  switch (c.function) {
    case conv_forward:
    case conv_transpose_forward:
    case linear_forward:
      if (c.bias) return {x, w, bias, y};
      return {x, w, y};
    case conv_backward_data:
    case conv_transpose_backward_data:
    case linear_backward_data:
      return {dy, w, dx};
    case conv_backward_weights:
    case conv_transpose_backward_weights:
    case linear_backward_weights:
      return {x, dy, dw};
    case batch_norm_train:
      return with_norm({x, y, statistics("mean", out), statistics("inv_std", out)}, c, both);
    case batch_norm_infer:
      return with_norm({x, y}, c, in);
    case batch_norm_backward: {
      std::vector<Field> fields = {x, dy, statistics("mean", in), statistics("inv_std", in)};
      if (c.in_place) {
        fields[0].role = both;
      } else {
        fields.push_back({"dx", out, data, c.x, c.x_margin});
      }
      if (!c.skip_optional) {
        fields.push_back(vector("dgamma", out, c.x.c, true));
        fields.push_back(vector("dbeta", out, c.x.c, true));
      }
      return with_norm(fields, c, in);
    }
    case batch_norm_fold:
      return with_norm({{"w", in, real, c.x},
                        {"folded_w", out, real, c.x},
                        vector("folded_bias", out, c.y.c, false)},
                       c, in);
    case activation_forward:
      return {x, y};
    case activation_backward:
      return {{"y", in, data, c.y, c.y_margin}, dy, dx};
    case avg_pool_forward:
    case max_pool_forward:
    case upsample_forward:
    case augment_forward:
      return {x, y};
    case avg_pool_backward:
      if (c.act != Activation::none) return {x, dy, dx};
      return {dy, dx};
    case upsample_backward:
    case augment_backward:
      return {dy, dx};
    case max_pool_backward:
      return {x, dy, dx};
    case bce_with_logits: {
      const Field logits = {"x", in, data, c.x, c.x_margin, -4, 4};
      if (c.skip_optional) return {logits, vector("loss", out, 1, false)};
      return {logits, vector("loss", out, 1, false), dx};
    }
    case l1_loss:
    case mse_loss:
    case moment_loss:
      if (c.skip_optional) return {x, target, vector("loss", out, 1, false)};
      return {x, target, vector("loss", out, 1, false), dx};
    case relativistic_loss: {
      const Field d_higher = {"d_higher", out, data, c.x, c.x_margin, -1, 1, true};
      const Field d_lower = {"d_lower", out, data, c.x, c.y_margin, -1, 1, true};
      std::vector<Field> fields = {{"higher", in, data, c.x, c.x_margin, -4, 4},
                                   {"lower", in, data, c.x, c.y_margin, -4, 4},
                                   vector("loss", out, 1, false)};
      if (!c.skip_optional && !c.skip_higher) fields.push_back(d_higher);
      if (!c.skip_optional && !c.skip_lower) fields.push_back(d_lower);
      return fields;
    }
    case chroma_loss: {
      const Field weights = {"weights", in, real, {1, c.cells, c.cells, 1}, {}, 0.2, 3};
      if (c.skip_optional) return {x, target, weights, vector("loss", out, 1, false)};
      return {x, target, weights, vector("loss", out, 1, false), dx};
    }
    case adam:
      return {{"parameters", both, real, c.x},
              {"gradients", in, real, c.x},
              {"first_moment", both, real, c.x},
              {"second_moment", both, real, c.x, {}, 0.01, 1}};
    case fill:
    case fill_uniform:
      return {{"x", out, data, c.x, c.x_margin}};
    case copy:
      return {x, y};
    case add:
    case axpby:
      return {x, {"y", both, data, c.y, c.y_margin}};
    case channel_sum:
      return {x, vector("sums", out, c.x.c, true)};
    case assemble_batch:
      return {{"photos", in, Content::bytes, c.x, {}, 0, 255},
              {"gray", out, data, c.y, c.y_margin},
              {"color", out, data, c.y, c.x_margin}};
  }
  return {};
}

DType type_of(const Field& field, Precision precision) {
  if (field.content == Content::bytes) return DType::u8;
  return field.content == Content::data ? data_type(precision) : real_type(precision);
}

bool has_write(const OpCase& op_case) {
  const std::vector<Field> fields = fields_of(op_case);
  return std::any_of(fields.begin(), fields.end(), [](const Field& f) { return f.accumulates; });
}

DType call_type(const OpCase& op_case, Precision precision) {
  for (const Field& field : fields_of(op_case))
    if (field.content == Content::data) return data_type(precision);
  return real_type(precision);
}

int64_t least_bytes(const OpCase& op_case, Precision precision) {
  int64_t bytes = 0;
  for (const Field& field : fields_of(op_case)) {
    const int64_t size =
        field.shape.elements() * static_cast<int64_t>(size_of(type_of(field, precision)));
    bytes += field.role == Role::in_out ? 2 * size : size;
  }
  return bytes;
}

Values make_values(const OpCase& c, Precision precision, uint64_t seed) {
  Values values;
  uint64_t stream = 0;
  const bool sixteenths = precision == Precision::bf16_products &&
                          op_of(c.function) <= Op::conv_transpose_backward_weights;
  const auto made = [&](double value, Content content) {
    if (content == Content::bytes) return std::round(value);
    if (sixteenths && content != Content::real) return std::round(value * 16) / 16;
    return representable(value, content, precision);
  };
  for (const Field& field : fields_of(c)) {
    std::vector<double>& v = values[field.name];
    v.resize(static_cast<size_t>(field.shape.elements()));
    parallel_ranges(field.shape.elements(), kPiece, [&](int64_t begin, int64_t end) {
      constexpr uint64_t kDraws = 2;  // for a float64
      Random random(Random::State{seed, stream, kDraws * static_cast<uint64_t>(begin)});
      for (int64_t i = begin; i < end; ++i) {
        const double value = field.low + (field.high - field.low) * random.uniform_f64();
        v[static_cast<size_t>(i)] = made(value, field.content);
      }
    });
    ++stream;
  }

  const auto change = [&](const char* name, auto&& changed) {
    std::vector<double>& v = values[name];
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = representable(changed(v[i], i), Content::data, precision);
  };
  switch (c.function) {
    case Function::activation_forward:
      change("x", [](double x, size_t) { return away_from(x, 0); });
      break;
    case Function::activation_backward:
      change("y", [&](double x, size_t) { return reference::activate(c.act, away_from(x, 0)); });
      break;
    case Function::avg_pool_backward:
      if (c.act == Activation::none) break;
      change("x", [&](double x, size_t) { return reference::activate(c.act, away_from(x, 0)); });
      break;
    case Function::batch_norm_backward:
      prepare_batch_norm(c, precision, values);
      break;
    case Function::l1_loss:  // every seventh pair is equal: the slope there is 0
      change("target", [&](double target, size_t i) {
        const double x = values["x"][i];
        return i % 7 == 6 ? x : away_from(target, x);
      });
      break;
    case Function::chroma_loss:
      prepare_chroma(c, precision, values);
      break;
    case Function::moment_loss:
      prepare_moments(c, precision, values);
      break;
    case Function::max_pool_forward:
    case Function::max_pool_backward:
      if (c.ties) change("x", [](double x, size_t) { return std::round(2 * x) / 2; });
      break;
    default:
      break;
  }
  return values;
}

}  // namespace gan::cases
