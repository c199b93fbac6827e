#include "kernels/cases/op_tensors.h"

#include <algorithm>
#include <cstring>

namespace gan::cases {
namespace {

constexpr size_t kGuardBytes = 256;  // keeps the tensor as well aligned as an arena would
// Repeated, these bits are a NaN in every float type. Outputs are guarded by others than inputs,
// so that a copy that runs over does not copy guards on equal guards.
constexpr uint16_t kInputGuard = 0x7ff1, kOutputGuard = 0x7ff2;

AdamSettings adam_settings() {
  AdamSettings settings;
  settings.learning_rate = 0.05;  // large, or the updates would drown in the parameters' rounding
  return settings;
}

// Windows that reach over the photo's edges and beyond, flipped every other time.
std::vector<PhotoPick> picks_of(const OpCase& c) {
  std::vector<PhotoPick> picks;
  for (int64_t n = 0; n < c.y.n; ++n) {
    const int64_t top = n * 5 % (c.x.h + 2) - 2, left = n * 7 % (c.x.w + 3) - 3;
    picks.push_back({static_cast<int32_t>((n + 1) % c.x.n), static_cast<int32_t>(top),
                     static_cast<int32_t>(left), static_cast<int32_t>(n % 2)});
  }
  return picks;
}

// Pictures that stay, move a little either way, or leave altogether; every other one mirrored;
// squares inside, over an edge, and none.
std::vector<Warp> warps_of(const OpCase& c) {
  std::vector<Warp> warps;
  for (int64_t n = 0; n < c.x.n; ++n) {
    const auto height = static_cast<int32_t>(c.x.h), width = static_cast<int32_t>(c.x.w);
    const auto i = static_cast<int32_t>(n);
    Warp warp;
    warp.down = i % 3 == 0 ? 0 : i % 3 == 1 ? (i + height) / 3 : -(i + height) / 4;
    warp.right = i % 4 == 0 ? 0 : i % 4 == 1 ? -(i + width) / 3 : (i + width) / 4;
    warp.flip = i % 2;
    warp.cut_size = i % 3 == 2 ? 0 : (height + 2) / 3;
    warp.cut_top = i % 5 * height / 4 - 1;
    warp.cut_left = width - 1 - i % 4 * width / 3;
    if (i % 12 == 11) warp.down = height;
    warps.push_back(warp);
  }
  return warps;
}

Buffer upload_bytes(Memory& memory, const void* data, size_t bytes) {
  Buffer buffer(memory, bytes);
  memory.copy_from_host(buffer.data(), data, bytes);
  return buffer;
}

Buffer upload_control(Memory& memory, uint64_t step) {
  const UpdateControl control = {adam_settings().learning_rate, step, 1};
  return upload_bytes(memory, &control, sizeof control);
}

}  // namespace

GuardedTensor::GuardedTensor(Memory& memory, const Field& field, DType type)
    : memory_(&memory), constant_(field.role == Role::input) {
  const int64_t pitch = field.margin.before + field.shape.c + field.margin.after;
  const size_t bytes = static_cast<size_t>(field.shape.pixels() * pitch) * size_of(type);
  block_ = Buffer(memory, bytes + 2 * kGuardBytes);
  void* first = static_cast<std::byte*>(block_.data()) + kGuardBytes;
  const Shape wide = {field.shape.n, field.shape.h, field.shape.w, pitch};
  tensor_ = Tensor(first, wide, type).channels(field.margin.before, field.shape.c);
}

void GuardedTensor::write_guards() {
  const uint16_t guard = constant_ ? kInputGuard : kOutputGuard;
  written_.resize(block_.bytes());
  for (size_t i = 0; i + sizeof guard <= written_.size(); i += sizeof guard)
    std::memcpy(&written_[i], &guard, sizeof guard);
}

void GuardedTensor::fill(const std::vector<double>& values) {
  require(static_cast<int64_t>(values.size()) == tensor_.elements(), "fill: ", values.size(),
          " values for shape ", tensor_.shape());
  write_guards();
  const auto* const block = static_cast<const std::byte*>(block_.data());
  const auto first = static_cast<const std::byte*>(tensor_.data()) - block;
  const Tensor copy(&written_[first], tensor_.shape(), tensor_.dtype(), tensor_.pitch());
  from_host(host_memory(), copy, values.data());
  memory_->copy_from_host(block_.data(), written_.data(), written_.size());
}

void GuardedTensor::poison() {
  write_guards();
  memory_->copy_from_host(block_.data(), written_.data(), written_.size());
}

std::string GuardedTensor::damage() const {
  const auto* const block = static_cast<const std::byte*>(block_.data());
  const size_t size = size_of(tensor_.dtype());
  const auto first = static_cast<size_t>(static_cast<const std::byte*>(tensor_.data()) - block);
  // A slice of nothing would end before its first element.
  const size_t last = std::max(first, written_.size() - kGuardBytes);
  std::vector<std::byte> now = written_;
  const auto download = [&](size_t begin, size_t end) {
    memory_->copy_to_host(&now[begin], block + begin, end - begin);
  };
  download(0, first);
  download(last, now.size());
  if (constant_ || !tensor_.dense()) download(first, last);
  if (!constant_ && !tensor_.dense()) {  // what the call was meant to write is not damage
    for (int64_t pixel = 0; pixel < tensor_.shape().pixels(); ++pixel) {
      const size_t at = first + static_cast<size_t>(pixel * tensor_.pitch()) * size;
      std::memcpy(&now[at], &written_[at], static_cast<size_t>(tensor_.shape().c) * size);
    }
  }
  if (std::memcmp(now.data(), written_.data(), now.size()) == 0) return "";
  const auto at = std::mismatch(now.begin(), now.end(), written_.begin()).first - now.begin();
  const int64_t element = (at - static_cast<int64_t>(first)) / static_cast<int64_t>(size);
  return str("memory changed that was not the call's to write, ", element,
             " elements from the tensor's first (shape ", tensor_.shape(), ", pitch ",
             tensor_.pitch(), ")");
}

OpTensors::OpTensors(Memory& memory, const OpCase& op_case, Precision precision)
    : case_(op_case),
      memory_(&memory),
      fields_(fields_of(op_case)),
      step_(upload_bytes(memory, &op_case.step, sizeof op_case.step)),
      control_(upload_control(memory, op_case.step)) {
  for (const Field& field : fields_)
    tensors_.try_emplace(field.name, memory, field, type_of(field, precision));
  if (op_case.function == Function::assemble_batch) {
    const std::vector<PhotoPick> picks = picks_of(op_case);
    picks_ = upload_bytes(memory, picks.data(), picks.size() * sizeof picks[0]);
  }
  if (op_of(op_case.function) == Op::augment) {
    const std::vector<Warp> warps = warps_of(op_case);
    warps_ = upload_bytes(memory, warps.data(), warps.size() * sizeof warps[0]);
  }
}

void OpTensors::fill(const Values& values, Write write) {
  for (const Field& field : fields_) {
    GuardedTensor& tensor = tensors_.at(field.name);
    const bool keeps = field.accumulates && write == Write::accumulate;
    if (field.role == Role::output && !keeps) {
      tensor.poison();
    } else {
      tensor.fill(values.find(field.name)->second);
    }
  }
}

void OpTensors::fill_quickly(Kernels& kernels) {
  const auto* step = static_cast<const uint64_t*>(step_.data());
  uint32_t stream = 0;
  for (const Field& field : fields_) {
    if (field.role == Role::output) continue;
    const Tensor tensor = (*this)[field.name];
    if (field.content == Content::bytes) {
      memory_->fill_zero(tensor.data(), tensor.bytes());
    } else {
      kernels(call_on(Op::random, tensor, tensor))
          .fill_uniform({.seed = 1, .stream = ++stream, .step = step}, tensor);
    }
  }
}

void OpTensors::set(std::string_view name, const std::vector<double>& values) {
  const auto found = tensors_.find(name);
  require(found != tensors_.end(), "the case has no field ", name);
  found->second.fill(values);
}

const Field& OpTensors::field(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(),
                                  [&](const Field& field) { return field.name == name; });
  require(found != fields_.end(), "the case has no field ", name);
  return *found;
}

