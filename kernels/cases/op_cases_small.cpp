// The small awkward cases, and the questions every case answers.
#include "kernels/cases/op_cases.h"

namespace gan::cases {
namespace {

constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::leaky_relu,
                                       Activation::sigmoid, Activation::tanh};
constexpr const char* kActivationNames[] = {"none", "relu", "leaky", "sigmoid", "tanh"};

// Slices that begin and end at any channel, and slices that keep 16-byte alignment.
constexpr Margin kOddBefore = {3, 2}, kOddAfter = {1, 4}, kEven = {8, 16};

std::string describe(const Shape& shape, int64_t to) {
  return str("small ", shape, "->", to);
}

struct SmallConv {
  Shape x;
  int64_t channels;
  ConvGeometry geometry;
  bool sliced;
};

void add_convs(std::vector<OpCase>& cases, bool transposed, const std::vector<SmallConv>& rows) {
  const Function functions[2][3] = {
      {Function::conv_forward, Function::conv_backward_data, Function::conv_backward_weights},
      {Function::conv_transpose_forward, Function::conv_transpose_backward_data,
       Function::conv_transpose_backward_weights}};
  int number = 0;
  for (const SmallConv& row : rows) {
    const ConvGeometry& g = row.geometry;
    OpCase c;
    c.x = row.x;
    c.geometry = g;
    c.y = transposed ? conv_transpose_output(row.x, row.channels, g)
                     : conv_output(row.x, row.channels, g);
    if (row.sliced) {
      const bool even = row.x.c % 8 == 0 && row.channels % 8 == 0;
      c.x_margin = even ? kEven : kOddBefore;
      c.y_margin = even ? kEven : kOddAfter;
    }
    // Walks through all activations, each with and without a bias.
    c.act = kActivations[number % 5];
    c.bias = number / 5 % 2 == 0;
    ++number;
    const std::string geometry = str(" k", g.kernel, " s", g.stride, " p", g.padding, " o",
                                     g.output_padding, row.sliced ? " sliced " : " ");
    for (const Function function : functions[transposed]) {
      c.function = function;
      c.name = describe(c.x, row.channels) + geometry + name_of(function);
      cases.push_back(c);
    }
  }
}

void add_elementwise(std::vector<OpCase>& cases, Function function, const Shape& shape, bool sliced,
                     Activation act = Activation::none, bool skip_optional = false) {
  OpCase c;
  c.function = function;
  c.x = c.y = shape;
  c.act = act;
  c.skip_optional = skip_optional;
  if (sliced) {
    c.x_margin = shape.c % 8 == 0 ? kEven : kOddBefore;
    c.y_margin = shape.c % 8 == 0 ? kEven : kOddAfter;
  }
  c.name = str("small ", shape, sliced ? " sliced " : " ", skip_optional ? "bare " : "",
               act == Activation::none ? "" : kActivationNames[static_cast<int>(act)],
               act == Activation::none ? "" : " ", name_of(function));
  cases.push_back(c);
}

void add_norms(std::vector<OpCase>& cases) {
  const Shape shapes[] = {{1, 1, 1, 1}, {3, 1, 1, 5}, {1, 3, 2, 3}, {3, 5, 7, 17}, {2, 4, 6, 16}};
  for (const Shape& shape : shapes) {
    for (const bool sliced : {false, true}) {
      for (const Activation act : {Activation::none, Activation::relu, Activation::leaky_relu}) {
        add_elementwise(cases, Function::batch_norm_train, shape, sliced, act);
        add_elementwise(cases, Function::batch_norm_infer, shape, sliced, act);
        add_elementwise(cases, Function::batch_norm_backward, shape, sliced, act);
      }
      for (const Function function : {Function::batch_norm_train, Function::batch_norm_backward}) {
        add_elementwise(cases, function, shape, sliced, Activation::leaky_relu);
        cases.back().drop = sliced ? 0.5f : 0.3f;
        cases.back().name += " with dropout";
        if (shape.n == 1) continue;
        cases.push_back(cases.back());
        cases.back().kinds = shape.n;
        cases.back().name += ", each picture alone";
      }
    }
    add_elementwise(cases, Function::batch_norm_backward, shape, false, Activation::relu, true);
    add_elementwise(cases, Function::batch_norm_backward, shape, true, Activation::leaky_relu);
    cases.back().in_place = true;
    cases.back().name += " in place";
  }
  for (const bool transposed : {false, true}) {
    for (const Shape& w : {Shape{1, 1, 1, 1}, Shape{5, 3, 3, 17}, Shape{16, 3, 3, 8}}) {
      OpCase c;
      c.function = Function::batch_norm_fold;
      c.transposed = transposed;
      c.x = w;
      c.y = vector_shape(transposed ? w.c : w.n);
      c.name = str("small ", w, transposed ? " transposed " : " ", name_of(c.function));
      cases.push_back(c);
    }
  }
}

// Batch norm whose results are averaged, alone and in slices.
void add_averaged_norms(std::vector<OpCase>& cases) {
  const auto add = [&](Function function, const Shape& shape, bool sliced, Activation act) {
    add_elementwise(cases, function, shape, sliced, act);
    cases.back().y = halved(shape);
    cases.back().name += " averaged";
  };
  for (const Shape& shape :
       {Shape{1, 2, 4, 1}, Shape{3, 2, 2, 5}, Shape{2, 6, 4, 17}, Shape{2, 8, 10, 16}}) {
    for (const bool sliced : {false, true}) {
      for (const Function function : {Function::batch_norm_train, Function::batch_norm_backward}) {
        add(function, shape, sliced, sliced ? Activation::relu : Activation::none);
        add(function, shape, sliced, Activation::leaky_relu);
        cases.back().drop = 0.3f;
        cases.back().name += " with dropout";
        if (shape.n == 1) continue;
        cases.push_back(cases.back());
        cases.back().kinds = shape.n;
        cases.back().name += ", each picture alone";
      }
    }
    add(Function::batch_norm_backward, shape, false, Activation::leaky_relu);
    cases.back().in_place = true;
    cases.back().name += " in place";
  }
}

void add_pools(std::vector<OpCase>& cases) {
  const Shape shapes[] = {{1, 2, 2, 1}, {1, 3, 2, 5}, {3, 5, 7, 17}, {2, 6, 4, 16}, {2, 1, 4, 3}};
  int number = 0;  // of cases of averages after an activation
  for (const Function function : {Function::avg_pool_forward, Function::avg_pool_backward,
                                  Function::max_pool_forward, Function::max_pool_backward}) {
    for (const Shape& shape : shapes) {
      for (const bool sliced : {false, true}) {
        add_elementwise(cases, function, shape, sliced);
        cases.back().y = halved(shape);
        // A 1-pixel-high picture pools to nothing; only its gradient, zero, can be asked for.
        if (cases.back().y.elements() == 0 && function != Function::avg_pool_backward) {
          cases.pop_back();
          continue;
        }
        if (function != Function::avg_pool_backward) continue;
        cases.push_back(cases.back());
        cases.back().act = kActivations[1 + number % 4];
        cases.back().name += str(" after ", kActivationNames[1 + number++ % 4]);
      }
    }
    if (op_of(function) != Op::max_pool) continue;
    add_elementwise(cases, function, {2, 7, 8, 5}, false);
    cases.back().y = {2, 3, 4, 5};
    cases.back().ties = true;
    cases.back().name += " ties";
  }
}

void add_upsamples_and_augmentations(std::vector<OpCase>& cases) {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 1, 4, 5}, Shape{1, 3, 1, 17},
                             Shape{3, 5, 7, 3}, Shape{2, 4, 6, 16}}) {
    for (const bool sliced : {false, true}) {
      for (const Function function : {Function::upsample_forward, Function::upsample_backward}) {
        add_elementwise(cases, function, shape, sliced);
        cases.back().y = {shape.n, 2 * shape.h, 2 * shape.w, shape.c};
      }
      for (const Function function : {Function::augment_forward, Function::augment_backward})
        add_elementwise(cases, function, shape, sliced);
    }
  }
  // Enough pictures for every kind of warp.
  for (const Function function : {Function::augment_forward, Function::augment_backward})
    add_elementwise(cases, function, {12, 6, 5, 3}, false);
}

