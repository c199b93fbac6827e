#include "kernels/onednn/onednn_backend.h"

#include "engine/parallel.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/onednn/primitives.h"

namespace gan {

using cpu::ConvCall;
using cpu::ConvShape;
using onednn::Direction;
using onednn::Plan;
using onednn::Primitives;
using Slot = onednn::Primitives::Slot;

struct OneDnnBackend::State {
  // maps = act(conv(picture) + bias)
  void forward(const ConvShape& shape, const Tensor& picture, const Weights& w,
               const Epilogue& epilogue, const Tensor& maps, Write write);
  // picture = the data gradient of maps
  void data(const ConvShape& shape, const Tensor& maps, const Weights& w, const Tensor& picture,
            Write write);
  void weights(const ConvShape& shape, const Tensor& picture, const Tensor& maps, const Tensor& dw,
               Write write);

  const Plan& plan(Direction direction, const ConvShape& shape);

  Primitives primitives;
};

const Plan& OneDnnBackend::State::plan(Direction direction, const ConvShape& shape) {
  const Plan* plan = primitives.find(direction, shape);
  require(plan != nullptr, "onednn: no primitive for a convolution between ", shape.picture,
          " and ", shape.maps);
  return *plan;
}

void OneDnnBackend::State::forward(const ConvShape& shape, const Tensor& picture, const Weights& w,
                                   const Epilogue& epilogue, const Tensor& maps, Write write) {
  const bool plain = !epilogue.bias && epilogue.act == Activation::none;
  const Plan* fused =
      primitives.find(Direction::forward, shape, static_cast<bool>(epilogue.bias), epilogue.act);
  const Plan& chosen = fused ? *fused : plan(Direction::forward, shape);
  const auto out = primitives.view(maps);
  const auto result = primitives.result(out, chosen.maps, write, Slot::maps);
  primitives.run(Direction::forward, chosen,
                 primitives.in_layout(primitives.view(picture), chosen.picture, Slot::picture),
                 primitives.packed(w, chosen), result, fused ? epilogue.bias : Tensor());
  primitives.deliver(result, out, write);
  if (!fused && !plain) cpu::apply_epilogue(epilogue, maps);
}

void OneDnnBackend::State::data(const ConvShape& shape, const Tensor& maps, const Weights& w,
                                const Tensor& picture, Write write) {
  const Plan& chosen = plan(Direction::data, shape);
  const auto out = primitives.view(picture);
  const auto result = primitives.result(out, chosen.picture, write, Slot::picture);
  primitives.run(Direction::data, chosen, result, primitives.packed(w, chosen),
                 primitives.in_layout(primitives.view(maps), chosen.maps, Slot::maps));
  primitives.deliver(result, out, write);
}

void OneDnnBackend::State::weights(const ConvShape& shape, const Tensor& picture,
                                   const Tensor& maps, const Tensor& dw, Write write) {
  const Plan& chosen = plan(Direction::weights, shape);
  const auto out = primitives.view_weights(dw);
  const auto result = primitives.result(out, chosen.weights, write, Slot::weights);
  primitives.run(Direction::weights, chosen,
                 primitives.in_layout(primitives.view(picture), chosen.picture, Slot::picture),
                 result, primitives.in_layout(primitives.view(maps), chosen.maps, Slot::maps));
  primitives.deliver(result, out, write);
}

OneDnnBackend::OneDnnBackend() : state_(std::make_unique<State>()) {}
OneDnnBackend::~OneDnnBackend() = default;

std::string OneDnnBackend::description() const {
  const dnnl_version_t* version = dnnl_version();
  return str("oneDNN ", version->major, ".", version->minor, ".", version->patch);
}

bool OneDnnBackend::supports(const Call& call) const {
  if (call.dtype != DType::f32 || call.x.elements() == 0 || call.y.elements() == 0) return false;
  if (call.op > Op::conv_transpose_backward_weights) return false;
  const ConvCall conv = cpu::conv_call(call);
  return state_->primitives.find(conv.direction, conv.shape) != nullptr;
}

void OneDnnBackend::conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                                 const Epilogue& epilogue, const Tensor& y) {
  state_->forward({geometry, x.shape(), y.shape()}, x, w, epilogue, y, Write::overwrite);
}

void OneDnnBackend::conv_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                       const Weights& w, const Tensor& dx, Write write) {
  state_->data({geometry, dx.shape(), dy.shape()}, dy, w, dx, write);
}

void OneDnnBackend::conv_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                          const Tensor& dy, const Tensor& dw, Write write) {
  state_->weights({geometry, x.shape(), dy.shape()}, x, dy, dw, write);
}

void OneDnnBackend::conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x,
                                           const Weights& w, const Epilogue& epilogue,
                                           const Tensor& y) {
  state_->data({geometry, y.shape(), x.shape()}, x, w, y, Write::overwrite);
  if (epilogue.bias || epilogue.act != Activation::none) cpu::apply_epilogue(epilogue, y);
}

void OneDnnBackend::conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                                 const Weights& w, const Tensor& dx, Write write) {
  state_->forward({geometry, dy.shape(), dx.shape()}, dy, w, {}, dx, write);
}

void OneDnnBackend::conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                                    const Tensor& dy, const Tensor& dw,
                                                    Write write) {
  state_->weights({geometry, dy.shape(), x.shape()}, dy, x, dw, write);
}

OneDnnBackend::Statistics OneDnnBackend::statistics() const {
  const Primitives& p = state_->primitives;
  return {p.made(), p.packs().packings(), p.packs().kept(), p.implementations()};
}

std::unique_ptr<Backend> make_onednn_backend() {
  return std::make_unique<OneDnnBackend>();
}

}  // namespace gan
