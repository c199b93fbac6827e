// WebP through libwebp; of an animation the first frame.
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string_view>

#include "engine/error.h"
#include "train/photo/codec.h"
#include "train/photo/exif.h"

namespace gan::codec {
namespace {

Bytes chunk(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator at{};
  Bytes bytes;
  if (WebPDemuxGetChunk(demuxer, name, 1, &at))
    bytes.assign(at.chunk.bytes, at.chunk.bytes + at.chunk.size);
  WebPDemuxReleaseChunkIterator(&at);
  return bytes;
}

Decoded decode(const Source& source) {
  const WebPData file{source.content.data(), source.content.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&file),
                                                                     WebPDemuxDelete);
  // It takes complete files only.
  if (!demuxer) source.refuse_damaged("damaged or cut off");
  struct Frame : WebPIterator {
    Frame() : WebPIterator{} {}
    ~Frame() { WebPDemuxReleaseIterator(this); }
  } frame;
  if (!WebPDemuxGetFrame(demuxer.get(), 1, &frame)) source.refuse_damaged("without a picture");
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) != VP8_STATUS_OK)
    source.refuse_damaged("damaged");
  source.check_header(static_cast<uint64_t>(features.width), static_cast<uint64_t>(features.height),
                      3, 8);

  Decoded decoded;
  const bool alpha = features.has_alpha != 0;
  decoded.photo = blank_photo(features.width, features.height, 3, 8, alpha);
  Photo& photo = decoded.photo;
  const int row_bytes = photo.width * (alpha ? 4 : 3);
  Bytes interleaved(alpha ? photo.pixels() * 4 : 0);
  uint8_t* pixels = alpha ? interleaved.data() : photo.samples.data();
  const size_t bytes = alpha ? interleaved.size() : photo.samples.size();
  const auto into = alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (!into(frame.fragment.bytes, frame.fragment.size, pixels, bytes, row_bytes))
    source.refuse_damaged("damaged");
  if (alpha) store_pixels(photo, 0, interleaved.data(), photo.pixels());
  photo.metadata.icc = chunk(demuxer.get(), "ICCP");
  decoded.exif = chunk(demuxer.get(), "EXIF");
  return decoded;
}

WebPData view(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

void check(bool done) {
  if (!done) throw std::bad_alloc();
}

// The file with a profile and EXIF around the picture.
Bytes wrapped(const WebPData& picture, const Bytes& icc, const Bytes& exif) {
  const std::unique_ptr<WebPMux, void (*)(WebPMux*)> mux(WebPMuxNew(), WebPMuxDelete);
  check(mux && WebPMuxSetImage(mux.get(), &picture, 0) == WEBP_MUX_OK);
  const WebPData icc_view = view(icc), exif_view = view(exif);
  if (!icc.empty()) check(WebPMuxSetChunk(mux.get(), "ICCP", &icc_view, 0) == WEBP_MUX_OK);
  if (!exif.empty()) check(WebPMuxSetChunk(mux.get(), "EXIF", &exif_view, 0) == WEBP_MUX_OK);
  WebPData file{};
  const bool done = WebPMuxAssemble(mux.get(), &file) == WEBP_MUX_OK;
  const Bytes bytes(file.bytes, file.bytes + file.size);
  WebPDataClear(&file);
  check(done);
  return bytes;
}

Bytes encode(const Photo& photo, const EncodeOptions& options) {
  if (std::max(photo.width, photo.height) > WEBP_MAX_DIMENSION)
    too_large_for("WebP", WEBP_MAX_DIMENSION);
  // The encoder wants RGB.
  const auto width = static_cast<size_t>(photo.width), height = static_cast<size_t>(photo.height);
  const bool alpha = photo.has_alpha();
  const size_t own = static_cast<size_t>(photo.channels) + alpha, wanted = size_t{3} + alpha;
  Bytes row(width * own), pixels(width * height * wanted);
  for (size_t y = 0; y < height; ++y) {
    load_row(photo, static_cast<int>(y), true, row.data());
    uint8_t* to = pixels.data() + y * width * wanted;
    for (size_t x = 0; x < width; ++x) {
      const uint8_t* from = row.data() + x * own;
      for (size_t c = 0; c < 3; ++c) *to++ = from[photo.channels == 1 ? 0 : c];
      if (alpha) *to++ = from[own - 1];
    }
  }
  uint8_t* encoded = nullptr;
  const auto through = alpha ? WebPEncodeRGBA : WebPEncodeRGB;
  const size_t count =
      through(pixels.data(), photo.width, photo.height, static_cast<int>(width * wanted),
              static_cast<float>(options.quality), &encoded);
  const std::unique_ptr<uint8_t, void (*)(void*)> owner(encoded, WebPFree);
  check(count > 0);
  const Bytes icc = profile_for(photo.metadata, 3), exif = make_exif(photo.metadata.date);
  if (icc.empty() && exif.empty()) return {encoded, encoded + count};
  return wrapped({encoded, count}, icc, exif);
}

}  // namespace

const Codec webp = {decode, encode};

}  // namespace gan::codec
