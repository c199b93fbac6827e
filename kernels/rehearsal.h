// What work takes of a device's memory, found out by doing it on a device that keeps nothing and
// computes nothing: every tensor has an address and a size, and that is all it has.
#pragma once

#include <memory>

#include "kernels/device.h"

namespace gan {

class Rehearsal {
 public:
  // For work meant for this device: pictures have the types that they have there, and what its
  // backends take for themselves counts. It is asked nothing but that.
  explicit Rehearsal(const Device& device);
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  // The device to work on. What is read back from it is zero.
  Device& device();

  // The most that has been in use at once so far.
  size_t peak_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gan
