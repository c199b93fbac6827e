// Files to read photos from: render_photos.sh's, and small writers for what it cannot make.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/temp_folder.h"

namespace gan {

// The folder with one file of every kind, rendered at the first call. Needs ImageMagick.
inline const std::filesystem::path& photo_corpus() {
  static const TempFolder folder;
  static const bool rendered = [] {
    const std::string command = str(GAN_TESTS, "/render_photos.sh '", folder.path().string(), "'");
    return std::system(command.c_str()) == 0;
  }();
  if (!rendered) throw std::runtime_error("render_photos.sh failed; is ImageMagick installed?");
  return folder.path();
}

// EXIF with the two facts that are read: orientation in the first directory, the date (19
// characters) in the second.
inline std::vector<uint8_t> exif_block(int orientation, const std::string& date, bool big_endian) {
  std::vector<uint8_t> block;
  const auto put = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      block.push_back(static_cast<uint8_t>(value >> 8 * (big_endian ? bytes - 1 - i : i)));
  };
  const auto entry = [&](uint32_t tag, uint32_t type, uint32_t count, uint32_t value, int bytes) {
    put(tag, 2), put(type, 2), put(count, 4), put(value, bytes), put(0, 4 - bytes);
  };
  block.assign(2, big_endian ? 'M' : 'I');
  put(42, 2), put(8, 4);
  put(2, 2);  // entries of the first directory, which ends at byte 38
  entry(0x0112, 3, 1, static_cast<uint32_t>(orientation), 2);
  entry(0x8769, 4, 1, 38, 4);
  put(0, 4);
  put(1, 2);
  entry(0x9003, 2, 20, 56, 4);
  put(0, 4);
  block.insert(block.end(), date.begin(), date.end());
  block.push_back(0);
  return block;
}

// The JPEG with an application segment after its first marker.
inline std::vector<uint8_t> with_segment(std::vector<uint8_t> jpeg, uint8_t code,
                                         const std::string& prefix,
                                         const std::vector<uint8_t>& data) {
  const size_t length = 2 + prefix.size() + data.size();
  std::vector<uint8_t> segment = {0xff, code, static_cast<uint8_t>(length >> 8),
                                  static_cast<uint8_t>(length)};
  segment.insert(segment.end(), prefix.begin(), prefix.end());
  segment.insert(segment.end(), data.begin(), data.end());
  jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
  return jpeg;
}

// The PNG with a chunk after its header.
inline std::vector<uint8_t> with_chunk(std::vector<uint8_t> png, const std::string& name,
                                       const std::vector<uint8_t>& data) {
  std::vector<uint8_t> chunk;
  const auto put = [&](uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
      chunk.push_back(static_cast<uint8_t>(value >> shift));
  };
  put(static_cast<uint32_t>(data.size()));
  chunk.insert(chunk.end(), name.begin(), name.end());
  chunk.insert(chunk.end(), data.begin(), data.end());
  uint32_t crc = ~0u;
  for (size_t i = 4; i < chunk.size(); ++i) {
    crc ^= chunk[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1 ? 0xedb88320u : 0u) ^ (crc >> 1);
  }
  put(~crc);
  png.insert(png.begin() + 33, chunk.begin(), chunk.end());
  return png;
}

// The WebP, nothing but a picture of this size, with a header that announces EXIF, and EXIF.
inline std::vector<uint8_t> with_webp_exif(const std::vector<uint8_t>& webp, int width, int height,
                                           const std::vector<uint8_t>& exif) {
  constexpr uint8_t kHasExif = 8;
  std::vector<uint8_t> out;
  const auto put = [&](size_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
  };
  const auto chunk = [&](const std::string& name, size_t size) {
    out.insert(out.end(), name.begin(), name.end());
    put(size, 4);
  };
  const size_t picture = webp.size() - 12, padded = exif.size() + exif.size() % 2;
  chunk("RIFF", 4 + 18 + picture + 8 + padded);
  out.insert(out.end(), webp.begin() + 8, webp.begin() + 12);  // "WEBP"
  chunk("VP8X", 10);
  put(kHasExif, 4);
  put(static_cast<size_t>(width - 1), 3), put(static_cast<size_t>(height - 1), 3);
  out.insert(out.end(), webp.begin() + 12, webp.end());
  chunk("EXIF", exif.size());
  out.insert(out.end(), exif.begin(), exif.end());
  out.resize(out.size() + padded - exif.size());
  return out;
}

// A colour profile for data of this kind, "RGB ", "GRAY" or "CMYK", with one tag of nonsense.
inline std::vector<uint8_t> some_profile(const std::string& space) {
  std::vector<uint8_t> icc(264);
  const auto put = [&](size_t at, const std::string& text) {
    std::copy(text.begin(), text.end(), icc.begin() + static_cast<ptrdiff_t>(at));
  };
  icc[2] = 1, icc[3] = 8;  // 264 bytes
  icc[8] = 4;
  put(12, "mntr" + space + "XYZ ");
  put(36, "acsp");
  // The illuminant, D50, as every profile has it.
  const std::array<uint8_t, 12> d50 = {0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d};
  std::copy(d50.begin(), d50.end(), icc.begin() + 68);
  icc[131] = 1;  // one tag: at 144, of 120 bytes
  put(132, "desc");
  icc[139] = 144, icc[143] = 120;
  for (size_t i = 144; i < icc.size(); ++i) icc[i] = static_cast<uint8_t>(i * i * 7 + i / 3);
  return icc;
}

}  // namespace gan
