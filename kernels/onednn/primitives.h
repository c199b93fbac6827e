// oneDNN primitives for convolutions, made once per shape, and what they need around them.
#pragma once

#include <array>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/weight_packs.h"

namespace gan::onednn {

using cpu::ConvShape;
using Direction = cpu::ConvDirection;

// A convolution primitive and the layouts it works on.
struct Plan {
  dnnl::primitive primitive;
  dnnl::memory::desc picture, maps, weights, bias, scratchpad;
  std::string implementation;  // oneDNN's name for it
};

// In which layouts a primitive takes pictures and maps: channels last, or whichever oneDNN likes best.
// Weights are always as it likes them best.
enum class Layout : uint8_t { channels_last, free };

// Null when there is nothing but oneDNN's reference loops, which are thousands of times slower.
// `type`: of pictures, maps and weights; the gradient of weights is float32.
std::unique_ptr<Plan> make_plan(const dnnl::engine& engine, Direction direction,
                                const ConvShape& shape, Layout layout, dnnl::memory::data_type type,
                                bool bias = false, Activation act = Activation::none);

// The arguments of a plan's primitive, but for a bias.
std::unordered_map<int, dnnl::memory> arguments_of(Direction direction, const dnnl::memory& picture,
                                                   const dnnl::memory& weights,
                                                   const dnnl::memory& maps,
                                                   const dnnl::memory& scratchpad);

// All that is kept from call to call: the engine, primitives, packed weights and working memory.
class Primitives {
 public:
  Primitives();

  // The primitive for a direction; with a bias or an activation only forward. Null when oneDNN has
  // nothing but its reference loops, which are thousands of times slower.
  const Plan* find(Direction direction, const ConvShape& shape, bool bias = false,
                   Activation act = Activation::none);

  // picture, maps, weights: of `plan`, in its layouts. bias: none if the plan has none.
  void run(Direction direction, const Plan& plan, const dnnl::memory& picture,
           const dnnl::memory& weights, const dnnl::memory& maps, const Tensor& bias = {});

  // A tensor's memory as it is.
  dnnl::memory view(const Tensor& tensor) const;
  dnnl::memory view_weights(const Tensor& weights) const;

  // `from` in the layout `to`: itself, or a copy in working memory.
  enum class Slot : uint8_t { picture, maps, weights, scratchpad };
  dnnl::memory in_layout(const dnnl::memory& from, const dnnl::memory::desc& to, Slot slot);
  // Where a result of layout `layout` that is meant for `to` has to be written: there, or in
  // working memory, from where deliver() brings it.
  dnnl::memory result(const dnnl::memory& to, const dnnl::memory::desc& layout, Write write,
                      Slot slot);
  void deliver(const dnnl::memory& result, const dnnl::memory& to, Write write);

  // The weights in the layout of `plan`, packed again only when their content is new.
  dnnl::memory packed(const Weights& weights, const Plan& plan);

  int64_t made() const { return made_; }
  const cpu::WeightPacks& packs() const { return packs_; }
  std::vector<std::string> implementations() const;

 private:
  using Key = std::array<int64_t, 16>;
  struct Reorder {
    dnnl::memory::desc from, to;
    bool add;
    int threads;
    dnnl::reorder primitive;
  };

  std::unique_ptr<Plan> make(Direction direction, const ConvShape& shape, bool bias,
                             Activation act);
  dnnl::memory working(const dnnl::memory::desc& layout, Slot slot);
  void reorder(const dnnl::memory& from, const dnnl::memory& to, bool add);

  dnnl::engine engine_;
  dnnl::stream stream_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
  std::vector<Reorder> reorders_;
  cpu::WeightPacks packs_;
  std::array<Buffer, 4> slots_;
  int64_t made_ = 0;
};

}  // namespace gan::onednn
