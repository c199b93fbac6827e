// Networks, their parameters, their optimiser.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/random.h"
#include "kernels/device.h"
#include "kernels/reference/reference_backend.h"
#include "kernels/rehearsal.h"
#include "model/adam.h"
#include "model/discriminator.h"
#include "model/generator.h"
#include "model/weights.h"
#include "tests/model_check.h"

namespace gan {
namespace {

std::set<std::string> names_of(const ParameterSet& parameters) {
  std::set<std::string> names;
  for (const Parameter& p : parameters.all()) names.insert(p.name);
  return names;
}

void add_block(std::set<std::string>& names, const std::string& block) {
  names.insert(block + ".conv.weight");
  for (const char* part : {"weight", "bias", "running_mean", "running_var"}) {
    names.insert(block + ".bn." + part);
  }
}

}  // namespace

TEST_CASE("the networks have the documented number of parameters", "[model]") {
  ClassicDiscriminator discriminator(0.3f);
  discriminator.parameters().allocate(host_memory(), DType::f32, Use::inference);
  CHECK(ready("gan", 64, 1)->parameters().learned_count() == 3'619'203);
  CHECK(ready("demo", 64, 1)->parameters().learned_count() == 218'227);
  CHECK(ready("autoencoder5", 64, 1)->parameters().learned_count() == 42'915);
  CHECK(ready("autoencoder7", 64, 1)->parameters().learned_count() == 190'563);
  CHECK(ready("autoencoder7-leaky", 64, 1)->parameters().learned_count() == 190'563);
  CHECK(ready("autoencoder9-skip", 64, 1)->parameters().learned_count() == 3'619'203);
  CHECK(ready("unet", 64, 1)->parameters().learned_count() == 23'532'803);
  CHECK(discriminator.parameters().learned_count() == 454'401);
}

TEST_CASE("tensor names and file shapes are those of the documentation", "[model]") {
  std::set<std::string> expected;
  for (const char* block : {"enc1", "enc2", "enc3", "enc4", "enc5", "dec1", "dec2", "dec3"}) {
    add_block(expected, block);
  }
  expected.insert({"out.conv.weight", "out.conv.bias"});
  const auto generator = make_generator("gan", 64);
  CHECK(names_of(generator->parameters()) == expected);

  expected = {"l1.conv.weight", "l1.conv.bias", "fc.weight", "fc.bias"};
  for (const char* block : {"l2", "l3", "l4"}) add_block(expected, block);
  ClassicDiscriminator discriminator(0);
  CHECK(names_of(discriminator.parameters()) == expected);

  for (const Parameter& p : generator->parameters().all()) {
    if (p.name == "enc2.conv.weight") CHECK(file_shape(p) == std::vector<int64_t>{128, 64, 3, 3});
    if (p.name == "dec1.conv.weight") CHECK(file_shape(p) == std::vector<int64_t>{512, 256, 3, 3});
    if (p.name == "enc5.bn.running_var") CHECK(file_shape(p) == std::vector<int64_t>{512});
  }
  for (const Parameter& p : discriminator.parameters().all()) {
    if (p.name == "fc.weight") CHECK(file_shape(p) == std::vector<int64_t>{1, 65'536});
  }
}

TEST_CASE("file order and memory order are inverse to each other", "[model]") {
  const auto generator = make_generator("gan", 4);
  for (const Parameter& p : generator->parameters().all()) {
    const auto values = random_values(p.value.elements(), 5);
    const auto file = to_file_order(p, values);
    const auto back = to_memory_order(p, {file.begin(), file.end()});
    CHECK(same({back.begin(), back.end()}, values));
    if (p.name != "enc2.conv.weight") continue;
    // Memory holds {out, y, x, in}, files {out, in, y, x}: element out 3, in 2, y 1, x 0.
    CHECK(file[((3 * 4 + 2) * 3 + 1) * 3 + 0] == values[((3 * 3 + 1) * 3 + 0) * 4 + 2]);
  }
}

TEST_CASE("the width of a generator is checked", "[model]") {
  for (const int width : {0, -4, 2, 6, 516, 1'000'000}) {
    CHECK_THROWS_AS(make_generator("gan", width), UsageError);
    CHECK_THROWS_AS(make_generator("unet", width), UsageError);
  }
  CHECK_THROWS_WITH(make_generator("nonesuch", 64), Catch::Contains("nonesuch") &&
                                                        Catch::Contains("gan") &&
                                                        Catch::Contains("demo"));
}

TEST_CASE("initial weights fill the documented range and nothing else", "[model]") {
  const auto generator = ready("gan", 16, 1);
  for (const Parameter& p : generator->parameters().all()) {
    CAPTURE(p.name);
    const auto values = to_host(host_memory(), p.value);
    float least = values[0], most = values[0];
    for (float x : values) {
      least = std::min(least, x);
      most = std::max(most, x);
    }
    if (p.name.find(".conv.weight") != std::string::npos) {
      // 1/sqrt(fan_in), fan_in counting the second axis of the file's layout.
      const auto shape = file_shape(p);
      const double bound = 1 / std::sqrt(static_cast<double>(shape[1] * shape[2] * shape[3]));
      CHECK(least >= -bound);
      CHECK(most <= bound);
      CHECK(least < -0.8 * bound);
      CHECK(most > 0.8 * bound);
    } else if (p.name.find(".bn.") != std::string::npos) {
      const bool one = p.name.find(".bn.weight") != std::string::npos ||
                       p.name.find("running_var") != std::string::npos;
      CHECK(least == (one ? 1.0f : 0.0f));
      CHECK(most == least);
    }
  }
}

TEST_CASE("initial values depend on the seed and the name, not on what else there is", "[model]") {
  ParameterSet small, large;
  const auto add = [](ParameterSet& set, const std::string& name) {
    set.add(name, {8, 3, 3, 4}, FileLayout::conv, Initial::uniform(1));
  };
  add(small, "b");
  add(large, "a");
  add(large, "b");
  for (ParameterSet* set : {&small, &large}) {
    set->allocate(host_memory(), DType::f32, Use::inference);
    set->initialize(1);
  }
  const auto b = to_host(host_memory(), small.all()[0].value);
  CHECK(same(to_host(host_memory(), large.all()[1].value), b));
  CHECK_FALSE(same(to_host(host_memory(), large.all()[0].value), b));
  small.initialize(2);
  CHECK_FALSE(same(to_host(host_memory(), small.all()[0].value), b));
}

TEST_CASE("parameters without memory for gradients still infer", "[model]") {
  const auto generator = ready("gan", 4, 1, Use::inference);
  CHECK_FALSE(generator->parameters().gradients());
  Device device = open_device({.backend = "reference"});
  CHECK(infer(device, *generator, 16).size() == 16 * 16 * 3);
}

TEST_CASE("frozen parameters receive no gradient, and thaw", "[model]") {
  const auto generator = ready("gan", 4, 1, Use::training);
  ParameterSet& parameters = generator->parameters();
  const auto wanting = [&] {
    int64_t count = 0;
    for (const Parameter& p : parameters.all()) count += p.needs_grad;
    return count;
  };
  const int64_t learned = wanting();
  CHECK(learned == 26);  // running statistics never want one
  {
    const Frozen frozen(parameters);
    CHECK(wanting() == 0);
    Device device = open_device({.backend = "reference"});
    Tape tape(device.memory);
    const Tensor gray = tape.allocate({1, 16, 16, 3}, DType::f32);
    from_host(device.memory, gray, random_values(gray.elements(), 1).data());
    Context context{device.kernels, tape};
    Variable& out = generator->forward(context, tape.constant(gray));
    CHECK_FALSE(out.needs_grad);
    tape.backward();
    for (const Parameter& p : parameters.all()) CHECK_FALSE(p.grad_written);
  }
  CHECK(wanting() == learned);
}

TEST_CASE("folded batch norm infers what unfolded batch norm does", "[model]") {
  Device device = open_device({.backend = "reference"});
  const bool transposed = GENERATE(false, true);
  const Activation act = GENERATE(Activation::relu, Activation::leaky_relu);
  CAPTURE(transposed);
  ParameterSet parameters;
  ConvBlock block(parameters, "b", transposed ? kUp : kDown, 5, 7, act);
  parameters.allocate(device.memory, DType::f32, Use::inference);
  parameters.initialize(1);
  disturb_norms(parameters, 2);

  Tape tape(device.memory);
  const Tensor x = tape.allocate({2, 6, 6, 5}, DType::f32);
  from_host(device.memory, x, random_values(x.elements(), 4).data());
  Context context{device.kernels, tape, false};
  const auto folded = to_host(device.memory, block(context, tape.constant(x)).value);

  const auto find = [&](const std::string& name) -> const Parameter& {
    for (const Parameter& p : parameters.all())
      if (p.name == "b." + name) return p;
    throw InternalError("no parameter " + name);
  };
  const ConvGeometry geometry = (transposed ? kUp : kDown).geometry;
  const Shape shape = transposed ? conv_transpose_output(x.shape(), 7, geometry)
                                 : conv_output(x.shape(), 7, geometry);
  const Tensor sums = tape.allocate(shape, DType::f32), y = tape.allocate(shape, DType::f32);
  const Weights w = {find("conv.weight").value, 0};
  const Op op = transposed ? Op::conv_transpose_forward : Op::conv_forward;
  Backend& backend = device.kernels({op, DType::f32, x.shape(), shape, geometry});
  if (transposed) {
    backend.conv_transpose_forward(geometry, x, w, {}, sums);
  } else {
    backend.conv_forward(geometry, x, w, {}, sums);
  }
  backend.batch_norm_infer(sums,
                           {find("bn.weight").value, find("bn.bias").value,
                            find("bn.running_mean").value, find("bn.running_var").value},
                           act, y);
  const auto unfolded = to_host(device.memory, y);
  REQUIRE(folded.size() == unfolded.size());
  for (size_t i = 0; i < folded.size(); ++i) CHECK(folded[i] == Approx(unfolded[i]).margin(1e-6));
}

TEST_CASE("folded weights follow every change of values and statistics", "[model]") {
  Device device = open_device({.backend = "reference"});
  const auto generator = ready("gan", 4, 1);
  const auto first = infer(device, *generator, 16);
  CHECK(same(infer(device, *generator, 16), first));
  disturb_norms(generator->parameters(), 3);
  const auto second = infer(device, *generator, 16);
  CHECK_FALSE(same(second, first));
  generator->parameters().initialize(1);
  CHECK(same(infer(device, *generator, 16), first));

  // A pass in training mode moves the running statistics, without an optimiser.
  Tape tape(device.memory);
  const Tensor gray = tape.allocate({1, 16, 16, 3}, DType::f32);
  from_host(device.memory, gray, random_values(gray.elements(), 1).data());
  Context context{device.kernels, tape};
  generator->forward(context, tape.constant(gray));
  CHECK_FALSE(same(infer(device, *generator, 16), first));
}

TEST_CASE("a part of a concatenation that is also read alone gets both gradients", "[model]") {
  Device device = open_device({.backend = "reference"});
  Tape tape(device.memory);
  Context context{device.kernels, tape};
  const auto tensor = [&](const Shape& shape, uint64_t seed) {
    const Tensor made = tape.allocate(shape, DType::f32);
    from_host(device.memory, made, random_values(shape.elements(), seed).data());
    return made;
  };
  const Shape part_shape = {1, 2, 2, 3}, whole_shape = {1, 2, 2, 6};
  Variable& x = tape.variable(tensor(part_shape, 1), true);
  Variable& y = tape.variable(tensor(part_shape, 2), true);
  ops::Concat concat(context, {1, 2, 2, 0}, DType::f32, {3, 3});
  Variable& a = ops::activation(context, Activation::none, x, concat[0]);
  Variable& b = ops::activation(context, Activation::none, y, concat[1]);
  Variable& whole = concat.join({&a, &b});
  Variable& alone = ops::activation(context, Activation::none, a);  // after the join
  const Tensor whole_target = tensor(whole_shape, 3), alone_target = tensor(part_shape, 4);
  ops::mse_loss(context, whole, whole_target);
  ops::mse_loss(context, alone, alone_target);
  tape.backward();

  const auto read = [&](const Tensor& t) { return to_host(device.memory, t); };
  const auto xs = read(x.value), ys = read(y.value);
  const auto of_whole = read(whole_target), of_alone = read(alone_target);
  const auto dx = read(x.grad), dy = read(y.grad);
  for (size_t pixel = 0; pixel < 4; ++pixel)
    for (size_t c = 0; c < 3; ++c) {
      const size_t i = 3 * pixel + c;
      const float from_whole = 2 * (xs[i] - of_whole[6 * pixel + c]) / 24;
      CHECK(dx[i] == Approx(from_whole + 2 * (xs[i] - of_alone[i]) / 12).margin(1e-6));
      CHECK(dy[i] == Approx(2 * (ys[i] - of_whole[6 * pixel + 3 + c]) / 24).margin(1e-6));
    }
}

// Computes nothing, but wants tensors to be dense.
class Demanding final : public Backend {
 public:
  std::string_view name() const override { return "demanding"; }
  std::string description() const override { return "demanding"; }
  bool supports(const Call&) const override { return false; }
  bool wants_dense() const override { return true; }
};

TEST_CASE("where dense tensors are wanted, no convolution is given a skip's slice", "[model]") {
  const auto is_convolution = [](const Kernels::Choice& choice) {
    return choice.call.op <= Op::conv_transpose_backward_weights;
  };
  struct Passed {
    std::vector<float> result, gradients;
    int64_t slices = 0;  // that convolutions read as their input or wrote its gradient to
  };
  const auto pass = [&](const char* model, ColorHead head, bool dense, bool training,
                        bool rehearse) {
    Kernels::Backends backends;
    backends.push_back(make_reference_backend());
    if (dense) backends.push_back(std::make_unique<Demanding>());
    Device own{host_memory(), Kernels(std::move(backends)), "test"};
    Rehearsal rehearsal(own);
    Device& device = rehearse ? rehearsal.device() : own;
    const std::unique_ptr<Generator> generator = make_generator(model, 4, head);
    generator->parameters().allocate(device.memory, DType::f32, Use::training);
    generator->parameters().initialize(3);
    Tape tape(device.memory);
    Context context{device.kernels, tape, training};
    const int64_t side = generator->size_multiple();
    const Tensor gray = tape.allocate({2, side, side, 3}, DType::f32);
    from_host(device.memory, gray, random_values(gray.elements(), 4).data());
    Variable& result = generator->forward(context, tape.constant(gray));
    Passed passed;
    if (training) {
      const Tensor target = tape.allocate(result.value.shape(), DType::f32);
      from_host(device.memory, target, random_values(target.elements(), 5).data());
      ops::mse_loss(context, result, target);
      tape.backward();
      passed.gradients = to_host(device.memory, generator->parameters().gradients());
    }
    passed.result = to_host(device.memory, result.value);
    for (const Kernels::Choice& choice : device.kernels.choices())
      if (is_convolution(choice) && choice.call.x_pitch > choice.call.x.c) ++passed.slices;
    return passed;
  };
  for (const auto& [model, head] :
       {std::pair("gan", ColorHead::rgb), std::pair("gan", ColorHead::chroma64),
        std::pair("demo", ColorHead::rgb), std::pair("unet", ColorHead::rgb)}) {
    INFO(model << ", " << name_of(head));
    const auto run = [&, model = model, head = head](bool dense, bool training = true,
                                                     bool rehearse = false) {
      return pass(model, head, dense, training, rehearse);
    };
    const Passed in_place = run(false), apart = run(true);
    CHECK(in_place.slices > 0);
    CHECK(apart.slices == 0);
    CHECK((apart.result == in_place.result));
    CHECK((apart.gradients == in_place.gradients));
    CHECK(run(true, true, true).slices == 0);  // the memory plan knows
    // Nothing is copied where there are no gradients to be had for it.
    CHECK(run(true, false).slices == run(false, false).slices);
  }
}

TEST_CASE("a part of a concatenation that is nowhere near it is refused", "[model]") {
  for (const bool dense : {false, true}) {
    Kernels::Backends backends;
    backends.push_back(make_reference_backend());
    if (dense) backends.push_back(std::make_unique<Demanding>());
    Kernels kernels(std::move(backends));
    Tape tape(host_memory());
    Context context{kernels, tape};
    ops::Concat concat(context, {1, 1, 1, 0}, DType::f32, {2});
    Variable& elsewhere = tape.variable(tape.allocate({1, 1, 1, 2}, DType::f32), true);
    CHECK_THROWS_WITH(concat.join({&elsewhere}), Catch::Contains("not written into its slot"));
  }
}

TEST_CASE("kinds of pictures in one batch are judged as if each came alone", "[model]") {
  Device device = open_device({.backend = "reference"});
  const Shape shape = {2, 128, 128, 3}, all_shape = {6, 128, 128, 3};
  const std::vector<float> values = random_values(all_shape.elements(), 1);
  constexpr float kTargets[] = {1, 0, 0};
  struct Judged {
    std::vector<float> logits, losses, gradients, running;
  };
  const auto judge = [&](bool together) {
    ClassicDiscriminator discriminator(0);
    ParameterSet& parameters = discriminator.parameters();
    parameters.allocate(device.memory, DType::f32, Use::training);
    parameters.initialize(5);
    Judged judged;
    const auto add = [&](std::vector<float>& to, const Tensor& from) {
      const std::vector<float> numbers = to_host(device.memory, from);
      to.insert(to.end(), numbers.begin(), numbers.end());
    };
    Tape tape(device.memory);
    Context context{device.kernels, tape};
    const Tensor pictures = tape.allocate(all_shape, DType::f32);
    from_host(device.memory, pictures, values.data());
    const auto kind = [&](int64_t i) { return pictures.pictures(i * shape.n, shape.n); };
    if (together) {
      context.kinds = 3;
      Variable& logits = discriminator.forward(context, tape.constant(pictures));
      const std::vector<Variable*> parts = ops::split(context, logits, 3);
      for (size_t i = 0; i < 3; ++i)
        add(judged.losses, ops::bce_with_logits(context, *parts[i], kTargets[i]));
      tape.backward();
      add(judged.logits, logits.value);
    } else {
      for (size_t i = 0; i < 3; ++i) {
        Variable& logits =
            discriminator.forward(context, tape.constant(kind(static_cast<int64_t>(i))));
        add(judged.losses, ops::bce_with_logits(context, logits, kTargets[i]));
        tape.backward();
        add(judged.logits, logits.value);
      }
    }
    add(judged.gradients, parameters.gradients());
    for (const Parameter& parameter : parameters.all())
      if (parameter.name.find("running") != std::string::npos) add(judged.running, parameter.value);
    return judged;
  };
  const Judged alone = judge(false), together = judge(true);
  CHECK((together.logits == alone.logits));
  CHECK((together.losses == alone.losses));
  CHECK(alone.running.size() == 2 * (64 + 128 + 256));
  CHECK((together.running == alone.running));
  double largest = 0, furthest = 0;
  for (size_t i = 0; i < alone.gradients.size(); ++i) {
    const double gradient = alone.gradients[i];
    largest = std::max(largest, std::abs(gradient));
    furthest = std::max(furthest, std::abs(together.gradients[i] - gradient));
  }
  CHECK(largest > 0.01);
  CHECK(furthest < 1e-6 * largest);

  Tape tape(device.memory);
  Context context{device.kernels, tape};
  Variable& five = tape.constant(tape.allocate({5, 1, 1, 1}, DType::f32));
  CHECK_THROWS_AS(ops::split(context, five, 2), InternalError);
  // Where a part gets no gradient, or something else has given one, the parts' place would hold rubbish.
  const auto six = [&]() -> Variable& {
    return tape.variable(tape.allocate({6, 1, 1, 1}, DType::f32), true);
  };
  Variable& half_used = six();
  from_host(device.memory, half_used.value, std::vector<float>(6).data());
  ops::bce_with_logits(context, *ops::split(context, half_used, 2)[0], 1);
  CHECK_THROWS_WITH(tape.backward(), Catch::Contains("got no gradient"));
  Variable& used = six();
  tape.grad_target(used);
  CHECK_THROWS_WITH(ops::split(context, used, 2), Catch::Contains("from elsewhere"));
}

TEST_CASE("upsampling and augmentation send the gradient back, slices included", "[model]") {
  Device device = open_device({.backend = "reference"});
  Tape tape(device.memory);
  Context context{device.kernels, tape};
  const Tensor values = tape.allocate({1, 1, 2, 1}, DType::f32);
  const Tensor target = tape.allocate({1, 2, 4, 1}, DType::f32);
  const float ones[] = {1, 1}, zeros[8] = {};
  from_host(device.memory, values, ones);
  from_host(device.memory, target, zeros);
  Variable& x = tape.variable(values, true);
  const Warp warps[] = {{0, 1, 0, 0, 0, 0}};  // the last of four columns leaves the picture
  const Tensor wide = tape.allocate({1, 2, 4, 3}, DType::f32);
  Variable& large = ops::upsample(context, x, wide.channels(1, 1));
  CHECK(large.value.data() == wide.channels(1, 1).data());
  Variable& moved = ops::augment(context, large, warps);
  const Tensor loss = ops::l1_loss(context, moved, target, 8);
  tape.backward();
  CHECK(to_host(device.memory, loss)[0] == Approx(6 / 8.0));
  // Both rows: 1, 3/4, 1/4 of the left pixel and 0, 1/4, 3/4 of the right one.
  CHECK(to_host(device.memory, x.grad) == std::vector<float>{4, 2});

  context.training = false;
  CHECK_FALSE(ops::upsample(context, x).needs_grad);
  CHECK_FALSE(ops::augment(context, x, warps).needs_grad);
}

TEST_CASE("the relativistic loss reaches those that need a gradient, added to what they have",
          "[model]") {
  Device device = open_device({.backend = "reference"});
  const float scores[] = {0.5f, -1, 2};
  // Which of the two need a gradient, and which has got one before.
  for (const auto& [needs_higher, needs_lower, before] : {std::tuple{true, true, 0},
                                                          {true, false, 0},
                                                          {false, true, 0},
                                                          {true, true, 1},
                                                          {true, true, 2},
                                                          {true, true, 3},
                                                          {false, false, 0}}) {
    Tape tape(device.memory);
    Context context{device.kernels, tape};
    const auto variable = [&](bool needs_grad) -> Variable& {
      const Tensor made = tape.allocate({3, 1, 1, 1}, DType::f32);
      from_host(device.memory, made, scores);
      return tape.variable(made, needs_grad);
    };
    Variable& higher = variable(needs_higher);
    Variable& lower = variable(needs_lower);
    const auto run = [&] { return ops::relativistic_loss(context, higher, lower, 6); };
    if (before & 1) ops::bce_with_logits(context, higher, 1, 0);
    if (before & 2) ops::bce_with_logits(context, lower, 1, 0);
    const Tensor loss = run();
    CHECK(to_host(device.memory, loss)[0] == Approx(std::log(2.0)));
    CHECK(static_cast<bool>(higher.grad) == needs_higher);
    CHECK(static_cast<bool>(lower.grad) == needs_lower);
    if (needs_higher) CHECK(to_host(device.memory, higher.grad) == std::vector<float>(3, -1.0f));
    if (needs_lower) CHECK(to_host(device.memory, lower.grad) == std::vector<float>(3, 1.0f));
    run();
    if (needs_higher) CHECK(to_host(device.memory, higher.grad) == std::vector<float>(3, -2.0f));
    if (needs_lower) CHECK(to_host(device.memory, lower.grad) == std::vector<float>(3, 2.0f));
  }
}

TEST_CASE("the losses of chroma reach x, and only while training", "[model]") {
  Device device = open_device({.backend = "reference"});
  Tape tape(device.memory);
  Context context{device.kernels, tape};
  const auto tensor = [&](const Shape& shape, std::vector<float> values) {
    const Tensor made = tape.allocate(shape, DType::f32);
    from_host(device.memory, made, values.data());
    return made;
  };
  const Shape shape = {1, 1, 2, 2};
  Variable& x = tape.variable(tensor(shape, {1, 1, 1, 1}), true);
  const Tensor target = tensor(shape, {0, 0, 0, 0}), weights = tensor({1, 1, 1, 1}, {2});
  CHECK(to_host(device.memory, ops::chroma_loss(context, x, target, weights, 0.5f, 2))[0] == 1.5f);
  CHECK(to_host(device.memory, x.grad) == std::vector<float>(4, 1.0f));
  CHECK(to_host(device.memory, ops::moment_loss(context, x, target, 4))[0] == 1);
  CHECK(to_host(device.memory, x.grad) == std::vector<float>(4, 2.0f));
  context.training = false;
  ops::chroma_loss(context, x, target, weights, 0.5f);
  ops::moment_loss(context, x, target);
  CHECK(to_host(device.memory, x.grad) == std::vector<float>(4, 2.0f));
}

TEST_CASE("adam moves all parameters of a network at once as its formula says", "[model]") {
  Device device = open_device({.backend = "reference"});
  ParameterSet parameters;
  parameters.add("a", {2, 3, 3, 2}, FileLayout::conv, Initial::uniform(1));
  parameters.add_running("statistic", vector_shape(5), Initial::constant(3));
  parameters.add("b", vector_shape(5), FileLayout::vector, Initial::constant(2));
  parameters.allocate(device.memory, DType::f64, Use::training);
  parameters.initialize(1);
  const AdamSettings settings{.learning_rate = 0.01, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-3};
  Adam adam(parameters, settings);

  std::vector<double> value = to_host_f64(device.memory, parameters.values());
  std::vector<double> m(value.size()), v(value.size());
  Random random(1);
  for (int step = 1; step <= 3; ++step) {
    std::vector<double> gradient(value.size());
    for (double& g : gradient) g = random.normal();
    from_host(device.memory, parameters.gradients(), gradient.data());
    for (Parameter& p : parameters.all()) p.grad_written = p.learned;
    adam.update(device.kernels);
    for (size_t i = 0; i < value.size(); ++i) {
      m[i] = 0.5 * m[i] + 0.5 * gradient[i];
      v[i] = 0.9 * v[i] + 0.1 * gradient[i] * gradient[i];
      const double mean = m[i] / (1 - std::pow(0.5, step));
      value[i] -= 0.01 * mean / (std::sqrt(v[i] / (1 - std::pow(0.9, step))) + 1e-3);
    }
    const auto now = to_host_f64(device.memory, parameters.values());
    for (const Parameter& p : parameters.all()) CHECK_FALSE(p.grad_written);
    for (size_t i = 0; i < value.size(); ++i) CHECK(now[i] == Approx(value[i]).epsilon(1e-12));
  }
  CHECK(adam.steps() == 3);
  const auto statistic = to_host(device.memory, parameters.all()[1].value);
  CHECK(statistic == std::vector<float>(5, 3.0f));
}

TEST_CASE("adam without all gradients names the parameter that lacks one", "[model]") {
  Device device = open_device({.backend = "reference"});
  const auto generator = ready("gan", 4, 1, Use::training);
  Adam adam(generator->parameters(), {});
  CHECK_THROWS_WITH(adam.update(device.kernels), Catch::Contains("enc1.conv.weight"));
}

}  // namespace gan
