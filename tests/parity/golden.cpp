#include "tests/parity/golden.h"

#include <cmath>
#include <utility>

#include "engine/random.h"
#include "model/weights.h"
#include "train/recipe/classic.h"

namespace gan::parity {
namespace {

using cases::Precision;

// Limits against float64 golden values, as norm of the difference over norm of the value.
struct Limits {
  // Everything of the first step: what its one forward and backward pass computes.
  double activations, logits, gradients, statistics;
  // The curve of all steps, and pictures after the last: earlier differences have been through Adam
  // many times. It divides by the gradient's own size, so parameters with hardly any gradient drift
  // apart by whole steps.
  double losses, final_output;
  // Parameters after one update, relative to the update itself: relative to the parameters even an
  // update of the wrong sign would look small. Adam's first step is learning rate * sign(gradient)
  // nearly everywhere, so a gradient inside the rounding noise decides a full-size step by chance.
  // Elements below known_gradient of their tensor's root mean square are therefore left out. The
  // gradients themselves are compared in full.
  double update, known_gradient;
  int trials;  // see kNudge
};

// float32: every activation and gradient passes through at most 13 layers, each of which adds
// rounding of some 1e-7 for sums of up to 65,536 products. PyTorch's own float32 comes to 1.1e-4 of
// the losses and 1.5e-4 of the final output on a file of ten steps. known_gradient leaves out about
// 1 % of all elements, and is 100 times the noise that the limit of gradients allows.
constexpr Limits kFloat32 = {1e-4, 1e-4, 1e-4, 1e-4, 1e-3, 1e-3, 1e-3, 1e-2, 256};

// bfloat16 and tf32: results are off by their rounding (2^-9, 2^-12) times a small factor, logits by
// more, because their 65,536 terms cancel (bfloat16: three ways to round the same sums came to 0.076,
// 0.079 and 0.109). Gradients are off by far more: of the units, a share that
// grows with the rounding falls to the other side of its kink (see kNudge), each such unit is wrong
// as a whole, and an error is the root of the share, layer upon layer. Measured on files of width 4
// and 16: bfloat16 0.57 and 0.25, tf32 0.16 and less. A gradient that is missing is off by 1, one of
// the wrong sign by 2. That sums are right to the last bit is tested operation by operation, where
// nothing is lost in kinks (tests/cuda); here it is the path through all of them. Of the first
// update, the elements are compared whose gradient is larger than such an error, so of known sign.
constexpr Limits kBfloat16 = {0.1, 0.2, 0.7, 1e-2, 1e-2, 1e-2, 1e-3, 2, 0};
constexpr Limits kTf32 = {2e-2, 2e-2, 0.3, 1e-3, 1e-2, 1e-3, 1e-3, 2, 0};

const Limits& limits_of(Precision precision) {
  require(precision != Precision::f64, "golden values have no limits for float64");
  return precision == Precision::bf16 ? kBfloat16 : precision == Precision::tf32 ? kTf32 : kFloat32;
}

// ReLU and LeakyReLU have a kink: a unit whose input lies within rounding of 0 may fall on either
// side, and a single one changes whole gradients by 1e-3 to 1e-2 (PyTorch's own float32 is off by
// 1.2e-2 that way on a file of width 16). Among millions of units some are always that close. So
// gradients off their limit get further trials, from parameters moved by at most kNudge of their
// value, about float32's own rounding. That lets borderline units fall the other way and changes
// the rest of a gradient by far less than the limit; what is wrong stays wrong in every trial. On a
// file of width 16 few trials have all units on PyTorch's side, for kernels that add in one order the
// 1st, in others the 6th, 12th, 56th or 142nd.
constexpr double kNudge = 0x1p-23;

constexpr int kMaxSteps = 10'000;
constexpr int kMaxWidth = 512;

double number(const TensorFile& file, const std::string& key, const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw DataError(str(path, ": metadata lacks ", key));
  try {
    size_t used = 0;
    const double value = std::stod(found->second, &used);
    if (used == found->second.size() && std::isfinite(value)) return value;
  } catch (const std::logic_error&) {  // reported below, as any other text that is no number
  }
  throw DataError(str(path, ": metadata ", key, " is '", found->second, "', expected a number"));
}

int whole_number(const TensorFile& file, const std::string& key, int most,
                 const std::string& path) {
  const double value = number(file, key, path);
  if (value != std::floor(value) || value < 1 || value > most) {
    throw DataError(str(path, ": metadata ", key, " is ", value, ", expected 1..", most));
  }
  return static_cast<int>(value);
}

// Refuses a file made with constants that are fixed in this engine.
void check_constants(const TensorFile& file, const std::string& path) {
  const BatchNorm norm;
  const std::pair<const char*, double> fixed_here[] = {
      {"bn_momentum", norm.momentum}, {"bn_eps", norm.eps}, {"leaky_slope", kLeakySlope}};
  for (const auto& [key, ours] : fixed_here) {
    if (file.metadata.count(key) == 0) continue;
    const double theirs = number(file, key, path);
    if (std::abs(theirs - ours) > 1e-6 * ours) {
      throw DataError(str(path, ": made with ", key, " ", theirs, ", this engine has ", ours));
    }
  }
}

ClassicSettings settings_of(const TensorFile& file, const std::string& path) {
  ClassicSettings settings;
  settings.lr_generator = number(file, "lr_g", path);
  settings.lr_discriminator = number(file, "lr_d", path);
  settings.beta1 = number(file, "beta1", path);
  settings.beta2 = number(file, "beta2", path);
  settings.adam_eps = number(file, "adam_eps", path);
  settings.l1_weight = number(file, "l1_weight", path);
  settings.dropout = number(file, "dropout", path);
  return settings;
}

// {N, C, H, W} pictures in a file, as a tensor in the device's memory.
Tensor upload_pictures(Arena& arena, const FileTensor& pictures, DType dtype,
                       const std::string& path) {
  if (pictures.shape.size() != 4 || pictures.shape[1] != 3 || pictures.shape[2] != 128 ||
      pictures.shape[3] != 128 || pictures.shape[0] < 1) {
    throw DataError(str(path, ": tensor ", pictures.name, ": expected shape Nx3x128x128, found ",
                        shape_text(pictures.shape)));
  }
  const Tensor tensor = arena.allocate({pictures.shape[0], 128, 128, 3}, dtype);
  from_host(arena.memory(), tensor,
            to_channels_last(pictures.values(), pictures.shape[0], 3, 128, 128).data());
  return tensor;
}

// Compares the engine's tensors with those of one file.
class Comparison {
 public:
  Comparison(Memory& memory, const TensorFile& file, const std::string& path)
      : memory_(memory), file_(file), path_(path) {}

