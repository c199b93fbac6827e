// Saving and loading a run's state with one description of it.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/error.h"
#include "model/adam.h"
#include "model/parameters.h"
#include "model/tensor_file.h"

namespace gan {

// Whoever has state names each part of it to an archive, once: a saving archive takes the values, a
// loading one puts them back, bit for bit. Numbers go into the file's metadata, tensors into its data.
class Archive {
 public:
  static Archive saving(TensorFile& file) { return Archive(&file, nullptr, ""); }
  // `path` is for error messages.
  static Archive loading(const TensorFile& file, const std::string& path) {
    return Archive(nullptr, &file, path);
  }
  bool is_loading() const { return from_ != nullptr; }

  // A number, a truth value or an enumerator. Throws DataError when loading finds none.
  template <class T>
  void number(const std::string& name, T& value) {
    if constexpr (std::is_enum_v<T> || std::is_same_v<T, bool>) {
      auto plain = static_cast<int64_t>(value);
      number(name, plain);
      value = static_cast<T>(plain);
    } else {
      char digits[64];
      if (!is_loading()) {
        // The shortest digits that give the same bits back.
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        text_of(name) = std::string(digits, end);
        return;
      }
      const std::string& found = stored(name);
      const auto result = std::from_chars(found.data(), found.data() + found.size(), value);
      if (result.ec != std::errc() || result.ptr != found.data() + found.size()) {
        throw DataError(str(path_, ": ", name, " is '", found, "', expected a number"));
      }
    }
  }
  void text(const std::string& name, std::string& value);
  // A list of numbers of any length.
  template <class T>
  void numbers(const std::string& name, std::vector<T>& values) {
    auto count = static_cast<int64_t>(values.size());
    number(name + ".count", count);
    if (count < 0 || count > kMostNumbers) {
      throw DataError(str(path_, ": ", name, " is a list of ", count, " numbers"));
    }
    values.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) number(str(name, ".", i), values[static_cast<size_t>(i)]);
  }

  // float32 of any shape, in the device's memory.
  void tensor(Memory& memory, const std::string& name, const Tensor& tensor);
  // Values and running statistics.
  void network(const std::string& name, ParameterSet& parameters);
  // Moments and step count.
  void optimizer(const std::string& name, Memory& memory, Adam& adam);
  // Another archive's file as a part of this one.
  void nested(const std::string& name, TensorFile& file);

 private:
  static constexpr int64_t kMostNumbers = 1 << 20;

  Archive(TensorFile* to, const TensorFile* from, std::string path)
      : to_(to), from_(from), path_(std::move(path)) {}
  std::string& text_of(const std::string& name) { return to_->metadata["state." + name]; }
  const std::string& stored(const std::string& name) const;

  TensorFile* to_;
  const TensorFile* from_;
  std::string path_;
};

}  // namespace gan
