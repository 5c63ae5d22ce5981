#pragma once

// Which algorithm the LSTM runs by, and how the persistent one is cut: a model of what a step costs
// (host/ops/lstm_costs.hpp), applied to every kernel there is. Host code; it asks the device nothing but how
// many clusters fit.

#include <span>
#include <vector>

#include "cuda/lstm/persistent/persistent.hpp"
#include "host/ops/lstm_costs.hpp"
#include "host/ops/lstm_device_model.hpp"
#include "ragtime/lstm.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// A kernel of the persistent algorithm, on one device. There is one for each (hidden, cluster, slots), be it
// of clusters or of groups.
struct LstmCandidate {
  LstmTile tile;
  unsigned threads = 0;          // of a block
  std::size_t shared_bytes = 0;  // of a block
  int resident_clusters = 0;     // at once on the device; 0: it does not run there
};

// The kernels of one dtype.
struct LstmCandidates {
  std::vector<LstmCandidate> forward;
  std::vector<LstmCandidate> backward;
};

// Throws Error(unsupported) that names the argument where the description asks for what there is not.
// candidates: those of desc.dtype; f32 without tf32 takes none.
LstmChoice choose_lstm(const LstmDesc& desc, const LstmCandidates& candidates, const LstmCosts& costs);

// The same with the kernels of this build, on this device, with its costs.
LstmChoice choose_lstm(const LstmDesc& desc);
// The same on a device that is known by its properties alone, with estimated
// costs.
LstmChoice choose_lstm(const LstmDesc& desc, const LstmDeviceModel& model);

// The kernel that a pass was chosen to run.
template <class Kernel>
const Kernel* find_kernel(std::span<const Kernel> kernels, const LstmPassChoice& pass) {
  for (const Kernel& kernel : kernels)
    if (kernel.tile.hidden == pass.hidden && kernel.tile.cluster == pass.cluster &&
        kernel.tile.slots == pass.slots)
      return &kernel;
  return nullptr;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
