// Which backend runs which operation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/backend.h"

namespace gan {

// Backends in order of preference. Each distinct call is resolved once, to the one that the chooser
// names or else the first that supports it, and remembered.
class Kernels {
 public:
  using Backends = std::vector<std::unique_ptr<Backend>>;
  // Returns one of the backends that supports the call, or null for no opinion.
  using Chooser = std::function<Backend*(const Call& call, const Backends& by_preference)>;

  explicit Kernels(Backends by_preference, Chooser choose = {});

  // Throws InternalError when no backend supports the call.
  Backend& operator()(const Call& call);

  // While `work` runs, the first backend that supports a call takes it, whatever the chooser says; what is
  // resolved meanwhile is forgotten.
  void by_preference(const std::function<void()>& work);

  // What running this call may take, whichever backend does it.
  WorkingMemory working_memory(const Call& call) const;

  // Whether one of the backends does.
  bool want_dense() const;

  // "oneDNN 2.6.3, cpu AVX-512": what the backends say of themselves, first choice first.
  std::string description() const;

  struct Choice {
    Call call;
    Backend* backend;
    int64_t uses;  // how often it was asked for
  };
  // All choices made so far, in the order in which they were first needed.
  const std::vector<Choice>& choices() const { return choices_; }

 private:
  Backends backends_;
  Chooser choose_;
  std::unordered_map<Call, size_t, CallHash> chosen_;  // index into choices_
  std::vector<Choice> choices_;
};

}  // namespace gan
