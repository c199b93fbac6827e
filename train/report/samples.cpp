#include "train/report/samples.h"

#include <algorithm>
#include <cstdint>

#include "engine/error.h"
#include "train/image/image.h"
#include "train/metrics/evaluate.h"

namespace gan {
namespace {

constexpr int kQuality = 82;  // of JPEG

// RFC 4648.
std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) three = (three << 8) | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) {
      text += k <= count ? kDigits[(three >> (18 - 6 * k)) & 63] : '=';
    }
  }
  return text;
}

std::string data_uri(const Image& image) {
  return "data:image/jpeg;base64," + base64(encode_jpeg(image, kQuality));
}

}  // namespace

const std::string& SampleAlbum::output_of(int epoch) {
  const auto [found, is_new] = outputs_.try_emplace(epoch);
  if (!is_new) return found->second;
  try {
    const std::array<Image, 3> rows = sample_rows(read_photo(file_of_(epoch)));
    found->second = data_uri(rows[1]);
    if (gray_.empty()) {
      photos_ = rows[0].width / rows[0].height;
      gray_ = data_uri(rows[0]);
      truth_ = data_uri(rows[2]);
    }
  } catch (const Error&) {  // a page without this picture is better than none
  }
  return found->second;
}

SampleStrips SampleAlbum::strips(const std::vector<int>& epochs, int best) {
  SampleStrips strips;
  if (epochs.empty()) return strips;
  const size_t one = output_of(epochs.back()).size();
  while (one * epochs.size() / static_cast<size_t>(stride_) > most_bytes_) stride_ *= 2;
  for (;; stride_ *= 2) {
    const auto chosen = [&](int epoch) {
      return epoch % stride_ == 0 || epoch == epochs.front() || epoch == epochs.back() ||
             epoch == best;
    };
    std::erase_if(outputs_, [&](const auto& output) { return !chosen(output.first); });
    size_t bytes = 0;
    strips.outputs.clear();
    for (int epoch : epochs) {
      if (!chosen(epoch)) continue;
      const std::string& image = output_of(epoch);
      bytes += image.size();
      if (!image.empty()) strips.outputs.push_back({epoch, image});
    }
    if (bytes <= most_bytes_ || strips.outputs.size() <= 3) break;
  }
  strips.photos = photos_;
  strips.gray = gray_;
  strips.truth = truth_;
  return strips;
}

}  // namespace gan
