#pragma once

// What a pass of the LSTM is expected to cost, by one algorithm or the other.

#include "cuda/lstm/choice/choice.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

enum class LstmPass : bool { forward, backward };

// By a kernel of the persistent algorithm, with as many clusters as are of use.
//   clusters of a direction   as many as are resident at once, no more than there are sequences to begin with
//                             (ceil(B / S)), one at least
//   steps                     max(T, ceil(N / (clusters of a direction x S)))
//   step                      wake and cell + product + hop + bytes received / network (of a group: through
//                             the second-level cache), or what device memory takes for its rows, if that is
//                             more; or what was measured
//   product                   the largest of its chain's latency, its mmas and what they read of shared
//   memory
LstmPassChoice predict_persistent(const LstmDesc& desc, LstmPass pass, const LstmCandidate& candidate,
                                  const LstmCosts& costs);

// Step by step: a product a direction and one kernel, each waiting for the one before, and what these move
// and multiply.
LstmPassChoice predict_stepwise(const LstmDesc& desc, LstmPass pass, const LstmCosts& costs);

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
