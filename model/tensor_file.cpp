#include "model/tensor_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/dtype.h"

namespace gan {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;

static_assert(std::endian::native == std::endian::little,
              "the raw data of tensor files is copied as it is");

// Bytes an element takes, or 0 for an unknown type name.
size_t element_size(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL") return 1;
  return 0;
}

// IEEE 754 binary16.
double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

constexpr double kLargestHalf = 65504;

// The nearest binary16 to a number of at most kLargestHalf, ties to even.
uint16_t half_bits(double value) {
  const int sign = std::signbit(value) ? 0x8000 : 0;
  // Numbers of one binade lie 2^(exponent - 10) apart, all below the smallest normal one 2^-24. Where
  // rounding reaches the next binade, the mantissa overflows into the exponent, as it should.
  const double size = std::fabs(value);
  const int exponent = size == 0 ? -14 : std::max(std::ilogb(size), -14);
  const double steps = std::nearbyint(std::ldexp(size, 10 - exponent));
  return static_cast<uint16_t>(sign + (exponent + 14) * 1024 + static_cast<int>(steps));
}

template <class Stored, class Convert>
std::vector<double> decode(const std::vector<std::byte>& data, Convert&& convert) {
  std::vector<double> out(data.size() / sizeof(Stored));
  for (size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, data.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(stored);
  }
  return out;
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw DataError(str(path, ": not a usable weights file: ", why));
}

struct Entry {
  FileTensor tensor;
  uint64_t begin, end;
};

Entry parse_entry(const std::string& path, const std::string& name, const json& fields,
                  uint64_t data_bytes) {
  const std::string where = "tensor " + name;
  if (!fields.is_object() || !fields.contains("dtype") || !fields["dtype"].is_string() ||
      !fields.contains("shape") || !fields["shape"].is_array() ||
      !fields.contains("data_offsets") || !fields["data_offsets"].is_array() ||
      fields["data_offsets"].size() != 2) {
    refuse(path, where + " lacks dtype, shape or data_offsets");
  }
  Entry entry;
  entry.tensor.name = name;
  entry.tensor.dtype = fields["dtype"].get<std::string>();
  const size_t item = element_size(entry.tensor.dtype);
  if (item == 0) refuse(path, str(where, " has the unknown type ", entry.tensor.dtype));

  uint64_t elements = 1;
  for (const json& extent : fields["shape"]) {
    if (!extent.is_number_unsigned()) refuse(path, where + " has a shape that is no list of sizes");
    const uint64_t size = extent.get<uint64_t>();
    // No tensor has more elements than the file has bytes.
    if (size != 0 && elements > data_bytes / size) refuse(path, where + " is larger than the file");
    elements *= size;
    entry.tensor.shape.push_back(static_cast<int64_t>(size));
  }
  for (const json& offset : fields["data_offsets"]) {
    if (!offset.is_number_unsigned()) refuse(path, where + " has offsets that are no numbers");
  }
  entry.begin = fields["data_offsets"][0].get<uint64_t>();
  entry.end = fields["data_offsets"][1].get<uint64_t>();
  if (entry.begin > entry.end || entry.end > data_bytes) {
    refuse(path, str(where, " lies at bytes ", entry.begin, "..", entry.end, " of ", data_bytes,
                     ": the file is truncated or damaged"));
  }
  if (entry.end - entry.begin != elements * item) {
    refuse(path, str(where, " of shape ", shape_text(entry.tensor.shape), " needs ",
                     elements * item, " bytes, has ", entry.end - entry.begin));
  }
  return entry;
}

}  // namespace

int64_t FileTensor::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

std::vector<double> FileTensor::values() const {
  if (dtype == "F32") return decode<float>(data, [](float x) { return double{x}; });
  if (dtype == "F64") return decode<double>(data, [](double x) { return x; });
  if (dtype == "F16") return decode<uint16_t>(data, half_value);
  if (dtype == "BF16") {
    return decode<uint16_t>(data, [](uint16_t bits) {
      bf16 stored;
      stored.bits = bits;
      return static_cast<double>(static_cast<float>(stored));
    });
  }
  throw DataError(str("tensor ", name, " holds ", dtype, ", expected real numbers"));
}

FileTensor make_file_tensor(std::string name, std::vector<int64_t> shape,
                            const std::vector<float>& values) {
  FileTensor made{std::move(name), "F32", std::move(shape), {}};
  require(made.elements() == static_cast<int64_t>(values.size()), "tensor ", made.name,
          " has shape ", shape_text(made.shape), " but ", values.size(), " values");
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  made.data.assign(bytes, bytes + values.size() * sizeof(float));
  return made;
}

