// Numbers that are not finite: named, dropped, gone back from, never saved; and saving that fails.
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>

#include "engine/error.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "model/weights.h"
#include "tests/temp_folder.h"
#include "train/color/colorizer.h"
#include "train/files/run_folder.h"
#include "train/files/saving.h"
#include "train/recipe/numerics.h"
#include "train/run/trainer.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// All losses, that of chroma being no number whenever a test says so.
class Poison final : public Backend {
 public:
  explicit Poison(std::function<bool(int call)> poisoned) : poisoned_(std::move(poisoned)) {}

  std::string_view name() const override { return "poison"; }
  std::string description() const override { return "poison"; }
  bool supports(const Call& call) const override { return call.op == Op::loss; }
  void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                       const Tensor& dx, Write write) override {
    real_->bce_with_logits(x, target, weight, loss, dx, write);
  }
  void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
               const Tensor& dx, Write write) override {
    real_->l1_loss(x, target, weight, loss, dx, write);
    spoil(loss);
  }
  void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                const Tensor& dx, Write write) override {
    real_->mse_loss(x, target, weight, loss, dx, write);
    if (weight != 0) spoil(loss);  // the stable recipe measures with it, too
  }
  void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                   float weight, const Tensor& loss, const Tensor& dx, Write write) override {
    real_->chroma_loss(x, target, weights, beta, weight, loss, dx, write);
    spoil(loss);
  }
  void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                   const Tensor& dx, Write write) override {
    real_->moment_loss(x, target, weight, loss, dx, write);
  }

 private:
  void spoil(const Tensor& loss) {
    if (poisoned_(++calls_)) *loss.as<float>() = kNan;
  }

  std::unique_ptr<Backend> real_ = make_reference_backend();
  std::function<bool(int)> poisoned_;
  int calls_ = 0;
};

Device poisoned_device(std::function<bool(int)> poisoned) {
  Kernels::Backends backends;
  backends.push_back(std::make_unique<Poison>(std::move(poisoned)));
  backends.push_back(make_cpu_backend(CpuProducts::f32));
  backends.push_back(make_reference_backend());
  return {host_memory(), Kernels(std::move(backends)), "poisoned"};
}

// Photos of two colours each, every one of its own.
Image photo(int i) {
  Image image(32, 32, 3);
  for (size_t at = 0; at < image.pixels.size(); ++at) {
    const bool left = at / 3 % 32 < 16;
    image.pixels[at] = static_cast<uint8_t>((left ? 40 + 17 * i : 200 - 13 * i) + 30 * (at % 3));
  }
  return image;
}

struct SmallRun {
  explicit SmallRun(const std::string& recipe) {
    if (recipe == "reconstruction") settings.model = "autoencoder5";
    fs::create_directory(folder / "photos");
    for (int i = 0; i < 8; ++i) write_png(folder / "photos" / str(i, ".png"), photo(i));
    settings.data = (folder / "photos").string();
    settings.out = (folder / "run").string();
    settings.recipe = recipe;
    settings.adversary = "none";
    settings.coherence_weight = 0;
    settings.width = 4;
    settings.batch_size = 2;
    settings.epochs = 3;
    settings.validation = 0;
    settings.quiet = true;
  }
  fs::path out(const char* name) const { return fs::path(settings.out) / name; }

  TempFolder folder;
  TrainSettings settings;
};

struct Losses {  // the recipes, what each calls the loss that is poisoned, and its learning rates
  const char *recipe, *name, *rates;
};
constexpr Losses kLosses[] = {
    {"stable", "the chroma loss", "--lr-g and --lr-d"},
    {"classic", "the L1 loss", "--lr-g and --lr-d"},
    {"reconstruction", "the mean squared error", "--lr-g; "},
};

}  // namespace

