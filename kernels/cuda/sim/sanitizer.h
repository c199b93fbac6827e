// What AddressSanitizer and ThreadSanitizer must be told about fibers; nothing in a plain build.
//
// The runtime itself is not instrumented for ThreadSanitizer, so the build says GAN_SIM_TSAN. See
// README.md for the rules.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define GAN_SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GAN_SIM_ASAN 1
#endif
#endif

#ifdef GAN_SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef GAN_SIM_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace gan::sim::sanitizer {

#ifdef GAN_SIM_ASAN
constexpr bool kAddress = true;
// Around a switch: save the fake stack being left (null when it will not be returned to) and name
// the stack entered.
inline void start_switch(void** left, const void* stack, size_t size) {
  __sanitizer_start_switch_fiber(left, stack, size);
}
inline void finish_switch(void* entered, const void** stack_left, size_t* size_left) {
  __sanitizer_finish_switch_fiber(entered, stack_left, size_left);
}
inline void unpoison(const void* memory, size_t size) {
  __asan_unpoison_memory_region(memory, size);
}
// The present frames will never return, so nothing else clears the marks around their variables.
inline void abandon_stack() {
  __asan_handle_no_return();
}
#else
constexpr bool kAddress = false;
inline void start_switch(void**, const void*, size_t) {}
inline void finish_switch(void*, const void**, size_t*) {}
inline void unpoison(const void*, size_t) {}
inline void abandon_stack() {}
#endif

#ifdef GAN_SIM_TSAN
constexpr bool kThread = true;
inline void* current_fiber() {
  return __tsan_get_current_fiber();
}
inline void* create_fiber() {
  return __tsan_create_fiber(0);
}
inline void destroy_fiber(void* fiber) {
  __tsan_destroy_fiber(fiber);
}
// Without the no-sync flag a switch would order the two fibers and hide every race between them.
inline void switch_fiber(void* fiber) {
  __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
}
inline void acquire(void* object) {
  __tsan_acquire(object);
}
inline void release(void* object) {
  __tsan_release(object);
}
// Memory the runtime takes, fills and returns here leaves no trace that could race with the
// kernel's use of it.
class IgnoreScope {
 public:
  IgnoreScope() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~IgnoreScope() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  IgnoreScope(const IgnoreScope&) = delete;
  IgnoreScope& operator=(const IgnoreScope&) = delete;
};
#else
constexpr bool kThread = false;
inline void* current_fiber() {
  return nullptr;
}
inline void* create_fiber() {
  return nullptr;
}
inline void destroy_fiber(void*) {}
inline void switch_fiber(void*) {}
inline void acquire(void*) {}
inline void release(void*) {}
class IgnoreScope {
 public:
  IgnoreScope() {}
  ~IgnoreScope() {}
};
#endif

}  // namespace gan::sim::sanitizer
