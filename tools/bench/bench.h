// What a benchmark is asked and what it answers. Each level is one file with one function; its
// name stands in levels().
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cases/op_tensors.h"
#include "kernels/device.h"
#include "tools/bench/peaks.h"
#include "tools/bench/timing.h"

namespace gan::bench {

// How much of the time for a row one operation gets.
constexpr double kOperationShare = 1.0 / 20;

struct Options {
  int width = 64;
  int batch_size = 16;
  int size = 128;            // of the network level's photos
  double seconds = 3;        // of measuring a row; operations take a twentieth of that each
  std::string filter;        // words that all have to be in a row's name
  bool convolutions = true;  // whether networks' convolutions are timed alone, too
};

// Whose kernels are measured, on what.
struct Subject {
  std::string backend;  // as it was asked for
  Device device;
  Peaks peaks;
};

// One thing measured.
struct Row {
  std::string level, name, backend;
  std::string shape = "";  // of an operation: input > output
  int width = 0, batch_size = 0, size = 0;
  int threads = 0;
  double photos = 0;  // in one run
  double flop = 0;    // of one run, by the definition: a faster algorithm may do with less
  double bytes = 0;   // that one run has to move at the least; 0: not told
  Peaks peaks = {};
  // Against the reference backend, before it is timed; above the limit it is not.
  double error = 0, limit = 0;
  std::string wrong = "";  // in words, when that is known
  Timing timing = {};
  size_t memory = 0;  // most bytes of the device's memory in use, beyond what was before
  // Of an operation: the vendor's library, in the networks' layout and in the one it likes best.
  double vendor = 0, vendor_free = 0;  // seconds; 0: not measured
  // Of a network or a step: the sum of its convolutions' best times, each alone, in any layout.
  double convolutions = 0;  // seconds; 0: not measured
  std::string note = "";    // what it means, in a few words

  bool correct() const { return wrong.empty() && error <= limit; }
  // How much of what the machine can do: 1 is the least time that the work can take. 0: not known.
  double share_of_peak() const;
};

// Tensors that two devices compute alike.
using Results = std::vector<std::vector<float>>;

// How long a call takes at its best, alone.
struct BestTime {
  std::string backend;  // the subject's
  Call call;
  double seconds;
};

struct Session {
  std::vector<Subject> subjects;
  // The library to compare with: "onednn" or "cudnn", and a device that prefers it. Neither where the
  // build lacks it.
  std::string vendor_backend;
  std::optional<Device> vendor;
  Options options;
  std::function<void(const Row&)> show;
  std::vector<BestTime> best_times = {};
  // What the reference computes for a check, by its name: the same for every subject.
  std::map<std::string, Results> references = {};

  // Whether the filter lets a row of this name through.
  bool wants(const std::string& name) const;
  // What a check of this name computes on the reference. Computed once.
  const Results& reference(const std::string& name,
                           const std::function<Results(Device& reference)>& compute);
};

struct Level {
  const char* name;
  std::vector<std::string> (*rows)(const Options& options);  // their names
  void (*run)(Session& session);
  bool can_be_swept = false;  // over batch sizes and threads
};
const std::vector<Level>& levels();

// Every operation and direction at every shape of the networks.
std::vector<std::string> op_rows(const Options& options);
void op_level(Session& session);
// The generator alone: inference, and forward with backward.
std::vector<std::string> network_rows(const Options& options);
void network_level(Session& session);
// Training steps: the classic recipe's, and the stable one's in its phases.
std::vector<std::string> step_rows(const Options& options);
void step_level(Session& session);
// Photo files in and out, beside the network alone.
std::vector<std::string> image_rows(const Options& options);
void image_level(Session& session);

// What a check computes on a subject's device, with the backends that it prefers: which is the fastest at the
// check's size nobody wants to know.
Results checked(Device& device, const std::function<Results(Device& device)>& compute);

// Runs one step of each kind for a profiler, which is told when it begins and ends, and neither checks nor
// times it.
void profile_steps(Session& session, std::ostream& out);

// How often work is given to the device before it is waited for.
int burst_of(const Device& device);

// Counts how much of a device's memory is in use beyond what was when it began.
class MemoryMark {
 public:
  explicit MemoryMark(Memory& memory) : memory_(memory), before_(memory.in_use()) {
    memory.restart_most();
  }
  size_t most() const { return memory_.most_in_use() - before_; }

 private:
  Memory& memory_;
  size_t before_;
};

// In which precision the device's kernels are checked.
cases::Precision case_precision(const Device& device);

// Times one call on the device, by one of its backends, on random numbers. Its tensors are there often
// enough for the caches not to hold what the next run reads, unless they are small. Where the device records
// work the calls are replayed, as a step's are: what the host takes for them does not count.
Timing time_call(Device& device, Backend& backend, const cases::OpCase& op_case,
                 cases::Precision precision, double seconds, double estimate);

// Seconds that a call takes oneDNN in the layouts it likes best; 0 where it cannot do it, or is not the
// device's library.
double time_free_layout(const Device& device, const Call& call, double seconds, double estimate);

// Norm of the difference over norm of the expected values.
double relative_error(const std::vector<float>& value, const std::vector<float>& expected);

}  // namespace gan::bench
