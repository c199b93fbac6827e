#include "train/state/archive.h"

#include <cstring>

#include "model/weights.h"

namespace gan {

const std::string& Archive::stored(const std::string& name) const {
  const auto found = from_->metadata.find("state." + name);
  if (found == from_->metadata.end()) {
    throw DataError(str(path_, ": ", name, " is missing: written by another version?"));
  }
  return found->second;
}

void Archive::text(const std::string& name, std::string& value) {
  if (is_loading()) {
    value = stored(name);
  } else {
    text_of(name) = value;
  }
}

void Archive::tensor(Memory& memory, const std::string& name, const Tensor& tensor) {
  if (!is_loading()) {
    to_->tensors.push_back(make_file_tensor(name, {tensor.elements()}, to_host(memory, tensor)));
    return;
  }
  const FileTensor& found = from_->at(name, path_);
  if (found.dtype != "F32" || found.elements() != tensor.elements()) {
    throw DataError(str(path_, ": tensor ", name, ": expected ", tensor.elements(),
                        " numbers of F32, found ", found.elements(), " of ", found.dtype));
  }
  std::vector<float> values(static_cast<size_t>(found.elements()));
  std::memcpy(values.data(), found.data.data(), found.data.size());
  from_host(memory, tensor, values.data());
}

void Archive::network(const std::string& name, ParameterSet& parameters) {
  const std::string prefix = name + ".";
  if (is_loading()) {
    load_parameters(parameters, prefix, *from_, path_);
  } else {
    store_parameters(parameters, prefix, *to_);
  }
}

void Archive::optimizer(const std::string& name, Memory& memory, Adam& adam) {
  tensor(memory, name + ".first_moment", adam.first_moment());
  tensor(memory, name + ".second_moment", adam.second_moment());
  uint64_t steps = adam.steps();
  number(name + ".steps", steps);
  adam.set_steps(steps);
}

void Archive::nested(const std::string& name, TensorFile& file) {
  const std::string tensors = name + "/", numbers = "state." + name + "/";
  if (is_loading()) {
    file = {};
    for (const FileTensor& tensor : from_->tensors) {
      if (tensor.name.rfind(tensors, 0) != 0) continue;
      file.tensors.push_back(tensor);
      file.tensors.back().name.erase(0, tensors.size());
    }
    for (const auto& [key, value] : from_->metadata) {
      if (key.rfind(numbers, 0) == 0) file.metadata[key.substr(numbers.size())] = value;
    }
    return;
  }
  for (const FileTensor& tensor : file.tensors) {
    to_->tensors.push_back(tensor);
    to_->tensors.back().name.insert(0, tensors);
  }
  for (const auto& [key, value] : file.metadata) to_->metadata[numbers + key] = value;
}

}  // namespace gan
