// Networks to and from tensor files. Files hold PyTorch's layouts; memory holds channels last.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "model/generator.h"
#include "model/tensor_file.h"

namespace gan {

// Adds every parameter and running statistic to `file` as float32, names prefixed with `prefix`.
void store_parameters(const ParameterSet& parameters, const std::string& prefix, TensorFile& file);

// Throws DataError naming the first parameter that `file` (read from `path`) lacks or holds in
// another shape, expected and found. Needs no allocated parameters.
void check_parameters(const ParameterSet& parameters, const std::string& prefix,
                      const TensorFile& file, const std::string& path);

// Fills every parameter from `file` after check_parameters. A value that is not finite is a
// DataError too; the parameters are then unchanged.
void load_parameters(ParameterSet& parameters, const std::string& prefix, const TensorFile& file,
                     const std::string& path);

// The tensor's shape in files: {C}, {rows, columns, h, w} or {rows, columns*h*w}.
std::vector<int64_t> file_shape(const Parameter& parameter);
// Dense values between memory order and file order.
std::vector<float> to_file_order(const Parameter& parameter, const std::vector<float>& values);
std::vector<double> to_memory_order(const Parameter& parameter, const std::vector<double>& values);

// The version of the weights files that are written, "file_version" in their metadata; files without
// one are of the first. Files of later versions are refused.
constexpr int kWeightsVersion = 1;

// A generator for inference as weights files hold it; `metadata` is stored beside its model and width.
TensorFile generator_file(const Generator& generator, std::map<std::string, std::string> metadata);
// The same, written.
void save_generator(const std::string& path, const Generator& generator,
                    std::map<std::string, std::string> metadata);

// The base width of the generator in a weights file; none where its metadata does not say. Throws DataError
// when the file cannot be read or names a width that no network has.
std::optional<int> width_of_weights(const std::string& path);

struct LoadedGenerator {
  std::unique_ptr<Generator> generator;
  std::map<std::string, std::string> metadata;
};
// Reads a generator of any model: the file says which. Throws DataError when the file is no
// generator's or does not fit.
LoadedGenerator load_generator(const std::string& path, Memory& memory);

}  // namespace gan
