// TIFF through libtiff: the first picture of the file.
//
// Gray and RGB in rows of 8 or 16 bits are read as they are; all else - palettes, ink, tiles,
// planes, black and white - goes through the library's own conversion to 8 bits of RGB.
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "engine/error.h"
#include "train/photo/codec.h"

namespace gan::codec {
namespace {

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    if (!options) throw std::bad_alloc();
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), remember, this);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore, nullptr);
    // Room for all pixels with 16 bits and alpha in one strip, and for the strip as it is in the file.
    TIFFOpenOptionsSetMaxSingleMemAlloc(
        options.get(), static_cast<tmsize_t>(source.limits.max_pixels) * 8 +
                           static_cast<tmsize_t>(source.content.size()) + (1 << 20));
    // "m": no mapping of the file into memory, where it is already.
    tiff_.reset(TIFFClientOpenExt("photo", "rm", this, take, refuse_to_write, seek, keep_open, size,
                                  nullptr, nullptr, options.get()));
    if (!tiff_) fail();
  }

  Decoded read() {
    uint32_t width = 0, height = 0;
    if (!TIFFGetField(file(), TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(file(), TIFFTAG_IMAGELENGTH, &height))
      fail();
    Decoded decoded;
    const Layout layout = read_layout();
    const int colors = layout.plain && layout.samples < 3 ? 1 : 3;
    const int bits = layout.plain ? layout.bits : 8;
    source_.check_header(width, height, colors, bits);
    decoded.photo = blank_photo(static_cast<int>(width), static_cast<int>(height), colors, bits,
                                layout.plain && layout.samples != colors);
    collect_metadata(decoded);
    if (!layout.plain) {
      read_converted(decoded.photo);
    } else if (bits == 8) {
      read_rows<uint8_t>(layout, decoded.photo);
    } else {
      read_rows<uint16_t>(layout, decoded.photo);
    }
    collect_date(decoded.photo);
    // A palette that is cut off would pass: the library takes its numbers for gray levels then.
    if (short_read_) fail();
    return decoded;
  }

 private:
  struct Layout {
    uint16_t bits = 1, samples = 1, photometric = 0;
    bool plain = false;          // can be read in rows, as it is
    bool premultiplied = false;  // colours are multiplied by alpha
  };

  TIFF* file() const { return tiff_.get(); }

  [[noreturn]] void fail() const {
    if (short_read_) source_.refuse_damaged(kCutOff);
    source_.refuse_damaged(message_[0] ? str("damaged (", message_, ")") : "damaged");
  }

  Layout read_layout() const {
    Layout layout;
    uint16_t planes = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT, extra = 0;
    uint16_t* kinds = nullptr;
    TIFFGetFieldDefaulted(file(), TIFFTAG_BITSPERSAMPLE, &layout.bits);
    TIFFGetFieldDefaulted(file(), TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
    TIFFGetFieldDefaulted(file(), TIFFTAG_PLANARCONFIG, &planes);
    TIFFGetFieldDefaulted(file(), TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetField(file(), TIFFTAG_PHOTOMETRIC, &layout.photometric);
    TIFFGetFieldDefaulted(file(), TIFFTAG_EXTRASAMPLES, &extra, &kinds);
    const bool gray = layout.photometric == PHOTOMETRIC_MINISBLACK ||
                      layout.photometric == PHOTOMETRIC_MINISWHITE;
    const bool rgb = layout.photometric == PHOTOMETRIC_RGB;
    const int colors = rgb ? 3 : 1;
    layout.plain = (gray || rgb) && (layout.bits == 8 || layout.bits == 16) &&
                   (layout.samples == colors || layout.samples == colors + 1) &&
                   planes == PLANARCONFIG_CONTIG && format == SAMPLEFORMAT_UINT &&
                   !TIFFIsTiled(file());
    layout.premultiplied = extra > 0 && kinds && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    return layout;
  }

  template <class T>
  void read_rows(const Layout& layout, Photo& photo) const {
    const auto width = static_cast<size_t>(photo.width);
    const size_t values = width * layout.samples;
    const auto scanline = static_cast<size_t>(TIFFScanlineSize64(file()));
    if (scanline < values * sizeof(T)) fail();
    std::vector<T> row(scanline / sizeof(T) + 1);
    constexpr T kMax = static_cast<T>(~T{0});
    for (int y = 0; y < photo.height; ++y) {
      if (TIFFReadScanline(file(), row.data(), static_cast<uint32_t>(y), 0) < 0) fail();
      if (layout.photometric == PHOTOMETRIC_MINISWHITE)
        for (size_t i = 0; i < values; i += layout.samples) row[i] = static_cast<T>(kMax - row[i]);
      if (layout.premultiplied) divide_by_alpha(row.data(), width, layout.samples, kMax);
      store_pixels(photo, static_cast<size_t>(y) * width, row.data(), width);
    }
  }

  template <class T>
  static void divide_by_alpha(T* row, size_t width, size_t samples, uint32_t max) {
    for (size_t x = 0; x < width; ++x, row += samples) {
      const uint32_t alpha = row[samples - 1];
      for (size_t c = 0; alpha > 0 && c + 1 < samples; ++c)
        row[c] =
            static_cast<T>(std::min<uint64_t>(max, (uint64_t{row[c]} * max + alpha / 2) / alpha));
    }
  }

  void read_converted(Photo& photo) const {
    struct Conversion : TIFFRGBAImage {
      bool ready = false;
      ~Conversion() {
        if (ready) TIFFRGBAImageEnd(this);
      }
    } conversion;
    char reason[1024] = "";
    conversion.ready = TIFFRGBAImageBegin(&conversion, file(), 1, reason) != 0;
    if (!conversion.ready) source_.refuse(str(" that cannot be decoded (", reason, ")"));
    conversion.req_orientation = conversion.orientation;  // as it lies in the file
    const auto width = static_cast<size_t>(photo.width);
    std::vector<uint32_t> pixels;
    // In strips, which bounds memory; they begin where those of the file, or its tiles, do.
    uint32_t rows_per_strip = 0;
    if (!TIFFGetField(file(), TIFFIsTiled(file()) ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP,
                      &rows_per_strip) ||
        rows_per_strip == 0)
      rows_per_strip = 64;
    const int height = photo.height;
    const int step =
        static_cast<int>(std::min<uint32_t>(rows_per_strip, static_cast<uint32_t>(height)));
    for (int y = 0; y < height; y += step) {
      const int rows = std::min(step, height - y);
      pixels.resize(width * static_cast<size_t>(rows));
      conversion.row_offset = y;
      if (!TIFFRGBAImageGet(&conversion, pixels.data(), static_cast<uint32_t>(photo.width),
                            static_cast<uint32_t>(rows)))
        fail();
      uint8_t* to = photo.samples.data() + static_cast<size_t>(y) * width * 3;
      for (const uint32_t pixel : pixels) {
        *to++ = static_cast<uint8_t>(TIFFGetR(pixel));
        *to++ = static_cast<uint8_t>(TIFFGetG(pixel));
        *to++ = static_cast<uint8_t>(TIFFGetB(pixel));
      }
    }
  }

  void collect_metadata(Decoded& decoded) const {
    uint16_t orientation = 1;
    TIFFGetFieldDefaulted(file(), TIFFTAG_ORIENTATION, &orientation);
    if (orientation >= 1 && orientation <= 8) decoded.orientation = orientation;
    uint32_t count = 0;
    const void* profile = nullptr;
    if (TIFFGetField(file(), TIFFTAG_ICCPROFILE, &count, &profile)) {
      const auto* bytes = static_cast<const uint8_t*>(profile);
      decoded.photo.metadata.icc.assign(bytes, bytes + count);
    }
  }

  // When the photo was taken, or else, as for scans, when the file was made. Leaves the picture's
  // directory, so it comes last.
  void collect_date(Photo& photo) const {
    const auto take_date = [&](const char* date) {
      if (date && std::strlen(date) == 19) photo.metadata.date = date;
    };
    const char* date = nullptr;
    if (TIFFGetField(file(), TIFFTAG_DATETIME, &date)) take_date(date);
    uint64_t exif = 0;
    if (TIFFGetField(file(), TIFFTAG_EXIFIFD, &exif) && TIFFReadEXIFDirectory(file(), exif) &&
        TIFFGetField(file(), EXIFTAG_DATETIMEORIGINAL, &date))
      take_date(date);
  }

  // What the library calls. Positions beyond the end are legal until something is read there.
  static tmsize_t take(thandle_t self, void* to, tmsize_t count) {
    auto& reader = *static_cast<Reader*>(self);
    const Bytes& content = reader.source_.content;
    if (count <= 0) return 0;
    const size_t left = content.size() - std::min(reader.offset_, content.size());
    const size_t taken = std::min(static_cast<size_t>(count), left);
    if (taken < static_cast<size_t>(count)) reader.short_read_ = true;
    if (taken == 0) return 0;
    std::memcpy(to, content.data() + reader.offset_, taken);
    reader.offset_ += taken;
    return static_cast<tmsize_t>(taken);
  }
  static tmsize_t refuse_to_write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t seek(thandle_t self, toff_t offset, int whence) {
    auto& reader = *static_cast<Reader*>(self);
    const size_t base = whence == SEEK_SET   ? 0
                        : whence == SEEK_CUR ? reader.offset_
                                             : reader.source_.content.size();
    reader.offset_ = base + static_cast<size_t>(offset);
    return reader.offset_;
  }
  static int keep_open(thandle_t) { return 0; }
  static toff_t size(thandle_t self) { return static_cast<Reader*>(self)->source_.content.size(); }

  static int remember(TIFF*, void* self, const char*, const char* format, va_list arguments) {
    auto& reader = *static_cast<Reader*>(self);
    // The first error is the cause of those after it.
    if (!reader.message_[0])
      std::vsnprintf(reader.message_, sizeof(reader.message_), format, arguments);
    return 1;
  }
  static int ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }

  const Source& source_;
  size_t offset_ = 0;
  bool short_read_ = false;
  char message_[200] = "";
  std::unique_ptr<TIFF, void (*)(TIFF*)> tiff_{nullptr, TIFFClose};
};

Decoded decode(const Source& source) {
  return Reader(source).read();
}

}  // namespace

const Codec tiff = {decode, nullptr};

}  // namespace gan::codec
