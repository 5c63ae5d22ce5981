// cuda/runtime/gemm.hpp on the CPU: one f32 chain of sums an element, in the order of k.

#include "cuda/runtime/gemm.hpp"

#include <cstring>
#include <vector>

#include "cuda/arch/arch.cuh"
#include "cuda/support/element.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct Gemm::State {
  GemmDesc desc;
};

namespace {

template <class In, class Out>
void multiply(const GemmDesc& desc, const GemmArgs& args) {
  const In* const a = static_cast<const In*>(args.a);
  const In* const b = static_cast<const In*>(args.b);
  Out* const c = static_cast<Out*>(args.c);
  const auto n = static_cast<std::size_t>(desc.n);
  std::vector<float> right, sums;  // op(B) [k, n]; a row of C
  right.reserve(static_cast<std::size_t>(args.k) * n);
  for (std::int64_t p = 0; p < args.k; ++p)
    for (std::int64_t j = 0; j < desc.n; ++j)
      right.push_back(arch::to_float(desc.transpose_b ? b[j * desc.stride_b + p] : b[p * desc.stride_b + j]));
  for (std::int64_t i = 0; i < args.m; ++i) {
    sums.assign(n, 0);
    for (std::int64_t p = 0; p < args.k; ++p) {
      const float left =
          arch::to_float(desc.transpose_a ? a[p * desc.stride_a + i] : a[i * desc.stride_a + p]);
      const float* const row = right.data() + static_cast<std::size_t>(p) * n;
      for (std::size_t j = 0; j < n; ++j) sums[j] += left * row[j];
    }
    for (std::size_t j = 0; j < n; ++j) {
      float sum = sums[j];
      if (desc.bias) sum += arch::to_float(static_cast<const Out*>(args.bias)[j]);
      Out& to = c[i * desc.stride_c + static_cast<std::int64_t>(j)];
      to = arch::from_float<Out>(args.accumulate ? arch::to_float(to) + sum : sum);
    }
  }
}

}  // namespace

Gemm::Gemm(const GemmDesc& desc) : state_(std::make_unique<State>(State{desc})) {
  check(desc.ab != DType::f64 && (desc.c == desc.ab || desc.c == DType::f32) &&
            (!desc.bias || desc.c == desc.ab),
        ErrorCode::invalid_argument, "a matrix product of ", name_of(desc.ab), " into ", name_of(desc.c),
        desc.bias ? " with a bias" : "", " is not offered");
}
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;
Gemm& Gemm::operator=(Gemm&&) noexcept = default;

std::size_t Gemm::workspace_bytes() const {
  return 64;
}

void Gemm::run(const GemmArgs& args, Stream) const {
  const GemmDesc& desc = state_->desc;
  check(args.m <= desc.m && args.k <= desc.k, ErrorCode::invalid_argument, "a product of m ", args.m, ", k ",
        args.k, ": expected at most ", desc.m, ", ", desc.k);
  std::memset(args.workspace, 0xFF, workspace_bytes());
  with_element(desc.ab, [&]<class In>() {
    if (desc.c == desc.ab)
      multiply<In, In>(desc, args);
    else
      multiply<In, float>(desc, args);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
