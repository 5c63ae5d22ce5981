// The choice with the kernels of this build, on this device or on one that is known by its properties.

#include <bit>

#include "cuda/backend.hpp"
#include "cuda/lstm/choice/choice.hpp"
#include "cuda/lstm/persistent/operation.hpp"
#include "cuda/support/element.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

template <class Args>
std::vector<LstmCandidate> candidates_on(const LstmDeviceModel& model,
                                         std::span<const LstmPersistentKernel<Args>> kernels) {
  std::vector<LstmCandidate> candidates;
  for (const auto& kernel : kernels) {
    const LstmTile& tile = kernel.tile;
    const int resident = tile.grid
                             ? model.resident_clusters[0] / tile.cluster
                             : model.resident_clusters[std::countr_zero(static_cast<unsigned>(tile.cluster))];
    candidates.push_back({tile, kernel.threads, kernel.shared_bytes, resident});
  }
  return candidates;
}

}  // namespace

LstmChoice choose_lstm(const LstmDesc& desc) {
  const LstmCosts& costs = lstm_costs_of(backend()->description());
  // The driver loads the kernels that it is asked about: not without need.
  if (desc.proj_size > 0 || (desc.dtype == DType::f32 && !desc.tf32)) return choose_lstm(desc, {}, costs);
  return with_element(desc.dtype, [&]<class T>() { return choose_lstm(desc, lstm_candidates<T>(), costs); });
}

LstmChoice choose_lstm(const LstmDesc& desc, const LstmDeviceModel& model) {
  return with_element(desc.dtype, [&]<class T>() {
    return choose_lstm(
        desc,
        {candidates_on(model, lstm_forward_kernels<T>()), candidates_on(model, lstm_backward_kernels<T>())},
        {});
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
