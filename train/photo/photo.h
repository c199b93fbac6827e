// Photo files: any ordinary photo into memory, upright, and back to a file. The one way to decode a
// photo; colouring keeps all that a Photo holds, data sets take 8 bits of RGB (train/image/image.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gan {

// What an output file takes over from its input.
struct PhotoMetadata {
  std::vector<uint8_t> icc;  // colour profile; empty: none
  std::string date;          // EXIF DateTimeOriginal, "2019:05:31 14:03:59"; empty: none
};

// Rows from top to bottom, pixels from left to right, channels interleaved. Upright: what the file
// says about its orientation is applied already.
struct Photo {
  int width = 0, height = 0;
  int channels = 1;                                // 1 gray, 3 RGB; alpha is apart
  int bits = 8;                                    // a channel: 8 or 16
  std::vector<uint8_t> samples, alpha;             // filled when bits is 8;
  std::vector<uint16_t> deep_samples, deep_alpha;  // when it is 16
  PhotoMetadata metadata;
  std::string kind;  // for people: "JPEG", "PNG, 16 bits"

  // Without alpha: an empty alpha plane. Otherwise width x height values.
  bool has_alpha() const { return !alpha.empty() || !deep_alpha.empty(); }
  size_t pixels() const { return static_cast<size_t>(width) * static_cast<size_t>(height); }
};

// Throws InternalError unless extents, channels, bits and the vectors' sizes agree.
void require_valid(const Photo& photo);

// What is accepted, checked on the header before memory for the pixels is taken.
struct PhotoLimits {
  int64_t max_pixels = 150'000'000;  // 12,000 x 9,000 has 108 million
  int max_side = 65'500;             // as long as a JPEG can be
  uint64_t max_file_bytes = uint64_t{1} << 30;
  // Called with what the header says, before memory for the pixels is taken: the place to announce
  // a large photo (bytes_needed) or to refuse it by throwing.
  std::function<void(int width, int height, int channels, int bits)> on_header;
};

// About how much memory it takes at most to read such a photo, to colour it and to write it.
size_t bytes_needed(int width, int height, int channels, int bits);

// Decodes the content of a file; `name` is for messages only. Reads JPEG, PNG, BMP, TGA, GIF (its
// first frame) and, where the build has their libraries, WebP and TIFF (their first picture). CMYK
// becomes RGB. Throws DataError in one line - name, what the content looks like, what is supported -
// for anything else, for damaged and incomplete files, and beyond the limits; DeviceError when
// memory does not suffice.
Photo decode_photo_file(const std::vector<uint8_t>& content, const std::string& name,
                        const PhotoLimits& limits = {});

// decode_photo_file(read_bytes(path)).
Photo read_photo_file(const std::filesystem::path& path, const PhotoLimits& limits = {});

// The content of a file. Throws DataError when `path` is no ordinary file, cannot be read, or is
// larger than `max_bytes`.
std::vector<uint8_t> read_bytes(const std::filesystem::path& path,
                                uint64_t max_bytes = PhotoLimits().max_file_bytes);

struct EncodeOptions {
  int quality = 95;  // of JPEG and WebP: 1 to 100; JPEG above 90 keeps chroma at full resolution
  // Notes for the file: PNG text, JPEG comments "key: value". WebP has no place for them. Keys are
  // 1 to 79 letters.
  std::map<std::string, std::string> texts;
};

// Writes by extension: .png (8 or 16 bits, alpha), .jpg or .jpeg (8 bits, no alpha), .webp where
// built with it (8 bits, alpha). Goes through AtomicFile, so a failure leaves no partial file.
// Throws UsageError naming the supported extensions for any other, DataError when the photo is too
// large for the format or the file cannot be written.
void write_photo_file(const std::filesystem::path& path, const Photo& photo,
                      const EncodeOptions& options = {});

// Whether write_photo_file can write a file of this name. Upper and lower case are the same.
bool is_writable_photo_name(const std::filesystem::path& path);

// Whether a file of this name is a photo, going by its extension in upper or lower case. Kinds that
// cannot be read (.heic, ...) are among them: they deserve a message rather than silence.
bool is_photo_file_name(const std::filesystem::path& path);

// "JPEG, PNG, BMP, TGA, GIF, WebP and TIFF are supported", for messages.
std::string supported_photo_kinds();

}  // namespace gan
