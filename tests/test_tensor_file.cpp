// Reading and writing safetensors files, above all those that are damaged.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"
#include "model/tensor_file.h"
#include "tests/temp_folder.h"

namespace gan {
namespace {

// A file's bytes from its header and data, with the true header length.
std::string file_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

// What reading a file of these bytes is refused with; empty when it reads.
std::string refusal(const TempFolder& folder, const std::string& bytes) {
  const auto path = folder / "damaged.bin";
  write_text(path, bytes);
  try {
    read_tensor_file(path.string());
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TensorFile small_file() {
  TensorFile file;
  file.metadata = {{"model", "test"}, {"note", "a \"quoted\" line"}};
  file.tensors.push_back(make_file_tensor("first", {2, 3}, {1, -2, 3.5f, 0, 1e-20f, 6e20f}));
  file.tensors.push_back(make_file_tensor("second", {4}, {7, 8, 9, 10}));
  file.tensors.push_back(make_file_tensor("a scalar", {}, {11}));
  file.tensors.push_back(make_file_tensor("nothing", {0, 5}, {}));
  return file;
}

std::string small_bytes(const TempFolder& folder) {
  const std::string path = (folder / "small.bin").string();
  write_tensor_file(path, small_file());
  return read_text(path);
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<double> read_single(const TempFolder& folder, const std::string& dtype, size_t count,
                                const std::string& data) {
  const auto path = folder / "single.bin";
  write_text(path, file_bytes(str(R"({"t":{"dtype":")", dtype, R"(","shape":[)", count,
                                  R"(],"data_offsets":[0,)", data.size(), "]}}"),
                              data));
  return read_tensor_file(path.string()).at("t", "path").values();
}

}  // namespace

TEST_CASE("a tensor file reads back as it was written", "[model][file]") {
  const TempFolder folder;
  const std::string path = (folder / "small.bin").string();
  const TensorFile written = small_file();
  write_tensor_file(path, written);
  const TensorFile read = read_tensor_file(path);
  CHECK(read.metadata == written.metadata);
  REQUIRE(read.tensors.size() == written.tensors.size());
  for (const FileTensor& t : written.tensors) {
    const FileTensor& same = read.at(t.name, path);
    CHECK(same.dtype == t.dtype);
    CHECK(same.shape == t.shape);
    CHECK(same.data == t.data);
  }
  CHECK(read.find("absent") == nullptr);
  CHECK_THROWS_WITH(read.at("absent", path), Catch::Contains("absent") && Catch::Contains(path));

  const std::string bytes = read_text(path);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);  // the data begins aligned
  write_tensor_file(path, read);
  CHECK(read_text(path) == bytes);
}

TEST_CASE("all real number types are read", "[model][file]") {
  const TempFolder folder;
  CHECK(read_single(folder, "F64", 2, raw<double>({1e300, -0.1})) ==
        std::vector<double>{1e300, -0.1});
  CHECK(read_single(folder, "F32", 2, raw<float>({0.1f, -3e38f})) ==
        std::vector<double>{0.1f, -3e38f});
  // Float16: one, minus two, largest, smallest normal, smallest subnormal, minus zero.
  CHECK(read_single(folder, "F16", 6,
                    raw<uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000})) ==
        std::vector<double>{1, -2, 65504, std::ldexp(1, -14), std::ldexp(1, -24), 0});
  const auto special = read_single(folder, "F16", 3, raw<uint16_t>({0x7c00, 0xfc00, 0x7e00}));
  CHECK(special[0] == std::numeric_limits<double>::infinity());
  CHECK(special[1] == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(special[2]));
  CHECK(read_single(folder, "BF16", 3, raw<uint16_t>({0x3f80, 0xc040, 0x7f80})) ==
        std::vector<double>{1, -3, std::numeric_limits<double>::infinity()});
  CHECK_THROWS_AS(read_single(folder, "I64", 1, raw<int64_t>({1})), DataError);
}

TEST_CASE("numbers in half precision are the nearest ones", "[model][file]") {
  const auto halved = [](const std::vector<float>& values) {
    return half_precision(make_file_tensor("t", {std::ssize(values)}, values));
  };
  // Every float16 stays what it is.
  std::vector<float> all;
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10);
    const double mantissa = bits & 1023;
    all.push_back(static_cast<float>(exponent == 0 ? std::ldexp(mantissa, -24)
                                                   : std::ldexp(1024 + mantissa, exponent - 25)));
    all.push_back(-all.back());
  }
  const FileTensor exact = halved(all);
  CHECK(exact.dtype == "F16");
  const std::vector<double> back = exact.values();
  CHECK(std::equal(back.begin(), back.end(), all.begin()));
  // Ties go to even mantissas, a number just below a power of two to it, a tiny one to 0.
  CHECK(halved({1 + 1.f / 2048, 1 + 3.f / 2048, 0.99999f, -1e-9f, 65503}).values() ==
        std::vector<double>{1, 1 + 4.0 / 2048, 1, 0, 65504});
  // What does not fit stays in float32.
  CHECK(halved({1, 65505}).dtype == "F32");
  CHECK(halved({1, std::numeric_limits<float>::quiet_NaN()}).dtype == "F32");
}

TEST_CASE("a file cut off anywhere is refused", "[model][file]") {
  const TempFolder folder;
  const std::string bytes = small_bytes(folder);
  for (size_t part = 0; part < 20; ++part) {
    CAPTURE(part);
    CHECK(refusal(folder, bytes.substr(0, bytes.size() * part / 20)) != "");
  }
  CHECK(refusal(folder, bytes.substr(0, bytes.size() - 1)) != "");
  CHECK(refusal(folder, bytes + "x") != "");
  CHECK(refusal(folder, bytes) == "");
}

