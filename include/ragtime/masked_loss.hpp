#pragma once

// Losses that never see padding. One pass gives the loss and its gradient with respect to the logits.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// Which loss; its formula is at MaskedLossArgs.
enum class LossKind : std::uint8_t {
  bce_with_logits,  // per element; logits and targets [R, K], targets in [0, 1]; multi-label
  cross_entropy,    // softmax over K; labels int32 [R]
  mse,              // per element; targets [R, K]
  survival,         // discrete-time hazards, one per row (K = 1); event time and indicator per sequence
};

// What becomes of the losses; formulas at MaskedLossArgs.
enum class Reduction : std::uint8_t {
  none,               // all of them
  sum,                // one number
  mean,               // one number: over what is not masked, by weight
  mean_per_sequence,  // one number: the mean of each sequence, then of the sequences
};

// What the R rows of the logits are.
enum class LossLayout : std::uint8_t {
  rows,       // ragged rows [N, K]
  sequences,  // one row a sequence [B, K] (not survival); a sequence of length 0 is masked
  padded,     // [B, T_pad, K]; lengths come from visit_offsets; padding is never read, its gradient is 0
};

const char* name_of(LossKind kind);        // "bce_with_logits" and so on, as LossKind
const char* name_of(Reduction reduction);  // "none" and so on, as Reduction

// A loss, and how large the batches it is taken of may be. Sizes are below 2^31.
struct MaskedLossDesc {
  DType dtype = DType::f32;                   // of logits, targets, losses and gradients
  LossKind kind = LossKind::bce_with_logits;  // which loss
  Reduction reduction = Reduction::mean;      // what is written to loss
  LossLayout layout = LossLayout::rows;       // of logits, targets, labels and row weights
  std::int64_t outputs = 1;                   // K, at least 1; 1 with survival
  std::int64_t padded_steps = 0;              // T_pad, with padded; at least 1 and the capacity's steps
  double label_smoothing = 0;                 // cross_entropy, in [0, 1]
  std::int32_t ignore_index = -100;           // cross_entropy: rows with this label are masked
  bool hazards_are_logits = true;             // survival: false when the input is hazards in (0, 1)
  Capacity capacity;                          // sequences, rows; with padded also steps
};

// Definitions, with l the loss, r the weight of a row (1 when not given; 0 masks the row: nothing of it is
// read) and R the rows of the layout:
//
//   bce_with_logits, mse   mean = sum r l / sum r K, over elements
//
//   cross_entropy          mean = sum r l / sum r class_weight[label], as torch.nn.CrossEntropyLoss
//
//   survival               l = -(log h_e + sum_{t<e} log(1 - h_t)) when observed at visit e,
//                          l = -sum_{t<=e} log(1 - h_t) when censored at e;
//                          mean = sum r l / sum r, over sequences: row weights are [B] here;
//                          event_time -1 masks the sequence
//
//   mean_per_sequence      that mean within each sequence, then the mean over the sequences with a valid
//                          element
//
//   none                   r l per element [R, K] (bce, mse), per row [R] (cross_entropy), per sequence [B]
//                          (survival), 0 where masked; the gradient is that of their sum
//
// Without a valid element, and where a mean's denominator is 0 because all class weights in it are, loss and
// gradient are 0. A row with a bad label, target or weight is masked, and reported (status.hpp). References:
// PyTorch's BCEWithLogitsLoss, CrossEntropyLoss, MSELoss; survival: Kvamme and Borgan (2021), "Continuous and
// discrete-time survival prediction with neural networks", eq. 3.
struct MaskedLossArgs {
  RaggedView batch;               // within the capacity
  const void* logits = nullptr;   // [R, K]; survival: [R]
  const void* targets = nullptr;  // [R, K] dtype: bce, mse
  // bce instead of targets: the labels that are 1, per row, as offsets and ids; the offsets need not start at
  // 0. A row of weight 0 has its offsets unread.
  const std::int32_t* target_offsets = nullptr;  // [R+1]
  const std::int32_t* target_ids = nullptr;      // distinct within a row, in [0, K); others are dropped
  const std::int32_t* labels = nullptr;          // [R] cross_entropy
  const std::int32_t* event_time = nullptr;      // [B] survival: visit of the event or of censoring, from 0
  const std::uint8_t* observed = nullptr;        // [B] survival: 1 event, 0 censored
  const float* row_weight = nullptr;             // [R] ([B] for survival), finite, not negative; or null
  const void* pos_weight = nullptr;              // [K] dtype, bce, or null
  const void* class_weight = nullptr;            // [K] dtype, cross_entropy, or null
  void* loss = nullptr;                          // [1] dtype, f32 for bf16 and f16; with none as above, dtype
  // [1] dtype, f32 for bf16 and f16, or null: the denominator of the mean; sum and none: of mean
  void* weight_sum = nullptr;
  void* d_logits = nullptr;         // as logits, or null
  void* workspace = nullptr;        // [workspace_bytes()]
  std::uint64_t* status = nullptr;  // device status word or null
};

struct MaskedLossOperation;

// A loss ready to run.
class MaskedLossPlan {
 public:
  // Throws Error(invalid_argument) on a description that cannot be right, Error(unsupported) on a dtype the
  // backend does not compute in.
  MaskedLossPlan(std::shared_ptr<Backend> backend, const MaskedLossDesc& desc);
  ~MaskedLossPlan();
  MaskedLossPlan(MaskedLossPlan&&) noexcept;
  MaskedLossPlan& operator=(MaskedLossPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // of a run
  // Queues loss, weight_sum and d_logits. Throws Error(invalid_argument) when a pointer that is needed is
  // null and on targets given in both ways or in neither, on the CPU also Error(out_of_range) on a batch
  // beyond the capacity.
  void run(const MaskedLossArgs& args, Stream stream = {}) const;

 private:
  MaskedLossDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<MaskedLossOperation> operation_;
};

}  // namespace ragtime
