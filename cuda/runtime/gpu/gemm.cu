#include "cuda/runtime/gemm.hpp"

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "cuda/runtime/device.hpp"
#include "cuda/runtime/gpu/shared_library.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

constexpr std::size_t most_workspace = std::size_t{32} << 20;  // what cuBLAS itself takes on Hopper
constexpr std::uintptr_t workspace_alignment = 256;            // cuBLASLt refuses any other
constexpr std::uintptr_t wide_alignment = 16;                  // bytes, alignment of the faster algorithms

// What is used of the library, under its own names, and the handle.
struct Lt {
  const SharedLibrary library{"the cuda backend", concat("libcublasLt.so.", CUBLAS_VER_MAJOR)};

#define RAGTIME_CUBLASLT(name) const decltype(&::name) name = library.find<decltype(&::name)>(#name)
  RAGTIME_CUBLASLT(cublasLtGetStatusString);
  RAGTIME_CUBLASLT(cublasLtCreate);
  RAGTIME_CUBLASLT(cublasLtMatrixLayoutInit_internal);
  RAGTIME_CUBLASLT(cublasLtMatmulDescInit_internal);
  RAGTIME_CUBLASLT(cublasLtMatmulDescSetAttribute);
  RAGTIME_CUBLASLT(cublasLtMatmulPreferenceInit_internal);
  RAGTIME_CUBLASLT(cublasLtMatmulPreferenceSetAttribute);
  RAGTIME_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
  RAGTIME_CUBLASLT(cublasLtMatmulAlgoConfigGetAttribute);
  RAGTIME_CUBLASLT(cublasLtMatmul);
#undef RAGTIME_CUBLASLT

  Lt() {
    check_lt(cublasLtCreate(&handle), "cublasLtCreate");
  }

  void check_lt(cublasStatus_t status, const char* what) const {
    check(status == CUBLAS_STATUS_SUCCESS, ErrorCode::device_error, what,
          " failed: ", cublasLtGetStatusString(status));
  }

  cublasLtHandle_t handle = nullptr;
};

const Lt& lt() {
  static const Lt lt;
  return lt;
}

cudaDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDA_R_16BF : dtype == DType::f16 ? CUDA_R_16F : CUDA_R_32F;
}

std::byte* aligned_up(std::byte* pointer, std::uintptr_t alignment) {
  const std::uintptr_t beyond = reinterpret_cast<std::uintptr_t>(pointer) % alignment;
  return beyond == 0 ? pointer : pointer + (alignment - beyond);
}

bool is_wide(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % wide_alignment == 0;
}

}  // namespace

// cuBLASLt counts columns first: row-major C = op(A) op(B) is its C' = op(B)' op(A)', where a matrix that is
// stored row by row is already the transpose. So its first factor is our B, its second our A.
struct Gemm::State {
  using Algorithm = cublasLtMatmulHeuristicResult_t;

  // The faster one only where strides allow it; else both are the same.
  explicit State(const GemmDesc& given)
      : desc(given),
        wide(choose(wide_alignment, wide_alignment)),
        narrow(choose(size_of(desc.ab), size_of(desc.c))) {}

  struct Layouts {
    cublasLtMatrixLayoutOpaque_t first, second, result;
  };
  Layouts layouts(std::int64_t m, std::int64_t k) const {
    Layouts layouts;
    const auto init = [](cublasLtMatrixLayoutOpaque_t& layout, DType dtype, std::int64_t rows,
                         std::int64_t columns, std::int64_t stride) {
      lt().check_lt(lt().cublasLtMatrixLayoutInit_internal(&layout, sizeof layout, type_of(dtype),
                                                           static_cast<std::uint64_t>(rows),
                                                           static_cast<std::uint64_t>(columns), stride),
                    "cublasLtMatrixLayoutInit");
    };
    init(layouts.first, desc.ab, desc.transpose_b ? k : desc.n, desc.transpose_b ? desc.n : k, desc.stride_b);
    init(layouts.second, desc.ab, desc.transpose_a ? m : k, desc.transpose_a ? k : m, desc.stride_a);
    init(layouts.result, desc.c, desc.n, m, desc.stride_c);
    return layouts;
  }

