// Convolutions on the CPU by oneDNN, in float32.
//
// A convolution and its transpose are the same three computations on a large picture and small
// maps, so there are three kinds of primitive: forward (picture to maps), data (maps to picture)
// and weights. Primitives are kept for each shape, and weights in the layout a primitive wants for
// each content.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace gan {

class OneDnnBackend final : public Backend {
 public:
  OneDnnBackend();
  ~OneDnnBackend() override;

  std::string_view name() const override { return "onednn"; }
  std::string description() const override;
  // Whether oneDNN has more than its slow reference loops for this convolution.
  bool supports(const Call& call) const override;

  void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override;
  void conv_backward_data(const ConvGeometry& geometry, const Tensor& dy, const Weights& w,
                          const Tensor& dx, Write write) override;
  void conv_backward_weights(const ConvGeometry& geometry, const Tensor& x, const Tensor& dy,
                             const Tensor& dw, Write write) override;
  void conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) override;
  void conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                    const Weights& w, const Tensor& dx, Write write) override;
  void conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                       const Tensor& dy, const Tensor& dw, Write write) override;

  // What tests ask.
  struct Statistics {
    int64_t primitives = 0;  // made so far, reorders included
    int64_t packings = 0;    // times that weights were brought into a primitive's layout
    int64_t packs_kept = 0;
    // Of convolutions: "forward 16x128x128x3 - 16x64x64x64: jit:avx512_core"
    std::vector<std::string> implementations;
  };
  Statistics statistics() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Null where oneDNN is not part of the build.
std::unique_ptr<Backend> make_onednn_backend();

}  // namespace gan
