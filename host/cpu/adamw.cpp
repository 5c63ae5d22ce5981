#include <algorithm>
#include <cmath>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/kernels.hpp"
#include "host/cpu/parallel.hpp"
#include "host/runtime/carve.hpp"
#include "ragtime/status.hpp"

namespace ragtime::cpu {
namespace {

constexpr std::int64_t block = 16384;

template <class T>
class AdamWCpu final : public AdamWOperation {
 public:
  explicit AdamWCpu(const AdamWDesc& desc) : parameters_(desc.parameters) {
    Carver carver(nullptr);
    carve(carver);
    workspace_bytes_ = carver.bytes();
  }

  std::size_t workspace_bytes() const override { return workspace_bytes_; }

  void step(const AdamWOptions& options, const AdamWArgs& args, Stream) const override {
    Carver carver(args.workspace);
    double* squares = carve(carver);
    AdamWState& state = *args.state;
    state.gradient_norm = norm(static_cast<const T*>(args.gradients), squares);
    if (!std::isfinite(state.gradient_norm) || (args.status != nullptr && *args.status != no_fault)) {
      ++state.skipped;
      return;
    }
    ++state.step;

    AdamWStep now{};
    now.gradient_scale = 1;
    if (options.clip_norm > 0)
      now.gradient_scale = std::min(1.0, options.clip_norm / (state.gradient_norm + 1e-6));
    now.decay = 1 - options.learning_rate * options.weight_decay;
    now.beta1 = options.beta1;
    now.beta2 = options.beta2;
    now.step_size = options.learning_rate / (1 - std::pow(options.beta1, static_cast<double>(state.step)));
    now.root_scale = 1 / std::sqrt(1 - std::pow(options.beta2, static_cast<double>(state.step)));
    now.epsilon = options.epsilon;
    parallel_blocks(parameters_, block, [&](std::int64_t begin, std::int64_t end) {
      kernels<T>().adamw(end - begin, now, static_cast<const T*>(args.gradients) + begin,
                         static_cast<T*>(args.parameters) + begin, static_cast<T*>(args.first_moment) + begin,
                         static_cast<T*>(args.second_moment) + begin);
    });
  }

  void widen(const void* parameters, float* values, Stream) const override {
    const T* const from = static_cast<const T*>(parameters);
    std::transform(from, from + parameters_, values, [](T value) { return static_cast<float>(value); });
  }
  void round(const float* values, void* parameters, Stream) const override {
    std::copy_n(values, parameters_, static_cast<T*>(parameters));
  }

 private:
  double* carve(Carver& carver) const { return carver.take<double>((parameters_ + block - 1) / block); }

  double norm(const T* gradients, double* squares) const {
    parallel_blocks(parameters_, block, [&](std::int64_t begin, std::int64_t end) {
      constexpr int lanes = 8;  // independent sums, so that they overlap
      double sums[lanes] = {};
      for (std::int64_t i = begin; i < end; ++i) {
        const double g = static_cast<double>(gradients[i]);
        sums[(i - begin) % lanes] += g * g;
      }
      double sum = 0;
      for (const double part : sums) sum += part;
      squares[begin / block] = sum;
    });
    double total = 0;
    for (std::int64_t i = 0; i < (parameters_ + block - 1) / block; ++i) total += squares[i];
    return std::sqrt(total);
  }

  std::int64_t parameters_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace

std::unique_ptr<AdamWOperation> make_adamw(const AdamWDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<AdamWOperation> {
    return std::make_unique<AdamWCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
