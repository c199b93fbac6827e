#include "train/photo/file_kind.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "engine/error.h"

namespace gan {
namespace {

using Bytes = std::vector<uint8_t>;

bool starts_with(const Bytes& content, std::string_view magic, size_t offset = 0) {
  return content.size() >= offset + magic.size() &&
         std::memcmp(content.data() + offset, magic.data(), magic.size()) == 0;
}

uint32_t big_endian_32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

uint32_t little_endian_32(const uint8_t* p) {
  return uint32_t{p[3]} << 24 | uint32_t{p[2]} << 16 | uint32_t{p[1]} << 8 | p[0];
}

uint32_t little_endian_16(const uint8_t* p) {
  return uint32_t{p[1]} << 8 | p[0];
}

bool is_text(const Bytes& content) {
  const size_t count = std::min<size_t>(content.size(), 1024);
  return std::all_of(content.begin(), content.begin() + static_cast<ptrdiff_t>(count),
                     [](uint8_t c) { return c >= 32 || (c >= 9 && c <= 13) || c == 27; });
}

// Pages that a server sent in place of a photo, and placeholders of Git LFS, are common enough to
// deserve their names.
std::string describe_text(const Bytes& content) {
  std::string head(content.begin(),
                   content.begin() + static_cast<ptrdiff_t>(std::min<size_t>(content.size(), 256)));
  std::transform(head.begin(), head.end(), head.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (head.find("<!doctype html") != std::string::npos || head.find("<html") != std::string::npos)
    return "an HTML page";
  if (head.find("<svg") != std::string::npos) return "SVG";
  if (head.starts_with("version https://git-lfs")) return "a Git LFS pointer";
  return "text";
}

// ISO base media files name their kind at byte 8.
std::string describe_media_box(const Bytes& content) {
  for (const char* brand : {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"})
    if (starts_with(content, brand, 8)) return "HEIC";
  if (starts_with(content, "avif", 8) || starts_with(content, "avis", 8)) return "AVIF";
  if (starts_with(content, "crx ", 8)) return "a camera raw file";
  return "a video";
}

// A table of Huffman codes in a DHT segment: a class byte, 16 counts, and as many values. The
// decoder has room for 256 values and does not check.
bool huffman_tables_fit(const uint8_t* p, size_t bytes) {
  while (bytes > 0) {
    if (bytes < 17) return false;
    size_t values = 0;
    for (int i = 1; i <= 16; ++i) values += p[i];
    if (values > 256 || bytes < 17 + values) return false;
    p += 17 + values;
    bytes -= 17 + values;
  }
  return true;
}

constexpr const char* kCutOff = "cut off before its end";

std::string find_jpeg_damage(const Bytes& content) {
  const uint8_t* p = content.data() + 2;
  const uint8_t* const end = content.data() + content.size();
  bool has_code_tables = false;
  // Each marker is 0xff and a code. All but a few are followed by a length and that much data; what
  // lies between a start of scan and the next marker is compressed data, in which 0xff is followed
  // by 0 or by a restart code.
  while (true) {
    p = static_cast<const uint8_t*>(std::memchr(p, 0xff, static_cast<size_t>(end - p)));
    if (!p || end - p < 2) return kCutOff;
    const uint8_t code = *++p;
    if (code == 0xff) continue;
    ++p;
    if (code == 0xd9) return "";
    if (code <= 0x01 || (code >= 0xd0 && code <= 0xd8)) continue;
    if (end - p < 2) return kCutOff;
    const ptrdiff_t length = p[0] << 8 | p[1];
    if (length < 2) return "damaged (a segment without length)";
    if (end - p < length) return kCutOff;
    if (code == 0xc4) {
      if (!huffman_tables_fit(p + 2, static_cast<size_t>(length) - 2))
        return "damaged (a code table that does not fit)";
      has_code_tables = true;
    }
    // Frames of videos leave the tables out.
    if (code == 0xda && !has_code_tables) return "without its code tables";
    p += length;
  }
}

uint32_t crc32(const uint8_t* p, size_t bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1 ? 0xedb88320u : 0u) ^ (c >> 1);
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (size_t i = 0; i < bytes; ++i) crc = table[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::string find_png_damage(const Bytes& content) {
  // Chunks: length, name, data, checksum of name and data. Names with a capital are needed for the
  // picture; damage to the others is nobody's concern.
  size_t offset = 8;
  while (true) {
    const size_t left = content.size() - offset;
    if (left < 12) return kCutOff;
    const uint8_t* chunk = content.data() + offset;
    const size_t length = big_endian_32(chunk);
    if (length > left - 12) return kCutOff;
    const bool critical = chunk[4] >= 'A' && chunk[4] <= 'Z';
    if (critical && big_endian_32(chunk + 8 + length) != crc32(chunk + 4, length + 4))
      return "damaged (wrong checksum)";
    if (std::memcmp(chunk + 4, "IEND", 4) == 0) return "";
    offset += length + 12;
  }
}

std::string find_bmp_damage(const Bytes& content) {
  if (content.size() < 30) return kCutOff;
  const uint8_t* p = content.data();
  const bool old_header = little_endian_32(p + 14) == 12;
  const auto absolute = [](uint32_t v) { return v >> 31 ? uint64_t{0u - v} : uint64_t{v}; };
  const uint64_t width = old_header ? little_endian_16(p + 18) : absolute(little_endian_32(p + 18));
  const uint64_t height =
      old_header ? little_endian_16(p + 20) : absolute(little_endian_32(p + 22));
  const uint64_t bits = little_endian_16(p + (old_header ? 24 : 28));
  // Run lengths, in files with a palette.
  if (!old_header && content.size() > 34 && bits <= 8 && p[30] != 0)
    return "compressed, which is not supported";
  if (width > 0xffffff || height > 0xffffff) return "damaged (impossible size)";
  const uint64_t row_bytes = (width * bits + 31) / 32 * 4;
  // The last row's padding may be missing.
  const uint64_t needed = little_endian_32(p + 10) + row_bytes * height;
  return content.size() + 3 < needed ? kCutOff : "";
}

// TGA files begin with no magic but with a header of 18 bytes in which little is allowed.
struct TgaHeader {
  size_t id_bytes = 0, palette_bytes = 0;
  uint64_t width = 0, height = 0, pixel_bytes = 0;
  bool compressed = false, plausible = false;

  explicit TgaHeader(const Bytes& content) {
    plausible = content.size() > 18;
    if (!plausible) return;
    const uint8_t* p = content.data();
    const int palette = p[1], type = p[2] & 7, palette_bits = p[7], bits = p[16];
    const auto has_bits = [](int n) { return n == 15 || n == 16 || n == 24 || n == 32; };
    id_bytes = p[0];
    palette_bytes = palette == 0 ? 0 : size_t{little_endian_16(p + 5)} * ((palette_bits + 7) / 8);
    width = little_endian_16(p + 12);
    height = little_endian_16(p + 14);
    pixel_bytes = static_cast<uint64_t>(bits + 7) / 8;
    compressed = (p[2] & 8) != 0;
    // Type 1 has a palette, 2 colours, 3 gray levels; 8 more when run lengths are encoded.
    plausible = (p[2] & ~8) == type && width > 0 && height > 0 && (p[17] & 0xc0) == 0 &&
                ((type == 1 && palette == 1 && has_bits(palette_bits) && bits == 8) ||
                 (type == 2 && palette <= 1 && has_bits(bits)) ||
                 (type == 3 && palette == 0 && (bits == 8 || bits == 16)));
  }
};

std::string find_tga_damage(const Bytes& content) {
  const TgaHeader header(content);
  uint64_t left = header.width * header.height;
  size_t at = 18 + header.id_bytes + header.palette_bytes;
  if (!header.compressed) return content.size() < at + left * header.pixel_bytes ? kCutOff : "";
  // Packets: a byte that says how many pixels follow, or how often one is repeated.
  while (left > 0) {
    if (at >= content.size()) return kCutOff;
    const uint64_t count = std::min<uint64_t>(left, (content[at] & 127u) + 1);
    at += 1 + (content[at] & 128 ? 1 : count) * header.pixel_bytes;
    if (at > content.size()) return kCutOff;
    left -= count;
  }
  return "";
}

// Walks over the blocks until the end of the first frame.
std::string find_gif_damage(const Bytes& content) {
  const uint8_t* p = content.data();
  const size_t size = content.size();
  const auto table_bytes = [](uint8_t flags) {
    return flags & 0x80 ? size_t{3} << ((flags & 7) + 1) : size_t{0};
  };
  if (size < 13) return kCutOff;
  size_t at = 13 + table_bytes(p[10]);
  while (true) {
    if (at >= size) return kCutOff;
    const uint8_t block = p[at];
    if (block == 0x3b) return "damaged (no picture in it)";
    if (block == 0x2c) {  // a picture: position, size, flags, table of colours, size of codes
      if (at + 10 >= size) return kCutOff;
      at += 11 + table_bytes(p[at + 9]);
    } else if (block == 0x21) {
      at += 2;
    } else {
      return "damaged (an unknown block)";
    }
    // Data in pieces of up to 255 bytes; one of 0 bytes ends them.
    size_t piece = 0;
    do {
      if (at >= size) return kCutOff;
      piece = p[at];
      at += 1 + piece;
    } while (piece > 0);
    if (block == 0x2c) return "";
  }
}

}  // namespace

std::string describe_content(const Bytes& content) {
  using namespace std::string_view_literals;
  struct Magic {
    std::string_view bytes;
    const char* name;
  };
  static constexpr Magic kMagics[] = {
      {"\xff\xd8\xff"sv, "JPEG"},
      {"\x89PNG\r\n\x1a\n"sv, "PNG"},
      {"BM"sv, "BMP"},
      {"GIF8"sv, "GIF"},
      {"II*\0"sv, "TIFF"},
      {"MM\0*"sv, "TIFF"},
      {"II+\0"sv, "TIFF"},
      {"MM\0+"sv, "TIFF"},
      {"%PDF"sv, "PDF"},
      {"\xff\x0a"sv, "JPEG XL"},
      {"\0\0\0\x0cJXL "sv, "JPEG XL"},
      {"\0\0\0\x0cjP  "sv, "JPEG 2000"},
      {"8BPS"sv, "a Photoshop file"},
      {"\0\0\1\0"sv, "an icon"},
      {"PK\3\4"sv, "a ZIP archive"},
      {"\x1f\x8b"sv, "a gzip archive"},
  };
  if (content.empty()) return "an empty file";
  for (const Magic& magic : kMagics)
    // Two letters are no proof: a text may begin with them.
    if (starts_with(content, magic.bytes) && !(magic.bytes == "BM"sv && is_text(content)))
      return magic.name;
  if (starts_with(content, "RIFF") && starts_with(content, "WEBP", 8)) return "WebP";
  if (starts_with(content, "ftyp", 4)) return describe_media_box(content);
  if (is_text(content)) return describe_text(content);
  if (TgaHeader(content).plausible) return "TGA";
  return "unknown data";
}

std::string find_damage(const Bytes& content) {
  const std::string kind = describe_content(content);
  if (kind == "JPEG") return find_jpeg_damage(content);
  if (kind == "PNG") return find_png_damage(content);
  if (kind == "BMP") return find_bmp_damage(content);
  if (kind == "TGA") return find_tga_damage(content);
  if (kind == "GIF") return find_gif_damage(content);
  throw InternalError(str("asked for damage in ", kind));
}

}  // namespace gan
