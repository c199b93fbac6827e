#include "tools/colorize/fetch.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <new>
#include <utility>

#include "engine/error.h"
#include "tools/version.h"

namespace gan {
namespace {

struct Transfer {
  std::vector<uint8_t> body;
  size_t max_bytes;
  bool too_large = false, no_memory = false;
  const std::atomic<bool>& stop;
};

// Called by libcurl: no exception may pass through it. Taking less than what came ends the transfer.
size_t receive(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  if (bytes > transfer.max_bytes - transfer.body.size()) {
    transfer.too_large = true;
    return 0;
  }
  try {
    transfer.body.insert(transfer.body.end(), data, data + bytes);
  } catch (const std::bad_alloc&) {
    transfer.no_memory = true;
    return 0;
  }
  return bytes;
}

int stop_asked(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(user)->stop ? 1 : 0;
}

bool has_scheme(const std::string& url, const std::string& scheme) {
  const std::string start = scheme + "://";
  if (url.size() <= start.size()) return false;
  for (size_t i = 0; i < start.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(url[i])) != start[i]) return false;
  }
  return true;
}

std::string seconds_text(double seconds) {
  return fixed(seconds, seconds < 10 ? 1 : 0) + " s";
}

// Why it failed, for a person.
std::string reason(CURLcode code, CURL* handle, const Transfer& transfer,
                   const FetchLimits& limits) {
  if (transfer.no_memory) return "not enough memory for what the server sends";
  if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED) {
    return str("larger than ", limits.megabytes, " MB; --url-max-mb allows more");
  }
  switch (code) {
    case CURLE_HTTP_RETURNED_ERROR: {
      long status = 0;
      curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
      const char* meaning = status == 404                    ? " (there is no such page)"
                            : status == 401 || status == 403 ? " (not allowed)"
                            : status == 429                  ? " (too many requests)"
                            : status >= 500                  ? " (it has a problem)"
                                                             : "";
      return str("the server answers ", status, meaning, "; check the address in a browser");
    }
    case CURLE_TOO_MANY_REDIRECTS:
      return str("redirected more than ", limits.redirects, " times; name the photo's own address");
    case CURLE_OPERATION_TIMEDOUT: {
      double seconds = 0;
      curl_easy_getinfo(handle, CURLINFO_TOTAL_TIME, &seconds);
      // curl's clocks differ by some milliseconds.
      if (seconds > 0.9 * limits.seconds) {
        return str("takes longer than ", seconds_text(limits.seconds),
                   "; --url-timeout allows more");
      }
      return str("slower than ", kStallSpeed, " bytes/s for ", seconds_text(limits.stall_seconds),
                 "; --url-stall allows more");
    }
    case CURLE_UNSUPPORTED_PROTOCOL:
      return "leads away from http and https, where photos are not fetched from";
    default:
      return str("cannot be fetched: ", curl_easy_strerror(code));
  }
}

void set_options(CURL* handle, const std::string& url, const FetchLimits& limits,
                 Transfer& transfer) {
  const auto milliseconds = [](double seconds) { return static_cast<long>(seconds * 1000); };
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, (str("gan_colorize/", kVersion)).c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, static_cast<long>(limits.redirects));
  curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);  // signals and threads do not mix
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, milliseconds(limits.seconds));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.seconds));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(kStallSpeed));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                   std::max(1L, static_cast<long>(limits.stall_seconds)));
  curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer.max_bytes));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, stop_asked);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

}  // namespace

bool can_fetch() {
  return true;
}

std::vector<uint8_t> fetch(const std::string& url, const FetchLimits& limits,
                           const std::atomic<bool>& stop) {
  if (!has_scheme(url, "http") && !has_scheme(url, "https")) {
    throw UsageError(str(url, ": photos are fetched with http and https only"));
  }
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(
      ready == CURLE_OK ? curl_easy_init() : nullptr, curl_easy_cleanup);
  if (!handle) throw DeviceError(str(url, ": libcurl cannot be started"));
  Transfer transfer{{}, static_cast<size_t>(limits.megabytes * 1e6), false, false, stop};
  set_options(handle.get(), url, limits, transfer);
  const CURLcode code = curl_easy_perform(handle.get());
  if (code != CURLE_OK) {
    const std::string why = reason(code, handle.get(), transfer, limits);
    if (transfer.no_memory) throw DeviceError(str(url, ": ", why));
    throw DataError(str(url, ": ", why));
  }
  return std::move(transfer.body);
}

}  // namespace gan
