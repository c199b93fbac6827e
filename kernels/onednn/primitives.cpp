#include "kernels/onednn/primitives.h"

#include <algorithm>

#include "engine/parallel.h"

namespace gan::onednn {
namespace {

using dnnl::memory;
using dnnl::prop_kind;

constexpr auto kDirect = dnnl::algorithm::convolution_direct;
constexpr auto kFloat = memory::data_type::f32;

memory::desc layout_of(const Shape& s, int64_t pitch) {
  return memory::desc({s.n, s.c, s.h, s.w}, kFloat, {s.h * s.w * pitch, 1, s.w * pitch, pitch});
}

memory::desc in_any_layout(const memory::dims& dims, memory::data_type type) {
  return memory::desc(dims, type, memory::format_tag::any);
}

memory::desc channels_last(const Shape& s, memory::data_type type) {
  return memory::desc({s.n, s.c, s.h, s.w}, type, memory::format_tag::nhwc);
}

// What the three kinds of primitive are described by.
struct Description {
  memory::desc picture, weights, maps, bias;
  memory::dims strides, padding;
};

Description describe(const ConvShape& shape, Layout layout, memory::data_type type,
                     memory::data_type weights_type, bool bias) {
  const ConvGeometry& g = shape.geometry;
  const auto pixels = [&](const Shape& s) {
    return layout == Layout::free ? in_any_layout({s.n, s.c, s.h, s.w}, type)
                                  : channels_last(s, type);
  };
  Description d;
  d.picture = pixels(shape.picture);
  d.maps = pixels(shape.maps);
  d.weights = in_any_layout({shape.maps.c, shape.picture.c, g.kernel, g.kernel}, weights_type);
  if (bias) d.bias = memory::desc({shape.maps.c}, kFloat, memory::format_tag::x);
  d.strides = {g.stride, g.stride};
  d.padding = {g.padding, g.padding};
  return d;
}

dnnl::primitive_attr attributes(Activation act) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  switch (act) {
    case Activation::none:
      break;
    case Activation::relu:
      ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
      break;
    case Activation::leaky_relu:
      ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, kLeakySlope, 0);
      break;
    case Activation::sigmoid:
      ops.append_eltwise(1, dnnl::algorithm::eltwise_logistic, 0, 0);
      break;
    case Activation::tanh:
      ops.append_eltwise(1, dnnl::algorithm::eltwise_tanh, 0, 0);
      break;
  }
  attr.set_post_ops(ops);
  return attr;
}

dnnl::convolution_forward::primitive_desc forward_desc(const Description& d, bool bias,
                                                       const dnnl::primitive_attr& attr,
                                                       const dnnl::engine& engine) {
  using Forward = dnnl::convolution_forward;
  const auto kind = prop_kind::forward_training;
  const Forward::desc desc = bias ? Forward::desc(kind, kDirect, d.picture, d.weights, d.bias,
                                                  d.maps, d.strides, d.padding, d.padding)
                                  : Forward::desc(kind, kDirect, d.picture, d.weights, d.maps,
                                                  d.strides, d.padding, d.padding);
  return {desc, attr, engine};
}

bool is_reference(const std::string& implementation) {
  return implementation.starts_with("ref");
}

}  // namespace

std::unique_ptr<Plan> make_plan(const dnnl::engine& engine, Direction direction,
                                const ConvShape& shape, Layout layout, memory::data_type type,
                                bool bias, Activation act) {
  const dnnl::primitive_attr attr = attributes(act);
  const Description d = describe(shape, layout, type, type, bias);
  auto plan = std::make_unique<Plan>();
  // Whether the description is of more than reference loops.
  const auto keep = [&](const auto& desc) {
    plan->implementation = desc.impl_info_str();
    plan->scratchpad = desc.scratchpad_desc();
    return !is_reference(plan->implementation);
  };
  try {
    if (direction == Direction::forward) {
      const auto desc = forward_desc(d, bias, attr, engine);
      if (!keep(desc)) return nullptr;
      plan->primitive = dnnl::convolution_forward(desc);
      plan->picture = desc.src_desc();
      plan->weights = desc.weights_desc();
      plan->maps = desc.dst_desc();
      if (bias) plan->bias = desc.bias_desc();
      return plan;
    }
    const auto hint = forward_desc(d, false, {}, engine);
    if (direction == Direction::data) {
      const dnnl::convolution_backward_data::primitive_desc desc(
          dnnl::convolution_backward_data::desc(kDirect, d.picture, d.weights, d.maps, d.strides,
                                                d.padding, d.padding),
          attr, engine, hint);
      if (!keep(desc)) return nullptr;
      plan->primitive = dnnl::convolution_backward_data(desc);
      plan->picture = desc.diff_src_desc();
      plan->weights = desc.weights_desc();
      plan->maps = desc.diff_dst_desc();
      return plan;
    }
    const Description sums = describe(shape, layout, type, kFloat, bias);
    const dnnl::convolution_backward_weights::primitive_desc desc(
        dnnl::convolution_backward_weights::desc(kDirect, d.picture, sums.weights, d.maps,
                                                 d.strides, d.padding, d.padding),
        attr, engine, hint);
    if (!keep(desc)) return nullptr;
    plan->primitive = dnnl::convolution_backward_weights(desc);
    plan->picture = desc.src_desc();
    plan->weights = desc.diff_weights_desc();
    plan->maps = desc.diff_dst_desc();
    return plan;
  } catch (const dnnl::error&) {
    return nullptr;  // no implementation for this layout or type
  }
}

