// What a training run takes of a device's memory, rehearsed and real.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "kernels/rehearsal.h"
#include "train/color/colorizer.h"
#include "train/metrics/evaluate.h"
#include "train/recipe/recipe.h"
#include "train/run/memory_plan.h"

namespace gan::testing {
namespace {

// The computer's memory, all uses of which are counted; as much of it as a test says is free.
class CountedMemory final : public Memory {
 public:
  explicit CountedMemory(DeviceKind kind) : kind_(kind) {}

  DeviceKind device() const override { return kind_; }
  MemoryRoom room() const override { return {free, free}; }
  void* allocate(size_t bytes) override {
    void* const block = host_memory().allocate(bytes);
    blocks_[block] = bytes;
    in_use_ += bytes;
    peak = std::max(peak, in_use_);
    return block;
  }
  void release(void* block) noexcept override {
    in_use_ -= blocks_[block];
    blocks_.erase(block);
    host_memory().release(block);
  }
  void fill_zero(void* block, size_t bytes) override { host_memory().fill_zero(block, bytes); }
  void copy_from_host(void* to, const void* from, size_t bytes) override {
    host_memory().copy_from_host(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    host_memory().copy_to_host(to, from, bytes);
  }

  size_t most_recording_bytes() const override { return recordings; }

  size_t free = 0, peak = 0, recordings = 0;

 private:
  DeviceKind kind_;
  std::map<void*, size_t> blocks_;
  size_t in_use_ = 0;
};

Device device_of(CountedMemory& memory) {
  Kernels::Backends backends;
  backends.push_back(make_cpu_backend(CpuProducts::f32));
  backends.push_back(make_reference_backend());
  return {memory, Kernels(std::move(backends)), "counted"};
}

PhotoSet photos_of(int64_t count) {
  PhotoSet photos;
  photos.size = kWorkSize;
  for (int64_t i = 0; i < count; ++i) photos.names.push_back(std::to_string(i));
  photos.hashes.resize(photos.names.size());
  photos.pixels.resize(photos.names.size() * photos.photo_bytes());
  for (size_t i = 0; i < photos.pixels.size(); ++i) {
    photos.pixels[i] = static_cast<uint8_t>(i * i % 251);
  }
  return photos;
}

TrainSettings settings_of(const std::string& recipe, const std::string& model) {
  TrainSettings settings;
  settings.recipe = recipe;
  settings.model = model;
  settings.width = 4;
  settings.batch_size = 3;
  settings.penalty_every = settings.noise_every = 1;
  return settings;
}

}  // namespace

TEST_CASE("training takes the memory that a rehearsal of it takes") {
  const PhotoSet photos = photos_of(40), held_out = photos_of(20);
  for (const auto& [recipe, model] :
       std::map<std::string, std::string>{{"stable", "gan"}, {"classic", "gan"}}) {
    CAPTURE(recipe, model);
    const TrainSettings settings = settings_of(recipe, model);
    CountedMemory memory(DeviceKind::cpu);
    Device device = device_of(memory);
    const size_t rehearsed = training_bytes(device, settings, photos, held_out);
    CHECK(memory.peak == 0);
    memory.recordings = 1000;
    CHECK(training_bytes(device, settings, photos, held_out) == rehearsed + 1000);

    const auto real = make_recipe(device, settings, photos, held_out);
    Colorizer colorizer(device, real->result());
    const std::vector<int32_t> batch = {0, 1, 2};
    for (const double progress : {0.0, 1.0}) {
      const Moment moment = {.epoch = 1, .progress = progress};
      for (int step = 0; step < 3; ++step) real->step(batch.data(), 3, moment);
      real->end_epoch(moment);
    }
    evaluate(colorizer, held_out, 16, Output::own_luma);
    CHECK(memory.peak == rehearsed);
  }
}

TEST_CASE("a GPU without room for the batch is told what would fit") {
  const PhotoSet photos = photos_of(20), held_out = photos_of(2);
  TrainSettings settings = settings_of("stable", "gan");
  settings.batch_size = 64;
  CountedMemory memory(DeviceKind::gpu);
  const Device device = device_of(memory);
  const auto bytes_of = [&](int batch) {
    settings.batch_size = batch;
    return training_bytes(device, settings, photos, held_out);
  };
  const size_t fitting = bytes_of(10), more = bytes_of(11), wanted = bytes_of(64);
  CHECK(fitting < more);
  const auto require_it = [&] { require_room(wanted, device, settings, photos, held_out); };

  CHECK_NOTHROW(require_it());  // a device that does not say how much it has
  memory.free = wanted;
  CHECK_NOTHROW(require_it());
  memory.free = more - 1;
  CHECK_THROWS_WITH(require_it(), Catch::Contains("batch 64 needs") &&
                                      Catch::Contains("--batch-size 10 would fit"));
  memory.free = 1000;
  CHECK_THROWS_WITH(require_it(), Catch::Contains("not even one photo"));
  CHECK(memory.peak == 0);
}

TEST_CASE("an automatic batch is as large as is good and fits") {
  const PhotoSet held_out = photos_of(2);
  const TrainSettings settings = settings_of("stable", "gan");
  for (const auto& [kind, most] : {std::pair{DeviceKind::cpu, 16}, {DeviceKind::gpu, 64}}) {
    CountedMemory memory(kind);
    const Device device = device_of(memory);
    const auto batch = [&](int64_t photos) {
      return automatic_batch(device, settings, photos_of(photos), held_out);
    };
    CHECK(batch(1100) == most);  // of a device that does not say how much it has
    CHECK(batch(100) == 6);
    CHECK(batch(3) == 1);
    TrainSettings five = settings;
    five.batch_size = 5;
    memory.free = training_bytes(device, five, photos_of(200), held_out) / 4 * 5 + 10;
    CHECK(batch(200) == 5);
    memory.free = 1000;
    CHECK(batch(200) == 1);
  }
}

}  // namespace gan::testing
