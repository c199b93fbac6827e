#include "tools/colorize/pipeline.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/parallel.h"

namespace gan {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{250};  // of a photo for others to share its batch
constexpr milliseconds kTick{50};       // between questions whether to stop

// The state is under one mutex, which is held for bookkeeping only. A photo takes memory from the
// budget once, before it is decoded, and nothing waits while it holds a thread: so there is
// always something that can go on, and whatever goes on gives memory back.
class Pipeline {
 public:
  Pipeline(Stages& stages, size_t jobs, const PipelineOptions& options)
      : stages_(stages), options_(options) {
    for (size_t job = 0; job < jobs; ++job)
      (stages.is_remote(job) ? remote_ : local_).push_back(job);
  }

  void run(const std::function<void(size_t, std::exception_ptr)>& ended,
           const std::function<bool()>& stop_requested) {
    const auto readers = std::min(remote_.size(), static_cast<size_t>(options_.readers));
    std::vector<std::jthread> threads;
    // Whatever is thrown below: the threads have to end before they are joined.
    const struct Finally {
      Pipeline& pipeline;
      ~Finally() { pipeline.end(); }
    } finally{*this};
    threads.reserve(readers + static_cast<size_t>(options_.workers));
    for (size_t i = 0; i < readers; ++i) threads.emplace_back([this] { fetch(); });
    for (int i = 0; i < options_.workers; ++i) threads.emplace_back([this] { work(); });

    std::unique_lock lock(mutex_);
    while (true) {
      caller_.wait_for(lock, kTick,
                       [&] { return !results_.empty() || batch_ready() || finished(); });
      const std::vector<Result> results = std::exchange(results_, {});
      lock.unlock();
      for (const Result& result : results) ended(result.job, result.error);
      const bool stop = stop_requested();
      lock.lock();
      if (stop) drop_what_can_wait();
      if (finished() && results_.empty()) break;
      if (batch_ready()) run_batch(lock);
    }
    lock.unlock();
    end();
    threads.clear();
  }

 private:
  struct Content {
    size_t job, bytes_needed;
    std::vector<uint8_t> bytes;
  };
  struct Decoded {
    size_t job, bytes;  // taken from the budget
    std::unique_ptr<InFlight> photo;
    Clock::time_point since;
  };
  struct Result {
    size_t job;
    std::exception_ptr error;
  };
  using Group = std::vector<Decoded>;  // of the same batch, the oldest first
  enum class Unit { none, finish, decode, read };

  // --- What could be done next; all of these with the mutex held.

  Unit next_unit() const {
    if (network_running_ && options_.network_has_the_cores) return Unit::none;
    if (!colored_.empty()) return Unit::finish;  // gives memory back, so it comes first
    if (!contents_.empty() && fits(contents_.front().bytes_needed)) return Unit::decode;
    const bool wanted = contents_.size() < static_cast<size_t>(options_.workers);
    if (next_local_ < local_.size() && wanted && held_ < options_.bytes) return Unit::read;
    return Unit::none;
  }

  bool fits(size_t bytes) const { return held_ + bytes <= options_.bytes || decoded_ == 0; }

  bool finished() const {
    return under_way_ == 0 && next_local_ == local_.size() && next_remote_ == remote_.size();
  }

