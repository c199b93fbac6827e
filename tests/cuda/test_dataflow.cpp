// Recorded work in the order of its data: what comes after what, who has which working memory, and whole
// training steps.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/dataflow_backend.h"
#include "kernels/cuda/host.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/recorded_steps.h"

namespace gan::testing {
namespace {

using cuda::Dataflow;
using cuda::Region;
using cuda::Scratch;

// Vectors of four numbers, and operations on them.
struct Numbers {
  gpu::Stream stream = gpu::make_stream();
  CudaMemory memory{stream};
  Dataflow& flow = memory.dataflow();
  std::unique_ptr<Backend> backend =
      in_order_of_data(make_cuda_backend(memory, stream, CudaPrecision::fp32, &flow), flow);
  Arena arena{memory};

  Numbers() { memory.record_in(RecordedOrder::data); }
  Tensor vector(float value) {
    const Tensor made = arena.allocate(vector_shape(4), DType::f32);
    backend->fill(made, value);
    return made;
  }
  float first(const Tensor& x) { return to_host(memory, x)[0]; }
};

using sim::Schedule;
constexpr Schedule kSchedules[] = {Schedule::fifo, Schedule::lifo, Schedule::random};

}  // namespace

TEST_CASE("a region reaches from a slice's first byte to its last", "[smallest]") {
  float numbers[48];
  const Tensor all(numbers, {1, 2, 3, 8}, DType::f32), slice = all.channels(2, 3);
  const auto start = reinterpret_cast<uintptr_t>(numbers);
  CHECK(Region(all).begin == start);
  CHECK(Region(all).end == start + sizeof(numbers));
  CHECK(Region(slice).begin == start + 2 * sizeof(float));
  CHECK(Region(slice).end == start + (5 * 8 + 5) * sizeof(float));
  CHECK(Region(slice).meets(all));
  CHECK_FALSE(Region(all.pictures(0, 1).channels(0, 1)).meets(Region(numbers + 41, 4)));
  CHECK_FALSE(Region(numbers, 16).meets(Region(numbers + 4, 16)));
  CHECK_FALSE(Region(Tensor()).meets(all));
}

TEST_CASE("operations come after those whose data they need, in every order that a device may take",
          "[smallest]") {
  Numbers n;
  const Tensor a = n.vector(1), b = n.vector(2), c = n.vector(0), d = n.vector(0);
  const auto recording = n.memory.record([&] {
    n.backend->axpby(1, a, 0, c);  // c = 1: writes what is read below
    n.backend->axpby(1, b, 0, d);  // d = 2: needs nothing of the line above
    n.backend->add(c, d);          // d = 3: reads both
    n.backend->fill(c, 10);        // c = 10: after it was read
    n.backend->add(d, c);          // c = 13
    n.backend->fill(d, 5);         // d = 5: after it was read
  });
  CHECK(recording->operations() == 6);
  for (const Schedule schedule : kSchedules) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      const sim::ScopedSettings settings({.schedule = schedule, .seed = seed});
      n.backend->fill(c, -1);
      n.backend->fill(d, -1);
      recording->replay();
      CAPTURE(sim::schedule_name(schedule), seed);
      CHECK(n.first(c) == 13);
      CHECK(n.first(d) == 5);
    }
  }
}

TEST_CASE("operations that need nothing of each other are free, and none waits twice",
          "[smallest]") {
  Numbers n;
  const Tensor x = n.vector(1), y = n.vector(1), z = n.vector(1);
  std::vector<std::vector<gpu::Node>> before, after;
  const auto operation = [&](Dataflow::Regions reads, Dataflow::Regions writes, const Tensor& to) {
    n.flow.operation(reads, writes, [&] {
      before.push_back(gpu::record_position(n.stream));
      cuda::fill(to, 2, n.stream);
      after.push_back(gpu::record_position(n.stream));
    });
  };
  n.memory.record([&] {
    operation({}, {x}, x);
    operation({}, {y}, y);      // free
    operation({x}, {z}, z);     // after the first
    operation({x, z}, {y}, y);  // after the second and the third, which was after the first
    operation({y}, {x}, x);     // after the fourth alone
  });
  CHECK(before[0].empty());
  CHECK(before[1].empty());
  CHECK(before[2] == after[0]);
  const std::set<gpu::Node> fourth(before[3].begin(), before[3].end());
  CHECK(fourth == std::set<gpu::Node>{after[1][0], after[2][0]});
  CHECK(before[4] == after[3]);
}

