#include "engine/replay.h"

#include <algorithm>
#include <utility>

namespace gan {
namespace {

constexpr size_t kMostEntries = 16;  // the one used longest ago makes room

uint64_t generation_of(std::initializer_list<const Arena*> arenas) {
  uint64_t sum = 0;
  for (const Arena* arena : arenas) sum += arena->generation();
  return sum;
}

}  // namespace

Replay::Entry& Replay::entry_for(const Key& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found != entries_.end()) return *found;
  if (entries_.size() == kMostEntries) {
    entries_.erase(
        std::min_element(entries_.begin(), entries_.end(),
                         [](const Entry& a, const Entry& b) { return a.used < b.used; }));
  }
  entries_.emplace_back().key = key;
  return entries_.back();
}

void Replay::run(const Key& key, std::initializer_list<const Arena*> arenas,
                 const std::function<void()>& work) {
  operations_ = 0;
  if (!memory_.records()) return work();
  if (generation_of(arenas) != generation_) entries_.clear();
  generation_ = generation_of(arenas);

  Entry& entry = entry_for(key);
  entry.used = ++runs_;
  // An arena that another piece of work has made grow moves at its next reset().
  const bool settled =
      std::all_of(arenas.begin(), arenas.end(), [](const Arena* a) { return a->settled(); });
  if (!entry.recording && entry.ready && settled) entry.recording = memory_.record(work);
  if (entry.recording) {
    entry.recording->replay();
    operations_ = entry.recording->operations();
    return;
  }
  work();
  entry.ready =
      std::all_of(arenas.begin(), arenas.end(), [](const Arena* a) { return a->settled(); });
}

std::function<void()> repeated(Memory& memory, int times, std::function<void()> work) {
  const auto all = [times, work = std::move(work)] {
    for (int i = 0; i < times; ++i) work();
  };
  if (!memory.records()) return all;
  return [recording = std::shared_ptr<Recording>(memory.record(all))] { recording->replay(); };
}

}  // namespace gan
