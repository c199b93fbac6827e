// Photos on their way from file to file: reading, decoding, the network and writing overlap.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

namespace gan {

// A photo between decoding and writing. What it holds is the stages' own business.
struct InFlight {
  virtual ~InFlight() = default;
};

// What is done to a photo. Jobs are numbers from 0. Whatever a stage throws ends that photo alone.
// Except for color(), several threads call them at once, each for another photo.
class Stages {
 public:
  virtual ~Stages() = default;

  // Whether read() waits for others, as for a server, so that threads of its own are well spent on it.
  virtual bool is_remote(size_t job) const = 0;
  // The content of the photo's file. Once `stop` is true nobody wants it any more.
  virtual std::vector<uint8_t> read(size_t job, const std::atomic<bool>& stop) = 0;
  // The memory that the photo takes from here on, in bytes.
  virtual size_t bytes_needed(size_t job, const std::vector<uint8_t>& content) = 0;
  virtual std::unique_ptr<InFlight> decode(size_t job, std::vector<uint8_t> content) = 0;
  // Whether two photos can go through the network together.
  virtual bool same_batch(const InFlight& a, const InFlight& b) const = 0;
  // The network, in the thread that called run_pipeline. A batch that fails is tried again photo by
  // photo.
  virtual void color(const std::vector<InFlight*>& batch) = 0;
  virtual void finish(size_t job, InFlight& photo) = 0;
};

struct PipelineOptions {
  int workers = 1;             // threads for everything but the network
  int threads_per_worker = 1;  // that each of them may use for its loops (parallel.h)
  int readers = 4;             // threads for remote jobs, beside the workers
  size_t batch = 8;            // photos that go through the network together
  // Photos are begun while those under way hold less; one larger than all of it goes alone.
  size_t bytes = size_t{1} << 29;
  // While the network is at work nothing else is begun: right where it uses the same cores.
  bool network_has_the_cores = true;
};

// Runs all jobs, in no particular order; what a photo becomes does not depend on the others as long as
// color() treats each for itself. `ended` is called for every job when it ended, in the calling
// thread: with what was thrown, or null when all went well. `stop_requested` is asked several
// times a second: once it says yes, no more jobs are begun, those that wait for a server or were
// only read are dropped without a call of `ended`, the others come to their end.
void run_pipeline(Stages& stages, size_t jobs, const PipelineOptions& options,
                  const std::function<void(size_t job, std::exception_ptr error)>& ended,
                  const std::function<bool()>& stop_requested);

}  // namespace gan
