#include "kernels/cuda/sim/context.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#include "kernels/cuda/sim/sanitizer.h"

namespace gan::sim {

#if defined(__x86_64__) && !defined(GAN_SIM_UCONTEXT)

// The System V ABI lets a call change everything but these six registers and the stack pointer;
// floating-point control state is the same for all fibers of an OS thread.
extern "C" void gan_sim_switch_stack(void** save, void* load);
asm(R"(
    .text
    .globl gan_sim_switch_stack
    .type gan_sim_switch_stack, @function
gan_sim_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size gan_sim_switch_stack, . - gan_sim_switch_stack
)");

void prepare(Context& context, std::byte* stack, size_t size, void (*entry)()) {
  // What a first switch pops: six zero registers, the entry, and a null return address that ends
  // stack traces.
  constexpr int kRegisters = 6;
  auto** top = reinterpret_cast<void**>(stack + size);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kRegisters; ++i) *--top = nullptr;
  context.stack_pointer = top;
}

void switch_context(Context& from, Context& to) {
  gan_sim_switch_stack(&from.stack_pointer, to.stack_pointer);
}

#else

void prepare(Context& context, std::byte* stack, size_t size, void (*entry)()) {
  getcontext(&context.state);
  context.state.uc_stack.ss_sp = stack;
  context.state.uc_stack.ss_size = size;
  context.state.uc_link = nullptr;
  makecontext(&context.state, entry, 0);
}

void switch_context(Context& from, Context& to) {
  swapcontext(&from.state, &to.state);
}

#endif

namespace {

constexpr int kMaxStacks = 1024;

void* map_stacks(void* at, size_t bytes, int flags) {
  void* memory = mmap(at, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

}  // namespace

FiberStacks::FiberStacks()
    : memory_(static_cast<std::byte*>(map_stacks(nullptr, kMaxStacks * kSize, 0))) {}

FiberStacks::~FiberStacks() {
  munmap(memory_, kMaxStacks * kSize);
}

void FiberStacks::reserve(int count) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (; guarded_ < count; ++guarded_)
    if (mprotect(stack(guarded_), page, PROT_NONE) != 0) throw std::bad_alloc();
}

void FiberStacks::forget(int count) {
  const size_t bytes = count * kSize;
  if (sanitizer::kThread) {
    // Mapping anew is the one way to clear ThreadSanitizer's memory of who touched what; the guards
    // go with it.
    map_stacks(memory_, bytes, MAP_FIXED);
    guarded_ = 0;
    reserve(count);
  } else {
    sanitizer::unpoison(memory_, bytes);
  }
}

}  // namespace gan::sim
