// Memory filled with NaN and set between margins of NaN: reading what was never written, or just
// outside, spoils the result; writing outside is seen afterwards. Under AddressSanitizer there are
// no margins, because its own are exact.
#pragma once

#include <cstddef>
#include <string>

namespace gan::sim {

// `margin` is a multiple of `alignment`.
std::byte* allocate_guarded(size_t bytes, size_t alignment, size_t margin);
void free_guarded(std::byte* memory, size_t margin);

// "4 bytes past the end", or nothing when both margins are untouched.
std::string margin_damage(const std::byte* memory, size_t bytes, size_t margin);

// Of all device_allocs that have not been freed.
size_t device_bytes_in_use();

// Throws when a margin of a device_alloc was written to.
void check_device_memory(const void* kernel);

}  // namespace gan::sim