void add_linears(std::vector<OpCase>& cases) {
  struct Row {
    Shape x;
    int64_t out;
    bool bias, sliced;
  };
  for (const Row& row : {Row{{1, 1, 1, 1}, 1, true, false}, Row{{3, 1, 1, 17}, 5, false, true},
                         Row{{3, 5, 3, 5}, 1, true, true}, Row{{2, 4, 4, 16}, 3, true, false}}) {
    OpCase c;
    c.x = row.x;
    c.y = {row.x.n, 1, 1, row.out};
    c.bias = row.bias;
    if (row.sliced) {
      c.x_margin = kOddBefore;
      c.y_margin = kOddAfter;
    }
    for (const Function function : {Function::linear_forward, Function::linear_backward_data,
                                    Function::linear_backward_weights}) {
      c.function = function;
      c.name = describe(c.x, row.out) + (row.sliced ? " sliced " : " ") + name_of(function);
      cases.push_back(c);
    }
  }
}

void add_losses(std::vector<OpCase>& cases) {
  for (const Function function : {Function::bce_with_logits, Function::l1_loss, Function::mse_loss,
                                  Function::relativistic_loss}) {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 5, 7, 3}, Shape{1, 31, 33, 5}}) {
      for (const bool sliced : {false, true}) {
        for (const bool bare : {false, true}) {
          add_elementwise(cases, function, shape, sliced, Activation::none, bare);
          cases.back().y = vector_shape(1);
          cases.back().target = bare == sliced ? 1.0f : 0.0f;
        }
        if (function != Function::relativistic_loss) continue;
        for (const bool higher : {false, true}) {
          add_elementwise(cases, function, shape, sliced);
          cases.back().y = vector_shape(1);
          cases.back().skip_higher = higher;
          cases.back().skip_lower = !higher;
          cases.back().name += higher ? " of lower" : " of higher";
        }
      }
    }
  }
}

