#include "train/photo/exif.h"

#include <libexif/exif-data.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace gan {
namespace {

using Data = std::unique_ptr<ExifData, void (*)(ExifData*)>;

constexpr std::string_view kPrefix("Exif\0\0", 6);
constexpr size_t kDateLength = 19;

ExifEntry* find(const Data& data, ExifIfd ifd, ExifTag tag) {
  return exif_content_get_entry(data->ifd[ifd], tag);
}

std::string date_of(const Data& data) {
  const ExifEntry* entry = find(data, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_ORIGINAL);
  if (!entry || !entry->data || entry->format != EXIF_FORMAT_ASCII || entry->size < kDateLength)
    return "";
  std::string date(reinterpret_cast<const char*>(entry->data), kDateLength);
  const bool printable =
      std::all_of(date.begin(), date.end(), [](char c) { return c >= ' ' && c <= '~'; });
  const bool dated =
      std::any_of(date.begin(), date.end(), [](char c) { return c >= '1' && c <= '9'; });
  return printable && dated ? date : "";
}

int orientation_of(const Data& data) {
  const ExifEntry* entry = find(data, EXIF_IFD_0, EXIF_TAG_ORIENTATION);
  if (!entry || !entry->data || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
  const int value = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return value >= 1 && value <= 8 ? value : 1;
}

}  // namespace

ExifFacts read_exif(const uint8_t* bytes, size_t count) {
  // The library wants the prefix, and takes its size as an unsigned int. No camera writes more than
  // 64 KB, which is what fits into a JPEG.
  constexpr size_t kMaxBytes = size_t{1} << 20;
  if (count < 8 || count > kMaxBytes) return {};
  std::vector<uint8_t> prefixed;
  if (std::memcmp(bytes, kPrefix.data(), kPrefix.size()) != 0)
    prefixed.assign(kPrefix.begin(), kPrefix.end());
  prefixed.insert(prefixed.end(), bytes, bytes + count);

  const Data data(exif_data_new(), exif_data_unref);
  if (!data) return {};
  // As it is: what is missing must not be made up.
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_set_option(data.get(), EXIF_DATA_OPTION_DONT_CHANGE_MAKER_NOTE);
  exif_data_load_data(data.get(), prefixed.data(), static_cast<unsigned>(prefixed.size()));
  return {orientation_of(data), date_of(data)};
}

std::vector<uint8_t> make_exif(const std::string& date) {
  if (date.size() != kDateLength) return {};
  const Data data(exif_data_new(), exif_data_unref);
  ExifEntry* entry = exif_entry_new();
  if (!data || !entry) return {};
  exif_data_set_byte_order(data.get(), EXIF_BYTE_ORDER_INTEL);
  exif_content_add_entry(data->ifd[EXIF_IFD_EXIF], entry);
  // Gives the entry its format and 20 bytes, which hold the present time.
  exif_entry_initialize(entry, EXIF_TAG_DATE_TIME_ORIGINAL);
  if (entry->data && entry->size == kDateLength + 1)
    std::memcpy(entry->data, date.c_str(), kDateLength + 1);
  unsigned char* saved = nullptr;
  unsigned count = 0;
  exif_data_save_data(data.get(), &saved, &count);
  exif_entry_unref(entry);
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(saved, std::free);
  if (!saved || count <= kPrefix.size()) return {};
  return {saved + kPrefix.size(), saved + count};
}

}  // namespace gan
