// The kernels of the emulation's tests, as nvcc and ptxas see them: every primitive has a form for the GPU
// that assembles. They are not run here.

#include "tests/simt/planted_kernels.cuh"
#include "tests/simt/primitive_kernels.cuh"

namespace ragtime::test {
inline namespace RAGTIME_ARCH {

template __global__ void exchange_values<int>(const int*, int*);
template __global__ void exchange_values<float>(const float*, float*);
template __global__ void exchange_values<double>(const double*, double*);
template __global__ void exchange_values<unsigned long long>(const unsigned long long*, unsigned long long*);
template __global__ void copy_async<4>(const unsigned char*, unsigned, unsigned char*, unsigned char*);
template __global__ void copy_async<8>(const unsigned char*, unsigned, unsigned char*, unsigned char*);
template __global__ void copy_async<16>(const unsigned char*, unsigned, unsigned char*, unsigned char*);
template __global__ void load_matrices<Load::x1>(const std::uint16_t*, std::uint32_t*);
template __global__ void load_matrices<Load::x1_trans>(const std::uint16_t*, std::uint32_t*);
template __global__ void load_matrices<Load::x2>(const std::uint16_t*, std::uint32_t*);
template __global__ void load_matrices<Load::x2_trans>(const std::uint16_t*, std::uint32_t*);
template __global__ void load_matrices<Load::x4>(const std::uint16_t*, std::uint32_t*);
template __global__ void load_matrices<Load::x4_trans>(const std::uint16_t*, std::uint32_t*);
template __global__ void multiply_fragments<Product::bf16>(const std::uint32_t*, const std::uint32_t*,
                                                           float*);
template __global__ void multiply_fragments<Product::f16>(const std::uint32_t*, const std::uint32_t*, float*);
template __global__ void multiply_fragments<Product::tf32>(const std::uint32_t*, const std::uint32_t*,
                                                           float*);
template __global__ void add_neighbours<Bug::none>(int, int*);
template __global__ void stream_tiles<Bug::none>(int, const int*, int*);
template __global__ void recur_in_a_cluster<Bug::none>(int, unsigned*);
template __global__ void send_a_letter<Signal::release>(Mail);
template __global__ void sum_over_the_grid<true>(int, unsigned*, int*, int*);

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::test