TEST_CASE("what is not finite is named", "[numerics]") {
  ParameterSet parameters;
  parameters.add("enc1.weight", vector_shape(4), FileLayout::vector, Initial::constant(1));
  parameters.add("enc2.weight", vector_shape(4), FileLayout::vector, Initial::constant(1));
  parameters.add_running("enc2.var", vector_shape(4), Initial::constant(1));
  parameters.allocate(host_memory(), DType::f32, Use::training);
  parameters.initialize(1);
  const NamedNetworks networks = {{"generator", &parameters}};
  CHECK(find_not_finite(networks).what.empty());
  parameters.all()[2].value.as<float>()[3] = kNan;
  CHECK(find_not_finite(networks).what == "the running statistics generator.enc2.var");
  CHECK(find_not_finite(networks).lasting);
  parameters.all()[1].value.as<float>()[0] = std::numeric_limits<float>::infinity();
  CHECK(find_not_finite(networks).what == "the weights generator.enc2.weight");
}

TEST_CASE("dropped updates are counted, and gone back from when they go on", "[numerics]") {
  NumericsGuard guard;
  const NotFinite loss = {"the loss"}, weights = {"the weights", true};
  uint64_t step = 0;
  const auto drops = [&](int count) {  // until the guard says to go back
    for (int i = 1; i <= count; ++i) {
      if (guard.observe(++step, loss)) return i;
    }
    return 0;
  };
  CHECK_FALSE(guard.observe(++step, {}));
  CHECK(drops(3) == 0);
  CHECK_FALSE(guard.observe(++step, {}));
  CHECK(guard.end_epoch() ==
        std::vector<std::string>{
            "numerics: 3 updates dropped, the first at step 2, not finite: the loss"});
  CHECK(guard.healthy());
  CHECK(guard.end_epoch().empty());

  CHECK(drops(24) == 0);
  CHECK(drops(24) == 1);
  CHECK(guard.rate() == 0.5);
  CHECK(guard.observe(++step, weights));  // does not heal by itself
  CHECK(guard.rate() == 0.25);
  const std::vector<std::string> told = guard.end_epoch();
  REQUIRE(told.size() == 2);
  CHECK(told[0] ==
        "numerics: step 30, not finite for 25 steps: the loss; back to the last healthy networks, "
        "learning rates halved");
  CHECK_FALSE(guard.healthy());
  CHECK(drops(25) == 25);
  CHECK_THROWS_WITH(drops(25), Catch::Contains("3 times did not help, try smaller --lr-g"));
}

TEST_CASE("an epoch that ends well counts as help", "[numerics]") {
  NumericsGuard guard;
  const NotFinite weights = {"the weights", true};
  for (uint64_t step = 1; step <= 20; ++step) {
    CHECK(guard.observe(step, weights));
    guard.end_epoch();
    CHECK_FALSE(guard.observe(step, {}));
    guard.end_epoch();
    CHECK(guard.healthy());
  }
}

TEST_CASE("weights that are spoilt come back as they were", "[numerics]") {
  for (const Losses& losses : kLosses) {
    CAPTURE(losses.recipe);
    SmallRun run(losses.recipe);
    run.settings.ema = false;  // or the recipe's result is not what it trains
    Device device = open_device({});
    const Dataset data =
        load_dataset(run.settings.data, {.size = kWorkSize, .validation_fraction = 0});
    const auto recipe = make_recipe(device, run.settings, data.train, data.train);
    const std::vector<int32_t> batch = {0, 1};
    const ParameterSet& generator = recipe->result().parameters();
    const Moment moment = {.epoch = 1, .progress = 0.1};
    recipe->step(batch.data(), 2, moment);
    generator.all().front().value.as<float>()[0] = kNan;
    recipe->result().parameters().values_changed();
    // Activations take a single number that is none for 0: it may show at the epoch's end only.
    recipe->step(batch.data(), 2, moment);
    recipe->end_epoch(moment);
    CHECK(find_not_finite({{"generator", &generator}}).what.empty());
    const std::vector<std::string> told = recipe->respond({});
    REQUIRE(told.size() == 1);
    CHECK_THAT(told[0], Catch::Contains("not finite: the weights generator." +
                                        generator.all().front().name));
  }
}

