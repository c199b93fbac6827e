#include "kernels/onednn/stand_alone.h"

#include "engine/random.h"
#include "kernels/onednn/primitives.h"

namespace gan {
namespace {

using dnnl::memory;

class StandAlone {
 public:
  StandAlone(const cpu::ConvCall& call, memory::data_type type)
      : engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_),
        plan_(onednn::make_plan(engine_, call.direction, call.shape, onednn::Layout::free, type)) {
    if (!plan_) return;
    const auto on_random_numbers = [&](const memory::desc& layout) {
      buffers_.emplace_back(host_memory(), std::max<size_t>(layout.get_size(), 1));
      // In either type a bfloat16 in each half is a number of about 1 in size.
      auto* numbers = static_cast<bf16*>(buffers_.back().data());
      Random random(buffers_.size());
      for (size_t i = 0; i < layout.get_size() / sizeof(bf16); ++i)
        numbers[i] = bf16(2 * random.uniform() - 1);
      return memory(layout, engine_, buffers_.back().data());
    };
    arguments_ = onednn::arguments_of(
        call.direction, on_random_numbers(plan_->picture), on_random_numbers(plan_->weights),
        on_random_numbers(plan_->maps), on_random_numbers(plan_->scratchpad));
  }

  bool possible() const { return plan_ != nullptr; }
  void run() {
    plan_->primitive.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::unique_ptr<onednn::Plan> plan_;
  std::vector<Buffer> buffers_;
  std::unordered_map<int, memory> arguments_;
};

}  // namespace

std::function<void()> onednn_stand_alone(const Call& call, bool bf16_factors) {
  const auto type = bf16_factors ? memory::data_type::bf16 : memory::data_type::f32;
  auto work = std::make_shared<StandAlone>(cpu::conv_call(call), type);
  if (!work->possible()) return {};
  return [work] { work->run(); };
}

}  // namespace gan
