// Brings into the cache what is read next, while something else is computed. Processors do that by
// themselves where memory is read from one end to the other, not for the pixels of tiles.
#pragma once

#include <cstdint>
#include <vector>

namespace gan::cpu {

class FetchAhead {
 public:
  // Forgets what is left. What is added from now on is spread over `turns` calls of turn().
  void restart(int64_t turns) {
    runs_.clear();
    next_ = 0;
    lines_ = owed_ = 0;
    turns_ = turns;
  }
  // `count` numbers from `begin` on, at least one.
  void add(const float* begin, int64_t count) {
    const int64_t lines = (count + kLine - 1) / kLine;
    runs_.push_back({begin, lines});
    lines_ += lines;
  }
  // Asks for the next share, of as many cache lines.
  int64_t turn() {
    int64_t asked = 0;
    for (owed_ += lines_; owed_ >= turns_ && next_ < runs_.size(); owed_ -= turns_) {
      Run& run = runs_[next_];
#if defined(__GNUC__)
      __builtin_prefetch(run.at);
#endif
      run.at += kLine;
      if (--run.lines == 0) ++next_;
      ++asked;
    }
    return asked;
  }

 private:
  static constexpr int64_t kLine = 16;  // numbers of a cache line
  struct Run {
    const float* at;
    int64_t lines;
  };

  std::vector<Run> runs_;
  size_t next_ = 0;
  int64_t lines_ = 0, turns_ = 1, owed_ = 0;
};

}  // namespace gan::cpu
