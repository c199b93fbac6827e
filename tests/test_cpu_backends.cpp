// The two fast CPU backends: equal to the reference, independent of the number of threads, and
// careful with what they keep.
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cases/backend_parity.h"
#include "kernels/cases/op_tensors.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/stream.h"
#include "kernels/onednn/onednn_backend.h"

using namespace gan;
using namespace gan::cases;

namespace {

bool is_convolution(const OpCase& op_case) {
  return op_of(op_case.function) <= Op::conv_transpose_backward_weights;
}

struct ConvolutionRow {
  Shape x;
  int64_t channels;
  ConvGeometry geometry;
};

// Both kinds of convolution in all directions; `slices`: between foreign channels, and forward with
// all that may follow.
std::vector<OpCase> convolutions(const std::vector<ConvolutionRow>& rows, const char* name,
                                 bool slices) {
  constexpr Function kFunctions[][3] = {
      {Function::conv_forward, Function::conv_backward_data, Function::conv_backward_weights},
      {Function::conv_transpose_forward, Function::conv_transpose_backward_data,
       Function::conv_transpose_backward_weights}};
  std::vector<OpCase> cases;
  for (const ConvolutionRow& row : rows) {
    for (const bool transposed : {false, true}) {
      for (const Function function : kFunctions[transposed]) {
        OpCase c;
        c.function = function;
        c.geometry = row.geometry;
        if (transposed) c.geometry.output_padding = c.geometry.stride - 1;
        c.x = row.x;
        c.y = transposed ? conv_transpose_output(row.x, row.channels, c.geometry)
                         : conv_output(row.x, row.channels, c.geometry);
        if (slices) {
          c.x_margin = {3, 5};
          c.y_margin = {7, 1};
          c.bias = true;
          c.act = Activation::leaky_relu;
        }
        c.name = str(name, " ", c.x, " to ", c.y, " ", cases::name_of(function));
        cases.push_back(c);
      }
    }
  }
  return cases;
}

// More channels than a register tile, a task or a panel holds, and counts that leave a rest.
std::vector<OpCase> wide_convolutions() {
  return convolutions({{{1, 6, 5, 70}, 270, {3, 1, 1, 0}},
                       {{2, 9, 8, 130}, 65, {3, 2, 1, 0}},
                       {{1, 3, 3, 600}, 33, {3, 1, 1, 0}},
                       {{1, 5, 5, 100}, 7, {3, 1, 1, 0}},
                       {{40, 2, 2, 5}, 16, {3, 1, 1, 0}}},
                      "wide", false);
}

// Shapes for minimal filtering: tiles that fill the maps and tiles that reach beyond, more of them
// than a block holds, and whole vectors of channels in all the ways they fill tiles and groups.
std::vector<OpCase> filtered_convolutions() {
  return convolutions({{{2, 7, 9, 32}, 48, {3, 1, 1, 0}},
                       {{3, 4, 4, 80}, 32, {3, 1, 1, 0}},
                       {{1, 16, 14, 32}, 160, {3, 1, 1, 0}},
                       {{2, 12, 12, 64}, 160, {3, 2, 1, 0}},
                       {{3, 8, 8, 112}, 64, {3, 2, 1, 0}},
                       {{1, 23, 24, 80}, 64, {3, 2, 1, 0}},
                       // Pixels enough for the large tiles of the weights' gradient.
                       {{1, 65, 66, 144}, 32, {3, 1, 1, 0}},
                       {{2, 92, 94, 64}, 272, {3, 2, 1, 0}},
                       // And for tiles of three: data gradients with narrow sums.
                       {{2, 50, 51, 32}, 48, {3, 1, 1, 0}}},
                      "filtered", true);
}

void check_against_reference(Backend& backend, const std::vector<OpCase>& cases, int unsupported,
                             Precision precision = Precision::f32) {
  const auto summary = check_backend_against_reference(backend, host_memory(), cases, precision);
  INFO(backend.description() << "\n" << summary.text());
  CHECK(summary.failures.empty());
  CHECK(summary.unsupported == unsupported);
}

int count_others(const std::vector<OpCase>& cases) {
  int count = 0;
  for (const OpCase& c : cases) count += is_convolution(c) ? 0 : 1;
  return count;
}

// Null, with a message, where oneDNN is not part of the build.
std::unique_ptr<Backend> onednn_or_warning() {
  auto backend = make_onednn_backend();
  if (!backend) WARN("this build has no oneDNN: nothing checked");
  return backend;
}

OneDnnBackend::Statistics statistics(const Backend& backend) {
  return static_cast<const OneDnnBackend&>(backend).statistics();
}

class Threads {
 public:
  explicit Threads(int count) : before_(threads()) { set_threads(count); }
  ~Threads() { set_threads(before_); }

 private:
  int before_;
};

// Everything a call writes.
std::vector<std::vector<double>> results(Backend& backend, const OpCase& op_case,
                                         const Values& values, int thread_count) {
  const Threads limit(thread_count);
  OpTensors tensors(host_memory(), op_case, Precision::f32);
  tensors.fill(values, Write::overwrite);
  tensors.run(backend, Write::overwrite);
  std::vector<std::vector<double>> all;
  for (const Field& field : tensors.fields())
    if (field.role != Role::input) all.push_back(tensors.values(field.name));
  return all;
}

bool same(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < a[i].size(); ++j)
      if (a[i][j] != b[i][j] && !(std::isnan(a[i][j]) && std::isnan(b[i][j]))) return false;
  return a.size() == b.size();
}

