// How a generator is trained: what the training run (trainer.h) needs to know of any recipe.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/generator.h"
#include "train/data/batch_source.h"
#include "train/data/dataset.h"
#include "train/metrics/metrics.h"
#include "train/recipe/network_norms.h"
#include "train/state/archive.h"
#include "train/state/settings.h"

namespace gan {

// Numbers with their names, in the order in which log.csv and the terminal show them.
using NamedValues = std::vector<std::pair<std::string, double>>;

// Where the run is.
struct Moment {
  int epoch = 1;
  double progress = 0;  // of the whole run, by steps or by time, 0..1
};

class Recipe {
 public:
  virtual ~Recipe() = default;

  // One step on the photos with these indices.
  virtual void step(const int32_t* photos, int64_t count, const Moment& moment) = 0;
  // Until the device has done all steps: it may be some behind.
  virtual void wait() = 0;
  // Updates of the generator so far.
  virtual uint64_t steps() const = 0;
  // The last step's losses in a few words, for the live line.
  virtual std::string status() const = 0;

  // Ends an epoch: its mean losses and the discriminator's state. Always the same names.
  virtual NamedValues end_epoch(const Moment& moment) = 0;
  // The same in words, for the epoch's line.
  virtual std::string summary() const = 0;
  // For those who look closely: the steps' numbers, smoothed, always the same names; and the layers
  // at the last step that looked at them.
  virtual NamedValues smoothed_steps() const { return {}; }
  virtual std::vector<LayerNorms> layers() const { return {}; }
  // What was noticed and done about it since the last call, a sentence each. `validation`: the
  // metrics of the epoch that just ended.
  virtual std::vector<std::string> respond(const MetricsSummary& validation) {
    static_cast<void>(validation);
    return {};
  }

  // Whether more training would only make it worse.
  virtual bool finished() const { return false; }

  // The generator to evaluate, to show and to keep.
  virtual Generator& result() = 0;
  // Whether the last epoch changed it: one in which only the discriminator learns has nothing to keep.
  virtual bool generator_learned() const { return true; }
  // Whether the recipe begins without a discriminator, and whether it still does. What it has learnt
  // by then is kept beside the rest, to show what the discriminator is good for.
  virtual bool knows_supervision() const { return false; }
  virtual bool supervised_only() const { return false; }

  // All that going on exactly needs.
  virtual void state(Archive& archive) = 0;

  // Memory that one step takes, in bytes.
  virtual size_t peak_bytes() const = 0;
};

// The recipe that the settings name, for training on `photos`; `held_out` are there to compare with.
// Both must outlive it. Throws UsageError for an unknown name, and for a model that the recipe does
// not train.
std::unique_ptr<Recipe> make_recipe(Device& device, const TrainSettings& settings,
                                    const PhotoSet& photos, const PhotoSet& held_out);
// Fills the generator with the weights that settings.init names, if any; those of a narrower network are
// widened (model/widen.h). Throws DataError when they do not fit.
void start_from(Generator& generator, const TrainSettings& settings);
// The names that make_recipe knows.
const std::vector<std::string>& recipe_names();
// The recipe that a model is trained with unless another one is asked for.
std::string default_recipe(const std::string& model);
// Throws UsageError for a recipe that does not train the model, with the one that does.
void require_recipe(const std::string& recipe, const std::string& model);

}  // namespace gan
