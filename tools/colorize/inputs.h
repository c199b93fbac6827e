// What there is to colour: files, folders, patterns, lists and URLs, made into one list.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gan {

struct Input {
  std::string source;  // path or URL, also for messages
  bool url = false;
  std::filesystem::path beside;  // the photo's own folder; of a URL: the current one
  std::filesystem::path below;   // where it lies in the folder that was searched
  std::string stem;              // its name without extension
};

struct InputList {
  std::vector<Input> inputs;
  std::vector<std::filesystem::path> folders;  // that were searched
  std::vector<std::string> unreadable;         // folders that could not be: one line each
  int64_t ignored = 0;                         // other files in the folders
  int64_t results = 0;  // files in the folders that are results already: NAME_color.*
};

// The end of the name, before the extension, by which results are known.
inline constexpr const char* kResultSuffix = "_color";

// "https://..." and anything else with a scheme.
bool is_url(const std::string& name);
// Whether the name is a pattern, as "album/*.jpg", and no file of that very name exists.
bool is_pattern(const std::string& name);

// Finds what these names stand for, in their order; folders are searched with all that is below
// them, sorted, without hidden files, results and the folder `out`. A file is taken as it is, there
// or not: that shows when it is read. Throws DataError for a pattern that matches nothing.
InputList find_inputs(const std::vector<std::string>& names, const std::filesystem::path& out);

// The names in a list, one a line; lines may end in CRLF, empty ones do not count. "-" is standard
// input. Throws DataError when it cannot be read or holds none.
std::vector<std::string> read_list(const std::string& path);

}  // namespace gan