TEST_CASE("headers that lie are refused", "[model][file]") {
  const TempFolder folder;
  const std::string data(24, '\0');
  const auto header_refusal = [&](const std::string& header) {
    return refusal(folder, file_bytes(header, data));
  };
  const auto entries = [](const std::string& a, const std::string& b) {
    return str(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":)", a,
               R"(},"b":{"dtype":"F32","shape":[3],"data_offsets":)", b, "}}");
  };
  CHECK(header_refusal(entries("[0,12]", "[12,24]")) == "");

  SECTION("data that overlaps, leaves gaps or lies outside") {
    CHECK_THAT(header_refusal(entries("[0,12]", "[8,20]")), Catch::Contains("tensor b"));
    CHECK(header_refusal(entries("[0,12]", "[0,12]")) != "");
    CHECK(header_refusal(entries("[4,16]", "[12,24]")) != "");
    CHECK_THAT(header_refusal(entries("[0,12]", "[16,28]")), Catch::Contains("truncated"));
    CHECK(header_refusal(entries("[12,0]", "[12,24]")) != "");
    CHECK(header_refusal(entries("[0,12]", "[18446744073709551608,4]")) != "");
  }
  SECTION("sizes that do not fit their shape") {
    CHECK_THAT(header_refusal(entries("[0,8]", "[8,24]")),
               Catch::Contains("needs 12 bytes, has 8"));
  }
  SECTION("shapes too large to be true") {
    for (const char* shape : {"[9223372036854775807]", "[4294967296,4294967296,4294967296]",
                              "[18446744073709551615,18446744073709551615]", "[0,1e30]", "[-3]",
                              "[1.5]", "[\"3\"]", "3"}) {
      CAPTURE(shape);
      CHECK(header_refusal(str(R"({"a":{"dtype":"F32","shape":)", shape,
                               R"(,"data_offsets":[0,24]}})")) != "");
    }
  }
  SECTION("missing or wrong fields") {
    for (const char* header : {"", "{", "[]", "null", "17", "not json", "{\"a\":1}", "{\"a\":{}}",
                               R"({"a":{"dtype":"F32","shape":[6]}})",
                               R"({"a":{"dtype":"F99","shape":[6],"data_offsets":[0,24]}})",
                               R"({"a":{"dtype":32,"shape":[6],"data_offsets":[0,24]}})",
                               R"({"a":{"dtype":"F32","shape":[6],"data_offsets":[0]}})",
                               R"({"a":{"dtype":"F32","shape":[6],"data_offsets":["0","24"]}})",
                               R"({"__metadata__":7})", R"({"__metadata__":{"width":64}})", "{}"}) {
      CAPTURE(header);
      CHECK(header_refusal(header) != "");
    }
  }
  SECTION("header lengths beyond the file") {
    for (const uint64_t length :
         {uint64_t{1} << 20, uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}}) {
      std::string bytes = small_bytes(folder);
      std::memcpy(bytes.data(), &length, 8);
      CAPTURE(length);
      CHECK(refusal(folder, bytes) != "");
    }
  }
  SECTION("deep nesting") {
    CHECK(header_refusal(std::string(100'000, '[')) != "");
    CHECK(header_refusal(R"({"a":)" + std::string(100'000, '[')) != "");
  }
}

TEST_CASE("files that are none are refused by name", "[model][file]") {
  const TempFolder folder;
  CHECK_THROWS_WITH(read_tensor_file(folder.path().string()),
                    Catch::Contains("folder") && Catch::Contains(folder.path().string()));
  CHECK_THROWS_WITH(read_tensor_file((folder / "absent.bin").string()),
                    Catch::Contains("absent.bin") && Catch::Contains("No such file"));
  CHECK_THAT(refusal(folder, ""), Catch::Contains("0 bytes"));
  CHECK(refusal(folder, "\x89PNG\r\n\x1a\n and so on, the bytes of a picture") != "");
}

TEST_CASE("a file that cannot be written leaves the old one", "[model][file]") {
  const TempFolder folder;
  const std::string path = (folder / "missing" / "w.bin").string();
  CHECK_THROWS_AS(write_tensor_file(path, small_file()), DataError);
  CHECK(folder.entries() == 0);
}

TEST_CASE("random damage to a file is refused or harmless", "[model][file]") {
  constexpr int kFiles = 3000;
  const TempFolder folder;
  const std::string bytes = small_bytes(folder);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  const std::string alphabet = "{}[]\":,0123456789eE+-.\\nF ";
  Random random(11);
  int refused = 0;
  for (int i = 0; i < kFiles; ++i) {
    std::string damaged = bytes;
    const uint32_t changes = 1 + random.below(4);
    for (uint32_t change = 0; change < changes; ++change) {
      // Mostly inside the header and its length; half of the time what JSON is made of.
      const size_t at = random.below(static_cast<uint32_t>(8 + header));
      switch (random.below(4)) {
        case 0:
          damaged[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          damaged.erase(at, 1 + random.below(3));
          break;
        case 2:
          damaged.insert(at, 1, alphabet[random.below(static_cast<uint32_t>(alphabet.size()))]);
          break;
        default:
          damaged[at] = alphabet[random.below(static_cast<uint32_t>(alphabet.size()))];
      }
    }
    refused += refusal(folder, damaged) != "";
  }
  CHECK(refused > kFiles / 2);
  CHECK(refusal(folder, bytes) == "");
}

}  // namespace gan