// The root mean square of the differences over that of the numbers.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double error = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    size += a[i] * a[i];
  }
  return std::sqrt(error / size);
}

// A convolution with a few channels, run as weights change.
OpCase some_convolution(Function function) {
  OpCase c;
  c.name = cases::name_of(function);
  c.function = function;
  c.x = {2, 8, 8, 16};
  c.y = {2, 8, 8, 32};
  return c;
}

void check_weights_are_refreshed(Backend& backend, Function function) {
  const OpCase op_case = some_convolution(function);
  const char* output = function == Function::conv_forward ? "y" : "dx";
  const Values first = make_values(op_case, Precision::f32, 1);
  std::vector<double> other = make_values(op_case, Precision::f32, 2).find("w")->second;
  OpTensors tensors(host_memory(), op_case, Precision::f32);
  tensors.fill(first, Write::overwrite);
  tensors.run(backend, Write::overwrite, next_version());
  const auto with_first = tensors.values(output);

  tensors.set("w", other);
  tensors.run(backend, Write::overwrite, next_version());
  const auto with_other = tensors.values(output);
  CHECK(with_first != with_other);
  tensors.run(backend, Write::overwrite, 0);
  CHECK(tensors.values(output) == with_other);

  tensors.set("w", first.find("w")->second);
  tensors.run(backend, Write::overwrite, 0);
  CHECK(tensors.values(output) == with_first);
}

// Calls with many different weights, each named; `kept` tells how many packs there are.
template <class Kept>
void check_packs_are_bounded(Backend& backend, Kept&& kept) {
  const OpCase op_case = some_convolution(Function::conv_forward);
  const Values values = make_values(op_case, Precision::f32, 1);
  std::vector<std::unique_ptr<OpTensors>> all;  // alive together, so that no address comes twice
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::make_unique<OpTensors>(host_memory(), op_case, Precision::f32));
    all.back()->fill(values, Write::overwrite);
    all.back()->run(backend, Write::overwrite, next_version());
    REQUIRE(kept() <= 64);
  }
}

}  // namespace

TEST_CASE("CpuBackend with bf16 products gives the reference's results for factors of 8 bits",
          "[slow]") {
  CpuBackend backend(CpuProducts::bf16);
  for (const std::vector<OpCase>& cases :
       {small_cases(), network_cases(16, 2), wide_convolutions(), filtered_convolutions()}) {
    std::vector<OpCase> convolutions;
    std::copy_if(cases.begin(), cases.end(), std::back_inserter(convolutions), is_convolution);
    REQUIRE(!convolutions.empty());
    check_against_reference(backend, convolutions, 0, Precision::bf16_products);
  }
}

TEST_CASE("CpuBackend rounds the factors of convolutions to bf16 where that is asked for",
          "[slow]") {
  std::vector<OpCase> cases = filtered_convolutions();
  for (const Function function :
       {Function::conv_forward, Function::conv_backward_data, Function::conv_backward_weights})
    cases.push_back(some_convolution(function));
  for (const OpCase& op_case : cases) {
    CAPTURE(op_case.name);
    // Inputs of 24 bits: close to the exact backend's results, but not those.
    const Values values = make_values(op_case, Precision::f32, 3);
    CpuBackend exact, rounding(CpuProducts::bf16);
    const auto a = results(exact, op_case, values, 1), b = results(rounding, op_case, values, 1);
    const double error = distance(a[0], b[0]);
    CHECK(error < 5e-3);
    CHECK(error > 1e-4);
    CHECK(same(b, results(rounding, op_case, values, 2)));
    CHECK(same(b, results(rounding, op_case, values, 3)));
  }
}

TEST_CASE("CpuBackend does not round the photo that a first layer sees") {
  OpCase op_case = some_convolution(Function::conv_forward);
  op_case.x.c = 3;
  const Values values = make_values(op_case, Precision::f32, 3);
  CpuBackend exact, rounding(CpuProducts::bf16);
  CHECK(same(results(exact, op_case, values, 1), results(rounding, op_case, values, 1)));
}

TEST_CASE("the cpu backend equals the reference on every small case") {
  check_against_reference(*make_cpu_backend(), small_cases(), 0);
}

TEST_CASE("the cpu backend equals the reference at the networks' shapes", "[slow]") {
  check_against_reference(*make_cpu_backend(), network_cases(16, 2), 0);
}

TEST_CASE("the cpu backend equals the reference on convolutions of many channels") {
  check_against_reference(*make_cpu_backend(), wide_convolutions(), 0);
}

TEST_CASE("the cpu backend equals the reference on convolutions by minimal filtering") {
  const std::vector<OpCase> cases = filtered_convolutions();
  for (const OpCase& op_case : cases) {
    const cpu::ConvCall call = cpu::conv_call(call_of(op_case, DType::f32));
    INFO(op_case.name);
    CHECK(cpu::conv_winograd_pays(call.direction, call.shape));
  }
  check_against_reference(*make_cpu_backend(), cases, 0);
}

