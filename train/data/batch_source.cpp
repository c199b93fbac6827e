#include "train/data/batch_source.h"

#include <numeric>
#include <utility>

namespace gan {

std::vector<int32_t> shuffled(int64_t count, Random random) {
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  }
  return order;
}

BatchSource::BatchSource(Device& device, const PhotoSet& photos, int64_t batch, ColorSpace space)
    : device_(device),
      space_(space),
      photo_memory_(device.memory, photos.pixels.size()),
      batch_memory_(device.memory, static_cast<size_t>(2 * batch) * photos.photo_bytes() *
                                       size_of(device.pictures())),
      pick_memory_(device.memory, static_cast<size_t>(batch) * sizeof(PhotoPick)) {
  device.memory.copy_from_host(photo_memory_.data(), photos.pixels.data(), photos.pixels.size());
  photos_ = Tensor(photo_memory_.data(), {photos.count(), photos.size, photos.size, 3}, DType::u8);
  const Shape shape = {batch, photos.size, photos.size, 3};
  gray_ = Tensor(batch_memory_.data(), shape, device.pictures());
  color_ = Tensor(static_cast<std::byte*>(batch_memory_.data()) + gray_.bytes(), shape,
                  device.pictures());
}

void BatchSource::pick(const int32_t* indices, int64_t count) {
  std::vector<PhotoPick> picks(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) picks[i].photo = indices[i];
  pick(picks);
}

void BatchSource::pick_moved(const int32_t* indices, int64_t count, int shift, Random& random) {
  const auto offset = [&] {
    return static_cast<int32_t>(random.below(static_cast<uint32_t>(2 * shift + 1))) - shift;
  };
  std::vector<PhotoPick> picks(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int32_t top = offset(), left = offset();
    picks[i] = {indices[i], top, left, static_cast<int32_t>(random.below(2))};
  }
  pick(picks);
}

void BatchSource::pick(const std::vector<PhotoPick>& picks) {
  device_.memory.send(pick_memory_.data(), picks.data(), picks.size() * sizeof(PhotoPick));
}

Batch BatchSource::assemble(int64_t count) {
  const Batch batch = {gray_.pictures(0, count), color_.pictures(0, count)};
  device_.kernels({Op::batch, device_.pictures(), photos_.shape(), batch.color.shape(), {}})
      .assemble_batch(photos_, static_cast<const PhotoPick*>(pick_memory_.data()), space_,
                      batch.gray, batch.color);
  return batch;
}

Batch BatchSource::assemble(const int32_t* indices, int64_t count) {
  pick(indices, count);
  return assemble(count);
}

}  // namespace gan
