#include "kernels/dispatch.h"

#include <algorithm>
#include <utility>

namespace gan {

Kernels::Kernels(Backends by_preference, Chooser choose)
    : backends_(std::move(by_preference)), choose_(std::move(choose)) {}

Backend& Kernels::operator()(const Call& call) {
  if (const auto found = chosen_.find(call); found != chosen_.end()) {
    Choice& choice = choices_[found->second];
    ++choice.uses;
    return *choice.backend;
  }
  Backend* chosen = choose_ ? choose_(call, backends_) : nullptr;
  for (size_t i = 0; !chosen && i < backends_.size(); ++i) {
    if (backends_[i]->supports(call)) chosen = backends_[i].get();
  }
  if (chosen) {
    chosen_.emplace(call, choices_.size());
    choices_.push_back({call, chosen, 1});
    return *chosen;
  }
  throw InternalError(str("no backend runs ", name_of(call.op), " in ", name_of(call.dtype),
                          ", input ", call.x, ", output ", call.y, ", kernel ",
                          call.geometry.kernel, ", stride ", call.geometry.stride));
}

void Kernels::by_preference(const std::function<void()>& work) {
  struct Aside {
    Kernels& kernels;
    Chooser choose = std::exchange(kernels.choose_, {});
    std::unordered_map<Call, size_t, CallHash> chosen = std::exchange(kernels.chosen_, {});
    std::vector<Choice> choices = std::exchange(kernels.choices_, {});
    ~Aside() {
      kernels.choose_ = std::move(choose);
      kernels.chosen_ = std::move(chosen);
      kernels.choices_ = std::move(choices);
    }
  } const aside{*this};
  work();
}

WorkingMemory Kernels::working_memory(const Call& call) const {
  WorkingMemory most;
  for (const auto& backend : backends_) {
    const WorkingMemory its = backend->working_memory(call);
    most.shared = std::max(most.shared, its.shared);
    most.kept = std::max(most.kept, its.kept);
  }
  return most;
}

bool Kernels::want_dense() const {
  return std::any_of(backends_.begin(), backends_.end(),
                     [](const auto& backend) { return backend->wants_dense(); });
}

std::string Kernels::description() const {
  std::string text;
  for (const auto& backend : backends_) {
    if (!text.empty()) text += ", ";
    text += backend->description();
  }
  return text;
}

}  // namespace gan