  // A result of shape {N, H, W, C}, which the file holds as {N, C, H, W} or {N, C}.
  void picture(Group& group, const std::string& name, const Tensor& value) const {
    const Shape& s = value.shape();
    const FileTensor* found = find(group, name);
    if (!found) return;
    std::vector<int64_t> shape = {s.n, s.c, s.h, s.w};
    if (found->shape.size() == 2) shape = {s.n, s.h * s.w * s.c};
    expect_shape(*found, shape);
    group.add(name, relative_error(to_host_f64(memory_, value),
                                   to_channels_last(found->values(), s.n, s.c, s.h, s.w)));
  }

  // The gradients of all learned parameters.
  void gradients(Group& group, const std::string& prefix, const ParameterSet& parameters) const {
    for (const Parameter& p : parameters.all()) {
      const FileTensor* found = p.learned ? find(group, prefix + p.name) : nullptr;
      if (found)
        group.add(found->name, relative_error(to_host_f64(memory_, p.grad), read(p, *found)));
    }
  }

  void statistics(Group& group, const std::string& prefix, const ParameterSet& parameters) const {
    for (const Parameter& p : parameters.all()) {
      const FileTensor* found = p.learned ? nullptr : find(group, prefix + p.name);
      if (found) {
        group.add(found->name, relative_error(to_host_f64(memory_, p.value), read(p, *found)));
      }
    }
  }

  // Parameters after the first update, see Limits::update. `net` is "g." or "d.".
  void parameters(Group& group, const std::string& net, const ParameterSet& parameters,
                  double known_gradient) const {
    for (const Parameter& p : parameters.all()) {
      if (!p.learned) continue;
      const FileTensor* after = find(group, "step1.param." + net + p.name);
      const FileTensor* gradient = file_.find("step1.grad." + net + p.name);
      if (!after || !gradient) continue;
      const std::vector<double> before = read(p, file_.at("init." + net + p.name, path_));
      group.add(after->name, update_error(to_host_f64(memory_, p.value), read(p, *after), before,
                                          read(p, *gradient), known_gradient));
    }
  }

  // One number a step.
  void curve(Group& group, const std::string& name, const std::vector<double>& values) const {
    const FileTensor* found = find(group, name);
    if (!found) return;
    expect_shape(*found, {static_cast<int64_t>(values.size())});
    group.add(name, relative_error(values, found->values()));
  }