void add_losses_of_chroma(std::vector<OpCase>& cases) {
  struct Row {
    Function function;
    Shape x;
  };
  for (const Row& row : {Row{Function::chroma_loss, {1, 1, 1, 2}},
                         {Function::chroma_loss, {3, 5, 7, 2}},
                         {Function::chroma_loss, {2, 16, 13, 2}},
                         {Function::moment_loss, {1, 1, 1, 1}},
                         {Function::moment_loss, {3, 5, 7, 2}},
                         {Function::moment_loss, {1, 3, 2, 17}},
                         {Function::moment_loss, {2, 8, 6, 16}}}) {
    for (const bool sliced : {false, true}) {
      for (const bool bare : {false, true}) {
        add_elementwise(cases, row.function, row.x, sliced, Activation::none, bare);
        cases.back().y = vector_shape(1);
        cases.back().cells = row.x.w;
      }
    }
  }
}

void add_adams_and_batches(std::vector<OpCase>& cases) {
  for (const int64_t count : {1, 17, 1027}) {
    for (const uint64_t step : {uint64_t{1}, uint64_t{3}, uint64_t{100000}}) {
      OpCase c;
      c.function = Function::adam;
      c.x = c.y = vector_shape(count);
      c.step = step;
      c.name = str("small ", count, " step ", step, " ", name_of(c.function));
      cases.push_back(c);
    }
  }
  for (const auto& [photos, batch] : {std::pair<Shape, Shape>{{1, 1, 1, 3}, {1, 1, 1, 3}},
                                      {{3, 9, 7, 3}, {3, 5, 4, 3}},
                                      {{2, 4, 6, 3}, {5, 8, 8, 3}}}) {
    OpCase c;
    c.function = Function::assemble_batch;
    c.x = photos;
    c.y = batch;
    c.y_margin = batch.h == 5 ? kOddAfter : Margin{};
    c.name = str("small ", photos, "->", batch, " ", name_of(c.function));
    cases.push_back(c);
    c.space = ColorSpace::ycbcr;
    c.name += " ycbcr";
    cases.push_back(c);
  }
}

}  // namespace