TEST_CASE("the cpu backend equals the reference where results pass the cache", "[slow]") {
  const Shape few = {1, 181, 183, 16}, many = {1, 181, 183, 64};
  std::vector<OpCase> cases;
  for (const Function function :
       {Function::conv_forward, Function::conv_backward_data, Function::batch_norm_train}) {
    OpCase c = some_convolution(function);
    c.x = function == Function::conv_forward ? few : many;
    c.y = function == Function::conv_backward_data ? few : many;
    cases.push_back(c);
  }
  OpCase slice = cases.back();
  slice.y_margin = {16, 32};
  cases.push_back(slice);
  OpCase fused = cases.front();
  fused.bias = true;
  fused.act = Activation::relu;
  cases.push_back(fused);
  CHECK(many.elements() >= cpu::kFewestStreamed);
  check_against_reference(*make_cpu_backend(), cases, 0);
  check_against_reference(*make_cpu_backend(CpuProducts::bf16), {fused}, 0,
                          Precision::bf16_products);
}

TEST_CASE("the cpu backend gives the same bytes whatever the number of threads", "[slow]") {
  const auto backend = make_cpu_backend();
  std::vector<OpCase> cases = network_cases(16, 2);
  for (const auto& more : {small_cases(), wide_convolutions(), filtered_convolutions()})
    cases.insert(cases.end(), more.begin(), more.end());
  for (const OpCase& op_case : cases) {
    const Values values = make_values(op_case, Precision::f32, 7);
    const auto alone = results(*backend, op_case, values, 1);
    INFO(op_case.name);
    CHECK(same(alone, results(*backend, op_case, values, 2)));
    CHECK(same(alone, results(*backend, op_case, values, 3)));
  }
}

TEST_CASE("the cpu backend packs weights again when their content changes, and only then") {
  CpuBackend backend;
  check_weights_are_refreshed(backend, Function::conv_forward);
  check_weights_are_refreshed(backend, Function::conv_backward_data);

  OpTensors tensors(host_memory(), some_convolution(Function::conv_forward), Precision::f32);
  const uint64_t version = next_version();
  tensors.run(backend, Write::overwrite, version);
  const int64_t packings = backend.packings();
  tensors.run(backend, Write::overwrite, version);
  CHECK(backend.packings() == packings);
  tensors.run(backend, Write::overwrite, 0);
  CHECK(backend.packings() == packings + 1);
}

TEST_CASE("the cpu backend keeps a limited number of packed weights") {
  CpuBackend backend;
  check_packs_are_bounded(backend, [&] { return backend.packs_kept(); });
}

TEST_CASE("oneDNN equals the reference on every convolution") {
  const auto backend = onednn_or_warning();
  if (!backend) return;
  check_against_reference(*backend, small_cases(), count_others(small_cases()));
  check_against_reference(*backend, wide_convolutions(), 0);
  const auto cases = network_cases(16, 2);
  check_against_reference(*backend, cases, count_others(cases));
}

TEST_CASE("oneDNN runs none of the networks' convolutions with its reference loops") {
  const auto backend = onednn_or_warning();
  if (!backend) return;
  for (const int64_t batch : {1, 16}) {
    for (const OpCase& op_case : network_cases(64, batch)) {
      if (!is_convolution(op_case)) continue;
      INFO(op_case.name);
      CHECK(backend->supports(call_of(op_case, DType::f32)));
    }
  }
  const std::vector<std::string> implementations = statistics(*backend).implementations;
  CHECK(!implementations.empty());
  for (const std::string& implementation : implementations) {
    INFO(implementation);
    CHECK(implementation.find(": ref") == std::string::npos);
  }
}

TEST_CASE("oneDNN makes its primitives once") {
  const auto backend = onednn_or_warning();
  if (!backend) return;
  for (const OpCase& op_case : network_cases(16, 1)) {
    if (!is_convolution(op_case)) continue;
    OpTensors tensors(host_memory(), op_case, Precision::f32);
    tensors.run(*backend, Write::overwrite);
    const int64_t made = statistics(*backend).primitives;
    tensors.run(*backend, Write::overwrite);
    INFO(op_case.name);
    CHECK(statistics(*backend).primitives == made);
  }
}

TEST_CASE("oneDNN packs weights again when their content changes, and only then") {
  const auto backend = onednn_or_warning();
  if (!backend) return;
  check_weights_are_refreshed(*backend, Function::conv_forward);
  check_weights_are_refreshed(*backend, Function::conv_backward_data);

  OpTensors tensors(host_memory(), some_convolution(Function::conv_forward), Precision::f32);
  const uint64_t version = next_version();
  tensors.run(*backend, Write::overwrite, version);
  const int64_t packings = statistics(*backend).packings;
  tensors.run(*backend, Write::overwrite, version);
  CHECK(statistics(*backend).packings == packings);
  check_packs_are_bounded(*backend, [&] { return statistics(*backend).packs_kept; });
}