 private:
  const FileTensor* find(Group& group, const std::string& name) const {
    const FileTensor* found = file_.find(name);
    if (!found) group.missing.push_back(name);
    return found;
  }

  void expect_shape(const FileTensor& tensor, const std::vector<int64_t>& shape) const {
    if (tensor.shape == shape) return;
    throw DataError(str(path_, ": tensor ", tensor.name, ": expected shape ", shape_text(shape),
                        ", found ", shape_text(tensor.shape)));
  }

  std::vector<double> read(const Parameter& p, const FileTensor& tensor) const {
    expect_shape(tensor, file_shape(p));
    return to_memory_order(p, tensor.values());
  }

  static double update_error(const std::vector<double>& value, const std::vector<double>& expected,
                             const std::vector<double>& before, const std::vector<double>& gradient,
                             double known_gradient) {
    double square = 0;
    for (double g : gradient) square += g * g;
    const double least = known_gradient * std::sqrt(square / static_cast<double>(gradient.size()));
    std::vector<double> update, expected_update;
    for (size_t i = 0; i < value.size(); ++i) {
      if (std::abs(gradient[i]) < least) continue;
      update.push_back(value[i] - before[i]);
      expected_update.push_back(expected[i] - before[i]);
    }
    return relative_error(update, expected_update);
  }

  Memory& memory_;
  const TensorFile& file_;
  const std::string& path_;
};

// What G answers in inference mode, valid until the tape's reset.
Tensor infer(Device& device, Generator& generator, Tape& tape, const Tensor& gray) {
  Context context{device.kernels, tape, false};
  return generator.forward(context, tape.constant(gray)).value;
}

// What the first step of a golden file is compared by.
struct FirstStep {
  explicit FirstStep(const Limits& limits)
      : activations{"activations", limits.activations},
        logits{"logits", limits.logits},
        d_gradients{"D gradients", limits.gradients},
        g_gradients{"G gradients", limits.gradients},
        parameters{"parameters after one step", limits.update},
        statistics{"running statistics", limits.statistics} {}

  Group activations, logits, d_gradients, g_gradients, parameters, statistics;
  ClassicGan::StepLosses losses;
};

// A golden file that is being followed.
class Training {
 public:
  Training(Device& device, const TensorFile& file, const std::string& path, Precision precision)
      : device_(device),
        file_(file),
        path_(path),
        dtype_(cases::data_type(precision)),
        limits_(limits_of(precision)),
        width_(whole_number(file, "width", kMaxWidth, path)),
        steps_(whole_number(file, "steps", kMaxSteps, path)),
        settings_(settings_of(file, path)),
        inputs_(device.memory) {
    check_constants(file, path);
    check_parameters(new_generator()->parameters(), "init.g.", file, path);
    x_ = upload_pictures(inputs_, file.at("x", path), dtype_, path);
    y_ = upload_pictures(inputs_, file.at("y", path), dtype_, path);
    if (x_.shape() != y_.shape()) throw DataError(path + ": x and y differ in their batch size");
  }

  Report check() {
    const std::unique_ptr<Generator> generator = new_generator();
    ClassicGan gan(device_, *generator, settings_, dtype_);
    load(gan);
    FirstStep first = first_step(gan);
    Group losses{"losses", limits_.losses}, final_output{"final output", limits_.final_output};
    remaining_steps(gan, first.losses, losses, final_output);
    for (int trial = 1; trial <= limits_.trials; ++trial) {
      if (first.d_gradients.ok() && first.g_gradients.ok()) break;
      retry(trial, first);
    }
    return {str(path_, ": width ", width_, ", batch ", x_.shape().n, ", ", steps_, " steps"),
            {first.activations, first.logits, first.d_gradients, first.g_gradients,
             first.parameters, first.statistics, losses, final_output}};
  }

 private:
  std::unique_ptr<Generator> new_generator() const {
    try {
      return make_generator("gan", width_);
    } catch (const UsageError& error) {  // what the file says, not what the user typed
      throw DataError(str(path_, ": ", error.what()));
    }
  }

  void load(ClassicGan& gan) const {
    load_parameters(gan.generator().parameters(), "init.g.", file_, path_);
    load_parameters(gan.discriminator().parameters(), "init.d.", file_, path_);
  }

