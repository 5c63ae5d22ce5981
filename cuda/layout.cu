#include "cuda/layout.cuh"

// Compiled here for the GPU, once for each width of access.

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template arch::LaunchResult launch_layout<2>(const LayoutArgs&, const Capacity&, Stream);
template arch::LaunchResult launch_layout<4>(const LayoutArgs&, const Capacity&, Stream);
template arch::LaunchResult launch_layout<8>(const LayoutArgs&, const Capacity&, Stream);
template arch::LaunchResult launch_layout<16>(const LayoutArgs&, const Capacity&, Stream);

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
