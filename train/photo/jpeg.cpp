// JPEG through libjpeg-turbo.
//
// The library reports errors by a function that must not return: it jumps. So each call into it sits
// in a function that owns nothing; all that has to be freed belongs to the class around it.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <jpeglib.h>
// jpeglib.h uses what it does not include; jerror.h uses jpeglib.h.
#include <jerror.h>

#include "engine/error.h"
#include "train/photo/codec.h"
#include "train/photo/exif.h"

namespace gan::codec {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1, kProfileMarker = JPEG_APP0 + 2;
constexpr std::string_view kExifPrefix("Exif\0\0", 6);
constexpr size_t kMaxSegment = 65533;  // a marker's length field counts itself
// Scans of a progressive file repeat work on the whole picture; real ones have about ten.
constexpr int kMaxScans = 200;
constexpr int kFullChromaAbove = 90;

struct Errors {
  jpeg_error_mgr base;  // first: the library knows the address of this only
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  bool cut_off = false;
};

Errors& errors_of(j_common_ptr info) {
  return *reinterpret_cast<Errors*>(info->err);
}

void give_up(j_common_ptr info) {
  Errors& errors = errors_of(info);
  errors.base.format_message(info, errors.message);
  longjmp(errors.jump, 1);
}

// The library mends what is damaged, with gray, and warns. A damaged photo is refused instead; what
// leaves the picture as it is may pass, as bytes between segments do.
void on_warning(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
      errors_of(info).cut_off = true;
      [[fallthrough]];
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      give_up(info);
      break;
    default:
      break;
  }
}

void watch_scans(j_common_ptr info) {
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= kMaxScans) return;
  std::strcpy(errors_of(info).message, "more scans than any photo has");
  longjmp(errors_of(info).jump, 1);
}