Tensor OpTensors::operator[](std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? Tensor() : found->second.tensor();
}

std::vector<double> OpTensors::values(std::string_view name) const {
  return to_host_f64(*memory_, (*this)[name]);
}

std::string OpTensors::damage() const {
  for (const auto& [name, tensor] : tensors_) {
    const std::string found = tensor.damage();
    if (!found.empty()) return str(name, ": ", found);
  }
  return "";
}

void OpTensors::run(Backend& backend, Write write, uint64_t version) const {
  const OpTensors& t = *this;
  const OpCase& c = case_;
  const ConvGeometry& g = c.geometry;
  const Weights w = {t["w"], version};
  const Epilogue epilogue = {t["bias"], c.act, c.inference};
  const BatchNorm norm = {t["gamma"], t["beta"], t["running_mean"], t["running_var"]};
  const BatchNormSaved saved = {t["mean"], t["inv_std"]};
  const auto* step = static_cast<const uint64_t*>(step_.data());
  const auto* control = static_cast<const UpdateControl*>(control_.data());
  const RandomKey key = {0x9e3779b97f4a7c15u, 5, step};
  const Dropout dropout = {c.drop, key};
  const float weight = loss_weight(c);
  const auto* warps = static_cast<const Warp*>(warps_.data());

  using enum Function;
  switch (c.function) {
    case conv_forward:
      return backend.conv_forward(g, t["x"], w, epilogue, t["y"]);
    case conv_backward_data:
      return backend.conv_backward_data(g, t["dy"], w, t["dx"], write);
    case conv_backward_weights:
      return backend.conv_backward_weights(g, t["x"], t["dy"], t["dw"], write);
    case conv_transpose_forward:
      return backend.conv_transpose_forward(g, t["x"], w, epilogue, t["y"]);
    case conv_transpose_backward_data:
      return backend.conv_transpose_backward_data(g, t["dy"], w, t["dx"], write);
    case conv_transpose_backward_weights:
      return backend.conv_transpose_backward_weights(g, t["x"], t["dy"], t["dw"], write);
    case batch_norm_train:
      return backend.batch_norm_train(t["x"], norm, c.act, dropout, saved, t["y"]);
    case batch_norm_infer:
      return backend.batch_norm_infer(t["x"], norm, c.act, t["y"]);
    case batch_norm_backward:
      return backend.batch_norm_backward(t["x"], t["dy"], norm, c.act, dropout, saved,
                                         t[c.in_place ? "x" : "dx"], t["dgamma"], t["dbeta"],
                                         write);
    case batch_norm_fold:
      return backend.batch_norm_fold(t["w"], norm, c.transposed, t["folded_w"], t["folded_bias"]);
    case activation_forward:
      return backend.activation_forward(c.act, t["x"], t["y"]);
    case activation_backward:
      return backend.activation_backward(c.act, t["y"], t["dy"], t["dx"], write);
    case avg_pool_forward:
      return backend.avg_pool_forward(t["x"], t["y"]);
    case avg_pool_backward:
      return backend.avg_pool_backward(c.act, t["x"], t["dy"], t["dx"], write);
    case max_pool_forward:
      return backend.max_pool_forward(t["x"], t["y"]);
    case max_pool_backward:
      return backend.max_pool_backward(t["x"], t["dy"], t["dx"], write);
    case upsample_forward:
      return backend.upsample_forward(t["x"], t["y"]);
    case upsample_backward:
      return backend.upsample_backward(t["dy"], t["dx"], write);
    case augment_forward:
      return backend.augment_forward(t["x"], warps, t["y"]);
    case augment_backward:
      return backend.augment_backward(t["dy"], warps, t["dx"], write);
    case linear_forward:
      return backend.linear_forward(t["x"], w, t["bias"], t["y"]);
    case linear_backward_data:
      return backend.linear_backward_data(t["dy"], w, t["dx"], write);
    case linear_backward_weights:
      return backend.linear_backward_weights(t["x"], t["dy"], t["dw"], write);
    case bce_with_logits:
      return backend.bce_with_logits(t["x"], c.target, weight, t["loss"], t["dx"], write);
    case l1_loss:
      return backend.l1_loss(t["x"], t["target"], weight, t["loss"], t["dx"], write);
    case mse_loss:
      return backend.mse_loss(t["x"], t["target"], weight, t["loss"], t["dx"], write);
    case relativistic_loss:
      return backend.relativistic_loss(t["higher"], t["lower"], weight, t["loss"], t["d_higher"],
                                       t["d_lower"], write);
    case chroma_loss:
      return backend.chroma_loss(t["x"], t["target"], t["weights"], kChromaBeta, weight, t["loss"],
                                 t["dx"], write);
    case moment_loss:
      return backend.moment_loss(t["x"], t["target"], weight, t["loss"], t["dx"], write);
    case adam:
      return backend.adam(adam_settings(), control, t["parameters"], t["gradients"],
                          t["first_moment"], t["second_moment"]);
    case fill:
      return backend.fill(t["x"], 0.3f);
    case fill_uniform:
      return backend.fill_uniform(key, t["x"]);
    case copy:
      return backend.copy(t["x"], t["y"]);
    case add:
      return backend.add(t["x"], t["y"]);
    case axpby:
      return backend.axpby(-0.3f, t["x"], 0.9f, t["y"]);
    case channel_sum:
      return backend.channel_sum(t["x"], t["sums"], write);
    case assemble_batch:
      return backend.assemble_batch(t["photos"], static_cast<const PhotoPick*>(picks_.data()),
                                    c.space, t["gray"], t["color"]);
  }
}

}  // namespace gan::cases
