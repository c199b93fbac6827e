// Files of named tensors in the safetensors format: 8-byte little-endian header length, JSON
// header, raw little-endian data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gan {

struct FileTensor {
  std::string name;
  std::string dtype;           // "F32", "F64", "F16", "BF16", ...
  std::vector<int64_t> shape;  // as PyTorch counts
  std::vector<std::byte> data;

  int64_t elements() const;
  // The numbers as float64. Throws DataError for a type that holds no real numbers.
  std::vector<double> values() const;
};

FileTensor make_file_tensor(std::string name, std::vector<int64_t> shape,
                            const std::vector<float>& values);
// The same numbers as float16, rounded to the nearest, ties to even: 11 bits, so each errs by at most
// 1/2048 of itself (above 6e-5). A tensor with a number that float16 cannot hold stays as it is.
FileTensor half_precision(const FileTensor& tensor);

struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::vector<FileTensor> tensors;  // in the order of their data

  const FileTensor* find(const std::string& name) const;
  // Throws DataError naming `path` when it is missing.
  const FileTensor& at(const std::string& name, const std::string& path) const;
};

// Reads a whole file. Trusts nothing: the header is at most 100 MB, offsets lie in the file, follow
// one another without gap or overlap and fit their shapes. Throws DataError saying what is wrong.
TensorFile read_tensor_file(const std::string& path);

// Writes beside `path` and renames, so that `path` is either the old file or the whole new one.
void write_tensor_file(const std::string& path, const TensorFile& file);

// The name of the first tensor of float32 with a value that is not finite; empty: all are.
std::string first_not_finite(const TensorFile& file);

// "128x64x3x3"
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace gan