jpeg_error_mgr* install(Errors& errors) {
  jpeg_std_error(&errors.base);
  errors.base.error_exit = give_up;
  errors.base.emit_message = on_warning;
  return &errors.base;
}

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source) {
    info_.err = install(errors_);
    check(create());
  }
  ~Reader() { jpeg_destroy_decompress(&info_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Decoded read() {
    check(read_header());
    const bool gray = info_.jpeg_color_space == JCS_GRAYSCALE;
    const bool ink = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    if (!gray && !ink && info_.num_components != 3)
      source_.refuse(str(" with ", info_.num_components, " channels of an unknown kind"));
    info_.out_color_space = gray ? JCS_GRAYSCALE : ink ? JCS_CMYK : JCS_RGB;
    const int channels = gray ? 1 : 3;
    source_.check_header(info_.image_width, info_.image_height, channels, 8);

    Decoded decoded;
    collect_metadata(decoded);
    decoded.photo = blank_photo(static_cast<int>(info_.image_width),
                                static_cast<int>(info_.image_height), channels, 8, false);
    decoded.photo.metadata.icc = std::move(icc_);
    Bytes ink_row(ink ? size_t{4} * info_.image_width : 0);
    check(start());
    uint8_t* row = decoded.photo.samples.data();
    const size_t row_bytes = size_t{info_.image_width} * static_cast<size_t>(channels);
    for (int y = 0; y < decoded.photo.height; ++y, row += row_bytes) {
      check(read_row(ink ? ink_row.data() : row));
      if (ink) ink_to_rgb(ink_row, row);
    }
    check(finish());
    return decoded;
  }

 private:
  void check(bool done) const {
    if (done) return;
    if (errors_.cut_off) source_.refuse_damaged(kCutOff);
    source_.refuse(str(" that cannot be decoded (", errors_.message, ")"));
  }

  bool create() {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_decompress(&info_);
    return true;
  }

  bool read_header() {
    if (setjmp(errors_.jump)) return false;
    jpeg_mem_src(&info_, source_.content.data(),
                 static_cast<unsigned long>(source_.content.size()));
    jpeg_save_markers(&info_, kExifMarker, 0xffff);
    jpeg_save_markers(&info_, kProfileMarker, 0xffff);
    jpeg_read_header(&info_, TRUE);
    progress_.progress_monitor = watch_scans;
    info_.progress = &progress_;
    return true;
  }

  bool start() {
    if (setjmp(errors_.jump)) return false;
    jpeg_start_decompress(&info_);
    return true;
  }

  bool read_row(uint8_t* row) {
    if (setjmp(errors_.jump)) return false;
    jpeg_read_scanlines(&info_, &row, 1);
    return true;
  }

  // Reads up to the end marker.
  bool finish() {
    if (setjmp(errors_.jump)) return false;
    jpeg_finish_decompress(&info_);
    return true;
  }

  // Light is what all inks let through. Files that Adobe's marker is in hold the light each ink lets
  // through, others the amount of ink.
  void ink_to_rgb(const Bytes& ink, uint8_t* rgb) const {
    const int inverse = info_.saw_Adobe_marker ? 0 : 255;
    for (size_t i = 0; i < ink.size(); i += 4) {
      const int black = ink[i + 3] ^ inverse;
      for (size_t c = 0; c < 3; ++c)
        *rgb++ = static_cast<uint8_t>(((ink[i + c] ^ inverse) * black + 127) / 255);
    }
  }

  void collect_metadata(Decoded& decoded) {
    for (const jpeg_marker_struct* m = info_.marker_list; m; m = m->next) {
      if (m->marker == kExifMarker && decoded.exif.empty() && m->data_length > kExifPrefix.size() &&
          std::memcmp(m->data, kExifPrefix.data(), kExifPrefix.size()) == 0)
        decoded.exif.assign(m->data, m->data + m->data_length);
    }
    if (JOCTET* profile = nullptr; read_profile(&profile)) {
      icc_.assign(profile, profile + profile_bytes_);
      std::free(profile);
    }
  }

  bool read_profile(JOCTET** profile) {
    if (setjmp(errors_.jump)) return false;
    return jpeg_read_icc_profile(&info_, profile, &profile_bytes_) == TRUE;
  }

  const Source& source_;
  Errors errors_;
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  Bytes icc_;
  unsigned profile_bytes_ = 0;
};

Decoded decode(const Source& source) {
  return Reader(source).read();
}

class Writer {
 public:
  Writer() {
    info_.err = install(errors_);
    check(create());
  }
  ~Writer() {
    jpeg_destroy_compress(&info_);
    std::free(encoded_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Bytes write(const Photo& photo, const EncodeOptions& options) {
    const Bytes icc = profile_for(photo.metadata, photo.channels);
    check(begin(photo.width, photo.height, photo.channels, options.quality));
    if (Bytes exif = make_exif(photo.metadata.date); !exif.empty()) {
      exif.insert(exif.begin(), kExifPrefix.begin(), kExifPrefix.end());
      check(marker(kExifMarker, exif.data(), exif.size()));
    }
    if (!icc.empty()) check(profile(icc.data(), icc.size()));
    for (const auto& [key, value] : options.texts) {
      const std::string text = str(key, ": ", value).substr(0, kMaxSegment);
      check(marker(JPEG_COM, reinterpret_cast<const uint8_t*>(text.data()), text.size()));
    }
    Bytes row(static_cast<size_t>(photo.width) * static_cast<size_t>(photo.channels));
    for (int y = 0; y < photo.height; ++y) {
      load_row(photo, y, false, row.data());
      check(pixels(row.data()));
    }
    check(finish());
    return {encoded_, encoded_ + encoded_bytes_};
  }

 private:
  // A photo in memory can be encoded, unless memory runs out.
  void check(bool done) const {
    if (!done) throw DeviceError(str("cannot encode the JPEG: ", errors_.message));
  }

  bool create() {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_compress(&info_);
    return true;
  }

  bool begin(int width, int height, int channels, int quality) {
    if (setjmp(errors_.jump)) return false;
    jpeg_mem_dest(&info_, &encoded_, &encoded_bytes_);
    info_.image_width = static_cast<JDIMENSION>(width);
    info_.image_height = static_cast<JDIMENSION>(height);
    info_.input_components = channels;
    info_.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    if (quality > kFullChromaAbove)
      info_.comp_info[0].h_samp_factor = info_.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&info_, TRUE);
    return true;
  }

  bool marker(int code, const uint8_t* data, size_t count) {
    if (setjmp(errors_.jump)) return false;
    jpeg_write_marker(&info_, code, data, static_cast<unsigned>(count));
    return true;
  }

  bool profile(const uint8_t* data, size_t count) {
    if (setjmp(errors_.jump)) return false;
    jpeg_write_icc_profile(&info_, data, static_cast<unsigned>(count));
    return true;
  }

  bool pixels(uint8_t* row) {
    if (setjmp(errors_.jump)) return false;
    jpeg_write_scanlines(&info_, &row, 1);
    return true;
  }

  bool finish() {
    if (setjmp(errors_.jump)) return false;
    jpeg_finish_compress(&info_);
    return true;
  }

  Errors errors_;
  jpeg_compress_struct info_{};
  unsigned char* encoded_ = nullptr;
  unsigned long encoded_bytes_ = 0;
};

Bytes encode(const Photo& photo, const EncodeOptions& options) {
  if (std::max(photo.width, photo.height) > JPEG_MAX_DIMENSION)
    too_large_for("JPEG", JPEG_MAX_DIMENSION);
  return Writer().write(photo, options);
}

}  // namespace

const Codec jpeg = {decode, encode};

}  // namespace gan::codec
