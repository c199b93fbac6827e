// TensorBoard's event files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "train/files/growing_file.h"
#include "train/recipe/recipe.h"

namespace gan {

// Scalars over steps, as TensorBoard reads them: records as in TFRecord files (length, masked
// CRC-32C of the length, data, masked CRC-32C of the data; little-endian), the data of each an Event
// of event.proto in Protocol Buffers' encoding.
class EventFile {
 public:
  // A new file in `folder`, in place of those that lie there; nothing is written yet. `wall_time`:
  // seconds since 1970.
  EventFile(const std::filesystem::path& folder, double wall_time);

  // What is not finite is left out.
  void add(double wall_time, int64_t step, const NamedValues& scalars);
  // Appends what was added. Throws DataError; the next call tries again.
  void flush();

 private:
  std::filesystem::path folder_;
  GrowingFile file_;
  bool begun_ = false;
};

// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
uint32_t crc32c(std::string_view data);
// One record of a TFRecord file.
std::string tf_record(std::string_view data);

}  // namespace gan
