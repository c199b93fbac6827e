// cuDNN's side of the networks' convolutions, as far as the library lets itself be asked without a GPU:
// every description is accepted and has the output that ours has.
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "kernels/cases/op_cases.h"
#include "kernels/cases/op_tensors.h"
#include "kernels/cudnn/conv_plan.h"
#include "kernels/cudnn/descriptors.h"

namespace gan::testing {

using namespace cases;

namespace {

void check_description(const Call& call, int64_t extra_pitch) {
  cudnn::ConvProblem problem = cudnn::problem_of(call, false);
  problem.x_pitch += extra_pitch;
  problem.y_pitch += extra_pitch;
  const cudnn::ConvDescriptors d(problem);
  int n = 0, c = 0, h = 0, w = 0;
  REQUIRE(cudnnGetConvolution2dForwardOutputDim(d.conv.get(), d.x.get(), d.w.get(), &n, &c, &h,
                                                &w) == CUDNN_STATUS_SUCCESS);
  CHECK(Shape{n, h, w, c} == problem.y);
  cudnnDataType_t type;
  int strides[4];
  REQUIRE(cudnnGetTensor4dDescriptor(d.x.get(), &type, &n, &c, &h, &w, &strides[0], &strides[1],
                                     &strides[2], &strides[3]) == CUDNN_STATUS_SUCCESS);
  CHECK(Shape{n, h, w, c} == problem.x);
  CHECK(strides[1] == 1);
  CHECK(strides[3] == problem.x_pitch);
}

}  // namespace

TEST_CASE("cuDNN accepts every convolution of the networks, and agrees about its output") {
  int found = 0;
  for (const int64_t width : {64, 32}) {
    for (const OpCase& op_case : network_cases(width, 16)) {
      const Op op = op_of(op_case.function);
      if (op > Op::conv_transpose_backward_weights) continue;
      ++found;
      for (const DType dtype : {DType::f32, DType::bf16}) {
        const Call call = {op, dtype, op_case.x, op_case.y, op_case.geometry};
        CAPTURE(op_case.name, name_of(op));
        check_description(call, 0);
        check_description(call, 64);
      }
    }
  }
  CHECK(found > 60);
}

TEST_CASE(
    "a bias is a vector of the output's channels in the pictures' type, the activation a ReLU") {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Call call = {Op::conv_forward, dtype, {1, 8, 8, 16}, {1, 8, 8, 32}, {}};
    const cudnn::BiasReluDescriptors d(cudnn::problem_of(call, false));
    cudnnDataType_t type;
    int n, c, h, w, strides[4];
    REQUIRE(cudnnGetTensor4dDescriptor(d.bias.get(), &type, &n, &c, &h, &w, &strides[0],
                                       &strides[1], &strides[2],
                                       &strides[3]) == CUDNN_STATUS_SUCCESS);
    CHECK(Shape{n, h, w, c} == Shape{1, 1, 1, 32});
    CHECK(strides[1] == 1);
    CHECK(type == (dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT));
    cudnnActivationMode_t mode;
    cudnnNanPropagation_t nan;
    double limit;
    REQUIRE(cudnnGetActivationDescriptor(d.relu.get(), &mode, &nan, &limit) ==
            CUDNN_STATUS_SUCCESS);
    CHECK(mode == CUDNN_ACTIVATION_RELU);
  }
}

TEST_CASE("a problem names the larger side x, and the weights of the plain convolution") {
  const ConvGeometry up = {.stride = 2, .output_padding = 1};
  const Shape small = {2, 16, 16, 64}, large = {2, 32, 32, 48};
  const auto problem =
      cudnn::problem_of({Op::conv_transpose_forward, DType::f32, small, large, up}, false);
  CHECK(problem.direction == cudnn::Direction::data_gradient);
  CHECK(problem.x == large);
  CHECK(problem.y == small);
  CHECK(problem.weights() == Shape{64, 3, 3, 48});
}

TEST_CASE("problems that differ have names that differ, in which a choice can be kept") {
  std::vector<std::pair<cudnn::ConvProblem, std::string>> named;
  for (const OpCase& op_case : network_cases(64, 16)) {
    const Op op = op_of(op_case.function);
    if (op > Op::conv_transpose_backward_weights) continue;
    for (const DType dtype : {DType::f32, DType::bf16}) {
      auto problem = cudnn::problem_of({op, dtype, op_case.x, op_case.y, op_case.geometry}, false);
      named.emplace_back(problem, cudnn::text_of(problem));
      problem.x_pitch += 64;
      named.emplace_back(problem, cudnn::text_of(problem));
    }
  }
  for (const auto& [problem, name] : named) {
    CHECK(name.find(" = ") == std::string::npos);
    for (const auto& [other, other_name] : named) {
      if ((problem == other) != (name == other_name)) FAIL(name << " and " << other_name);
    }
  }
}

TEST_CASE("float32 products are exact unless tf32 is asked for") {
  const Call call = {Op::conv_forward, DType::f32, {1, 8, 8, 16}, {1, 8, 8, 32}, {}};
  for (const bool tf32 : {false, true}) {
    const cudnn::ConvDescriptors d(cudnn::problem_of(call, tf32));
    cudnnMathType_t math;
    REQUIRE(cudnnGetConvolutionMathType(d.conv.get(), &math) == CUDNN_STATUS_SUCCESS);
    CHECK(math == (tf32 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH));
  }
}

TEST_CASE("what cuDNN refuses is an error that says so") {
  cudnn::ConvProblem problem =
      cudnn::problem_of({Op::conv_forward, DType::f32, {1, 8, 8, 16}, {1, 8, 8, 32}, {}}, false);
  problem.geometry.stride = 0;
  CHECK_THROWS_WITH(cudnn::ConvDescriptors(problem),
                    Catch::Contains("cuDNN: describing a convolution"));
}

}  // namespace gan::testing
