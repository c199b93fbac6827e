// The tensors of one OpCase: seeded values, guarded memory for them on any device, and the call.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cases/op_cases.h"
#include "kernels/cases/tolerances.h"
#include "kernels/dispatch.h"

namespace gan::cases {

enum class Role : uint8_t { input, output, in_out };
// What a field holds decides its element type: pictures, weights (stored as parameters, but factors
// of products with pictures), parameters and results about them, photos of 8 bits.
enum class Content : uint8_t { data, weight, real, bytes };

// A tensor argument of a function.
struct Field {
  std::string name;
  Role role;
  Content content;
  Shape shape;
  Margin margin = {};
  double low = -1, high = 1;  // inputs are uniform in this range
  bool accumulates = false;   // an output that obeys the function's Write argument
};
std::vector<Field> fields_of(const OpCase& op_case);
DType type_of(const Field& field, Precision precision);

// Whether the function takes a Write argument that matters in this case.
bool has_write(const OpCase& op_case);

// The element type a backend is asked about: that of the pictures, if there are any.
DType call_type(const OpCase& op_case, Precision precision);

// The bytes that a call has to move at the least: each input read once, each output written once.
int64_t least_bytes(const OpCase& op_case, Precision precision);

// The beta that run() passes to chroma_loss.
inline constexpr float kChromaBeta = 0.25f;

// Dense values of every field by name: what inputs hold, and what outputs held before the call when
// the result is to be added. Kept away from the kinks of piecewise functions.
using Values = std::map<std::string, std::vector<double>, std::less<>>;
Values make_values(const OpCase& op_case, Precision precision, uint64_t seed);

// The weight that run() passes to a loss. A mean's slopes shrink with the element count; times this
// they stay near 1.
inline float loss_weight(const OpCase& op_case) {
  return 0.75f * static_cast<float>(op_case.x.elements());
}

// A tensor in the middle of a block full of guard values: in front of it, behind it, and in the
// foreign channels if it is a slice. The guards are NaN, so that reading them shows as well.
class GuardedTensor {
 public:
  GuardedTensor(Memory& memory, const Field& field, DType type);

  const Tensor& tensor() const { return tensor_; }
  // Writes guards and values.
  void fill(const std::vector<double>& values);
  // Writes guards everywhere, which are NaNs.
  void poison();
  std::vector<double> values() const { return to_host_f64(*memory_, tensor_); }
  // What the call must not have changed and did, in words, or "": the guards, and all of an input.
  std::string damage() const;

 private:
  void write_guards();

  Memory* memory_;
  Buffer block_;
  Tensor tensor_;
  bool constant_;
  std::vector<std::byte> written_;  // what the block held before the call
};

// All tensors of a case in one memory.
class OpTensors {
 public:
  OpTensors(Memory& memory, const OpCase& op_case, Precision precision);

  // Inputs get their values; outputs NaN, or their old values if the call is going to add to them.
  void fill(const Values& values, Write write);
  // Inputs get uniform random numbers (bytes: zeros), made on the device, which is quick. Not for results that
  // are to be compared.
  void fill_quickly(Kernels& kernels);
  // Replaces one field's values.
  void set(std::string_view name, const std::vector<double>& values);
  // Calls the case's function. `version` names the content of the weights.
  void run(Backend& backend, Write write, uint64_t version = 0) const;

  // Empty when the case has no such field.
  Tensor operator[](std::string_view name) const;
  std::vector<double> values(std::string_view name) const;
  // The first damage found, or "".
  std::string damage() const;
  const std::vector<Field>& fields() const { return fields_; }
  const Field& field(std::string_view name) const;

 private:
  OpCase case_;
  Memory* memory_;
  std::vector<Field> fields_;
  std::map<std::string, GuardedTensor, std::less<>> tensors_;
  Buffer step_, control_, picks_, warps_;
};

}  // namespace gan::cases