std::vector<OpCase> small_cases() {
  std::vector<OpCase> cases;
  const ConvGeometry k1 = {1, 1, 0, 0}, k1_half = {1, 2, 0, 0}, same = {3, 1, 1, 0},
                     half = {3, 2, 1, 0}, valid = {3, 1, 0, 0}, valid_half = {3, 2, 0, 0},
                     k1_padded = {1, 1, 1, 0};
  add_convs(cases, false,
            {{{1, 1, 1, 1}, 1, same, false},
             {{1, 1, 1, 3}, 5, half, true},
             {{3, 1, 1, 17}, 3, k1, false},
             {{3, 5, 7, 3}, 5, same, false},
             {{3, 5, 7, 3}, 5, half, true},
             {{1, 4, 6, 17}, 3, same, true},
             {{3, 9, 8, 5}, 17, half, false},
             {{1, 6, 5, 5}, 1, k1, true},
             {{3, 7, 4, 1}, 17, k1_half, false},
             {{1, 3, 4, 3}, 2, k1_padded, false},
             {{1, 3, 3, 3}, 5, valid, false},
             {{3, 6, 8, 5}, 3, valid, true},
             {{1, 7, 9, 17}, 5, valid_half, true},
             {{2, 6, 10, 16}, 32, same, true},
             {{1, 8, 8, 32}, 16, half, true},
             {{2, 8, 16, 64}, 64, same, false},
             {{1, 17, 33, 8}, 8, same, false},
             {{2, 16, 16, 3}, 16, half, false}});
  const ConvGeometry up = {3, 2, 1, 1}, up_odd = {3, 2, 1, 0}, flat = {3, 1, 1, 0},
                     up_valid = {3, 2, 0, 1}, up_k1 = {1, 2, 0, 1};
  add_convs(cases, true,
            {{{1, 1, 1, 1}, 1, up, false},
             {{1, 1, 1, 3}, 5, up_odd, true},
             {{3, 1, 1, 17}, 3, up, true},
             {{3, 3, 5, 5}, 3, up, false},
             {{3, 5, 3, 3}, 17, up, true},
             {{1, 4, 3, 5}, 1, up_odd, false},
             {{3, 3, 4, 3}, 5, flat, true},
             {{1, 3, 3, 1}, 3, up_valid, true},
             {{3, 2, 3, 5}, 3, up_k1, false},
             {{1, 5, 4, 17}, 5, k1, false},
             {{2, 5, 4, 16}, 32, up, true},
             {{1, 8, 8, 64}, 16, up, false},
             {{2, 8, 4, 32}, 3, up, false}});
  add_norms(cases);
  add_averaged_norms(cases);
  for (const Activation act : kActivations) {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 5, 7, 17}, Shape{2, 4, 6, 16}}) {
      for (const bool sliced : {false, true}) {
        add_elementwise(cases, Function::activation_forward, shape, sliced, act);
        add_elementwise(cases, Function::activation_backward, shape, sliced, act);
      }
    }
  }
  add_pools(cases);
  add_upsamples_and_augmentations(cases);
  for (const Function function : {Function::fill, Function::fill_uniform, Function::copy,
                                  Function::add, Function::axpby, Function::channel_sum}) {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 5, 7, 17}, Shape{2, 4, 6, 16}}) {
      for (const bool sliced : {false, true}) {
        add_elementwise(cases, function, shape, sliced);
        if (function == Function::channel_sum) cases.back().y = vector_shape(shape.c);
      }
    }
  }
  add_linears(cases);
  add_losses(cases);
  add_losses_of_chroma(cases);
  add_adams_and_batches(cases);
  return cases;
}

const char* name_of(Function function) {
  constexpr const char* kNames[] = {"conv_forward",
                                    "conv_backward_data",
                                    "conv_backward_weights",
                                    "conv_transpose_forward",
                                    "conv_transpose_backward_data",
                                    "conv_transpose_backward_weights",
                                    "batch_norm_train",
                                    "batch_norm_infer",
                                    "batch_norm_backward",
                                    "batch_norm_fold",
                                    "activation_forward",
                                    "activation_backward",
                                    "avg_pool_forward",
                                    "avg_pool_backward",
                                    "max_pool_forward",
                                    "max_pool_backward",
                                    "upsample_forward",
                                    "upsample_backward",
                                    "augment_forward",
                                    "augment_backward",
                                    "linear_forward",
                                    "linear_backward_data",
                                    "linear_backward_weights",
                                    "bce_with_logits",
                                    "l1_loss",
                                    "mse_loss",
                                    "relativistic_loss",
                                    "chroma_loss",
                                    "moment_loss",
                                    "adam",
                                    "fill",
                                    "fill_uniform",
                                    "copy",
                                    "add",
                                    "axpby",
                                    "channel_sum",
                                    "assemble_batch"};
  return kNames[static_cast<int>(function)];
}

