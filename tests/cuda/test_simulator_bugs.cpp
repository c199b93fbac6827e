// Planted bugs that a plain build finds by its results: which schedules find them, and how reliably. The races that only
// ThreadSanitizer sees, and what AddressSanitizer adds, are programs of their own (sim_bugs.cpp).
// Cases tagged [planted] really race or overrun, so sanitizer builds of this program leave them out.
#include <catch2/catch.hpp>

#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/sim_bugs.h"

namespace gan::gpu::bugs {
namespace {

using sim::Schedule;

constexpr int kSeeds = 10;

// How many of the seeds show the bug, as a wrong result or as a fault.
int times_found(bool (*run)(Bug), Bug bug, Schedule schedule, int os_threads = 1) {
  int found = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const sim::ScopedSettings scope({schedule, static_cast<uint64_t>(seed), os_threads});
    try {
      found += !run(bug);
    } catch (const sim::Error&) {
      ++found;
    }
  }
  return found;
}

constexpr Schedule kSchedules[] = {Schedule::fifo, Schedule::lifo, Schedule::random,
                                   Schedule::priority};

TEST_CASE("Correct kernels raise no alarm in any schedule", "[cuda][simulator]") {
  for (const Schedule schedule : kSchedules)
    for (const int os_threads : {1, 3}) {
      INFO(sim::schedule_name(schedule) << ", " << os_threads << " threads");
      CHECK(times_found(column_means_right, Bug::none, schedule, os_threads) == 0);
      CHECK(times_found(matrix_product_right, Bug::none, schedule, os_threads) == 0);
    }
}

TEST_CASE("NaN filling shows what is read before it is written, in every schedule",
          "[cuda][simulator][planted]") {
  for (const Schedule schedule : kSchedules) {
    INFO(sim::schedule_name(schedule));
    CHECK(times_found(column_means_right, Bug::missing_barrier, schedule) == kSeeds);
    CHECK(times_found(column_means_right, Bug::missing_syncwarp, schedule) == kSeeds);
    CHECK(times_found(matrix_product_right, Bug::missing_wait, schedule) == kSeeds);
  }
}

TEST_CASE("Margins show accesses past the end, in every schedule", "[cuda][simulator][planted]") {
  for (const Schedule schedule : kSchedules) {
    INFO(sim::schedule_name(schedule));
    CHECK(times_found(column_means_right, Bug::shared_read_past_end, schedule) == kSeeds);
    CHECK(times_found(column_means_right, Bug::shared_write_past_end, schedule) == kSeeds);
    CHECK(times_found(matrix_product_right, Bug::global_read_past_end, schedule) == kSeeds);
  }
}

TEST_CASE("A warp that runs far ahead shows a buffer refilled too early",
          "[cuda][simulator][planted]") {
  CHECK(times_found(matrix_product_right, Bug::missing_trailing_barrier, Schedule::priority) >=
        kSeeds - 1);
  CHECK(times_found(matrix_product_right, Bug::missing_trailing_barrier, Schedule::lifo) == kSeeds);
}

}  // namespace
}  // namespace gan::gpu::bugs
