// What a network's convolutions would take alone: the floor that whole steps are measured against.
#pragma once

#include "tools/bench/bench.h"

namespace gan::bench {

// Notes how long a call took at its best, for the sums below.
void note_best(Session& session, const Subject& subject, const Call& call, double seconds);

// A convolution that some work asked a device's kernels for, and how often.
struct ConvolutionUse {
  Call call;
  Backend* backend;
  int64_t uses;
};
// Runs `work`. None where it did not ask, as recorded work does not.
std::vector<ConvolutionUse> convolutions_of(Device& device, const std::function<void()>& work);

// The sum over these of the best time of that call alone: the subject's own, the vendor's in the same
// layout, the vendor's in any layout. Calls not known yet are timed. 0 for none, or where the options say that
// nobody wants to know.
double sum_of_convolutions(Session& session, Subject& subject,
                           const std::vector<ConvolutionUse>& convolutions);

}  // namespace gan::bench
