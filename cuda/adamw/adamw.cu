#include "cuda/adamw/adamw.cuh"

#include "cuda/operations.hpp"
#include "cuda/support/element.hpp"
#include "cuda/support/enqueue.cuh"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

template <class... Pointers>
bool aligned(Pointers... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) | ...) % 16) == 0;
}

template <class T>
class AdamWCuda final : public AdamWOperation {
 public:
  explicit AdamWCuda(const AdamWDesc& desc) : n_(desc.parameters) {
    Carver carver(nullptr);
    carve(carver);
    workspace_bytes_ = carver.bytes();
  }

  std::size_t workspace_bytes() const override { return workspace_bytes_; }

  void step(const AdamWOptions& options, const AdamWArgs& args, Stream stream) const override {
    Carver carver(args.workspace);
    const AdamWWork work = carve(carver);
    const auto* const gradients = static_cast<const T*>(args.gradients);
    AdamWArrays<T> arrays{.gradients = gradients,
                          .values = args.master,
                          .first_moment = static_cast<float*>(args.first_moment),
                          .second_moment = static_cast<float*>(args.second_moment),
                          .rounded = static_cast<T*>(args.parameters)};
    if constexpr (std::is_same_v<T, float>) {
      arrays.values = arrays.rounded;
      arrays.rounded = nullptr;
    }
    enqueue(config("adamw_squares", blocks_for(n_, AdamWTuning::chunk), stream),
            aligned(gradients) ? adamw_squares<T, true> : adamw_squares<T, false>, n_, gradients, work);
    enqueue(config("adamw_decide", 1, stream), adamw_decide, n_, options, args.state, args.status, work);
    const bool wide =
        aligned(gradients, arrays.values, arrays.first_moment, arrays.second_moment, arrays.rounded);
    enqueue(config("adamw_update", blocks_for(n_, per_block), stream),
            wide ? adamw_update<T, true> : adamw_update<T, false>, n_, arrays, work);
  }

  void widen(const void* parameters, float* values, Stream stream) const override {
    convert(static_cast<const T*>(parameters), values, stream);
  }
  void round(const float* values, void* parameters, Stream stream) const override {
    convert(values, static_cast<T*>(parameters), stream);
  }

 private:
  static constexpr std::int64_t per_block = std::int64_t{AdamWTuning::threads} * AdamWTuning::group;

  AdamWWork carve(Carver& carver) const {
    AdamWWork work;
    work.partials = carver.take<double>((n_ + AdamWTuning::chunk - 1) / AdamWTuning::chunk);
    work.decision = carver.take<AdamWDecision>(1);
    return work;
  }
  static arch::LaunchConfig config(const char* name, unsigned blocks, Stream stream) {
    return {.name = name, .grid = {blocks}, .block = {AdamWTuning::threads}, .stream = stream.handle};
  }
  template <class From, class To>
  void convert(const From* from, To* to, Stream stream) const {
    enqueue(config("adamw_convert", blocks_for(n_, per_block), stream),
            aligned(from, to) ? adamw_convert<From, To, true> : adamw_convert<From, To, false>, n_, from, to);
  }

  std::int64_t n_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace

std::unique_ptr<AdamWOperation> make_adamw(const AdamWDesc& desc) {
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<AdamWOperation> {
    return std::make_unique<AdamWCuda<T>>(desc);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
