// Saving and restoring a flow of control, and the stacks it runs on.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) || defined(GAN_SIM_UCONTEXT)
#include <ucontext.h>
#endif

namespace gan::sim {

#if defined(__x86_64__) && !defined(GAN_SIM_UCONTEXT)
struct Context {
  void* stack_pointer = nullptr;
};
#else
// Five to ten times slower: swapcontext makes a system call to keep the signal mask.
struct Context {
  ucontext_t state{};
};
#endif

// Makes `context` start `entry`, which never returns, on the stack that ends at `stack + size`.
void prepare(Context& context, std::byte* stack, size_t size, void (*entry)());

// Saves the present flow in `from` and continues `to`; comes back when someone switches to `from`.
void switch_context(Context& from, Context& to);

// Stacks for up to 1024 fibers, each above a page that traps an overflow; pages are used only once
// touched.
class FiberStacks {
 public:
  static constexpr size_t kSize = 256 * 1024;

  FiberStacks();
  ~FiberStacks();
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;

  // Call before using stacks 0..count-1.
  void reserve(int count);
  std::byte* stack(int index) const { return memory_ + index * kSize; }
  // The usable length, shorter by an amount that keeps equal stack depths of different fibers in
  // different cache sets.
  static size_t usable(int index) { return kSize - static_cast<size_t>(index % 32) * 1152; }
  // Drops what the sanitizers remember of the contents.
  void forget(int count);

 private:
  std::byte* memory_;
  int guarded_ = 0;
};

}  // namespace gan::sim
