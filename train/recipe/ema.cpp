#include "train/recipe/ema.h"

#include <algorithm>
#include <cmath>

namespace gan {

Ema::Ema(Device& device, const Generator& source)
    : device_(device),
      source_(source),
      average_(make_generator(source.model(), source.width(), source.head())),
      tape_(device.memory),
      factor_memory_(device.memory, 2 * sizeof(float)) {
  average_->parameters().allocate(device.memory, DType::f32, Use::inference);
  copy_source();
}

void Ema::copy_source() {
  const auto& from = source_.parameters().all();
  auto& to = average_->parameters().all();
  for (size_t i = 0; i < from.size(); ++i) {
    const Tensor &x = from[i].value, &y = to[i].value;
    device_.kernels(call_on(Op::memory, x, y)).copy(x, y);
  }
  average_->parameters().values_changed();
}

void Ema::aim(int64_t photos, double half_life) {
  const auto count = static_cast<double>(photos);
  seen_ += count;
  const double decay = std::exp2(-count / std::max(count, std::min(half_life, seen_ / 20)));
  const float factors[] = {static_cast<float>(1 - decay), static_cast<float>(decay)};
  device_.memory.send(factor_memory_.data(), factors, sizeof(factors));
}

void Ema::follow() {
  const Tensor &x = source_.parameters().values(), &y = average_->parameters().values();
  const Tensor factors(factor_memory_.data(), vector_shape(2), DType::f32);
  device_.kernels(call_on(Op::memory, x, y)).mix(factors, x, y);
  average_->parameters().values_changed();
}

void Ema::measure_statistics(BatchSource& batches, const std::vector<int32_t>& photos,
                             int64_t batch) {
  const Frozen frozen(average_->parameters());
  const auto count = static_cast<int64_t>(photos.size());
  for (int64_t begin = 0; begin + batch <= count; begin += batch) {
    tape_.reset();
    Context context{.kernels = device_.kernels, .tape = tape_, .training = true};
    average_->forward(context, tape_.constant(batches.assemble(&photos[begin], batch).gray));
  }
  average_->parameters().values_changed();
}

void Ema::state(Archive& archive) {
  archive.network("average", average_->parameters());
  archive.number("average.seen", seen_);
}

}  // namespace gan
