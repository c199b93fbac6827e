#include "kernels/cuda/dataflow.h"

#include <algorithm>
#include <utility>

namespace gan::cuda {

Region::Region(const Tensor& tensor) {
  if (!tensor) return;
  const Shape& s = tensor.shape();
  const int64_t elements = (s.pixels() - 1) * tensor.pitch() + s.c;
  begin = reinterpret_cast<uintptr_t>(tensor.data());
  end = begin + static_cast<size_t>(elements) * size_of(tensor.dtype());
}

Region Dataflow::whole_device() {
  static const char place = 0;  // where no tensor is
  return {&place, sizeof place};
}

Dataflow::Recorded Dataflow::record(const std::function<void()>& work) {
  struct Scope {
    Dataflow& flow;
    explicit Scope(Dataflow& of) : flow(of) { flow.recording_ = true; }
    ~Scope() {
      flow.recording_ = false;
      flow.operations_.clear();
      flow.running_.clear();
      flow.done_.clear();
      flow.pieces_.clear();
    }
  };
  std::erase_if(shared_pieces_, [](const auto& piece) { return piece.expired(); });
  const Scope scope(*this);
  for (const auto& piece : shared_pieces_) pieces_.push_back({piece.lock(), {}});
  const auto operations = [&] {
    work();
    require_nothing_else();
  };
  Recorded recorded;
  recorded.graph = gpu::record(stream_, operations, gpu::Allocations::allowed);
  recorded.chain = prefer_the_longest_chain(*recorded.graph) == operations_.size();
  for (const Piece& piece : pieces_)
    if (piece.user) recorded.working_memory.push_back(piece.memory);
  return recorded;
}

// A launch outside of an operation would come after nothing, and nothing after it.
void Dataflow::require_nothing_else() const {
  require(gpu::record_position(stream_).empty(), "a launch outside of an operation is recorded");
}

void Dataflow::operation(Regions reads, Regions writes, const std::function<void()>& launches) {
  if (!recording_) return launches();
  if (running_.empty()) require_nothing_else();
  const std::vector<gpu::Node> before = gpu::record_position(stream_);
  const size_t number = operations_.size();
  operations_.emplace_back().after.resize(number);
  running_.push_back(number);
  gpu::record_after(stream_, {});
  std::vector<Access> accesses;
  for (const Region& region : reads) accesses.push_back({region, false});
  for (const Region& region : writes) accesses.push_back({region, true});
  touch(accesses);
  launches();
  operations_[number].nodes = gpu::record_position(stream_);
  running_.pop_back();
  done_.push_back(number);
  gpu::record_after(stream_, before);
  if (!running_.empty()) come_after(number);
}

// From the newest operation to the oldest: what an operation waits for has waited for others, which need no
// edge of their own then.
void Dataflow::touch(const std::vector<Access>& accesses) {
  if (!recording_) return;
  require(!running_.empty(), "memory is touched outside of an operation");
  const auto meet = [](const Access& a, const Access& b) {
    return (a.writes || b.writes) && a.region.meets(b.region);
  };
  for (size_t other = running_.back(); other-- > 0;) {
    if (running().after[other] ||
        std::find(running_.begin(), running_.end(), other) != running_.end()) {
      continue;
    }
    for (const Access& theirs : operations_[other].accesses) {
      if (std::any_of(accesses.begin(), accesses.end(),
                      [&](const Access& mine) { return meet(mine, theirs); })) {
        come_after(other);
        break;
      }
    }
  }
  auto& all = running().accesses;
  all.insert(all.end(), accesses.begin(), accesses.end());
}

void Dataflow::come_after(size_t other) {
  Operation& mine = running();
  const Operation& first = operations_[other];
  // The other may have begun inside of this one, and so have a larger number.
  mine.after.resize(std::max({mine.after.size(), first.after.size(), other + 1}));
  mine.after[other] = true;
  for (size_t i = 0; i < first.after.size(); ++i)
    if (first.after[i]) mine.after[i] = true;
  std::vector<gpu::Node> position = gpu::record_position(stream_);
  for (gpu::Node node : first.nodes)
    if (std::find(position.begin(), position.end(), node) == position.end())
      position.push_back(node);
  gpu::record_after(stream_, position);
}

// Operations count alike, whatever time they take: a chain of many is long because each waits for the one
// before. Those within kNearly operations of the longest are part of it.
size_t Dataflow::prefer_the_longest_chain(gpu::Graph& graph) const {
  constexpr int kNearly = 2;
  std::vector<int> before(operations_.size()), behind(operations_.size());  // the longest chain's
  const auto for_earlier = [&](size_t operation, auto&& use) {
    const std::vector<bool>& after = operations_[operation].after;
    for (size_t i = 0; i < after.size(); ++i)
      if (after[i]) use(i);
  };
  int longest = 0;
  for (const size_t operation : done_) {
    for_earlier(operation, [&](size_t earlier) {
      before[operation] = std::max(before[operation], before[earlier] + 1);
    });
    longest = std::max(longest, before[operation]);
  }
  for (size_t i = done_.size(); i-- > 0;) {
    for_earlier(done_[i], [&](size_t earlier) {
      behind[earlier] = std::max(behind[earlier], behind[done_[i]] + 1);
    });
  }
  for (const size_t operation : done_) {
    graph.prefer(operations_[operation].nodes,
                 before[operation] + behind[operation] + kNearly >= longest);
  }
  return operations_.empty() ? 0 : static_cast<size_t>(longest) + 1;
}

// The smallest piece that is large enough, of those whose last user is done when this operation begins; else a
// new one, or where there are too many already, the smallest of those whose last user has ended before.
Dataflow::Piece& Dataflow::piece_of(size_t bytes) {
  const auto smallest = [&](auto&& usable) {
    Piece* best = nullptr;
    for (Piece& piece : pieces_)
      if (piece.memory->bytes() >= bytes && (!piece.user || usable(*piece.user)) &&
          (!best || piece.memory->bytes() < best->memory->bytes()))
        best = &piece;
    return best;
  };
  const std::vector<bool>& done = running().after;
  if (Piece* free = smallest([&](size_t user) { return user < done.size() && done[user]; }))
    return *free;
  size_t together = bytes;
  for (const Piece& piece : pieces_) together += piece.memory->bytes();
  Piece* const shared = smallest([&](size_t user) {
    return std::find(running_.begin(), running_.end(), user) == running_.end();
  });
  if (together > kMostApart && shared) {
    come_after(*shared->user);
    return *shared;
  }
  struct Allocating {
    bool& flag;
    explicit Allocating(bool& of) : flag(of) { flag = true; }
    ~Allocating() { flag = false; }
  } const allocating(allocating_);
  Piece& piece = pieces_.emplace_back(Piece{std::make_shared<Buffer>(memory_, bytes), {}});
  shared_pieces_.push_back(piece.memory);
  return piece;
}

Scratch Dataflow::scratch(size_t bytes) {
  require(!running_.empty(), "working memory is asked for outside of an operation");
  Piece& piece = piece_of(Scratch::kArrivalBytes + bytes);
  piece.user = running_.back();
  auto* const start = static_cast<std::byte*>(piece.memory->data());
  return {start + Scratch::kArrivalBytes, reinterpret_cast<unsigned*>(start)};
}

}  // namespace gan::cuda
