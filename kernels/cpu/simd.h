// Loops compiled for several instruction sets, the best of which is taken at run time.
//
// Only functions marked GAN_SIMD are cloned; what they call must be inlined into them, hence
// GAN_INLINE. On other compilers and architectures the macros leave ordinary functions, and the
// compiler's own vectoriser uses whatever the target offers. The clones may round differently (fused
// multiply-add), never otherwise.
#pragma once

// Clones are chosen by a function that runs before the sanitizers are ready, so they do without.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GAN_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define GAN_SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(GAN_SANITIZED) && \
    (defined(__GNUC__) || defined(__clang__))
#define GAN_CLONES 1
#define GAN_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define GAN_SIMD
#endif

#if defined(__GNUC__) || defined(__clang__)
#define GAN_INLINE inline __attribute__((always_inline))
#define GAN_INLINE_LAMBDA __attribute__((always_inline))
#else
#define GAN_INLINE inline
#define GAN_INLINE_LAMBDA
#endif

// Before a loop whose iterations are independent although its pointers may be equal (an operation in
// place); the compiler cannot know that and would fall back to single numbers.
#if defined(__clang__)
#define GAN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define GAN_INDEPENDENT _Pragma("GCC ivdep")
#else
#define GAN_INDEPENDENT
#endif
