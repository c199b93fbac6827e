// Which of several backends is the fastest for a convolution here: measured once, kept in a file.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "kernels/dispatch.h"

namespace gan {

class Tuner {
 public:
  // `hardware` names device, libraries and precision; results for another one are not used. `cache`: the
  // file to keep them in; empty: none. A cache that cannot be read or written is done without.
  Tuner(Memory& memory, std::string hardware, std::filesystem::path cache);

  // The fastest of the backends that support a convolution, preferring the first unless another one is
  // clearly faster. Says what it measured in a line on standard error. Null for other calls, and where
  // there is no memory left to measure in.
  Backend* choose(const Call& call, const Kernels::Backends& among);

  // In the folder for caches that the system names for this user; empty where it names none.
  static std::filesystem::path default_cache();

 private:
  double seconds(const Call& call, Backend& backend, const Kernels::Backends& among);
  void read_cache();
  void write_cache() const;

  Memory& memory_;
  std::string hardware_;
  std::filesystem::path cache_;
  std::map<std::string, std::string> names_;  // the fastest backend, by call
};

}  // namespace gan
