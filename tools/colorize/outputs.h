// Where results go, and all that has to be refused before any work is done.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/colorize/inputs.h"

namespace gan {

struct OutputOptions {
  std::string out = {};        // -o: a file, a folder or empty
  std::string format = "png";  // of files that -o does not name
  bool force = false;          // replace files that exist
  bool skip_existing = false;  // leave out photos whose results exist
};

struct Job {
  Input input;
  std::filesystem::path target;
};

struct OutputPlan {
  std::vector<Job> jobs;
  int64_t skipped = 0;  // their results exist already
};

// One target for each input: NAME_color.FORMAT beside the photo, or in the folder -o names, where
// folders that were searched are mirrored, or the file that -o names. Throws UsageError
//  - when -o names one file for several photos, a file that is no folder, or a searched folder itself;
//  - when a result would replace any of the inputs, by whatever link or spelling;
//  - when two results would have the same name, also but for upper and lower case: there are file
//    systems that do not tell them apart;
//  - when a result exists, unless it may be replaced or skipped.
OutputPlan plan_outputs(const InputList& list, const OutputOptions& options);

}  // namespace gan