Op op_of(Function function) {
  using enum Function;
  switch (function) {
    case conv_forward:
      return Op::conv_forward;
    case conv_backward_data:
      return Op::conv_backward_data;
    case conv_backward_weights:
      return Op::conv_backward_weights;
    case conv_transpose_forward:
      return Op::conv_transpose_forward;
    case conv_transpose_backward_data:
      return Op::conv_transpose_backward_data;
    case conv_transpose_backward_weights:
      return Op::conv_transpose_backward_weights;
    case batch_norm_train:
    case batch_norm_infer:
    case batch_norm_backward:
    case batch_norm_fold:
      return Op::batch_norm;
    case activation_forward:
    case activation_backward:
      return Op::activation;
    case avg_pool_forward:
    case avg_pool_backward:
      return Op::avg_pool;
    case max_pool_forward:
    case max_pool_backward:
      return Op::max_pool;
    case upsample_forward:
    case upsample_backward:
      return Op::upsample;
    case augment_forward:
    case augment_backward:
      return Op::augment;
    case linear_forward:
    case linear_backward_data:
    case linear_backward_weights:
      return Op::linear;
    case bce_with_logits:
    case l1_loss:
    case mse_loss:
    case relativistic_loss:
    case chroma_loss:
    case moment_loss:
      return Op::loss;
    case adam:
      return Op::adam;
    case fill:
    case fill_uniform:
    case copy:
    case add:
    case axpby:
    case channel_sum:
      return Op::memory;
    case assemble_batch:
      return Op::batch;
  }
  return Op::memory;
}

Call call_of(const OpCase& c, DType dtype) {
  const Op op = op_of(c.function);
  const bool forward = op == Op::conv_forward || op == Op::conv_transpose_forward;
  Call call = {op, dtype, c.x, c.y, c.geometry, forward && (c.bias || c.act != Activation::none)};
  if (op > Op::conv_transpose_backward_weights) return call;
  const auto pitch = [](const Shape& shape, const Margin& margin) {
    const int64_t around = margin.before + margin.after;
    return around == 0 ? 0 : shape.c + around;
  };
  call.x_pitch = pitch(c.x, c.x_margin);
  call.y_pitch = pitch(c.y, c.y_margin);
  return call;
}

int64_t reduction_length(const OpCase& c) {
  using enum Function;
  const int64_t taps = int64_t{c.geometry.kernel} * c.geometry.kernel;
  switch (c.function) {
    case conv_forward:
    case conv_transpose_forward:
      return taps * c.x.c;
    case conv_backward_data:
    case conv_transpose_backward_data:
      return taps * c.y.c;
    case conv_backward_weights:
      return c.y.pixels();
    case conv_transpose_backward_weights:
      return c.x.pixels();
    case batch_norm_train:
    case batch_norm_backward:
    case channel_sum:
      return c.x.pixels();
    case linear_forward:
      return c.x.h * c.x.w * c.x.c;
    case linear_backward_data:
      return c.y.c;
    case linear_backward_weights:
      return c.x.n;
    case bce_with_logits:
    case l1_loss:
    case mse_loss:
    case relativistic_loss:
    case chroma_loss:
    case moment_loss:
      return c.x.elements();
    case upsample_forward:
      return 4;
    case upsample_backward:
      return 16;
    case max_pool_forward:
    case max_pool_backward:
    case augment_forward:
    case augment_backward:
    case fill:
    case fill_uniform:
    case copy:
      return 0;
    default:
      return 1;
  }
}

int64_t multiply_adds(const OpCase& c) {
  const int64_t taps = int64_t{c.geometry.kernel} * c.geometry.kernel;
  switch (op_of(c.function)) {
    case Op::conv_forward:
    case Op::conv_backward_data:
    case Op::conv_backward_weights:
      return c.y.pixels() * c.y.c * taps * c.x.c;
    case Op::conv_transpose_forward:
    case Op::conv_transpose_backward_data:
    case Op::conv_transpose_backward_weights:
      return c.x.pixels() * c.x.c * taps * c.y.c;
    case Op::linear:
      return c.x.elements() * c.y.c;
    default:
      return 0;
  }
}

}  // namespace gan::cases
