// Takes the place of fetch.cpp where libcurl is missing.
#include "engine/error.h"
#include "tools/colorize/fetch.h"

namespace gan {

bool can_fetch() {
  return false;
}

std::vector<uint8_t> fetch(const std::string& url, const FetchLimits&, const std::atomic<bool>&) {
  throw UsageError(str(url,
                       ": this build cannot fetch URLs: install libcurl4-openssl-dev, "
                       "configure and build again, or save the photo to a file"));
}

}  // namespace gan
