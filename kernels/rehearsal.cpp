#include "kernels/rehearsal.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/error.h"

namespace gan {
namespace {

// Gives out addresses that nothing lies at.
class AddressMemory final : public Memory {
 public:
  explicit AddressMemory(DeviceKind kind) : kind_(kind) {}

  DeviceKind device() const override { return kind_; }
  void* allocate(size_t bytes) override {
    constexpr uint64_t kAlignment = 256;
    void* const block = reinterpret_cast<void*>(next_);  // NOLINT(performance-no-int-to-ptr)
    next_ += (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
    return block;
  }
  void release(void*) noexcept override {}
  void fill_zero(void*, size_t) override {}
  void copy_from_host(void*, const void*, size_t) override {}
  void copy_to_host(void* to, const void*, size_t bytes) override { std::memset(to, 0, bytes); }

 private:
  DeviceKind kind_;
  uint64_t next_ = uint64_t{1} << 40;
};

// Does everything by doing nothing, and notes what the device's own backends would take.
class IdleBackend final : public Backend {
 public:
  explicit IdleBackend(const Kernels& real) : real_(real) {}

  std::string_view name() const override { return "rehearsal"; }
  std::string description() const override { return "rehearsal"; }
  // Asked once for every distinct call.
  bool supports(const Call& call) const override {
    const WorkingMemory its = real_.working_memory(call);
    working_.shared = std::max(working_.shared, its.shared);
    working_.kept += its.kept;
    return true;
  }
  bool wants_dense() const override { return real_.want_dense(); }
  void mix(const Tensor&, const Tensor&, const Tensor&) override {}

  size_t working_bytes() const { return working_.shared + working_.kept; }

 protected:
  void unsupported(const char*) const override {}

 private:
  const Kernels& real_;
  mutable WorkingMemory working_;
};

}  // namespace

struct Rehearsal::State {
  AddressMemory memory;
  IdleBackend* idle = nullptr;  // one of the device's
  std::unique_ptr<Device> device;

  explicit State(const Device& of) : memory(of.memory.device()) {
    auto backend = std::make_unique<IdleBackend>(of.kernels);
    idle = backend.get();
    Kernels::Backends backends;
    backends.push_back(std::move(backend));
    device = std::make_unique<Device>(
        Device{memory, Kernels(std::move(backends)), of.description, of.precision});
  }
};

Rehearsal::Rehearsal(const Device& device) : state_(std::make_unique<State>(device)) {}
Rehearsal::~Rehearsal() = default;

Device& Rehearsal::device() {
  return *state_->device;
}

size_t Rehearsal::peak_bytes() const {
  return state_->memory.most_in_use() + state_->idle->working_bytes();
}

}  // namespace gan
