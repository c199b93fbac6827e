// parallel_for on a pool of standard threads, where there is no OpenMP.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/parallel.h"

namespace gan {
namespace {

// A loop inside a loop's body runs on the thread it is on, and so does one in a limited thread.
thread_local bool inside_loop = false, alone = false;

// Threads that sleep until there is a loop to share. The caller works too, so a pool for n threads
// holds n - 1.
class Pool {
 public:
  explicit Pool(int workers) {
    for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { serve(); });
  }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  void run(int64_t count, const std::function<void(int64_t)>& body) {
    std::unique_lock lock(mutex_);
    body_ = &body;
    count_ = count;
    next_ = 0;
    failure_ = nullptr;
    busy_ = static_cast<int>(workers_.size());
    ++generation_;
    lock.unlock();
    wake_.notify_all();
    work(count, body);
    lock.lock();
    done_.wait(lock, [this] { return busy_ == 0; });
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work(int64_t count, const std::function<void(int64_t)>& body) {
    for (int64_t i = next_++; i < count; i = next_++) {
      try {
        body(i);
      } catch (...) {
        std::lock_guard lock(mutex_);
        failure_ = std::current_exception();
      }
    }
  }

  void serve() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      const auto* body = body_;
      const int64_t count = count_;
      lock.unlock();
      inside_loop = true;
      work(count, *body);
      inside_loop = false;
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int64_t)>* body_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  int busy_ = 0;
  uint64_t generation_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
};

int wanted_threads = 0;

}  // namespace

int threads() {
  return wanted_threads > 0 ? wanted_threads
                            : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void set_threads(int count) {
  wanted_threads = count;
}

void limit_threads(int count) {
  alone = count <= 1;
}

void parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  if (count <= 1 || threads() == 1 || inside_loop || alone) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  static std::mutex one_loop_at_a_time;
  static std::unique_ptr<Pool> pool;
  static int pool_size = 0;
  std::lock_guard lock(one_loop_at_a_time);
  if (pool_size != threads()) {
    pool = std::make_unique<Pool>(threads() - 1);
    pool_size = threads();
  }
  inside_loop = true;
  try {
    pool->run(count, body);
  } catch (...) {
    inside_loop = false;
    throw;
  }
  inside_loop = false;
}

}  // namespace gan
