// gan_bench's parts: a wrong kernel is never timed, the list of calls is complete, samples are samples.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/cases/backend_parity.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "model/generator.h"
#include "tests/temp_folder.h"
#include "tools/bench/plot.h"
#include "tools/bench/report.h"
#include "tools/bench/run.h"
#include "train/recipe/classic.h"
#include "train/recipe/stable.h"

using namespace gan;
using bench::Request;
using bench::Session;

namespace {

constexpr int kWidth = 8, kBatch = 2;

// Convolutions that are a little off in one pixel.
class WrongBackend final : public Backend {
 public:
  std::string_view name() const override { return "wrong"; }
  std::string description() const override { return "wrong kernels"; }
  bool supports(const Call& call) const override { return call.op == Op::conv_forward; }
  void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    right_->conv_forward(geometry, x, w, epilogue, y);
    y.pictures(y.shape().n - 1, 1).as<float>()[0] += 0.01f;
  }

 private:
  std::unique_ptr<Backend> right_ = make_cpu_backend();
};

Request small_request(const std::string& filter) {
  Request request;
  request.level = "op";
  request.options = {.width = kWidth, .batch_size = kBatch, .seconds = 0.01, .filter = filter};
  request.program = "gan_bench of the tests";
  return request;
}

// A session on a device with the wrong backend in front.
Session wrong_session(const Request& request) {
  Kernels::Backends backends;
  backends.push_back(std::make_unique<WrongBackend>());
  backends.push_back(make_cpu_backend());
  Session session;
  session.options = request.options;
  session.subjects.push_back(
      {"auto",
       {host_memory(), Kernels(std::move(backends)), "CPU with a wrong kernel"},
       {1, 1, ""}});
  return session;
}

// The same on dense pictures, overwriting: every case is checked both ways, and some have slices.
Call plain(Call call) {
  call.adds = false;
  call.x_pitch = call.y_pitch = 0;
  return call;
}

// The distinct convolutions, norms, poolings and such that `work` asks a device for, none of which the
// list of cases has.
std::vector<std::string> calls_not_listed(Device& device, const std::function<void()>& work) {
  std::vector<cases::OpCase> list = cases::network_cases(kWidth, kBatch);
  const std::vector<cases::OpCase> both = cases::network_cases(kWidth, 2 * kBatch);
  list.insert(list.end(), both.begin(), both.end());  // true and coloured photos at once
  work();
  std::vector<std::string> missing;
  for (const Kernels::Choice& choice : device.kernels.choices()) {
    const Call& call = choice.call;
    if (call.op > Op::linear) continue;
    const bool listed = std::any_of(list.begin(), list.end(), [&](const cases::OpCase& c) {
      return plain(call_of(c, DType::f32)) == plain(call);
    });
    if (!listed) missing.push_back(str(name_of(call.op), " ", call.x, " > ", call.y));
  }
  return missing;
}

Tensor photos(Arena& arena, uint64_t seed) {
  const Tensor tensor = arena.allocate({kBatch, 128, 128, 3}, DType::f32);
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  for (float& x : values) x = random.uniform();
  from_host(arena.memory(), tensor, values.data());
  return tensor;
}

}  // namespace

TEST_CASE("a wrong kernel is called FAIL, gets no time, and ends the run with exit code 1") {
  const TempFolder folder;
  Request request = small_request("ae5.enc2 conv");
  request.json = (folder / "results.json").string();
  request.csv = (folder / "results.csv").string();
  Session session = wrong_session(request);
  std::ostringstream out;
  CHECK(bench::run(request, session, out) == ExitCode::some_failed);
  const std::string text = out.str();
  INFO(text);
  CHECK(text.find("FAIL ae5.enc2 conv_forward (wrong), not timed: ") != std::string::npos);
  CHECK(text.find("FAIL ae5.enc2 conv_backward") == std::string::npos);

  const nlohmann::json results = nlohmann::json::parse(read_text(request.json));
  int wrong = 0, right = 0;
  for (const auto& row : results["rows"]) {
    row["correct"].get<bool>() ? ++right : ++wrong;
    CHECK(row.contains("median_ms") == row["correct"].get<bool>());
  }
  CHECK(wrong == 1);
  CHECK(right == 2);
}

TEST_CASE("right kernels are timed, and the run ends with exit code 0") {
  const Request request = small_request("enc2 conv");
  Session session = bench::open_session(request);
  std::ostringstream out;
  CHECK(bench::run(request, session, out) == ExitCode::ok);
  INFO(out.str());
  CHECK(out.str().find("FAIL") == std::string::npos);
  CHECK(out.str().find("enc2 conv_backward_weights") != std::string::npos);
}