std::unordered_map<int, memory> arguments_of(Direction direction, const memory& picture,
                                             const memory& weights, const memory& maps,
                                             const memory& scratchpad) {
  const bool forward = direction == Direction::forward, data = direction == Direction::data;
  return {{data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, picture},
          {direction == Direction::weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, weights},
          {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, maps},
          {DNNL_ARG_SCRATCHPAD, scratchpad}};
}

Primitives::Primitives() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

const Plan* Primitives::find(Direction direction, const ConvShape& shape, bool bias,
                             Activation act) {
  const ConvGeometry& g = shape.geometry;
  const Shape &p = shape.picture, &m = shape.maps;
  // Primitives share out their work when they are made: those for another number of threads are
  // different ones.
  const Key key = {static_cast<int64_t>(direction),
                   g.kernel,
                   g.stride,
                   g.padding,
                   p.n,
                   p.h,
                   p.w,
                   p.c,
                   m.n,
                   m.h,
                   m.w,
                   m.c,
                   bias,
                   static_cast<int64_t>(act),
                   threads(),
                   0};
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    found = plans_.emplace(key, make(direction, shape, bias, act)).first;
  }
  return found->second.get();
}

std::unique_ptr<Plan> Primitives::make(Direction direction, const ConvShape& shape, bool bias,
                                       Activation act) {
  for (const Layout layout : {Layout::channels_last, Layout::free}) {
    if (auto plan = make_plan(engine_, direction, shape, layout, kFloat, bias, act)) {
      ++made_;
      return plan;
    }
  }
  return nullptr;
}

void Primitives::run(Direction direction, const Plan& plan, const memory& picture,
                     const memory& weights, const memory& maps, const Tensor& bias) {
  auto arguments =
      arguments_of(direction, picture, weights, maps, working(plan.scratchpad, Slot::scratchpad));
  if (bias) arguments.emplace(DNNL_ARG_BIAS, memory(plan.bias, engine_, bias.data()));
  plan.primitive.execute(stream_, arguments);
  stream_.wait();
}

memory Primitives::view(const Tensor& tensor) const {
  return memory(layout_of(tensor.shape(), tensor.pitch()), engine_, tensor.as<float>());
}

memory Primitives::view_weights(const Tensor& weights) const {
  const Shape& s = weights.shape();
  const int64_t pitch = weights.pitch();
  return memory(
      memory::desc({s.n, s.c, s.h, s.w}, kFloat, {s.h * s.w * pitch, 1, s.w * pitch, pitch}),
      engine_, weights.as<float>());
}

memory Primitives::working(const memory::desc& layout, Slot slot) {
  Buffer& buffer = slots_[static_cast<size_t>(slot)];
  const size_t bytes = std::max<size_t>(layout.get_size(), 1);
  if (buffer.bytes() < bytes) buffer = Buffer(host_memory(), bytes);
  return memory(layout, engine_, buffer.data());
}

memory Primitives::in_layout(const memory& from, const memory::desc& to, Slot slot) {
  if (from.get_desc() == to) return from;
  const memory copy = working(to, slot);
  reorder(from, copy, false);
  return copy;
}

memory Primitives::result(const memory& to, const memory::desc& layout, Write write, Slot slot) {
  return write == Write::overwrite && to.get_desc() == layout ? to : working(layout, slot);
}

void Primitives::deliver(const memory& result, const memory& to, Write write) {
  if (result.get_data_handle() != to.get_data_handle()) {
    reorder(result, to, write == Write::accumulate);
  }
}

void Primitives::reorder(const memory& from, const memory& to, bool add) {
  const memory::desc from_layout = from.get_desc(), to_layout = to.get_desc();
  auto found = std::find_if(reorders_.begin(), reorders_.end(), [&](const Reorder& known) {
    return known.add == add && known.threads == threads() && known.from == from_layout &&
           known.to == to_layout;
  });
  if (found == reorders_.end()) {
    dnnl::primitive_attr attr;
    if (add) {
      dnnl::post_ops ops;
      ops.append_sum(1);
      attr.set_post_ops(ops);
    }
    const dnnl::reorder::primitive_desc desc(engine_, from_layout, engine_, to_layout, attr);
    found = reorders_.insert(reorders_.end(),
                             {from_layout, to_layout, add, threads(), dnnl::reorder(desc)});
    ++made_;
  }
  memory source = from, destination = to;
  found->primitive.execute(stream_, source, destination);
  stream_.wait();
}

memory Primitives::packed(const Weights& weights, const Plan& plan) {
  const memory values = view_weights(weights.values);
  if (values.get_desc() == plan.weights) return values;
  const auto layout = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&plan));
  void* packed = packs_.find(weights, layout, plan.weights.get_size(), [&](void* to) {
    reorder(values, memory(plan.weights, engine_, to), false);
  });
  return memory(plan.weights, engine_, packed);
}

std::vector<std::string> Primitives::implementations() const {
  constexpr std::array<const char*, 3> kNames = {"forward", "data", "weights"};
  std::vector<std::string> names;
  for (const auto& [key, plan] : plans_) {
    if (!plan) continue;
    names.push_back(str(kNames[static_cast<size_t>(key[0])], " ",
                        Shape{key[4], key[5], key[6], key[7]}, " - ",
                        Shape{key[8], key[9], key[10], key[11]}, ": ", plan->implementation));
  }
  return names;
}

}  // namespace gan::onednn
