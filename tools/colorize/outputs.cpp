#include "tools/colorize/outputs.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "engine/error.h"
#include "train/photo/photo.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// Whether -o names a file. Throws UsageError where it is neither that nor a folder.
bool names_file(const OutputOptions& options, const InputList& list) {
  const fs::path out(options.out);
  std::error_code ignored;
  if (options.out.empty() || fs::is_directory(out, ignored)) return false;
  if (!is_writable_photo_name(out)) {
    if (fs::exists(out, ignored) || is_photo_file_name(out)) {
      throw UsageError(str(options.out,
                           ": -o takes a folder or a name that ends in .png, .jpg or "
                           ".webp"));
    }
    return false;
  }
  if (list.inputs.size() != 1 || !list.folders.empty()) {
    throw UsageError(str("-o ", options.out, " is one file, but there are ", list.inputs.size(),
                         " photos: name a folder"));
  }
  return true;
}

void refuse_input_folders(const InputList& list, const OutputOptions& options) {
  for (const fs::path& folder : list.folders) {
    std::error_code ignored;
    if (!options.out.empty() && fs::equivalent(folder, options.out, ignored)) {
      throw UsageError(str(options.out,
                           ": is the folder that the photos are in; choose another "
                           "for the results, or none: without -o each goes beside "
                           "its photo"));
    }
  }
}

// The files that must not be written to, whatever they are called.
class Inputs {
 public:
  explicit Inputs(const InputList& list) : list_(list) {
    std::error_code error;
    for (const Input& input : list.inputs) {
      if (input.url) continue;
      const fs::path place = fs::canonical(input.source, error);
      if (!error) places_.insert(place);
    }
  }

  // The input that `target`, an existing file, is: its source, or "" when it is none.
  std::string same_file(const Input& own, const fs::path& target) const {
    std::error_code error;
    // The own photo is asked for itself: file systems may have more than one spelling for it.
    if (!own.url && fs::equivalent(own.source, target, error)) return own.source;
    const fs::path place = fs::canonical(target, error);
    if (!error && places_.contains(place)) return place.string();
    if (fs::hard_link_count(target, error) <= 1 || error) return "";
    const auto same =
        std::find_if(list_.inputs.begin(), list_.inputs.end(), [&](const Input& input) {
          std::error_code ignored;
          return !input.url && fs::equivalent(input.source, target, ignored);
        });
    return same == list_.inputs.end() ? "" : same->source;
  }

 private:
  const InputList& list_;
  std::set<fs::path> places_;
};

}  // namespace

OutputPlan plan_outputs(const InputList& list, const OutputOptions& options) {
  refuse_input_folders(list, options);
  const bool to_file = names_file(options, list);
  const Inputs inputs(list);
  std::map<std::string, const Input*> taken;
  OutputPlan plan;
  int64_t existing = 0;
  fs::path first_existing;
  for (const Input& input : list.inputs) {
    const fs::path folder = options.out.empty() ? input.beside : options.out / input.below;
    const fs::path target = to_file ? fs::path(options.out)
                                    : folder / (input.stem + kResultSuffix + "." + options.format);
    std::error_code ignored;
    const std::string place = lower(fs::absolute(target, ignored).lexically_normal().string());
    const auto [other, fresh] = taken.emplace(place, &input);
    if (!fresh) {
      throw UsageError(str(target.string(), ": ", other->second->source, " and ", input.source,
                           " would be written to this name; colour one of them by itself with "
                           "-o, or rename it"));
    }
    const bool exists = fs::exists(fs::symlink_status(target, ignored));
    if (exists) {
      const std::string photo = inputs.same_file(input, target);
      if (!photo.empty()) {
        throw UsageError(str(target.string(), ": would overwrite the photo ", photo));
      }
    }
    if (exists && options.skip_existing) {
      ++plan.skipped;
      continue;
    }
    if (exists && !options.force && existing++ == 0) first_existing = target;
    plan.jobs.push_back({input, target});
  }
  if (existing > 0) {
    const std::string more = existing > 1 ? str(" (and ", existing - 1, " more)") : "";
    throw UsageError(str(first_existing.string(), ": exists already", more,
                         "; --force replaces, --skip-existing leaves out what exists"));
  }
  return plan;
}

}  // namespace gan
