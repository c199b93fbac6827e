// PNG through libpng.
//
// The library reports errors by a function that must not return: it jumps. So each call into it sits
// in a function that owns nothing; all that has to be freed belongs to the class around it.
#include <png.h>

#include <algorithm>
#include <bit>
#include <csetjmp>
#include <cstring>
#include <new>

#include "engine/error.h"
#include "train/photo/codec.h"
#include "train/photo/exif.h"
#include "train/photo/file_kind.h"

namespace gan::codec {
namespace {

// Of the time it takes to write a large photo nearly all is compression. The library's own choice,
// level 6 with every filter, makes files 15% smaller and takes nine times as long.
constexpr int kCompression = 2;
constexpr int kFilters = PNG_FILTER_SUB;

struct Errors {
  jmp_buf jump;
  char message[200] = "";
};

void give_up(png_structp png, png_const_charp message) {
  auto& errors = *static_cast<Errors*>(png_get_error_ptr(png));
  std::strncpy(errors.message, message, sizeof(errors.message) - 1);
  longjmp(errors.jump, 1);
}

// About what is no part of the picture.
void on_warning(png_structp, png_const_charp) {}

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, give_up, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    end_ = info_ ? png_create_info_struct(png_) : nullptr;
    if (!end_) {
      png_destroy_read_struct(&png_, &info_, &end_);
      throw std::bad_alloc();
    }
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, &end_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Decoded read() {
    // libpng takes as much memory as a chunk claims to need, before it looks whether it is there.
    if (const std::string damage = find_damage(source_.content); !damage.empty())
      source_.refuse_damaged(damage);
    check(read_header());
    const bool alpha = channels_ % 2 == 0;
    const int colors = channels_ - alpha;
    source_.check_header(width_, height_, colors, bits_);
    Decoded decoded;
    decoded.photo =
        blank_photo(static_cast<int>(width_), static_cast<int>(height_), colors, bits_, alpha);
    // An interlaced picture comes in seven passes, so it needs all of its rows at once.
    const size_t kept_rows = passes_ > 1 ? height_ : 1;
    buffer_.resize(row_bytes_ * kept_rows);
    if (passes_ > 1) {
      for (size_t y = 0; y < height_; ++y) rows_.push_back(buffer_.data() + y * row_bytes_);
      check(read_all());
      for (size_t y = 0; y < height_; ++y) store(decoded.photo, y, rows_[y]);
    } else {
      for (size_t y = 0; y < height_; ++y) {
        check(read_row());
        store(decoded.photo, y, buffer_.data());
      }
    }
    check(read_end());
    collect_metadata(decoded);
    return decoded;
  }

 private:
  void check(bool done) const {
    if (done) return;
    if (cut_off_) source_.refuse_damaged(kCutOff);
    source_.refuse_damaged(str("damaged (", errors_.message, ")"));
  }

  static void take(png_structp png, png_bytep to, size_t count) {
    auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
    if (count > reader.source_.content.size() - reader.offset_) {
      reader.cut_off_ = true;
      png_error(png, kCutOff);
    }
    std::memcpy(to, reader.source_.content.data() + reader.offset_, count);
    reader.offset_ += count;
  }

  bool read_header() {
    if (setjmp(errors_.jump)) return false;
    png_set_read_fn(png_, this, take);
    png_set_user_limits(png_, PNG_UINT_31_MAX,
                        PNG_UINT_31_MAX);  // Source::check_header is stricter
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes to RGB, transparent colours to alpha, 1 to 4 bits to 8
    if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    width_ = png_get_image_width(png_, info_);
    height_ = png_get_image_height(png_, info_);
    channels_ = png_get_channels(png_, info_);
    bits_ = png_get_bit_depth(png_, info_);
    row_bytes_ = png_get_rowbytes(png_, info_);
    return true;
  }

  bool read_row() {
    if (setjmp(errors_.jump)) return false;
    png_read_row(png_, buffer_.data(), nullptr);
    return true;
  }

  bool read_all() {
    if (setjmp(errors_.jump)) return false;
    png_read_image(png_, rows_.data());
    return true;
  }

  bool read_end() {
    if (setjmp(errors_.jump)) return false;
    png_read_end(png_, end_);
    return true;
  }

  void store(Photo& photo, size_t y, const uint8_t* row) {
    if (bits_ == 8) {
      store_pixels(photo, y * width_, row, width_);
    } else {
      deep_row_.resize(row_bytes_ / 2);
      std::memcpy(deep_row_.data(), row, row_bytes_);
      store_pixels(photo, y * width_, deep_row_.data(), width_);
    }
  }

  void collect_metadata(Decoded& decoded) {
    png_charp name = nullptr;
    png_bytep profile = nullptr;
    png_uint_32 count = 0;
    int compression = 0;
    if (png_get_iCCP(png_, info_, &name, &compression, &profile, &count) == PNG_INFO_iCCP)
      decoded.photo.metadata.icc.assign(profile, profile + count);
    png_bytep exif = nullptr;
    for (png_infop info : {info_, end_})
      if (decoded.exif.empty() && png_get_eXIf_1(png_, info, &count, &exif) == PNG_INFO_eXIf)
        decoded.exif.assign(exif, exif + count);
  }

