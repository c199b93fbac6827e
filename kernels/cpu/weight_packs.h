// Weights in the layouts that convolutions want, kept until their content changes.
#pragma once

#include <algorithm>
#include <map>
#include <utility>

#include "kernels/backend.h"

namespace gan::cpu {

class WeightPacks {
 public:
  // `weights` in the layout that `layout` names, `bytes` long. pack(memory) is called to bring them
  // into it when their content is new, or has no name (version 0).
  template <class Pack>
  void* find(const Weights& weights, uint64_t layout, size_t bytes, Pack&& pack) {
    const Key key = {weights.values.data(), layout};
    if (!entries_.contains(key) && entries_.size() >= kMaxEntries) forget_oldest();
    Entry& entry = entries_[key];
    entry.last_use = ++clock_;
    const bool fits = entry.memory.bytes() == bytes;
    if (!fits) entry.memory = Buffer(host_memory(), bytes);
    if (!fits || weights.version == 0 || entry.version != weights.version) {
      pack(entry.memory.data());
      entry.version = weights.version;
      ++packings_;
    }
    return entry.memory.data();
  }

  int64_t packings() const { return packings_; }
  int64_t kept() const { return static_cast<int64_t>(entries_.size()); }

 private:
  // Two networks in training, two layouts each, and inference besides.
  static constexpr size_t kMaxEntries = 64;

  using Key = std::pair<const void*, uint64_t>;
  struct Entry {
    uint64_t version = 0;
    uint64_t last_use = 0;
    Buffer memory;
  };

  void forget_oldest() {
    entries_.erase(std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; }));
  }

  std::map<Key, Entry> entries_;
  uint64_t clock_ = 0;
  int64_t packings_ = 0;
};

}  // namespace gan::cpu
