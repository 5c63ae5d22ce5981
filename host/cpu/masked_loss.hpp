#pragma once

// Losses row by row. The rows a loss counts are found first, from weights and labels alone; then one pass
// over the logits gives each row's loss and gradient; the rows' losses are added in order.

#include <cmath>
#include <cstdint>

#include "host/cpu/cpu_operations.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cpu {

inline double softplus(double z) {
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}
inline double sigmoid(double z) {
  return 1 / (1 + std::exp(-z));
}

template <class T>
class MaskedLossCpu final : public MaskedLossOperation {
 public:
  explicit MaskedLossCpu(const MaskedLossDesc& desc);

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  void run(const MaskedLossArgs& args, Stream stream) const override;

 private:
  struct Workspace {
    double* weights;    // [units] what a unit adds to the denominator of the mean, or `masked`
    double* losses;     // [units]
    double* sequences;  // [B] the sum of weights of each sequence
  };

  Workspace carve(Carver& carver) const;
  // A unit is a row, or for survival a sequence. Units of sequence b: [first, first + count).
  struct Units {
    std::int64_t first, count;
  };
  Units units_of(const RaggedView& batch, std::int64_t b) const;
  std::int64_t row_units() const;  // capacity

  // A unit that counts may add 0: a class of weight 0 still takes its share of the label smoothing.
  static constexpr double masked = -1;
  double unit_weight(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit) const;
  double target_weight(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit) const;
  double row_weight(const MaskedLossArgs& args, std::int64_t unit) const;
  // Loss of a unit, already times its row weight; gradients times `scale` and the row weight.
  double unit_loss(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit, double scale) const;
  double bce_loss(const MaskedLossArgs& args, std::int64_t row, double weight, double scale) const;
  double cross_entropy_loss(const MaskedLossArgs& args, std::int64_t row, double weight, double scale) const;
  double mse_loss(const MaskedLossArgs& args, std::int64_t row, double weight, double scale) const;
  double survival_loss(const MaskedLossArgs& args, std::int64_t b, double weight, double scale) const;
  void clear_unit(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit) const;
  void clear_padding(const MaskedLossArgs& args, std::int64_t b) const;
  std::int64_t first_row(const RaggedView& batch, std::int64_t b) const;

  bool per_element() const { return desc_.kind == LossKind::bce_with_logits || desc_.kind == LossKind::mse; }
  T* d_row(const MaskedLossArgs& args, std::int64_t row) const {
    return args.d_logits == nullptr ? nullptr : static_cast<T*>(args.d_logits) + row * desc_.outputs;
  }
  T* loss_row(const MaskedLossArgs& args, std::int64_t row) const {
    return desc_.reduction == Reduction::none ? static_cast<T*>(args.loss) + row * desc_.outputs : nullptr;
  }

  MaskedLossDesc desc_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace ragtime::cpu