  const Source& source_;
  size_t offset_ = 0;
  bool cut_off_ = false;
  Errors errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr, end_ = nullptr;
  size_t width_ = 0, height_ = 0, row_bytes_ = 0;
  int channels_ = 0, bits_ = 0, passes_ = 0;
  Bytes buffer_;
  std::vector<uint16_t> deep_row_;
  std::vector<png_bytep> rows_;
};

Decoded decode(const Source& source) {
  return Reader(source).read();
}

class Writer {
 public:
  Writer() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors_, give_up, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_write_struct(&png_, &info_);
      throw std::bad_alloc();
    }
  }
  ~Writer() { png_destroy_write_struct(&png_, &info_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Bytes write(const Photo& photo, const EncodeOptions& options) {
    check(begin(photo));
    const Bytes icc = profile_for(photo.metadata, photo.channels);
    if (!icc.empty()) check(profile(icc.data(), icc.size()));
    Bytes exif = make_exif(photo.metadata.date);
    if (!exif.empty()) check(set_exif(exif.data(), exif.size()));
    for (const auto& [key, value] : options.texts) check(text(key.c_str(), value.c_str()));
    check(write_info());

    const size_t values = photo.pixels() / static_cast<size_t>(photo.height) *
                          (static_cast<size_t>(photo.channels) + photo.has_alpha());
    Bytes row(photo.bits == 8 ? values : 0);
    std::vector<uint16_t> deep_row(photo.bits == 8 ? 0 : values);
    for (int y = 0; y < photo.height; ++y) {
      if (photo.bits == 8) {
        load_row(photo, y, true, row.data());
        check(write_row(row.data()));
      } else {
        load_row(photo, y, true, deep_row.data());
        check(write_row(reinterpret_cast<const uint8_t*>(deep_row.data())));
      }
    }
    check(finish());
    return std::move(encoded_);
  }

 private:
  // A photo in memory can be encoded, unless memory runs out.
  void check(bool done) const {
    if (!done) throw DeviceError(str("cannot encode the PNG: ", errors_.message));
  }

  static void take(png_structp png, png_bytep from, size_t count) {
    auto& encoded = static_cast<Writer*>(png_get_io_ptr(png))->encoded_;
    // No exception may pass through the library, and no jump leave a handler.
    bool stored = true;
    try {
      encoded.insert(encoded.end(), from, from + count);
    } catch (const std::bad_alloc&) {
      stored = false;
    }
    if (!stored) png_error(png, "not enough memory");
  }
  static void flush(png_structp) {}

  bool begin(const Photo& photo) {
    if (setjmp(errors_.jump)) return false;
    png_set_write_fn(png_, this, take, flush);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_compression_level(png_, kCompression);
    png_set_filter(png_, PNG_FILTER_TYPE_BASE, kFilters);
    png_set_benign_errors(png_, 1);  // a profile that libpng finds fault with is left out
    const int color = photo.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB;
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(photo.width),
                 static_cast<png_uint_32>(photo.height), photo.bits,
                 color | (photo.has_alpha() ? PNG_COLOR_MASK_ALPHA : 0), PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    return true;
  }

  bool profile(const uint8_t* data, size_t count) {
    if (setjmp(errors_.jump)) return false;
    png_set_iCCP(png_, info_, "ICC profile", PNG_COMPRESSION_TYPE_BASE, data,
                 static_cast<png_uint_32>(count));
    return true;
  }

  bool set_exif(uint8_t* data, size_t count) {
    if (setjmp(errors_.jump)) return false;
    png_set_eXIf_1(png_, info_, static_cast<png_uint_32>(count), data);
    return true;
  }

  bool text(const char* key, const char* value) {
    if (setjmp(errors_.jump)) return false;
    const bool ascii =
        std::all_of(value, value + std::strlen(value), [](char c) { return c > 0 && c < 127; });
    png_text entry{};
    // tEXt holds Latin-1, iTXt UTF-8.
    entry.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    entry.key = const_cast<char*>(key);
    entry.text = const_cast<char*>(value);
    png_set_text(png_, info_, &entry, 1);
    return true;
  }

  bool write_info() {
    if (setjmp(errors_.jump)) return false;
    png_write_info(png_, info_);
    if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
    return true;
  }

  bool write_row(const uint8_t* row) {
    if (setjmp(errors_.jump)) return false;
    png_write_row(png_, row);
    return true;
  }

  bool finish() {
    if (setjmp(errors_.jump)) return false;
    png_write_end(png_, info_);
    return true;
  }

  Errors errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  Bytes encoded_;
};

Bytes encode(const Photo& photo, const EncodeOptions& options) {
  return Writer().write(photo, options);
}

}  // namespace

const Codec png = {decode, encode};

}  // namespace gan::codec
