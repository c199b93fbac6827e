#include "train/data/photo_pack.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "engine/error.h"
#include "model/tensor_file.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVersion = "1";

static_assert(std::endian::native == std::endian::little, "packs hold little-endian numbers");

template <class T>
FileTensor tensor_of(const char* name, const char* dtype, std::vector<int64_t> shape,
                     const std::vector<T>& values) {
  FileTensor tensor = {name, dtype, std::move(shape), {}};
  tensor.data.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

template <class T>
std::vector<T> values_of(const FileTensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

FileTensor texts_tensor(const char* name, const std::vector<std::string>& texts) {
  std::vector<char> bytes;
  for (const std::string& text : texts)
    bytes.insert(bytes.end(), text.c_str(), text.c_str() + text.size() + 1);
  return tensor_of(name, "U8", {std::ssize(bytes)}, bytes);
}

// Reads a pack and complains about it.
class PackReader {
 public:
  explicit PackReader(const fs::path& path) : path_(path.string()) {
    try {
      file_ = read_tensor_file(path_);
    } catch (const DataError& error) {
      throw DataError(
          str(path_, ": not a folder of photos, and no pack of them either (", error.what(), ")"));
    }
    const auto version = file_.metadata.find("pack_version");
    if (version == file_.metadata.end())
      throw DataError(
          str(path_, ": not a folder of photos, and no pack of them either (see gan_data)"));
    if (version->second != kVersion)
      refuse(str("a pack of version ", version->second, ", this program knows version ", kVersion));
  }

  Collection read(int size) const {
    Collection all;
    const FileTensor& pixels = tensor("pixels", "U8");
    if (pixels.shape.size() != 4 || pixels.shape[1] != pixels.shape[2] || pixels.shape[3] != 3)
      refuse(str("pixels of shape ", shape_text(pixels.shape), " are no square photos"));
    const int64_t count = pixels.shape[0];
    if (pixels.shape[1] != size)
      refuse(str("photos of ", pixels.shape[1], "x", pixels.shape[1], ", needed are ", size, "x",
                 size, ": pack the folder again"));
    PhotoSet& photos = all.photos;
    photos.size = size;
    photos.pixels = values_of<uint8_t>(pixels);
    photos.hashes = values_of<uint64_t>(tensor("hashes", "U64", count));
    photos.names = texts("names");
    if (std::ssize(photos.names) != count)
      refuse(str(photos.names.size(), " names for ", count, " photos"));
    check_names(photos.names);
    if (number<uint64_t>("pixels_hash", 16) != content_hash(photos.pixels))
      refuse("its pixels are not those that were packed: it is damaged");

    DatasetReport& report = all.report;
    report.short_sides = values_of<int32_t>(tensor("short_sides", "I32", count));
    report.bad = bad_files();
    report.found = number<int64_t>("found");
    report.ignored = number<int64_t>("ignored");
    if (report.found < count || report.found > count + std::ssize(report.bad) || report.ignored < 0)
      refuse(str("says that it was made of ", report.found, " files, has ", count, " photos and ",
                 report.bad.size(), " bad files, and left out ", report.ignored));
    return all;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw DataError(str(path_, ": not a usable pack of photos: ", why));
  }

  const FileTensor& tensor(const char* name, const char* dtype) const {
    const FileTensor& found = file_.at(name, path_);
    if (found.dtype != dtype)
      refuse(str("tensor ", name, " holds ", found.dtype, ", expected ", dtype));
    return found;
  }
  const FileTensor& tensor(const char* name, const char* dtype, int64_t count) const {
    const FileTensor& found = tensor(name, dtype);
    if (found.shape != std::vector<int64_t>{count})
      refuse(str("tensor ", name, " has shape ", shape_text(found.shape), ", expected ", count));
    return found;
  }

  template <class T>
  T number(const char* name, int base = 10) const {
    const auto found = file_.metadata.find(name);
    const std::string text = found == file_.metadata.end() ? "" : found->second;
    T value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size())
      refuse(str(name, " is '", text, "', expected a number"));
    return value;
  }

  std::vector<std::string> texts(const char* name) const {
    const std::vector<char> bytes = values_of<char>(tensor(name, "U8"));
    if (!bytes.empty() && bytes.back() != 0) refuse(str("the last of its ", name, " is cut off"));
    std::vector<std::string> all;
    for (size_t i = 0; i < bytes.size(); i += all.back().size() + 1) all.emplace_back(&bytes[i]);
    return all;
  }

  // Names may become files again (gan_data pairs): they must not lead out of a folder.
  void check_names(const std::vector<std::string>& names) const {
    for (size_t i = 0; i < names.size(); ++i) {
      const fs::path name = names[i];
      if (name.empty() || !name.is_relative() || name.lexically_normal() != name ||
          !name.has_filename() || *name.begin() == "..")
        refuse(str("'", names[i], "' is not the name of a photo in a folder"));
      if (i > 0 && names[i - 1] >= names[i])
        refuse(str("the names are not in order at '", names[i], "'"));
    }
  }

  std::vector<BadFile> bad_files() const {
    const std::vector<std::string> all = texts("bad");
    if (all.size() % 3 != 0) refuse("its list of bad files is cut off");
    std::vector<BadFile> bad;
    for (size_t i = 0; i < all.size(); i += 3) {
      const std::string& kind = all[i + 2];
      if (kind.size() != 1 || kind[0] < '0' || kind[0] > '2')
        refuse(str("it does not know why '", all[i], "' is bad"));
      bad.push_back({all[i], all[i + 1], static_cast<BadKind>(kind[0] - '0')});
    }
    return bad;
  }

  std::string path_;
  TensorFile file_;
};

}  // namespace

void write_photo_pack(const fs::path& path, const Collection& all) {
  const PhotoSet& photos = all.photos;
  std::vector<std::string> bad;
  for (const BadFile& file : all.report.bad)
    bad.insert(bad.end(), {file.path, file.reason, std::to_string(static_cast<int>(file.kind))});
  TensorFile file;
  file.metadata = {{"pack_version", kVersion},
                   {"found", std::to_string(all.report.found)},
                   {"ignored", std::to_string(all.report.ignored)},
                   {"pixels_hash", str(std::hex, content_hash(photos.pixels))}};
  const int64_t count = photos.count(), size = photos.size;
  file.tensors.push_back(tensor_of("pixels", "U8", {count, size, size, 3}, photos.pixels));
  file.tensors.push_back(tensor_of("hashes", "U64", {count}, photos.hashes));
  file.tensors.push_back(tensor_of("short_sides", "I32", {count}, all.report.short_sides));
  file.tensors.push_back(texts_tensor("names", photos.names));
  file.tensors.push_back(texts_tensor("bad", bad));
  write_tensor_file(path.string(), file);
}

Collection read_photo_pack(const fs::path& path, int size) {
  return PackReader(path).read(size);
}

}  // namespace gan
