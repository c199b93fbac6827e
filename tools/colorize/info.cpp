#include "tools/colorize/info.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <map>

#include "engine/error.h"
#include "engine/memory.h"
#include "engine/progress.h"
#include "model/weights.h"
#include "tools/colorize/checksum.h"

namespace gan {
namespace {

constexpr size_t kLongestValue = 500;  // letters of a value that are shown
constexpr const char* kStatePrefix =
    "state.";  // what a checkpoint needs to go on (train/state/archive.h)

// A file may hold anything; a terminal must not be told what to do by it.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; }, '?');
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "...";
  return text;
}

void line(std::ostream& out, const std::string& name, const std::string& value) {
  out << "  " << std::left << std::setw(20) << printable(name) << " " << printable(value) << "\n";
}

std::string network_text(const Generator& generator) {
  return str(generator.model(), ", width ", generator.width(), ", colour head ",
             name_of(generator.head()), ", ", grouped(generator.parameters().learned_count()),
             " parameters; sees photos whose sides are multiples of ", generator.size_multiple());
}

void print_tensors(std::ostream& out, const TensorFile& file) {
  size_t name_width = 6, shape_width = 5;
  int64_t elements = 0;
  for (const FileTensor& tensor : file.tensors) {
    name_width = std::max(name_width, printable(tensor.name).size());
    shape_width = std::max(shape_width, shape_text(tensor.shape).size());
    elements += tensor.elements();
  }
  const auto row = [&](const std::string& name, const std::string& type, const std::string& shape,
                       const std::string& count) {
    out << "  " << std::left << std::setw(static_cast<int>(name_width) + 2) << name << std::setw(6)
        << type << std::setw(static_cast<int>(shape_width) + 2) << shape << std::right
        << std::setw(12) << count << "\n";
  };
  out << "tensors: " << file.tensors.size() << ", " << grouped(elements) << " numbers\n";
  row("tensor", "type", "shape", "numbers");
  for (const FileTensor& tensor : file.tensors) {
    row(printable(tensor.name), tensor.dtype, shape_text(tensor.shape), grouped(tensor.elements()));
  }
}

}  // namespace

void print_info(std::ostream& out, const std::string& path) {
  const TensorFile file = read_tensor_file(path);
  const bool checkpoint = file.metadata.contains(std::string(kStatePrefix) + "epoch");
  std::string network;
  if (!checkpoint) network = network_text(*load_generator(path, host_memory()).generator);
  const std::string checksum = sha256_of_file(path);

  std::error_code ignored;
  out << path << ": "
      << (checkpoint ? "checkpoint of a training run, to go on with: gan_train --resume"
                     : "weights of a generator")
      << ", " << human_bytes(std::filesystem::file_size(path, ignored)) << "\n";
  line(out, "SHA-256", checksum.empty() ? "not computed: this build lacks libssl-dev" : checksum);
  if (!checkpoint) line(out, "network", network);
  out << "what the file says:\n";
  for (const auto& [name, value] : file.metadata) {
    if (!name.starts_with(kStatePrefix)) line(out, name, value);
  }
  print_tensors(out, file);
}

}  // namespace gan
