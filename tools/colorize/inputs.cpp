#include "tools/colorize/inputs.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>

#include "engine/error.h"
#include "train/data/dataset.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A file name for what a URL shows: the last part of its path, %XX decoded, without its extension and
// without what has no place in file names.
std::string stem_of_url(const std::string& url) {
  const size_t host = url.find("://") + 3;
  const std::string path = url.substr(host, url.find_first_of("?#", host) - host);
  const size_t slash = path.rfind('/');
  std::string last = slash == std::string::npos ? "" : path.substr(slash + 1);
  std::string name;
  for (size_t i = 0; i < last.size(); ++i) {
    char c = last[i];
    if (c == '%' && i + 2 < last.size() && hex_digit(last[i + 1]) >= 0 &&
        hex_digit(last[i + 2]) >= 0) {
      c = static_cast<char>(hex_digit(last[i + 1]) * 16 + hex_digit(last[i + 2]));
      i += 2;
    }
    const bool unsafe = c == '/' || c == '\\' || static_cast<unsigned char>(c) < 32 || c == 127;
    name += unsafe ? '_' : c;
  }
  name.erase(0, name.find_first_not_of('.'));
  const std::string stem = fs::path(name).stem().string();
  return stem.empty() ? "photo" : stem;
}

Input file_input(const fs::path& path) {
  return {path.string(), false, path.parent_path(), {}, path.stem().string()};
}

bool is_result(const fs::path& path) {
  return path.stem().string().ends_with(kResultSuffix);
}

void add_folder(const fs::path& folder, const fs::path& out, InputList& list) {
  const FolderScan scan = scan_photos(folder);
  list.folders.push_back(folder);
  list.ignored += scan.ignored;
  for (const BadFile& bad : scan.bad) {
    list.unreadable.push_back(str((folder / bad.path).string(), ": ", bad.reason));
  }
  std::error_code ignored;
  const fs::path out_place = out.empty() ? out : fs::weakly_canonical(out, ignored);
  for (const std::string& name : scan.names) {
    const fs::path relative(name), path = folder / relative;
    if (!out_place.empty()) {
      const fs::path from_out = fs::weakly_canonical(path, ignored).lexically_relative(out_place);
      if (!from_out.empty() && *from_out.begin() != "..") continue;
    }
    if (is_result(path)) {
      ++list.results;
      continue;
    }
    Input input = file_input(path);
    input.below = relative.parent_path();
    list.inputs.push_back(std::move(input));
  }
}

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  const std::unique_ptr<glob_t, decltype(&globfree)> owner(&found, globfree);
  if (glob(pattern.c_str(), 0, nullptr, &found) != 0 || found.gl_pathc == 0) {
    throw DataError(str(pattern, ": no file matches this pattern"));
  }
  return {found.gl_pathv, found.gl_pathv + found.gl_pathc};
}

void add(const std::string& name, const fs::path& out, InputList& list) {
  std::error_code error;
  if (is_url(name)) {
    list.inputs.push_back({name, true, {}, {}, stem_of_url(name)});
  } else if (fs::is_directory(name, error)) {
    add_folder(name, out, list);
  } else if (is_pattern(name)) {
    for (const std::string& match : matches(name)) {
      // What a pattern matches is taken for a photo where it looks like one.
      if (fs::is_directory(match, error)) {
        add_folder(match, out, list);
      } else if (is_result(match)) {
        ++list.results;
      } else {
        list.inputs.push_back(file_input(match));
      }
    }
  } else {
    list.inputs.push_back(file_input(name));
  }
}

}  // namespace

bool is_url(const std::string& name) {
  const size_t end = name.find("://");
  return end != std::string::npos && end > 0 &&
         std::all_of(name.begin(), name.begin() + static_cast<ptrdiff_t>(end), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '-' || c == '.';
         });
}

bool is_pattern(const std::string& name) {
  std::error_code error;
  return name.find_first_of("*?[") != std::string::npos && !is_url(name) &&
         !fs::exists(name, error);
}

InputList find_inputs(const std::vector<std::string>& names, const fs::path& out) {
  InputList list;
  for (const std::string& name : names) add(name, out, list);
  return list;
}

std::vector<std::string> read_list(const std::string& path) {
  const bool from_input = path == "-";
  std::ifstream file;
  if (!from_input) file.open(path);
  std::istream& in = from_input ? std::cin : file;
  if (!in) throw DataError(str(path, ": cannot open the list: ", std::strerror(errno)));
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (in.bad() || names.empty()) {
    throw DataError(str(from_input ? "standard input" : path, ": holds no names of photos"));
  }
  return names;
}

}  // namespace gan