TEST_CASE("an operation inside another comes before it, and reads and writes are added on the way",
          "[smallest]") {
  Numbers n;
  const Tensor x = n.vector(1), packed = n.vector(1), y = n.vector(1);
  std::vector<gpu::Node> inner, outer, next;
  n.memory.record([&] {
    n.flow.operation({x}, {y}, [&] {
      n.flow.operation({x}, {packed}, [&] { cuda::copy(x, packed, n.stream); });
      inner = gpu::record_position(n.stream);
      n.flow.reads(packed);
      cuda::copy(packed, y, n.stream);
      outer = gpu::record_position(n.stream);
    });
    // What reads the inner one's result comes after it, not after the outer one; what overwrites it, after
    // the outer one, which reads it.
    n.flow.operation({packed}, {}, [&] { CHECK(gpu::record_position(n.stream) == inner); });
    n.flow.operation({}, {packed}, [&] { next = gpu::record_position(n.stream); });
  });
  CHECK(inner.size() == 1);
  CHECK(std::find(next.begin(), next.end(), outer[0]) != next.end());
  CHECK(inner != outer);
}

TEST_CASE("the longest chain of operations is preferred", "[smallest]") {
  Numbers n;
  const Tensor seen = n.vector(0);
  // Many short chains beside a long one, given first; each operation of these leaves what the long one has
  // written so far.
  std::vector<Tensor> short_ones;
  for (int i = 0; i < 5; ++i) short_ones.push_back(n.vector(0));
  const auto recording = n.memory.record([&] {
    for (const Tensor& to : short_ones)
      n.flow.operation({}, {to}, [&] { cuda::copy(seen, to, n.stream); });
    for (int i = 1; i <= 6; ++i) n.backend->fill(seen.channels(0, 1), static_cast<float>(i));
  });
  const sim::ScopedSettings settings({.schedule = Schedule::fifo});
  recording->replay();
  for (const Tensor& to : short_ones) CHECK(n.first(to) == 6);
}

TEST_CASE("batch norms, whose blocks may want the whole device, come one after another",
          "[smallest]") {
  Numbers n;
  struct Norm {
    Tensor x, y, gradients;
    BatchNorm norm;
    BatchNormSaved saved;
    explicit Norm(Numbers& n)
        : x(n.vector(1)),
          y(n.vector(0)),
          gradients(n.vector(0)),
          norm{n.vector(1), n.vector(0), n.vector(0), n.vector(1)} {
      saved.mean = n.vector(0);
      saved.inv_std = n.vector(1);
    }
    void forward(Backend& backend) const {
      backend.batch_norm_train(x, norm, Activation::relu, {}, saved, y);
    }
    void backward(Backend& backend) const {
      backend.batch_norm_backward(x, y, norm, Activation::relu, {}, saved, x, gradients, gradients,
                                  Write::overwrite);
    }
    void fill(Backend& backend) const { backend.fill(x, 1); }
  };
  const Norm one(n), other(n);
  const auto is_chain = [&](auto first, auto second) {
    return n.flow
        .record([&] {
          (one.*first)(*n.backend);
          (other.*second)(*n.backend);
        })
        .chain;
  };
  CHECK(is_chain(&Norm::forward, &Norm::forward));
  CHECK(is_chain(&Norm::forward, &Norm::backward));
  CHECK(is_chain(&Norm::backward, &Norm::backward));
  CHECK_FALSE(is_chain(&Norm::forward, &Norm::fill));
}

