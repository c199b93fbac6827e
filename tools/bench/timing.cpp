#include "tools/bench/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/replay.h"

namespace gan::bench {
namespace {

constexpr int kFewestRepeats = 3;  // a median needs them, however long one takes
constexpr int kMostRepeats = 10'000;
constexpr double kSettled = 0.1;       // relative difference of two runs in a row
constexpr double kWarmUpShare = 0.25;  // of the seconds allowed, when the time does not settle

double time_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int burst_for(double seconds) {
  constexpr double kShortest = 1e-3;
  constexpr int kMost = 1000;
  return std::clamp(static_cast<int>(std::min(kShortest / std::max(seconds, 1e-9), 1e6)), 1, kMost);
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

Timing measure(double seconds, const std::function<void()>& body) {
  double last = time_of(body);  // the first run also allocates and packs weights
  double spent = last;
  while (spent < kWarmUpShare * seconds) {
    const double now = time_of(body);
    spent += now;
    const bool settled = std::abs(now - last) < kSettled * last;
    last = now;
    if (settled) break;
  }
  const int repeats =
      std::clamp(static_cast<int>(std::min(seconds / last, 1e9)), kFewestRepeats, kMostRepeats);
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) times.push_back(time_of(body));
  std::sort(times.begin(), times.end());
  return {quantile(times, 0.5), quantile(times, 0.05), quantile(times, 0.95), repeats};
}

Timing measure(double seconds, int burst, const std::function<void()>& give,
               const std::function<void()>& wait) {
  Timing timing = measure(seconds, [&] {
    for (int i = 0; i < burst; ++i) give();
    wait();
  });
  for (double* time : {&timing.median, &timing.p5, &timing.p95}) *time /= burst;
  return timing;
}

Timing measure_repeated(Memory& memory, double seconds, double estimate,
                        const std::function<void()>& give, const std::function<void()>& wait) {
  constexpr int kMostRecorded = 50;  // recording takes time, too
  constexpr int kLonger = 4;         // a wait for a device takes longer than reading the clock
  const int burst = (memory.steps_ahead() > 0 ? kLonger : 1) * burst_for(estimate);
  const int together = memory.records() ? std::min(burst, kMostRecorded) : 1;
  Timing timing =
      measure(seconds, (burst + together - 1) / together, repeated(memory, together, give), wait);
  for (double* time : {&timing.median, &timing.p5, &timing.p95}) *time /= together;
  return timing;
}

}  // namespace gan::bench
