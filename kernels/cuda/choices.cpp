#include "kernels/cuda/choices.h"

#include <cstdlib>
#include <exception>
#include <fstream>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace gan {

// A line "hardware" opens the choices for it, a line "key = value" each.
Choices::Choices(std::string hardware, std::filesystem::path path)
    : hardware_(std::move(hardware)), file_(std::move(path)) {
  std::ifstream file(file_);
  bool ours = false;
  for (std::string line; std::getline(file, line);) {
    const size_t mark = line.rfind(" = ");
    if (mark == std::string::npos) {
      ours = line == hardware_;
    } else if (ours) {
      values_[line.substr(0, mark)] = line.substr(mark + 3);
    }
  }
}

std::string Choices::find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? "" : found->second;
}

void Choices::keep(const std::string& key, const std::string& value) {
  values_[key] = value;
  if (!file_.empty()) write();
}

std::filesystem::path Choices::default_file(const std::string& name) {
  const auto from = [](const char* variable) {
    const char* value = std::getenv(variable);
    return std::filesystem::path(value ? value : "");
  };
  std::filesystem::path folder = from("XDG_CACHE_HOME");
  if (folder.empty() && !from("HOME").empty()) folder = from("HOME") / ".cache";
  return folder.empty() ? folder : folder / "gan_colorizer" / name;
}

void Choices::write() const {
  try {
    // Those for other hardware stay.
    std::string text;
    std::ifstream file(file_);
    bool ours = false;
    for (std::string line; std::getline(file, line);) {
      if (line.find(" = ") == std::string::npos) ours = line == hardware_;
      if (!ours) text += line + "\n";
    }
    text += hardware_ + "\n";
    for (const auto& [key, value] : values_) text += str(key, " = ", value, "\n");
    std::filesystem::create_directories(file_.parent_path());
    AtomicFile out(file_.string());
    out.write(text);
    out.commit();
  } catch (const std::exception&) {  // measured again next time
  }
}

}  // namespace gan
