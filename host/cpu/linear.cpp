#include <algorithm>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/kernels.hpp"
#include "host/runtime/capacity.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cpu {
namespace {

template <class T>
class LinearCpu final : public LinearOperation {
 public:
  explicit LinearCpu(const LinearDesc& desc) : desc_(desc) {
    Carver carver(nullptr);
    carve(carver);
    workspace_bytes_ = carver.bytes();
  }

  std::size_t workspace_bytes() const override { return workspace_bytes_; }

  void forward(const LinearForward& args, Stream) const override {
    check_fits(*args.rows, desc_.rows, "rows");
    Carver carver(args.workspace);
    T* packed = carve(carver);
    const std::int64_t in = desc_.input_size, out = desc_.output_size;
    pack_weight(static_cast<const T*>(args.weight), out, in, packed);
    multiply_rows(static_cast<const T*>(args.x), in, packed,
                  desc_.bias ? static_cast<const T*>(args.bias) : nullptr, in, out, static_cast<T*>(args.y),
                  out, *args.rows);
  }

  void backward(const LinearBackward& args, Stream) const override {
    check_fits(*args.rows, desc_.rows, "rows");
    Carver carver(args.workspace);
    T* packed = carve(carver);
    const std::int64_t in = desc_.input_size, out = desc_.output_size, rows = *args.rows;
    const T* d_y = static_cast<const T*>(args.d_y);
    if (args.d_x != nullptr) {
      pack_transposed(static_cast<const T*>(args.weight), in, out, in, packed);
      multiply_rows<T>(d_y, out, packed, nullptr, out, in, static_cast<T*>(args.d_x), in, rows);
    }
    if (args.d_weight != nullptr) {
      pack_transposed(static_cast<const T*>(args.x), in, rows, in, packed);
      multiply_transposed(d_y, out, packed, rows, out, in, static_cast<T*>(args.d_weight), args.accumulate);
    }
    if (args.d_bias != nullptr) sum_rows(d_y, out, rows, out, static_cast<T*>(args.d_bias), args.accumulate);
  }

 private:
  // One packed matrix at a time: the weight, its transpose, or the rows.
  T* carve(Carver& carver) const {
    const std::int64_t in = desc_.input_size, out = desc_.output_size;
    return carver.take<T>(
        std::max({packed_size<T>(in, out), packed_size<T>(out, in), packed_size<T>(desc_.rows, in)}));
  }

  LinearDesc desc_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace

std::unique_ptr<LinearOperation> make_linear(const LinearDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<LinearOperation> {
    return std::make_unique<LinearCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
