#include "train/run/memory_plan.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/error.h"
#include "kernels/rehearsal.h"
#include "train/metrics/evaluate.h"
#include "train/recipe/recipe.h"

namespace gan {
namespace {

constexpr int64_t kPhotos = 16;                   // to rehearse with, a batch of an evaluation
constexpr size_t kLibraries = size_t{512} << 20;  // that CUDA and cuDNN take on a GPU, about
constexpr int64_t kMostOnGpu = 64, kMostOnCpu = 16, kLeastSteps = 16;  // of an automatic batch
constexpr int kSteps = 3;  // of a phase: an arena knows its size after the second

size_t bytes_of(const PhotoSet& photos) {
  return static_cast<size_t>(photos.count()) * photos.photo_bytes();
}

}  // namespace

size_t training_bytes(const Device& device, const TrainSettings& settings, const PhotoSet& photos,
                      const PhotoSet& held_out) {
  TrainSettings every = settings;  // what is done now and then, done at every step
  every.penalty_every = every.noise_every = 1;
  every.init.clear();
  const PhotoSet some = photos.spread(kPhotos), shown = held_out.spread(kPhotos);
  Rehearsal rehearsal(device);
  const auto recipe = make_recipe(rehearsal.device(), every, some, held_out);
  Colorizer colorizer(rehearsal.device(), recipe->result());
  std::vector<int32_t> batch(static_cast<size_t>(settings.batch_size));
  for (size_t i = 0; i < batch.size(); ++i) batch[i] = static_cast<int32_t>(i % some.names.size());
  for (const double progress : {0.0, 1.0}) {
    const Moment moment = {.epoch = 1, .progress = progress};
    for (int step = 0; step < kSteps; ++step) {
      recipe->step(batch.data(), settings.batch_size, moment);
    }
    recipe->end_epoch(moment);
  }
  std::vector<Image> truths;
  for (int64_t i = 0; i < shown.count(); ++i) truths.push_back(shown.image(i));
  color_squares(colorizer, truths, Output::own_luma);
  const bool gpu = device.memory.device() == DeviceKind::gpu;
  return rehearsal.peak_bytes() + bytes_of(photos) - bytes_of(some) +
         device.memory.most_recording_bytes() + (gpu ? kLibraries : 0);
}

int batch_that_fits(size_t room, int most, const Device& device, TrainSettings settings,
                    const PhotoSet& photos, const PhotoSet& held_out) {
  const auto fits = [&](int batch) {
    settings.batch_size = batch;
    return training_bytes(device, settings, photos, held_out) <= room;
  };
  if (most < 1 || fits(most)) return std::max(0, most);
  int small = 0, large = most;  // fits, does not fit
  while (large - small > 1) {
    const int middle = std::midpoint(small, large);
    (fits(middle) ? small : large) = middle;
  }
  return small;
}

int automatic_batch(const Device& device, const TrainSettings& settings, const PhotoSet& photos,
                    const PhotoSet& held_out) {
  const bool gpu = device.memory.device() == DeviceKind::gpu;
  const int64_t most =
      std::clamp<int64_t>(photos.count() / kLeastSteps, 1, gpu ? kMostOnGpu : kMostOnCpu);
  const size_t free = device.memory.room().free;
  if (free == 0) return static_cast<int>(most);
  const size_t room = free / 5 * 4;
  return std::max(
      1, batch_that_fits(room, static_cast<int>(most), device, settings, photos, held_out));
}

void require_room(size_t bytes, const Device& device, const TrainSettings& settings,
                  const PhotoSet& photos, const PhotoSet& held_out) {
  const size_t free = device.memory.room().free;
  const bool gpu = device.memory.device() == DeviceKind::gpu;
  if (free == 0 || bytes <= free) return;
  const int batch = batch_that_fits(free, settings.batch_size, device, settings, photos, held_out);
  throw DeviceError(str("batch ", settings.batch_size, " needs ", human_bytes(bytes),
                        gpu ? " of GPU memory, of which " : " of memory, of which ",
                        human_bytes(free), " are free: ",
                        batch > 0 ? str("--batch-size ", batch, " would fit")
                                  : str("not even one photo at a time would fit; use a smaller "
                                        "--width"),
                        ", or close what else uses the ", gpu ? "GPU" : "memory"));
}

}  // namespace gan