TEST_CASE("a run with a few bad steps drops them and ends well", "[numerics]") {
  for (const Losses& losses : kLosses) {
    CAPTURE(losses.recipe);
    const SmallRun run(losses.recipe);
    Device device = poisoned_device([](int call) { return call == 6 || call == 7; });
    train(device, run.settings, "test", [] { return false; });
    CHECK_THAT(
        content(run.out("events.csv")),
        Catch::Contains(str("2,\"numerics: 2 updates dropped, the first at step 6, not finite: ",
                            losses.name)));
    CHECK_NOTHROW(load_generator(run.out("weights.bin").string(), host_memory()));
  }
}

TEST_CASE("a run whose numbers stay bad ends with the files of its last good epoch", "[numerics]") {
  for (const Losses& losses : kLosses) {
    CAPTURE(losses.recipe);
    SmallRun run(losses.recipe);
    run.settings.epochs = 1000;
    Device device = poisoned_device([](int call) { return call > 4; });
    CHECK_THROWS_WITH(train(device, run.settings, "test", [] { return false; }),
                      Catch::Contains(str("not finite for 25 steps: ", losses.name)) &&
                          Catch::Contains(str("try smaller ", losses.rates)) &&
                          Catch::Contains("holds the files of epoch"));
    for (const char* name : {"weights.bin", "last.bin"}) {
      CHECK_NOTHROW(load_generator(run.out(name).string(), host_memory()));
    }
    CHECK_THAT(content(run.out("events.csv")), Catch::Contains("did not help"));
    CHECK_THAT(content(run.out("index.html")), Catch::Contains("Failed after epoch"));
  }
}

TEST_CASE("a kept file reaches the disk when it can, and comes back", "[numerics]") {
  const TempFolder folder;
  KeptFile file(folder / "later" / "weights.bin");
  file.write();  // there is nothing to write yet
  TensorFile tensors;
  tensors.tensors.push_back(make_file_tensor("a", {2}, {1, 2}));
  file.set(tensors);
  Saving saving;
  CHECK_FALSE(saving.attempt([&] { file.write(); }));
  CHECK(saving.failure().empty());
  saving.end_round();
  CHECK_THAT(saving.failure(), Catch::Contains("weights.bin"));
  fs::create_directory(folder / "later");
  CHECK(saving.attempt([&] { file.write(); }));
  CHECK(fs::exists(file.path()));
  saving.end_round();
  CHECK(saving.failure().empty());
  fs::remove(file.path());
  file.write();
  CHECK(read_tensor_file(file.path().string()).tensors.size() == 1);

  tensors.tensors[0] = make_file_tensor("a", {2}, {1, kNan});
  file.set(tensors);
  CHECK_THROWS_WITH(file.write(), Catch::Contains("a is not finite"));
  CHECK(first_not_finite(read_tensor_file(file.path().string())).empty());
}

TEST_CASE("a checkpoint with another number in it is damaged", "[numerics]") {
  const TempFolder folder;
  const RunFolder run(folder.path(), RunFolder::Existing::replace);
  run.create();
  TensorFile file;
  file.tensors.push_back(make_file_tensor("a", {2}, {1, 2}));
  file.metadata["state.step"] = "1234";
  file.metadata["init"] = "gr\xfcn.bin";  // no UTF-8, so the file has another text
  run.write_checkpoint(7, file);
  const fs::path path = run.checkpoints().at(0);
  CHECK(RunFolder::read_checkpoint(path).tensors.size() == 1);
  const std::string bytes = content(path);
  const size_t of_step = bytes.find("1234");
  REQUIRE(of_step != std::string::npos);
  for (const size_t at : {bytes.size() - 3, of_step + 1}) {
    std::string other = bytes;
    other[at] ^= 4;
    std::ofstream(path, std::ios::binary) << other;
    CHECK_THROWS_WITH(RunFolder::read_checkpoint(path), Catch::Contains("damaged"));
  }
}

}  // namespace gan