  cublasLtMatmulDescOpaque_t operation(const void* bias) const {
    cublasLtMatmulDescOpaque_t operation;
    const bool tf32 = desc.ab == DType::f32 && desc.tf32;
    lt().check_lt(lt().cublasLtMatmulDescInit_internal(
                      &operation, sizeof operation, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                      CUDA_R_32F),
                  "cublasLtMatmulDescInit");
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
      lt().check_lt(lt().cublasLtMatmulDescSetAttribute(&operation, attribute, &value, sizeof value),
                    "cublasLtMatmulDescSetAttribute");
    };
    const cublasOperation_t first = desc.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t second = desc.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    set(CUBLASLT_MATMUL_DESC_TRANSA, first);
    set(CUBLASLT_MATMUL_DESC_TRANSB, second);
    if (desc.bias) {
      const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
      if (bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    return operation;
  }

  // Alignments in bytes, of A and B and of C.
  Algorithm choose(std::size_t of_factors, std::size_t of_result) const {
    Layouts layout = layouts(std::max<std::int64_t>(desc.m, 1), std::max<std::int64_t>(desc.k, 1));
    cublasLtMatmulDescOpaque_t product = operation(nullptr);
    cublasLtMatmulPreferenceOpaque_t preference;
    lt().check_lt(lt().cublasLtMatmulPreferenceInit_internal(&preference, sizeof preference),
                  "cublasLtMatmulPreferenceInit");
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      lt().check_lt(lt().cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value),
                    "cublasLtMatmulPreferenceSetAttribute");
    };
    const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE;
    const auto factor_bytes = static_cast<std::uint32_t>(of_factors);
    const auto result_bytes = static_cast<std::uint32_t>(of_result);
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace);
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, factor_bytes);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, factor_bytes);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, result_bytes);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, result_bytes);

    constexpr int most = 16;
    cublasLtMatmulHeuristicResult_t results[most];
    int found = 0;
    const cublasStatus_t status = lt().cublasLtMatmulAlgoGetHeuristic(
        lt().handle, &product, &layout.first, &layout.second, &layout.result, &layout.result, &preference,
        most, results, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED)
      found = 0;
    else
      lt().check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
    for (int i = 0; i < found; ++i)
      if (results[i].state == CUBLAS_STATUS_SUCCESS && !splits(results[i].algo)) return results[i];
    fail(ErrorCode::unsupported, "cuBLASLt has no algorithm for a product of ", name_of(desc.ab), " into ",
         name_of(desc.c), ", m ", desc.m, ", n ", desc.n, ", k ", desc.k, ", that does not split k");
  }

  static bool splits(const cublasLtMatmulAlgo_t& algorithm) {
    std::int32_t parts = 1;
    std::size_t written = 0;
    lt().check_lt(lt().cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
                                                            &parts, sizeof parts, &written),
                  "cublasLtMatmulAlgoConfigGetAttribute");
    return parts > 1;
  }

  // Room for a bias that is not aligned as the kernels want it.
  std::size_t bias_bytes() const {
    return desc.bias ? static_cast<std::size_t>(desc.n) * size_of(desc.c) + 2 * workspace_alignment : 0;
  }

  GemmDesc desc;
  Algorithm wide, narrow;
};

Gemm::Gemm(const GemmDesc& desc) {
  check(desc.ab != DType::f64 && (desc.c == desc.ab || desc.c == DType::f32) &&
            (!desc.bias || desc.c == desc.ab),
        ErrorCode::invalid_argument, "a matrix product of ", name_of(desc.ab), " into ", name_of(desc.c),
        desc.bias ? " with a bias" : "", " is not offered");
  state_ = std::make_unique<State>(desc);
}
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;
Gemm& Gemm::operator=(Gemm&&) noexcept = default;

std::size_t Gemm::workspace_bytes() const {
  // With room to align each to what cuBLASLt wants of its workspace.
  const std::size_t own = std::max(state_->wide.workspaceSize, state_->narrow.workspaceSize);
  return (own > 0 ? own + workspace_alignment : 0) + state_->bias_bytes();
}

void Gemm::run(const GemmArgs& args, Stream stream) const {
  const GemmDesc& desc = state_->desc;
  check(args.m <= desc.m && args.k <= desc.k, ErrorCode::invalid_argument, "a product of m ", args.m, ", k ",
        args.k, ": expected at most ", desc.m, ", ", desc.k);
  if (args.m == 0 || desc.n == 0) return;
  if (args.k == 0) {
    if (!args.accumulate)
      zero_rows(args.c, desc.stride_c * size_of(desc.c), desc.n * size_of(desc.c), args.m, stream);
    return;
  }
  State::Layouts layout = state_->layouts(args.m, args.k);
  std::byte* const own = aligned_up(static_cast<std::byte*>(args.workspace), workspace_alignment);
  const void* bias = args.bias;
  if (desc.bias && !is_wide(bias)) {  // kernels read it in wide accesses, and no preference says otherwise
    void* const aligned =
        aligned_up(own + std::max(state_->wide.workspaceSize, state_->narrow.workspaceSize), wide_alignment);
    copy(aligned, bias, static_cast<std::size_t>(desc.n) * size_of(desc.c), CopyKind::on_device, stream);
    bias = aligned;
  }
  cublasLtMatmulDescOpaque_t product = state_->operation(bias);
  const State::Algorithm& algorithm =
      is_wide(args.a) && is_wide(args.b) && is_wide(args.c) ? state_->wide : state_->narrow;
  const float one = 1, beta = args.accumulate ? 1.0f : 0.0f;
  lt().check_lt(lt().cublasLtMatmul(lt().handle, &product, &one, args.b, &layout.first, args.a,
                                    &layout.second, &beta, args.c, &layout.result, args.c, &layout.result,
                                    &algorithm.algo, algorithm.workspaceSize > 0 ? own : nullptr,
                                    algorithm.workspaceSize, static_cast<cudaStream_t>(stream.handle)),
                "cublasLtMatmul");
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