TEST_CASE("operations that may run at the same time have working memory of their own",
          "[smallest]") {
  Numbers n;
  const Tensor x = n.vector(1), y = n.vector(1);
  std::vector<void*> memory;
  const auto operation = [&](const Tensor& writes, size_t bytes) {
    n.flow.operation({}, {writes}, [&] {
      const Scratch scratch = n.flow.scratch(bytes);
      memory.push_back(scratch.memory);
      CHECK(scratch.arrivals != nullptr);
      cuda::fill(writes, 3, n.stream);
    });
  };
  const size_t before = n.memory.in_use();
  {
    const auto recording = n.memory.record([&] {
      operation(x, 1000);                 // [0]
      operation(y, 1000);                 // [1], beside [0]
      operation(x, 900);                  // [2], after [0]
      operation(x, 2000);                 // [3], too large for what [2] leaves
      operation(x, 100);                  // [4], after [3]: the smaller of the two that are free
      n.flow.operation({}, {x, y}, [&] {  // two pieces in one operation
        const void* first = n.flow.scratch(10).memory;
        CHECK(n.flow.scratch(10).memory != first);
      });
    });
    CHECK(memory[1] != memory[0]);
    CHECK(memory[2] == memory[0]);
    CHECK(memory[3] != memory[0]);
    CHECK(memory[3] != memory[1]);
    CHECK(memory[4] == memory[0]);
    CHECK(n.memory.in_use() == before + 1000 + 1000 + 2000 + 3 * Scratch::kArrivalBytes);
  }
  CHECK(n.memory.in_use() == before);  // it was the recording's
}

TEST_CASE("operations share working memory where all of it would be too much", "[smallest]") {
  Numbers n;
  std::vector<Tensor> vectors;
  for (int i = 0; i < 4; ++i) vectors.push_back(n.vector(1));
  std::vector<void*> memory;
  std::vector<std::vector<gpu::Node>> before, after;
  const size_t in_use = n.memory.in_use();
  const auto recording = n.memory.record([&] {
    for (const Tensor& vector : vectors) {
      n.flow.operation({}, {vector}, [&] {
        memory.push_back(n.flow.scratch(Dataflow::kMostApart / 3).memory);
        before.push_back(gpu::record_position(n.stream));
        cuda::fill(vector, 2, n.stream);
        after.push_back(gpu::record_position(n.stream));
      });
    }
  });
  CHECK(n.memory.in_use() - in_use <= Dataflow::kMostApart);
  CHECK(memory[1] != memory[0]);
  CHECK(before[1].empty());
  // The others wait for whoever has what they get.
  for (size_t i = 2; i < 4; ++i) {
    size_t user = i;
    while (memory[--user] != memory[i]) {
    }
    CHECK(before[i] == after[user]);
  }
}

TEST_CASE("a failure while work is recorded in the order of its data leaves nothing behind",
          "[smallest]") {
  Numbers n;
  const Tensor x = n.vector(1);
  CHECK_THROWS_WITH(n.memory.record([&] { n.flow.scratch(16); }),
                    Catch::Contains("outside of an operation"));
  CHECK_THROWS_AS(n.memory.record([&] {
    n.flow.operation({}, {x}, [&] {
      n.flow.scratch(16);
      throw DataError("no");
    });
  }),
                  DataError);
  CHECK_THROWS_WITH(n.memory.record([&] { cuda::fill(x, 2, n.stream); }),
                    Catch::Contains("outside of an operation"));
  CHECK_THROWS_WITH(n.memory.record([&] {
    cuda::fill(x, 2, n.stream);
    n.backend->fill(x, 3);
  }),
                    Catch::Contains("outside of an operation"));
  CHECK_THROWS_WITH(n.memory.record([&] { to_host(n.memory, x); }),
                    Catch::Contains("a copy from the GPU while work is being recorded"));
  CHECK_THROWS_WITH(n.memory.record([&] { Buffer(n.memory, 16); }),
                    Catch::Contains("GPU memory is asked for while work is being recorded"));
  const auto recording = n.memory.record([&] { n.backend->fill(x, 7); });
  recording->replay();
  CHECK(n.first(x) == 7);
}

// With the default schedule: test_recorded.cpp.
TEST_CASE("recorded steps leave the same bytes in other orders that their data allow", "[step]") {
  constexpr int kSteps = 5;
  const StableSteps stable(nullptr, kSteps);
  const ClassicSteps classic(nullptr, kSteps - 1);
  for (const Schedule schedule : {Schedule::lifo, Schedule::random}) {
    const sim::ScopedSettings settings({.schedule = schedule, .seed = 3});
    CAPTURE(sim::schedule_name(schedule));
    check_same_bytes(StableSteps(gpu::make_stream(), kSteps, RecordedOrder::data), stable);
    check_same_bytes(ClassicSteps(gpu::make_stream(), kSteps - 1, RecordedOrder::data), classic);
  }
}

}  // namespace gan::testing
