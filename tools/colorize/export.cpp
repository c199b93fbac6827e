#include "tools/colorize/export.h"

#include <filesystem>

#include "engine/error.h"
#include "engine/memory.h"
#include "model/weights.h"

namespace gan {

void export_weights(const std::string& from, const std::string& to, bool half, bool replace) {
  std::error_code ignored;
  if (!replace && std::filesystem::exists(to, ignored)) {
    throw UsageError(str(to, ": exists; --force replaces it"));
  }
  load_generator(from, host_memory());  // refuses what is no generator
  TensorFile file = read_tensor_file(from);
  if (half) {
    for (FileTensor& tensor : file.tensors) {
      if (tensor.shape.size() > 1) tensor = half_precision(tensor);
    }
  }
  write_tensor_file(to, file);
}

}  // namespace gan
