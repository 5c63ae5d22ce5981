// The linear layer by cuBLASLt.
//
// Where the host knows the number of rows, the products are of exactly these, straight from the caller's
// memory into it. Where it does not, they are of the plan's capacity: the rows in use are copied to the
// workspace and zeros put behind them (what lies behind them at the caller's may be anything, and 0 * NaN is
// NaN), and only the rows in use are copied back. A row's product is the same either way, where arrays are
// aligned alike (Gemm).

#include <algorithm>

#include "cuda/operations.hpp"
#include "cuda/runtime/gemm.hpp"
#include "cuda/support/column_sums.cuh"
#include "cuda/support/element.hpp"
#include "cuda/support/rows.cuh"
#include "host/runtime/capacity.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

template <class T>
class LinearCuda final : public LinearOperation {
 public:
  // The workspace is measured before anything else, so that sizes beyond any memory are refused as such.
  explicit LinearCuda(const LinearDesc& desc)
      : desc_(desc),
        gemm_offset_(carve(nullptr).bytes),
        forward_(product(desc.rows, desc.output_size, desc.input_size, false, true)),
        d_x_(product(desc.rows, desc.input_size, desc.output_size, false, false)),
        d_weight_(product(desc.output_size, desc.input_size, desc.rows, true, false)) {}

  std::size_t workspace_bytes() const override {
    return gemm_offset_ +
           std::max({forward_.workspace_bytes(), d_x_.workspace_bytes(), d_weight_.workspace_bytes()});
  }

  void forward(const LinearForward& args, Stream stream) const override {
    const RowCount rows = count(args.rows, args.host_rows, args.status);
    const Workspace work = carve(args.workspace);
    const bool known = rows.host >= 0;
    const T* x =
        known ? static_cast<const T*>(args.x) : bring(rows, desc_.input_size, args.x, work.inputs, stream);
    forward_.run({.m = known ? rows.host : desc_.rows,
                  .k = desc_.input_size,
                  .a = x,
                  .b = args.weight,
                  .bias = args.bias,
                  .c = known ? args.y : work.outputs,
                  .workspace = work.gemm},
                 stream);
    if (!known)
      enqueue_copy_rows(rows, desc_.output_size, work.outputs, static_cast<T*>(args.y), false, stream);
  }

  void backward(const LinearBackward& args, Stream stream) const override {
    const RowCount rows = count(args.rows, args.host_rows, args.status);
    const Workspace work = carve(args.workspace);
    const bool known = rows.host >= 0;
    const std::int64_t used = known ? rows.host : desc_.rows;
    const T* d_y = static_cast<const T*>(args.d_y);
    if (!known && (args.d_x != nullptr || args.d_weight != nullptr))
      d_y = bring(rows, desc_.output_size, args.d_y, work.outputs, stream);
    if (args.d_weight != nullptr) {
      const T* x =
          known ? static_cast<const T*>(args.x) : bring(rows, desc_.input_size, args.x, work.inputs, stream);
      d_weight_.run({.m = desc_.output_size,
                     .k = used,
                     .a = d_y,
                     .b = x,
                     .c = args.d_weight,
                     .accumulate = args.accumulate,
                     .workspace = work.gemm},
                    stream);
    }
    if (args.d_x != nullptr) {
      d_x_.run({.m = used,
                .k = desc_.output_size,
                .a = d_y,
                .b = args.weight,
                .c = known ? args.d_x : work.inputs,
                .workspace = work.gemm},
               stream);
      if (!known)
        enqueue_copy_rows(rows, desc_.input_size, work.inputs, static_cast<T*>(args.d_x), false, stream);
    }
    enqueue_column_sums<T>(rows, desc_.output_size, static_cast<const T*>(args.d_y), work.partial,
                           static_cast<T*>(args.d_bias), nullptr, args.accumulate, stream);
  }

 private:
  struct Workspace {
    T* inputs;       // [R, input_size] x, later d_x
    T* outputs;      // [R, output_size] y or d_y
    float* partial;  // of d_bias
    std::byte* gemm;
    std::size_t bytes;  // before what is Gemm's
  };

  Workspace carve(const void* memory) const {
    Carver carver(memory);
    Workspace work{};
    if (!desc_.rows_on_host) {
      work.inputs = carver.take<T>(desc_.rows * desc_.input_size);
      work.outputs = carver.take<T>(desc_.rows * desc_.output_size);
    }
    work.partial = carver.take<float>(RowChunks(desc_.rows).partial_size(desc_.output_size));
    work.bytes = carver.bytes();
    work.gemm = carver.take<std::byte>(0);
    return work;
  }

  Gemm product(std::int64_t m, std::int64_t n, std::int64_t k, bool transpose_a, bool transpose_b) const {
    m = std::max<std::int64_t>(m, 1);
    k = std::max<std::int64_t>(k, 1);
    return Gemm({.m = m,
                 .n = n,
                 .k = k,
                 .transpose_a = transpose_a,
                 .transpose_b = transpose_b,
                 .stride_a = transpose_a ? m : k,
                 .stride_b = transpose_b ? k : n,
                 .stride_c = n,
                 .ab = desc_.dtype,
                 .c = desc_.dtype,
                 .bias = transpose_b && desc_.bias,
                 .tf32 = desc_.tf32});
  }

  RowCount count(const std::int32_t* device, std::int64_t host, std::uint64_t* status) const {
    if (host >= 0) check_fits(host, desc_.rows, "rows");
    return {device, host, desc_.rows, status};
  }

  // In the workspace, with zeros behind them.
  const T* bring(const RowCount& rows, std::int64_t width, const void* from, T* to, Stream stream) const {
    enqueue_copy_rows(rows, width, static_cast<const T*>(from), to, true, stream);
    return to;
  }

  LinearDesc desc_;
  std::size_t gemm_offset_;
  Gemm forward_, d_x_, d_weight_;
};

}  // namespace

std::unique_ptr<LinearOperation> make_linear(const LinearDesc& desc) {
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<LinearOperation> {
    return std::make_unique<LinearCuda<T>>(desc);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
