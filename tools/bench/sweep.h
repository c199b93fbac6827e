// How cost grows.
#pragma once

#include "tools/bench/bench.h"

namespace gan::bench {

// Runs a level, "step" or "network", at many batch sizes, sizes of photos (only networks: the classic
// discriminator has but one) and numbers of threads, one of them changed at a time. Steps are the classic
// recipe's unless the filter says otherwise.
void sweep(const Level& level, Session& session);

}  // namespace gan::bench
