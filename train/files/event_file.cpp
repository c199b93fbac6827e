#include "train/files/event_file.h"

#include <array>
#include <bit>
#include <cmath>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

template <class T>
void append_little_endian(std::string& text, T value) {
  for (size_t i = 0; i < sizeof value; ++i) text += static_cast<char>((value >> (8 * i)) & 255);
}

// Protocol Buffers: a field is its number and wire type, then its content.
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_varint(std::string& message, uint64_t value) {
  for (; value >= 128; value >>= 7) message += static_cast<char>((value & 127) | 128);
  message += static_cast<char>(value);
}
void append_key(std::string& message, uint64_t field, WireType type) {
  append_varint(message, (field << 3) | type);
}
void append_double(std::string& message, uint64_t field, double value) {
  append_key(message, field, kFixed64);
  append_little_endian(message, std::bit_cast<uint64_t>(value));
}
void append_float(std::string& message, uint64_t field, float value) {
  append_key(message, field, kFixed32);
  append_little_endian(message, std::bit_cast<uint32_t>(value));
}
void append_bytes(std::string& message, uint64_t field, std::string_view bytes) {
  append_key(message, field, kBytes);
  append_varint(message, bytes.size());
  message += bytes;
}

// Numbers of the fields in event.proto and summary.proto.
enum Field : uint64_t {
  kEventWallTime = 1,
  kEventStep = 2,
  kEventFileVersion = 3,
  kEventSummary = 5,
  kSummaryValue = 1,
  kValueTag = 1,
  kValueSimple = 2,
};

std::string event(double wall_time, int64_t step) {
  std::string message;
  append_double(message, kEventWallTime, wall_time);
  append_key(message, kEventStep, kVarint);
  append_varint(message, static_cast<uint64_t>(step));
  return message;
}

uint32_t masked_crc(std::string_view data) {
  const uint32_t crc = crc32c(data);
  return std::rotr(crc, 15) + 0xa282ead8u;
}

bool is_event_file(const fs::path& path) {
  return path.filename().string().rfind("events.out.tfevents.", 0) == 0;
}

}  // namespace

uint32_t crc32c(std::string_view data) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> all{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
      all[byte] = crc;
    }
    return all;
  }();
  uint32_t crc = ~0u;
  for (char c : data) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(c)) & 255];
  return ~crc;
}

std::string tf_record(std::string_view data) {
  std::string record;
  append_little_endian(record, static_cast<uint64_t>(data.size()));
  append_little_endian(record, masked_crc(record));
  record += data;
  append_little_endian(record, masked_crc(data));
  return record;
}

EventFile::EventFile(const fs::path& folder, double wall_time)
    : folder_(folder),
      file_(folder / str("events.out.tfevents.", static_cast<int64_t>(wall_time), ".gan_train")) {
  std::string message;
  append_double(message, kEventWallTime, wall_time);
  append_bytes(message, kEventFileVersion, "brain.Event:2");
  file_.add(tf_record(message));
}

void EventFile::add(double wall_time, int64_t step, const NamedValues& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    if (!std::isfinite(value)) continue;
    std::string entry;
    append_bytes(entry, kValueTag, tag);
    append_float(entry, kValueSimple, static_cast<float>(value));
    append_bytes(summary, kSummaryValue, entry);
  }
  std::string message = event(wall_time, step);
  append_bytes(message, kEventSummary, summary);
  file_.add(tf_record(message));
}

void EventFile::flush() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw DataError(str(folder_.string(), ": cannot create: ", error.message()));
  if (!begun_) {
    for (const fs::path& path : files_in(folder_))
      if (is_event_file(path)) fs::remove(path, error);
    begun_ = true;
  }
  file_.flush();
}

}  // namespace gan
