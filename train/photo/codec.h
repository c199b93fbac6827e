// What the formats' own files offer to photo.cpp, and what they share.
//
// Every format is one file. Where its library is missing, the file of the same name in fallback/
// takes its place: JPEG and PNG then go through stb, the others are left out.
#pragma once

#include "train/photo/photo.h"

namespace gan::codec {

using Bytes = std::vector<uint8_t>;

// A file on its way in.
struct Source {
  const Bytes& content;
  const std::string& name;
  const std::string kind;  // file_kind.h
  const PhotoLimits& limits;

  // Throws DataError: "NAME: a KIND file WHAT; ... are supported".
  [[noreturn]] void refuse(const std::string& what) const;
  [[noreturn]] void refuse_damaged(const std::string& how) const { refuse(", but " + how); }
  // Checks what the header says against the limits. Called before memory for the pixels is taken.
  void check_header(uint64_t width, uint64_t height, int channels, int bits) const;
};

constexpr const char* kCutOff = "cut off before its end";

// As the file has it: not upright yet.
struct Decoded {
  Photo photo;
  Bytes exif;           // as exif.h takes it; empty: none
  int orientation = 1;  // 1 to 8, where the format says it outside of EXIF
};

// Null where the build cannot do it.
using Decoder = Decoded (*)(const Source& source);
using Encoder = Bytes (*)(const Photo& photo, const EncodeOptions& options);

struct Codec {
  Decoder decode = nullptr;
  Encoder encode = nullptr;
};

extern const Codec jpeg, png, webp, tiff;

// BMP, TGA and GIF, and for fallback/ JPEG and PNG.
Decoded decode_stb(const Source& source);
// Without metadata; PNG with 8 bits.
Bytes encode_jpeg_stb(const Photo& photo, const EncodeOptions& options);
Bytes encode_png_stb(const Photo& photo, const EncodeOptions& options);

// Memory for a photo's pixels, all 0.
Photo blank_photo(int width, int height, int channels, int bits, bool alpha);

// Puts `count` pixels, interleaved with alpha as decoders have them (1 to 4 channels), at the
// photo's pixel `first`.
void store_pixels(Photo& photo, size_t first, const uint8_t* pixels, size_t count);
void store_pixels(Photo& photo, size_t first, const uint16_t* pixels, size_t count);

// The other way: row `y` of the photo, interleaved with its alpha if there is one, as many channels
// as that makes. 16 bits are rounded to 8 where 8 are asked for.
void load_row(const Photo& photo, int y, bool with_alpha, uint8_t* row);
void load_row(const Photo& photo, int y, bool with_alpha, uint16_t* row);

// The profile, if it is one for pictures of so many channels; otherwise empty. A profile for gray
// or for ink says nothing about RGB.
Bytes profile_for(const PhotoMetadata& metadata, int channels);

// Thrown by encoders for a photo that the format has no room for; the caller adds the path.
[[noreturn]] void too_large_for(const char* format, int max_side);

}  // namespace gan::codec