TEST_CASE("a filter that leaves nothing names what there is") {
  Request request = small_request("nonsense");
  CHECK_THROWS_WITH(bench::open_session(request),
                    Catch::Matchers::Contains("conv_backward_weights") &&
                        Catch::Matchers::Contains("enc2") &&
                        Catch::Matchers::Contains("'nonsense'"));
  CHECK_THROWS_AS(bench::open_session(request), UsageError);
}

TEST_CASE("the list of cases has every call that the recipes' steps make") {
  const std::vector<float> hues(32 * 32, 1.0f);
  StepPlan plan;
  plan.train_discriminator = true;
  plan.adversarial_ratio = 0.2;
  plan.r1_gamma = plan.r2_gamma = 1;
  Arena inputs(host_memory());
  const Tensor gray = photos(inputs, 1), color = photos(inputs, 2);
  for (const bool stable : {false, true}) {
    Device device = open_device({.device = "cpu"});
    const auto generator =
        make_generator("gan", kWidth, stable ? ColorHead::chroma64 : ColorHead::rgb);
    const auto missing = calls_not_listed(device, [&] {
      if (stable) {
        StableGan(device, *generator, hues, {}).step(gray, color, plan);
      } else {
        ClassicGan(device, *generator, {}).step(gray, color, {});
      }
    });
    CAPTURE(stable, missing);
    CHECK(missing.empty());
    // A skip connection's gradient is a sum in a slice, and is asked for as such.
    const auto& choices = device.kernels.choices();
    CHECK(std::any_of(choices.begin(), choices.end(), [](const Kernels::Choice& choice) {
      const Call& call = choice.call;
      return call.op == Op::conv_backward_data && call.adds && call.x_pitch == 2 * call.x.c;
    }));
  }
}

TEST_CASE("a sample of a case is that part of the whole, computed from what it needs") {
  using cases::Extent;
  for (const cases::OpCase& op_case : cases::network_cases(16, 3)) {
    const auto of_layer = [&](const char* layer) { return op_case.name.find(layer) == 0; };
    if (!of_layer("demo.t2") && !of_layer("enc3") && !of_layer("demo.l3") && !of_layer("d.l2"))
      continue;
    INFO(op_case.name);
    const cases::CaseCheck whole(op_case), part(op_case, cases::Precision::f32, Extent::sample);
    for (const cases::Field& field : fields_of(op_case)) {
      if (field.role == cases::Role::input) continue;
      const std::vector<double>& all = whole.results().at(field.name);
      const std::vector<double>& some = part.results().at(field.name);
      REQUIRE(some == part.sample().pick(field, all));
      for (size_t i = 0; i < some.size(); ++i) {
        const auto element = static_cast<int64_t>(i);
        REQUIRE(some[i] == all[static_cast<size_t>(part.sample().place(field, element))]);
      }
    }
  }
}

TEST_CASE("a roofline is drawn from results and refuses other files") {
  bench::Row row{"op", "enc2 <conv_forward>", "cpu"};
  row.flop = 2e9;
  row.bytes = 1e7;
  row.timing = {0.01, 0.009, 0.011, 5};
  row.peaks = {4e11, 2e10, "guessed"};
  const TempFolder folder;
  const std::string path = (folder / "results.json").string();
  bench::write_json(path, {"gan_bench", "CPU & more", 2, "fp32", row.peaks}, {row});
  const std::string svg = bench::roofline_svg(read_text(path));
  CHECK(svg.find("<svg ") == 0);
  CHECK(svg.find("enc2 &lt;conv_forward&gt;: 10.000 ms, 50% of the peak") != std::string::npos);
  CHECK(svg.find("CPU &amp; more") != std::string::npos);
  CHECK_THROWS_AS(bench::roofline_svg("not JSON"), DataError);
  CHECK_THROWS_AS(bench::roofline_svg("{}"), DataError);
  CHECK_THROWS_AS(bench::roofline_svg(R"({"rows": [], "device": "", "precision": "",
                  "peak_gflop_per_s": 1, "peak_gbyte_per_s": 1})"),
                  DataError);
}

TEST_CASE("bursts are as long as short work needs") {
  CHECK(bench::burst_for(1) == 1);
  CHECK(bench::burst_for(1e-3) == 1);
  CHECK(bench::burst_for(1e-5) == 100);
  CHECK(bench::burst_for(0) == 1000);
}
