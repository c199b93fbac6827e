// Numbers that are not finite: where they are, and what is done about them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/parameters.h"
#include "train/recipe/recipe.h"
#include "train/state/archive.h"

namespace gan {

struct NotFinite {
  std::string what;      // "the weights generator.enc1.conv.weight"; empty: all is finite
  bool lasting = false;  // whether the steps to come find it as it is
};

using NamedNetworks = std::vector<std::pair<std::string, const ParameterSet*>>;

// What is not finite in networks: weights, else running statistics, which tell of the values that went
// through a layer; the first in the network's order. Waits for the device.
NotFinite find_not_finite(const NamedNetworks& networks);

// Recipes drop an update whose numbers are not finite. This keeps count: when that goes on, or when a
// network itself is no longer finite, the run has to go back to its last healthy networks and goes on
// from there with half the learning rates; when that does not help either, it has to end.
class NumericsGuard {
 public:
  // `rates`: the options of gan_train that set the learning rates.
  explicit NumericsGuard(std::string rates = "--lr-g and --lr-d") : rates_(std::move(rates)) {}

  // After a step, or an epoch: what was not finite. True: go back to the last healthy networks. Throws
  // DataError when that was done before and did not help.
  bool observe(uint64_t step, const NotFinite& found);

  // Ends an epoch: what happened in it, a sentence each. healthy() then says whether its networks are
  // some to go back to.
  std::vector<std::string> end_epoch();
  bool healthy() const { return healthy_; }

  // On the learning rates.
  double rate() const { return rate_; }

  void state(Archive& archive);

 private:
  std::string rates_;
  int in_a_row_ = 0;       // dropped updates
  int dropped_ = 0;        // in this epoch
  int returns_ = 0;        // to healthy networks, since an epoch that ended well
  bool returned_ = false;  // in this epoch
  bool healthy_ = true;    // the last epoch
  double rate_ = 1;
  std::string first_, events_;  // of this epoch; events_: lines
};

}  // namespace gan
