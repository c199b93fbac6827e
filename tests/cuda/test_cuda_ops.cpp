// The GPU's kernels against the reference, in the simulator: every operation at small and awkward
// shapes, in both storage types, under every order of threads.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/cases/backend_parity.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/sim/simulator.h"

namespace gan::testing {

using namespace cases;

namespace {

void check(const std::vector<OpCase>& cases, Precision precision = Precision::f32) {
  CudaMemory memory;
  CudaBackend backend(memory, nullptr,
                      precision == Precision::tf32 ? CudaPrecision::tf32 : CudaPrecision::fp32);
  const auto summary = check_backend_against_reference(backend, memory, cases, precision);
  INFO(summary.text());
  CHECK(summary.failures.empty());
  CHECK(summary.unsupported == 0);
  CHECK(summary.checked == static_cast<int>(cases.size()));
}

bool is_convolution(const OpCase& op_case) {
  return op_of(op_case.function) <= Op::conv_transpose_backward_weights;
}

std::vector<OpCase> only(std::vector<OpCase> cases, bool convolutions) {
  std::erase_if(cases, [&](const OpCase& c) { return is_convolution(c) != convolutions; });
  return cases;
}

OpCase make_case(Function function, const Shape& x, const Shape& y, Margin x_margin = {},
                 Margin y_margin = {}) {
  OpCase c;
  c.function = function;
  c.x = x;
  c.y = y;
  c.x_margin = x_margin;
  c.y_margin = y_margin;
  c.act = Activation::leaky_relu;
  c.bias = true;
  c.name = str(name_of(function), " ", x, "->", y, " margins ", x_margin.before, ",",
               x_margin.after, " ", y_margin.before, ",", y_margin.after);
  return c;
}

OpCase with_dropout(OpCase c) {
  c.drop = 0.3f;
  c.name += " with dropout";
  return c;
}

OpCase of_kinds(int64_t kinds, OpCase c) {
  c.kinds = kinds;
  c.name += str(" of ", kinds, " kinds");
  return with_dropout(c);
}

// Shapes that need several blocks, chunks or rounds of a loop in the memory-bound kernels.
std::vector<OpCase> large_cases() {
  using enum Function;
  std::vector<OpCase> cases;
  const Margin even = {8, 16}, tail = {8, 5};  // with `tail`, the last packet of a row is not full
  // Many chunks of rows; few and many channels; more than 256 threads' worth of channels.
  for (const Shape& s : {Shape{2, 65, 67, 3}, Shape{1, 61, 53, 24}, Shape{3, 17, 19, 64},
                         Shape{1, 5, 7, 600}, Shape{1, 3, 2, 2056}}) {
    for (const Function f : {batch_norm_train, batch_norm_infer, batch_norm_backward, add, fill,
                             l1_loss, activation_backward, avg_pool_forward, avg_pool_backward,
                             max_pool_forward, max_pool_backward}) {
      const bool pools = op_of(f) == Op::avg_pool || op_of(f) == Op::max_pool;
      const bool loses = op_of(f) == Op::loss;
      const Shape y = pools ? Shape{s.n, s.h / 2, s.w / 2, s.c} : loses ? vector_shape(1) : s;
      cases.push_back(make_case(f, s, y, {}, even));
    }
    for (const Function f : {batch_norm_train, batch_norm_backward})
      cases.push_back(with_dropout(make_case(f, s, s, {}, even)));
    cases.push_back(make_case(channel_sum, s, vector_shape(s.c)));
    cases.push_back(make_case(bce_with_logits, s, vector_shape(1)));
  }
  // More rows than the simulated device's shared memory holds, and than dropout draws ahead.
  for (const Function f : {batch_norm_train, batch_norm_backward}) {
    const OpCase many_rows = make_case(f, {1, 96, 96, 64}, {1, 96, 96, 64});
    cases.push_back(many_rows);
    cases.push_back(with_dropout(many_rows));
    for (const int64_t kinds : {2, 3, 4})
      cases.push_back(of_kinds(kinds, make_case(f, {12, 16, 20, 40}, {12, 16, 20, 40})));
    cases.push_back(of_kinds(2, make_case(f, {2, 5, 3, 2056}, {2, 5, 3, 2056})));
    // Averaged: more rows than shared memory holds, parts of packets, many channels, and few rows.
    for (const Shape& x : {Shape{1, 192, 96, 64}, Shape{2, 34, 62, 24}, Shape{4, 6, 10, 600},
                           Shape{2, 2, 6, 2056}, Shape{12, 16, 20, 11}}) {
      const OpCase averaged =
          make_case(f, x, {x.n, x.h / 2, x.w / 2, x.c}, {}, x.c == 11 ? tail : even);
      cases.push_back(averaged);
      cases.push_back(with_dropout(averaged));
      if (x.n > 1) cases.push_back(of_kinds(2, averaged));
    }
  }
  // Rows that begin aligned and end in part of a packet.
  for (const Shape& s : {Shape{2, 5, 3, 11}, Shape{1, 4, 4, 3}}) {
    const Margin margin = s.c == 11 ? tail : Margin{8, 13};
    for (const Function f :
         {batch_norm_train, batch_norm_infer, batch_norm_backward, fill_uniform, copy, add, fill,
          mse_loss, activation_forward, activation_backward, max_pool_backward}) {
      const Shape y = op_of(f) == Op::max_pool ? Shape{s.n, s.h / 2, s.w / 2, s.c} : s;
      cases.push_back(make_case(f, s, op_of(f) == Op::loss ? vector_shape(1) : y, margin, margin));
    }
    for (const Function f : {batch_norm_train, batch_norm_backward})
      cases.push_back(with_dropout(make_case(f, s, s, margin, margin)));
    cases.push_back(make_case(channel_sum, s, vector_shape(s.c), margin));
  }
  // Several chunks of features, groups of pictures and groups of outputs.
  for (const auto& [x, outputs, margin] :
       {std::tuple<Shape, int64_t, Margin>{{11, 16, 16, 40}, 1, {}},
        {{3, 8, 17, 64}, 6, {}},
        {{5, 6, 7, 8}, 9, even},
        {{17, 5, 5, 11}, 5, {3, 2}}}) {
    for (const Function f : {linear_forward, linear_backward_data, linear_backward_weights})
      cases.push_back(make_case(f, x, {x.n, 1, 1, outputs}, margin));
  }
  // More pixels of a line, channels and pixels of a picture than a block has threads.
  for (const Shape& s : {Shape{2, 17, 19, 24}, Shape{1, 3, 5, 600}, Shape{1, 1, 300, 3},
                         Shape{1, 2, 3, 2056}, Shape{2, 3, 4, 11}}) {
    const Margin margin = s.c == 11 ? tail : even;
    for (const Function f : {upsample_forward, upsample_backward})
      cases.push_back(make_case(f, s, {s.n, 2 * s.h, 2 * s.w, s.c}, margin, margin));
    for (const Function f : {augment_forward, augment_backward, axpby})
      cases.push_back(make_case(f, s, s, margin, margin));
    for (const Function f : {relativistic_loss, moment_loss})
      cases.push_back(make_case(f, s, vector_shape(1), margin, margin));
  }
  for (const Function f : {chroma_loss, moment_loss})
    cases.push_back(make_case(f, {2, 41, 37, 2}, vector_shape(1)));
  cases.push_back(make_case(adam, vector_shape(70001), vector_shape(70001)));
  cases.push_back(make_case(assemble_batch, {2, 40, 300, 3}, {3, 33, 290, 3}));
  return cases;
}

// Every operation once, with several rows of threads to a block, but few blocks.
std::vector<OpCase> smallest_cases() {
  using enum Function;
  const Shape s = {2, 3, 5, 24}, pooled = {2, 1, 2, 24};
  std::vector<OpCase> cases;
  for (const Function f :
       {batch_norm_train, batch_norm_infer, batch_norm_backward, add, axpby, fill, fill_uniform,
        activation_forward, activation_backward, augment_forward, augment_backward})
    cases.push_back(make_case(f, s, s));
  for (const Function f :
       {avg_pool_forward, avg_pool_backward, max_pool_forward, max_pool_backward})
    cases.push_back(make_case(f, s, pooled));
  for (const Function f : {batch_norm_train, batch_norm_backward})
    cases.push_back(with_dropout(make_case(f, {2, 6, 10, 24}, {2, 3, 5, 24})));
  for (const Function f : {upsample_forward, upsample_backward})
    cases.push_back(make_case(f, s, {2, 6, 10, 24}));
  for (const Function f : {bce_with_logits, l1_loss, mse_loss, relativistic_loss, moment_loss})
    cases.push_back(make_case(f, s, vector_shape(1)));
  cases.push_back(make_case(chroma_loss, {2, 3, 5, 2}, vector_shape(1)));
  for (const Function f : {linear_forward, linear_backward_data, linear_backward_weights})
    cases.push_back(make_case(f, s, {2, 1, 1, 5}));
  const Shape larger = {1, 17, 20, 24};  // two chunks of rows
  for (const Shape& x : {s, larger}) cases.push_back(make_case(channel_sum, x, vector_shape(24)));
  for (const Function f : {batch_norm_train, batch_norm_backward})
    cases.push_back(with_dropout(make_case(f, larger, larger)));
  for (const Function f : {batch_norm_train, batch_norm_backward})
    cases.push_back(of_kinds(2, make_case(f, s, s)));
  cases.push_back(make_case(adam, vector_shape(203), vector_shape(203)));
  cases.push_back(make_case(assemble_batch, {2, 4, 5, 3}, {2, 3, 4, 3}));
  cases.push_back(make_case(batch_norm_fold, {8, 3, 3, 4}, vector_shape(8)));
  return cases;
}

// Convolutions with enough steps to use every stage of their pipelines again, few pixels and few
// weights: in packets, in single elements, to and from few channels.
std::vector<OpCase> smallest_convolutions() {
  using enum Function;
  const ConvGeometry same = {3, 1, 1, 0}, up = {3, 2, 1, 1}, point = {1, 1, 0, 0};
  std::vector<OpCase> cases;
  const auto layer = [&](Function f, const ConvGeometry& geometry, const Shape& x,
                         int64_t channels) {
    const bool transposed = op_of(f) >= Op::conv_transpose_forward;
    cases.push_back(make_case(f, x,
                              transposed ? conv_transpose_output(x, channels, geometry)
                                         : conv_output(x, channels, geometry)));
    cases.back().geometry = geometry;
  };
  layer(conv_forward, same, {1, 2, 3, 24}, 8);
  layer(conv_backward_data, same, {1, 2, 3, 8}, 24);
  layer(conv_backward_weights, point, {1, 17, 13, 8}, 8);
  layer(conv_transpose_forward, up, {1, 2, 3, 24}, 8);
  layer(conv_forward, same, {1, 2, 3, 9}, 5);
  layer(conv_backward_weights, point, {1, 9, 17, 9}, 5);
  layer(conv_backward_weights, point, {1, 9, 17, 3}, 8);
  layer(conv_forward, same, {1, 2, 3, 16}, 2);
  layer(conv_forward, same, {1, 5, 3, 16}, 3);
  layer(conv_forward, point, {1, 3, 5, 16}, 3);
  layer(conv_forward, same, {1, 2, 3, 3}, 8);
  return cases;
}

std::vector<OpCase> norms(std::vector<OpCase> cases) {
  std::erase_if(cases, [](const OpCase& c) {
    return c.function != Function::batch_norm_train && c.function != Function::batch_norm_backward;
  });
  return cases;
}

// A device before Hopper, from now on.
sim::ScopedSettings without_clusters() {
  sim::Settings settings = sim::current_settings();
  settings.clusters = false;
  return sim::ScopedSettings(settings);
}

// Results are compared elsewhere; here they must not be NaN.
void run_once(const std::vector<OpCase>& cases, Precision precision) {
  CudaMemory memory;
  for (const OpCase& op_case : cases) {
    CAPTURE(op_case.name, static_cast<int>(precision));
    CudaBackend backend(memory, nullptr,
                        precision == Precision::tf32 ? CudaPrecision::tf32 : CudaPrecision::fp32);
    OpTensors tensors(memory, op_case, precision);
    tensors.fill(make_values(op_case, precision, 3), Write::accumulate);
    tensors.run(backend, Write::accumulate);
    CHECK(tensors.damage() == "");
    for (const Field& field : tensors.fields())
      for (const double value : tensors.values(field.name))
        if (std::isnan(value)) FAIL(field.name << " holds NaN");
  }
}

struct Order {
  sim::Schedule schedule;
  uint64_t seed;
};

constexpr Order kOrders[] = {{sim::Schedule::fifo, 1},     {sim::Schedule::lifo, 1},
                             {sim::Schedule::random, 2},   {sim::Schedule::random, 3},
                             {sim::Schedule::priority, 4}, {sim::Schedule::priority, 5},
                             {sim::Schedule::priority, 6}};

}  // namespace

TEST_CASE("the CUDA kernels equal the reference on every small case, in every order of threads") {
  for (const Order& order : kOrders) {
    const sim::ScopedSettings scope(sim::Settings{order.schedule, order.seed, 1});
    INFO("schedule " << sim::schedule_name(order.schedule) << ", seed " << order.seed);
    check(small_cases());
    const sim::ScopedSettings older = without_clusters();
    check(norms(small_cases()));
  }
}

TEST_CASE("the CUDA kernels equal the reference where they need many blocks") {
  check(large_cases());
}

// Inputs are bfloat16 numbers, sums float32: a result may be off by its rounding to bfloat16 and by
// what its row of tolerances.h allows in float32.
TEST_CASE("the CUDA kernels equal the reference on bfloat16 pictures") {
  check(small_cases(), Precision::bf16);
  check(large_cases(), Precision::bf16);
}

TEST_CASE("batch norm equals the reference on a device without clusters") {
  const sim::ScopedSettings older = without_clusters();
  check(norms(large_cases()));
  check(norms(small_cases()), Precision::bf16);
  check(norms(large_cases()), Precision::bf16);
}

TEST_CASE("batch norm equals the reference with as much shared memory as other devices have") {
  for (const size_t kilobytes :
       {131, 163, 227}) {  // of no card, to try what it leads to; A100; H100 and H200
    sim::Settings settings = sim::current_settings();
    settings.shared_bytes = kilobytes << 10;
    const sim::ScopedSettings other(settings);
    CAPTURE(kilobytes);
    check(norms(large_cases()));
    check(norms(large_cases()), Precision::bf16);
  }
}

TEST_CASE("the CUDA kernels run on one small case each", "[smallest]") {
  run_once(smallest_cases(), Precision::f32);
  run_once(smallest_convolutions(), Precision::f32);
  run_once(smallest_convolutions(), Precision::bf16);
  run_once(smallest_convolutions(), Precision::tf32);
  const sim::ScopedSettings older = without_clusters();
  run_once(norms(smallest_cases()), Precision::f32);
}

TEST_CASE("the CUDA convolutions equal the reference in tf32") {
  check(only(small_cases(), true), Precision::tf32);
}

TEST_CASE("the order of threads changes no bit of a sum") {
  const bool clusters = GENERATE(true, false);
  const Shape shape = {3, 17, 19, 24};
  OpCase op_case = make_case(Function::batch_norm_train, shape, shape);
  const Values values = make_values(op_case, Precision::f32, 5);
  CudaMemory memory;
  CudaBackend backend(memory);
  std::vector<std::vector<double>> results;
  for (const Order& order : kOrders) {
    const sim::ScopedSettings scope(sim::Settings{
        .schedule = order.schedule, .seed = order.seed, .os_threads = 2, .clusters = clusters});
    OpTensors tensors(memory, op_case, Precision::f32);
    tensors.fill(values, Write::overwrite);
    tensors.run(backend, Write::overwrite);
    results.push_back(tensors.values("y"));
    CHECK((results.back() == results.front()));
  }
}

}  // namespace gan::testing
