// Photos from the web.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace gan {

struct FetchLimits {
  double megabytes = 100;     // of 10^6 bytes
  double seconds = 60;        // for all of it
  double stall_seconds = 15;  // below kStallSpeed
  int redirects = 5;
};
constexpr int kStallSpeed = 1000;  // bytes a second

// Whether this build can fetch anything.
bool can_fetch();

// What an http or https URL answers. Throws UsageError for any other URL, or when this build cannot
// fetch; DataError in one line when the server says no, cannot be reached, or a limit is passed.
// Gives up, with any DataError, soon after `stop` became true.
std::vector<uint8_t> fetch(const std::string& url, const FetchLimits& limits,
                           const std::atomic<bool>& stop);

}  // namespace gan