  // The first step in its parts. D's running statistics are compared last, when it has seen the
  // real, the false and once more the false photos.
  FirstStep first_step(ClassicGan& gan) {
    const ParameterSet& g = gan.generator().parameters();
    const ParameterSet& d = gan.discriminator().parameters();
    const Comparison compare(device_.memory, file_, path_);
    FirstStep first(limits_);
    Variable& fake = gan.generate(x_);
    compare.picture(first.activations, "step1.fake", fake.value);
    const auto judged = gan.discriminator_gradients(y_, fake.value, false);
    compare.picture(first.logits, "step1.logit_real", judged.logits_real);
    compare.picture(first.logits, "step1.logit_fake", judged.logits_fake);
    compare.gradients(first.d_gradients, "step1.grad.d.", d);
    gan.update_discriminator();
    compare.parameters(first.parameters, "d.", d, limits_.known_gradient);
    const auto fooled = gan.generator_gradients(fake, y_);
    compare.picture(first.logits, "step1.logit_fake_for_g", fooled.logits_fake);
    compare.gradients(first.g_gradients, "step1.grad.g.", g);
    gan.update_generator();
    compare.parameters(first.parameters, "g.", g, limits_.known_gradient);
    compare.statistics(first.statistics, "step1.buffer.g.", g);
    compare.statistics(first.statistics, "step1.buffer.d.", d);
    first.losses = {judged.losses, fooled.losses};
    return first;
  }

  void remaining_steps(ClassicGan& gan, const ClassicGan::StepLosses& first, Group& losses,
                       Group& final_output) {
    std::vector<double> d_curve, bce_curve, l1_curve;
    for (int step = 0; step < steps_; ++step) {
      const ClassicGan::StepLosses now = step == 0 ? first : gan.step(x_, y_, {});
      d_curve.push_back(now.discriminator.sum());
      bce_curve.push_back(now.generator.adversarial);
      l1_curve.push_back(now.generator.l1);
    }
    const Comparison compare(device_.memory, file_, path_);
    compare.curve(losses, "losses.d", d_curve);
    compare.curve(losses, "losses.g_bce", bce_curve);
    compare.curve(losses, "losses.l1", l1_curve);
    Tape tape(device_.memory);
    compare.picture(final_output, "final.eval_fake", infer(device_, gan.generator(), tape, x_));
  }

  // See kNudge. Of each network's gradients the best trial counts.
  void retry(int trial, FirstStep& first) {
    const std::unique_ptr<Generator> generator = new_generator();
    ClassicGan gan(device_, *generator, settings_, dtype_);
    load(gan);
    Random random(static_cast<uint64_t>(trial));
    for (ParameterSet* parameters : {&generator->parameters(), &gan.discriminator().parameters()}) {
      std::vector<double> values = to_host_f64(device_.memory, parameters->values());
      for (double& x : values) x *= 1 + kNudge * (2 * random.uniform_f64() - 1);
      from_host(device_.memory, parameters->values(), values.data());
      parameters->values_changed();
    }
    const FirstStep again = first_step(gan);
    first.d_gradients.keep_better(again.d_gradients, trial);
    first.g_gradients.keep_better(again.g_gradients, trial);
  }

  Device& device_;
  const TensorFile& file_;
  const std::string& path_;
  DType dtype_;
  const Limits& limits_;
  int width_, steps_;
  ClassicSettings settings_;
  Arena inputs_;
  Tensor x_, y_;
};

}  // namespace

Report check_training(Device& device, const TensorFile& file, const std::string& path,
                      Precision precision) {
  return Training(device, file, path, precision).check();
}

Report check_generator(Device& device, const std::string& weights_path, const TensorFile& pair,
                       const std::string& pair_path) {
  const LoadedGenerator loaded = load_generator(weights_path, device.memory);
  Arena inputs(device.memory);
  const Tensor x = upload_pictures(inputs, pair.at("x", pair_path), DType::f32, pair_path);
  Group output{"output", kFloat32.activations};
  Tape tape(device.memory);
  Comparison(device.memory, pair, pair_path)
      .picture(output, "y", infer(device, *loaded.generator, tape, x));
  return {str(weights_path, ": model ", loaded.generator->model(), ", ", x.shape().n, " photos of ",
              pair_path),
          {output}};
}

FileKind kind_of(const TensorFile& file, const std::string& path) {
  if (file.metadata.count("model") > 0) return FileKind::weights;
  if (file.find("x") && file.find("y")) {
    return file.metadata.count("steps") > 0 ? FileKind::training : FileKind::pair;
  }
  throw DataError(path + ": holds neither a model nor the tensors x and y, so no golden values");
}

}  // namespace gan::parity
