// Runs one of the kernels of sim_bugs.h in all schedules, for builds with a sanitizer: sim_bugs NAME [SEEDS]
// Exit code 0 when every result is right, 1 when one is not, 2 for wrong usage; what a sanitizer finds, it reports itself.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/sim_bugs.h"

namespace {

using gan::gpu::bugs::Named;
using gan::sim::Schedule;

bool right_in_all_schedules(const Named& named, int seeds) {
  bool right = true;
  for (const Schedule schedule :
       {Schedule::fifo, Schedule::lifo, Schedule::random, Schedule::priority})
    for (int seed = 1; seed <= seeds; ++seed) {
      const gan::sim::ScopedSettings scope({schedule, static_cast<uint64_t>(seed), 1 + seed % 2});
      try {
        right = named.run(named.bug) && right;
      } catch (const gan::sim::Error& error) {
        std::printf("%s\n", error.what());
        right = false;
      }
    }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  for (const Named& named : gan::gpu::bugs::all_bugs()) {
    if (argc < 2 || std::strcmp(argv[1], named.name) != 0) continue;
    const bool right = right_in_all_schedules(named, argc > 2 ? std::atoi(argv[2]) : 1);
    std::printf("%s: %s\n", named.name, right ? "all results right" : "wrong results");
    return right ? 0 : 1;
  }
  std::fprintf(stderr, "usage: sim_bugs NAME [SEEDS], NAME being one of\n");
  for (const Named& named : gan::gpu::bugs::all_bugs()) std::fprintf(stderr, "  %s\n", named.name);
  return 2;
}
