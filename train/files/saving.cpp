#include "train/files/saving.h"

#include <iostream>
#include <system_error>

#include "engine/error.h"

namespace gan {

bool Saving::attempt(const std::function<void()>& write) {
  try {
    write();
    return true;
  } catch (const DataError& error) {
    if (failing_.empty()) failing_ = error.what();
    return false;
  }
}

void Saving::end_round() {
  if (!failing_.empty()) {
    std::cerr << "warning: " << failing_ << "; training goes on, saving is tried again later"
              << std::endl;
  } else if (!failure_.empty()) {
    std::cerr << "note: all is saved again" << std::endl;
  }
  failure_ = std::exchange(failing_, "");
}

void KeptFile::set(TensorFile file) {
  file_ = std::move(file);
  waits_ = true;
}

void KeptFile::write() {
  std::error_code error;
  if (!waits_ && (file_.tensors.empty() || std::filesystem::exists(path_, error))) return;
  write_finite(path_, file_);
  waits_ = false;
}

void write_finite(const std::filesystem::path& path, const TensorFile& file) {
  if (const std::string name = first_not_finite(file); !name.empty()) {
    throw DataError(str(path.string(), ": not written, since ", name, " is not finite"));
  }
  write_tensor_file(path.string(), file);
}

}  // namespace gan
