// What was measured to be the best on this hardware, kept in a file.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace gan {

class Choices {
 public:
  // None yet, and none kept.
  Choices() = default;
  // `hardware` names device, libraries and precision; choices for another one are not used, and stay in
  // the file. No file, or one that cannot be read or written: they last as long as this object.
  Choices(std::string hardware, std::filesystem::path file);

  // Empty: not known.
  std::string find(const std::string& key) const;
  // Neither may contain " = " or a line's end.
  void keep(const std::string& key, const std::string& value);

  // Empty: nowhere.
  const std::filesystem::path& file() const { return file_; }

  // `name` in the folder for caches that the system names for this user; empty where it names none.
  static std::filesystem::path default_file(const std::string& name);

 private:
  void write() const;

  std::string hardware_;
  std::filesystem::path file_;
  std::map<std::string, std::string> values_;
};

}  // namespace gan
