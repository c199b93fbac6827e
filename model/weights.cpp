#include "model/weights.h"

#include <charconv>
#include <cmath>
#include <utility>

namespace gan {
namespace {

// Calls body(memory index, file index) for every element: {row, y, x, column} in memory against
// {row, column, y, x} in the file.
template <class Body>
void for_each_position(const Parameter& p, Body&& body) {
  const Shape& s = p.value.shape();
  int64_t memory = 0;
  for (int64_t row = 0; row < s.n; ++row)
    for (int64_t y = 0; y < s.h; ++y)
      for (int64_t x = 0; x < s.w; ++x)
        for (int64_t column = 0; column < s.c; ++column)
          body(memory++, ((row * s.c + column) * s.h + y) * s.w + x);
}

// What the metadata says under `name`, or `missing` where it says nothing.
int number_from_metadata(const std::map<std::string, std::string>& metadata,
                         const std::string& name, int missing, const std::string& path) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) return missing;
  const std::string& text = found->second;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw DataError(str(path, ": metadata ", name, " is '", text, "', expected a number"));
  }
  return number;
}

// Files from before there were heads say nothing, and predict RGB.
ColorHead head_from_metadata(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("color_head");
  return found == metadata.end() ? ColorHead::rgb : color_head_named(found->second);
}

}  // namespace

std::vector<int64_t> file_shape(const Parameter& p) {
  const Shape& s = p.value.shape();
  switch (p.layout) {
    case FileLayout::vector:
      return {s.c};
    case FileLayout::conv:
    case FileLayout::transposed_conv:
      return {s.n, s.c, s.h, s.w};
    case FileLayout::linear:
      return {s.n, s.c * s.h * s.w};
  }
  return {};
}

std::vector<float> to_file_order(const Parameter& p, const std::vector<float>& values) {
  std::vector<float> out(values.size());
  for_each_position(p, [&](int64_t memory, int64_t file) { out[file] = values[memory]; });
  return out;
}

std::vector<double> to_memory_order(const Parameter& p, const std::vector<double>& values) {
  std::vector<double> out(values.size());
  for_each_position(p, [&](int64_t memory, int64_t file) { out[memory] = values[file]; });
  return out;
}

void store_parameters(const ParameterSet& parameters, const std::string& prefix, TensorFile& file) {
  for (const Parameter& p : parameters.all()) {
    file.tensors.push_back(make_file_tensor(
        prefix + p.name, file_shape(p), to_file_order(p, to_host(parameters.memory(), p.value))));
  }
}

void check_parameters(const ParameterSet& parameters, const std::string& prefix,
                      const TensorFile& file, const std::string& path) {
  for (const Parameter& p : parameters.all()) {
    const FileTensor& tensor = file.at(prefix + p.name, path);
    if (tensor.shape != file_shape(p)) {
      throw DataError(str(path, ": tensor ", tensor.name, ": expected shape ",
                          shape_text(file_shape(p)), ", found ", shape_text(tensor.shape)));
    }
  }
}

void load_parameters(ParameterSet& parameters, const std::string& prefix, const TensorFile& file,
                     const std::string& path) {
  check_parameters(parameters, prefix, file, path);
  std::vector<std::vector<double>> loaded;
  for (const Parameter& p : parameters.all()) {
    const FileTensor& tensor = file.at(prefix + p.name, path);
    loaded.push_back(tensor.values());
    for (double x : loaded.back()) {
      if (!std::isfinite(x)) {
        throw DataError(str(path, ": tensor ", tensor.name, " holds values that are not finite"));
      }
    }
  }
  size_t next = 0;
  for (Parameter& p : parameters.all()) {
    from_host(parameters.memory(), p.value, to_memory_order(p, loaded[next++]).data());
  }
  parameters.values_changed();
}

TensorFile generator_file(const Generator& generator, std::map<std::string, std::string> metadata) {
  TensorFile file;
  file.metadata = std::move(metadata);
  file.metadata["file_version"] = std::to_string(kWeightsVersion);
  file.metadata["format"] = "pt";  // the convention by which PyTorch tools know layouts and names
  file.metadata["model"] = generator.model();
  file.metadata["width"] = std::to_string(generator.width());
  file.metadata["color_head"] = name_of(generator.head());
  store_parameters(generator.parameters(), "", file);
  return file;
}

void save_generator(const std::string& path, const Generator& generator,
                    std::map<std::string, std::string> metadata) {
  write_tensor_file(path, generator_file(generator, std::move(metadata)));
}

std::optional<int> width_of_weights(const std::string& path) {
  const int width = number_from_metadata(read_tensor_file(path).metadata, "width", 0, path);
  if (width == 0) return {};
  if (!is_generator_width(width)) {
    throw DataError(str(path, ": metadata width is ", width, ", no width that a network can have"));
  }
  return width;
}

LoadedGenerator load_generator(const std::string& path, Memory& memory) {
  TensorFile file = read_tensor_file(path);
  const int version = number_from_metadata(file.metadata, "file_version", 1, path);
  if (version > kWeightsVersion) {
    throw DataError(str(path, ": a weights file of version ", version,
                        ", this program knows versions up to ", kWeightsVersion,
                        ": use a newer program"));
  }
  const auto model = file.metadata.find("model");
  if (model == file.metadata.end()) {
    throw DataError(str(path, ": its metadata names no model, so it is no generator of ours"));
  }
  LoadedGenerator loaded;
  try {
    loaded.generator =
        make_generator(model->second, number_from_metadata(file.metadata, "width", 64, path),
                       head_from_metadata(file.metadata));
  } catch (const UsageError& error) {  // what the file says, not what the user typed
    throw DataError(str(path, ": ", error.what()));
  }
  // Before any memory is taken: the metadata may claim a far larger network than the file holds.
  check_parameters(loaded.generator->parameters(), "", file, path);
  loaded.generator->parameters().allocate(memory, DType::f32, Use::inference);
  load_parameters(loaded.generator->parameters(), "", file, path);
  loaded.metadata = std::move(file.metadata);
  return loaded;
}

}  // namespace gan