FileTensor half_precision(const FileTensor& tensor) {
  const std::vector<double> values = tensor.values();
  FileTensor made{tensor.name, "F16", tensor.shape, {}};
  made.data.resize(values.size() * sizeof(uint16_t));
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(std::fabs(values[i]) <= kLargestHalf)) return tensor;
    const uint16_t bits = half_bits(values[i]);
    std::memcpy(made.data.data() + i * sizeof(bits), &bits, sizeof(bits));
  }
  return made;
}

const FileTensor* TensorFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const FileTensor& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

const FileTensor& TensorFile::at(const std::string& name, const std::string& path) const {
  const FileTensor* found = find(name);
  if (!found) throw DataError(str(path, ": tensor ", name, " is missing"));
  return *found;
}

TensorFile read_tensor_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw DataError(str(path, ": is a folder, expected a weights file"));
  }
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw DataError(str(path, ": cannot open: ", std::strerror(errno)));
  const auto file_bytes = static_cast<uint64_t>(std::max<std::streamoff>(in.tellg(), 0));
  in.seekg(0);
  uint64_t header_bytes = 0;
  if (file_bytes < 8 || !in.read(reinterpret_cast<char*>(&header_bytes), 8)) {
    refuse(path, str("it has ", file_bytes, " bytes, too few for a header"));
  }
  if (header_bytes > kMaxHeader || header_bytes > file_bytes - 8) {
    refuse(path, "it does not begin with a safetensors header, or is truncated");
  }
  std::string text(header_bytes, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(header_bytes))) {
    refuse(path, "the header cannot be read");
  }
  const json header = json::parse(text, nullptr, false);
  if (!header.is_object()) refuse(path, "its header is no JSON object");

  const uint64_t data_bytes = file_bytes - 8 - header_bytes;
  TensorFile file;
  std::vector<Entry> entries;
  for (const auto& [name, fields] : header.items()) {
    if (name == "__metadata__") {
      if (!fields.is_object()) refuse(path, "__metadata__ is no JSON object");
      for (const auto& [key, value] : fields.items()) {
        if (!value.is_string()) refuse(path, str("metadata ", key, " is no text"));
        file.metadata[key] = value.get<std::string>();
      }
    } else {
      entries.push_back(parse_entry(path, name, fields, data_bytes));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t next = 0;
  for (Entry& entry : entries) {
    if (entry.begin != next) {
      refuse(path, str("the data of tensor ", entry.tensor.name, " begins at byte ", entry.begin,
                       ", expected ", next));
    }
    next = entry.end;
    entry.tensor.data.resize(entry.end - entry.begin);
    if (!in.read(reinterpret_cast<char*>(entry.tensor.data.data()),
                 static_cast<std::streamsize>(entry.tensor.data.size()))) {
      refuse(path, str("the data of tensor ", entry.tensor.name, " cannot be read"));
    }
    file.tensors.push_back(std::move(entry.tensor));
  }
  if (next != data_bytes) {
    refuse(path, str("its tensors take ", next, " bytes of data, the file has ", data_bytes));
  }
  return file;
}

void write_tensor_file(const std::string& path, const TensorFile& file) {
  json header = json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  uint64_t offset = 0;
  for (const FileTensor& t : file.tensors) {
    header[t.name] = {
        {"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {offset, offset + t.data.size()}}};
    offset += t.data.size();
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins on a multiple of 8
  const uint64_t header_bytes = text.size();

  AtomicFile out(path);
  out.write(&header_bytes, sizeof(header_bytes));
  out.write(text.data(), text.size());
  for (const FileTensor& t : file.tensors) out.write(t.data.data(), t.data.size());
  out.commit();
}

std::string first_not_finite(const TensorFile& file) {
  for (const FileTensor& tensor : file.tensors) {
    if (tensor.dtype != "F32") continue;
    for (size_t at = 0; at + sizeof(float) <= tensor.data.size(); at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, &tensor.data[at], sizeof(value));
      if (!std::isfinite(value)) return tensor.name;
    }
  }
  return "";
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t extent : shape) {
    if (!text.empty()) text += 'x';
    text += std::to_string(extent);
  }
  return text.empty() ? "scalar" : text;
}

}  // namespace gan
