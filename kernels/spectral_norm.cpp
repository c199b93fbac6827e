#include "kernels/spectral_norm.h"

#include <algorithm>
#include <cmath>

namespace gan::ops {
namespace {

constexpr double kLeast = 1e-12;  // of a norm, before dividing by it

// The steps of the algorithm in terms of the backends' operations. A matrix of R rows is the weight
// of a linear layer: {R, h, w, c}.
class Matrices {
 public:
  Matrices(Kernels& kernels, Tape& tape, DType dtype)
      : kernels_(kernels), tape_(tape), dtype_(dtype) {}

  Tensor fresh(const Shape& shape) { return tape_.allocate(shape, dtype_); }

  void fill_zero(const Tensor& x) { backend(Op::memory, x, x).fill(x, 0); }
  void copy(const Tensor& x, const Tensor& y) { backend(Op::memory, x, y).copy(x, y); }
  // y += a x
  void add_scaled(double a, const Tensor& x, const Tensor& y) {
    backend(Op::memory, x, y).axpby(static_cast<float>(a), x, 1, y);
  }
  // a x
  Tensor scaled(double a, const Tensor& x) {
    const Tensor y = fresh(x.shape());
    fill_zero(y);
    add_scaled(a, x, y);
    return y;
  }

  // W x, for a row x of W's shape
  Tensor times(const Tensor& w, const Tensor& x) {
    const Tensor y = fresh(vector_shape(w.shape().n)), none = fresh(y.shape());
    fill_zero(none);
    backend(Op::linear, x, y).linear_forward(x, {w, 0}, none, y);
    return y;
  }
  // W'u
  Tensor transposed_times(const Tensor& w, const Tensor& u) {
    const Shape& s = w.shape();
    const Tensor x = fresh({1, s.h, s.w, s.c});
    backend(Op::linear, x, u).linear_backward_data(u, {w, 0}, x, Write::overwrite);
    return x;
  }
  // u v'
  Tensor outer(const Tensor& u, const Tensor& v, const Shape& shape) {
    const Tensor w = fresh(shape);
    backend(Op::linear, v, u).linear_backward_weights(v, u, w, Write::overwrite);
    return w;
  }
  double dot(const Tensor& a, const Tensor& b) {
    const Shape row = {1, 1, 1, a.shape().elements()};
    return to_host_f64(tape_.memory(), times(Tensor(a.data(), row, a.dtype()),
                                             Tensor(b.data(), row, b.dtype())))[0];
  }
  double norm(const Tensor& x) { return std::max(std::sqrt(dot(x, x)), kLeast); }

 private:
  Backend& backend(Op op, const Tensor& x, const Tensor& y) {
    return kernels_({op, dtype_, x.shape(), y.shape(), {}});
  }

  Kernels& kernels_;
  Tape& tape_;
  DType dtype_;
};

}  // namespace

Variable& spectral_norm(Context& context, Variable& w, const Tensor& left) {
  const Shape& shape = w.value.shape();
  require(left.shape().elements() == shape.n, "spectral_norm: a left vector of shape ",
          left.shape(), " for weights of shape ", shape);
  Tape& tape = context.tape;
  Matrices m(context.kernels, tape, w.value.dtype());

  const Tensor right = m.transposed_times(w.value, left);
  const Tensor v = m.scaled(1 / m.norm(right), right);
  const Tensor wv = m.times(w.value, v);
  const double sigma = m.norm(wv);
  const Tensor u = m.scaled(1 / sigma, wv);
  if (context.training) m.copy(u, left);

  Variable& result = tape.variable(m.scaled(1 / sigma, w.value), context.training && w.needs_grad);
  tape.record(result, [&kernels = context.kernels, &tape, &w, &result, u, v, sigma] {
    Matrices b(kernels, tape, w.value.dtype());
    const double along = b.dot(result.grad, result.value);
    const auto [dw, write] = tape.grad_target(w);
    if (write == Write::overwrite) b.fill_zero(dw);
    b.add_scaled(1 / sigma, result.grad, dw);
    b.add_scaled(-along / sigma, b.outer(u, v, w.value.shape()), dw);
  });
  return result;
}

}  // namespace gan::ops
