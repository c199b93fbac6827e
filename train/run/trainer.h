// A whole training run: data, epochs, measurements, files.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "kernels/device.h"
#include "train/state/settings.h"

namespace gan {

// Trains as asked and reports on the way: what concerns the whole run on standard output, progress
// on standard error. `stop_requested` is asked after every step; when it says yes, the run ends as
// if that epoch were its last. `program_version` goes into the weights' metadata.
//
// Throws UsageError or DataError before the first step when something is wrong with the settings,
// the photos or the output folder. During training a file that cannot be written is a warning, and
// an error at the end if it still cannot.
void train(Device& device, const TrainSettings& settings, const std::string& program_version,
           const std::function<bool()>& stop_requested);

// The settings (TrainSettings::from_texts) of the run that a folder holds. Throws UsageError when it
// holds none to go on with, DataError when no checkpoint can be read.
std::map<std::string, std::string> resumed_settings(const std::string& out);

}  // namespace gan
