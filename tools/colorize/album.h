// Colouring many photos: what each stage of the pipeline does.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/colorize/fetch.h"
#include "tools/colorize/outputs.h"
#include "train/color/colorizer.h"
#include "train/photo/photo.h"

namespace gan {

struct AlbumOptions {
  // Sides of the squares that have as many pixels as the network sees (Colorizer::work_image); several
  // give a contact sheet.
  std::vector<int> work_sizes = {kWorkSize};
  bool compare = false;  // gray | coloured | original, where there are colours in it
  bool raw = false;      // the network's own output instead
  bool force = false;    // replace files that exist
  EncodeOptions encode;
  FetchLimits fetch;
  bool network_on_cpu = true;
  size_t batch = 8;         // photos that go through the network together
  size_t memory_bytes = 0;  // for photos under way; 0: kBytesPerThread for every thread
};

constexpr size_t kBytesPerThread = size_t{256} << 20;

// What happens on the way. `note` may be called by any thread, the others by the caller's only.
struct AlbumEvents {
  std::function<void(const Job& job)> done;
  std::function<void(const Job& job, const std::string& why, ExitCode code)> failed;
  std::function<void(const std::string& text)> note;
  std::function<bool()> stop_requested;
};

// Colours all of them on all cores, and answers once every job ended or, after a request to stop,
// those that were well under way. The files are the same whatever the number of threads. Whatever
// goes wrong with a photo is an event, and no file of that photo is left behind.
void color_album(Colorizer& colorizer, const std::vector<Job>& jobs, const AlbumOptions& options,
                 const AlbumEvents& events);

}  // namespace gan
