#include "train/data/photo_pairs.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "engine/error.h"
#include "engine/parallel.h"
#include "train/image/color.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"color", "gray"};

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(str(folder.string(), ": cannot create the folder: ", error.message()));
}

// A name for each photo, all different. Of photos that come from such folders "color/" is no part of it.
std::vector<fs::path> pair_names(const std::vector<std::string>& names) {
  const bool paired = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("color/");
  });
  std::vector<fs::path> all;
  std::set<fs::path> taken;
  for (const std::string& full : names) {
    const fs::path name = paired ? full.substr(6) : full;
    const std::string stem = fs::path(name).replace_extension().string();
    fs::path chosen = stem + ".png";
    for (int n = 2; !taken.insert(chosen).second; ++n) chosen = str(stem, "-", n, ".png");
    all.push_back(std::move(chosen));
  }
  return all;
}

}  // namespace

void require_no_pairs(const fs::path& folder) {
  for (const char* name : kFolders) {
    std::error_code error;
    if (fs::exists(folder / name, error))
      throw UsageError(str((folder / name).string(), ": exists already; --force writes into it"));
  }
}

void write_photo_pairs(const fs::path& folder, const PhotoSet& photos) {
  const std::vector<fs::path> names = pair_names(photos.names);
  for (const fs::path& name : names)
    for (const char* side : kFolders) make_folder((folder / side / name).parent_path());
  parallel_for(photos.count(), [&](int64_t i) {
    const Image photo = photos.image(i);
    const fs::path& name = names[static_cast<size_t>(i)];
    write_png(folder / "color" / name, photo);
    write_png(folder / "gray" / name, gray_of(photo));
  });
}

}  // namespace gan