  std::list<Group>::iterator ready_group() {
    const auto full = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const Group& g) { return g.size() >= options_.batch; });
    if (full != waiting_.end() || waiting_.empty()) return full;
    const bool no_more_soon = busy_ == 0 && next_unit() == Unit::none;
    const bool waited = Clock::now() - waiting_.front().front().since > kPatience;
    return no_more_soon || waited ? waiting_.begin() : waiting_.end();
  }
  bool batch_ready() { return ready_group() != waiting_.end(); }

  // --- The threads.

  void work() {
    limit_threads(options_.threads_per_worker);
    std::unique_lock lock(mutex_);
    while (true) {
      workers_.wait(lock, [&] { return over_ || next_unit() != Unit::none; });
      if (over_) return;
      ++busy_;
      switch (next_unit()) {
        case Unit::finish:
          finish_one(lock);
          break;
        case Unit::decode:
          decode_one(lock);
          break;
        case Unit::read:
          read_one(local_[next_local_++], lock);
          break;
        case Unit::none:
          break;
      }
      --busy_;
      wake_all();
    }
  }

  void fetch() {
    std::unique_lock lock(mutex_);
    while (true) {
      workers_.wait(
          lock, [&] { return over_ || next_remote_ == remote_.size() || held_ < options_.bytes; });
      if (over_ || next_remote_ == remote_.size()) return;
      read_one(remote_[next_remote_++], lock);
      wake_all();
    }
  }

  // Runs `body` without the lock. What it throws ends the job.
  template <class Body>
  bool attempt(size_t job, std::unique_lock<std::mutex>& lock, Body&& body) {
    lock.unlock();
    std::exception_ptr error;
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) end_job(job, error);
    return !error;
  }

  void end_job(size_t job, std::exception_ptr error) {
    --under_way_;
    results_.push_back({job, std::move(error)});
  }

  void read_one(size_t job, std::unique_lock<std::mutex>& lock) {
    ++under_way_;
    Content content{job, 0, {}};
    lock.unlock();
    std::exception_ptr error;
    try {
      content.bytes = stages_.read(job, stopping_);
      content.bytes_needed = stages_.bytes_needed(job, content.bytes);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (stopping_) {
      --under_way_;
    } else if (error) {
      end_job(job, error);
    } else {
      held_ += content.bytes.size();
      contents_.push_back(std::move(content));
    }
  }

  void decode_one(std::unique_lock<std::mutex>& lock) {
    Content content = std::move(contents_.front());
    contents_.pop_front();
    const size_t content_bytes = content.bytes.size();
    held_ += content.bytes_needed;
    ++decoded_;
    Decoded decoded{content.job, content.bytes_needed, nullptr, {}};
    const bool good = attempt(content.job, lock, [&] {
      decoded.photo = stages_.decode(content.job, std::move(content.bytes));
    });
    held_ -= content_bytes;
    if (!good) return give_back(decoded.bytes);
    decoded.since = Clock::now();
    const auto group = std::find_if(waiting_.begin(), waiting_.end(), [&](const Group& g) {
      return stages_.same_batch(*g.front().photo, *decoded.photo);
    });
    (group != waiting_.end() ? *group : waiting_.emplace_back()).push_back(std::move(decoded));
  }

  void finish_one(std::unique_lock<std::mutex>& lock) {
    Decoded decoded = std::move(colored_.front());
    colored_.pop_front();
    const bool good = attempt(decoded.job, lock, [&] {
      stages_.finish(decoded.job, *decoded.photo);
      decoded.photo.reset();
    });
    if (good) end_job(decoded.job, nullptr);
    give_back(decoded.bytes);
  }

  void run_batch(std::unique_lock<std::mutex>& lock) {
    const auto group = ready_group();
    Group batch;
    const size_t size = std::min(group->size(), options_.batch);
    std::move(group->begin(), group->begin() + static_cast<ptrdiff_t>(size),
              std::back_inserter(batch));
    group->erase(group->begin(), group->begin() + static_cast<ptrdiff_t>(size));
    if (group->empty()) waiting_.erase(group);

    network_running_ = true;
    lock.unlock();
    std::vector<InFlight*> photos;
    for (const Decoded& decoded : batch) photos.push_back(decoded.photo.get());
    std::vector<std::exception_ptr> errors(size);
    if (!color(photos)) {
      for (size_t i = 0; i < size; ++i) color({photos[i]}, &errors[i]);
    }
    lock.lock();
    network_running_ = false;
    for (size_t i = 0; i < size; ++i) {
      if (errors[i]) {
        end_job(batch[i].job, errors[i]);
        batch[i].photo.reset();
        give_back(batch[i].bytes);
      } else {
        colored_.push_back(std::move(batch[i]));
      }
    }
    wake_all();
  }

  bool color(const std::vector<InFlight*>& photos, std::exception_ptr* error = nullptr) {
    try {
      stages_.color(photos);
      return true;
    } catch (...) {
      if (error) *error = std::current_exception();
      return false;
    }
  }

  void give_back(size_t bytes) {
    held_ -= bytes;
    --decoded_;
  }

  void wake_all() {
    workers_.notify_all();
    caller_.notify_all();
  }

  // No new jobs, and none of those that cost little so far.
  void drop_what_can_wait() {
    stopping_ = true;
    next_local_ = local_.size();
    next_remote_ = remote_.size();
    for (const Content& content : contents_) held_ -= content.bytes.size();
    under_way_ -= contents_.size();
    contents_.clear();
    wake_all();
  }

  void end() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    stopping_ = true;
    wake_all();
  }

  Stages& stages_;
  const PipelineOptions options_;
  std::vector<size_t> local_, remote_;  // jobs

  std::mutex mutex_;
  std::condition_variable workers_, caller_;
  size_t next_local_ = 0, next_remote_ = 0;  // not begun yet
  std::deque<Content> contents_;             // read
  std::list<Group> waiting_;                 // decoded, for the network
  std::deque<Decoded> colored_;              // to be finished
  std::vector<Result> results_;              // to be told
  size_t held_ = 0;                          // bytes: contents_, and what decoded photos take
  size_t decoded_ = 0;                       // photos from the start of decoding to their end
  size_t under_way_ = 0;                     // jobs begun and not ended
  int busy_ = 0;                             // workers at work
  bool network_running_ = false, over_ = false;
  std::atomic<bool> stopping_{false};
};

}  // namespace

void run_pipeline(Stages& stages, size_t jobs, const PipelineOptions& options,
                  const std::function<void(size_t job, std::exception_ptr error)>& ended,
                  const std::function<bool()>& stop_requested) {
  Pipeline(stages, jobs, options).run(ended, stop_requested);
}

}  // namespace gan
