#pragma once

// The model: codes -> embedding + visit pooling -> dropout -> LSTM -> dropout -> linear head.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ragtime/backend.hpp"
#include "ragtime/ragged_batch.hpp"
#include "ragtime/segment_pool.hpp"
#include "ragtime/types.hpp"

namespace ragtime {

// What is predicted, at which visits, and with which loss; at length in docs/training.md.
enum class Task : std::uint8_t {
  binary_classification,  // patient level, from the final state, K = 1, BCE
  multi_class,            // patient level, softmax over K
  regression,             // patient level, K = 1, MSE
  next_visit,             // at every visit but the last: the codes of the next visit, K = V, BCE
  visit_binary,           // at every visit, K = 1, BCE
  survival,               // at every visit: hazard, K = 1
};

const char* name_of(Task task);  // "binary_classification" and so on, as Task
// The task of that name; throws Error(invalid_argument) that lists the names.
Task task_from_name(std::string_view name);
bool is_patient_level(Task task);  // whether there is one prediction a patient, not one a visit

// The constructor arguments of the reference model in PyTorch, and the keys of config.json.
struct ModelConfig {
  std::int64_t vocab_size = 0;                  // V, with [PAD]
  std::int64_t embedding_dim = 128;             // E, 1 to 2^20; at least 2 with attention
  std::int64_t hidden_dim = 256;                // H, 1 to 2^20
  std::int64_t num_layers = 1;                  // L, 1 to 1024
  double dropout = 0;                           // probability in [0, 1), at training
  bool bidirectional = false;                   // D = 2
  PoolMode visit_aggregation = PoolMode::mean;  // mean, sum, max or attention
  std::int64_t output_dim = 1;                  // K: at least 2 with multi_class, V with next_visit, else 1
  Task task = Task::binary_classification;      // what is predicted
  std::int64_t padding_idx = 0;                 // the code without gradient, in [0, V)

  bool operator==(const ModelConfig&) const = default;
};

// Sizes by name: "small" (E 128, H 256, L 1), "medium" (E 256, H 512, L 2) or "large" (E 512, H 1024, L 3);
// the rest is as by default. Throws Error(invalid_argument) that lists the names.
ModelConfig preset(std::string_view name);

// Refuses what no model can have by Error(invalid_argument), with the key, the value and what was expected;
// also a model of more than 2^33 parameters.
void validate(const ModelConfig& config);
std::int64_t parameter_count(const ModelConfig& config);  // as PyTorch counts them

// A parameter, named and shaped as in the state dict of the reference model.
struct ParameterInfo {
  std::string name;                 // "lstm.weight_ih_l0"
  std::vector<std::int64_t> shape;  // as PyTorch
  std::int64_t offset = 0;          // elements, in the flat arrays of all parameters; a multiple of 16
  std::int64_t elements = 0;        // the product of its shape
};

// All parameters, in the order of the flat arrays. Throws as validate.
std::vector<ParameterInfo> model_parameters(const ModelConfig& config);

// What the loss compares with, of the model's dtype. Device pointers; R = B for patient-level tasks, N for
// visit-level ones. next_visit takes its targets from the batch itself unless target_codes says otherwise;
// the codes of a visit must be distinct there.
struct ModelTargets {
  const void* values = nullptr;          // [R, K] dtype: binary_classification, regression, visit_binary
  const std::int32_t* labels = nullptr;  // [B]: multi_class, in [0, K); -100: masked
  // [B]: survival, the visit of the event or of censoring, from 0; -1: masked
  const std::int32_t* event_time = nullptr;
  const std::uint8_t* observed = nullptr;  // [B]: survival, 1 event, 0 censored
  // [R] ([B] for survival) or null; 0 masks. next_visit needs it: 0 at each last visit.
  const float* row_weight = nullptr;
  // next_visit: the codes of the visits, as targets, where the batch's own are changed for input; both or
  // neither. Ids outside [0, K) are dropped.
  const std::int32_t* target_codes = nullptr;         // [any], distinct within a visit
  const std::int32_t* target_code_offsets = nullptr;  // [N+1], and one more, the last once again
};

// A model in device memory. It changes as it runs, so one thread at a time uses it.
class VisitLstm {
 public:
  // Parameters are zero until initialize or load. dtype is that of parameters, activations and gradients:
  // f32, on CUDA also bf16, and f16 for inference alone; f64 on the CPU, for reference. tf32: on CUDA, with
  // f32, factors of products may be rounded to tf32. Throws Error(invalid_argument) as validate,
  // Error(unsupported) on a dtype the backend does not compute in, Error(out_of_memory).
  VisitLstm(std::shared_ptr<Backend> backend, const ModelConfig& config, DType dtype = DType::f32,
            bool tf32 = false);
  ~VisitLstm();
  VisitLstm(VisitLstm&&) noexcept;
  VisitLstm& operator=(VisitLstm&&) noexcept;

  const ModelConfig& config() const;  // as given
  DType dtype() const;                // of parameters, activations and gradients
  Backend& backend() const;           // where it computes

  // PyTorch's default initialisation of the same modules (embedding N(0, 1) with a zero padding row, linear
  // and LSTM uniform), from Philox: the same seed gives the same parameters on every backend, rounded to the
  // dtype.
  void initialize(std::uint64_t seed);

  std::span<const ParameterInfo> parameters() const;  // as model_parameters(config())
  // Elements of the flat arrays: all parameters, and between them the zeros that bring each to a multiple of
  // 16 elements. An optimizer may take the whole array: what lies between has gradient 0 and stays 0.
  std::int64_t parameter_count() const;
  void* parameter_data() const;  // device, [parameter_count()] dtype
  void* gradient_data() const;   // device, likewise; null before the first reserve(..., true)

  // Makes room for batches up to this size, after which those run without allocating. A larger batch makes
  // room for itself, and one that is fixed (DeviceBatch::fix) for its whole capacity; nothing ever shrinks.
  // Throws Error(unsupported) on training in f16, whose gradients would vanish without a scaled loss.
  //
  // On a fixed batch the LSTM is `persistent`, so a CUDA graph that captured a call holds for whatever is
  // loaded into that batch later, and Error(unsupported) says why where there is none (f32 without tf32, a
  // hidden_dim beyond its tiles).
  void reserve(const Capacity& capacity, bool training);

  // Logits [R, K] on the device, valid until the next call. Dropout is off. status: device status word or
  // null. Throws Error(invalid_argument) on a batch without codes.
  const void* forward(const DeviceBatch& batch, Stream stream = {}, std::uint64_t* status = nullptr);
  // The same, and the mean loss with its denominator, weight_sum (device, [1] dtype each, f32 for bf16 and
  // f16). status as forward. Throws Error(invalid_argument) on a null target that the task needs.
  const void* evaluate(const DeviceBatch& batch, const ModelTargets& targets, void* loss, void* weight_sum,
                       Stream stream = {}, std::uint64_t* status = nullptr);
  // loss, weight_sum and status as evaluate, and all gradients (overwritten). Dropout, where config().dropout
  // > 0, is applied to the pooled visits (site 0), between LSTM layers (site 1 + layer) and before the head
  // (site num_layers); its masks follow (seed, *step), step in device memory, null for 0. Returns the logits,
  // with dropout applied on the way.
  const void* forward_backward(const DeviceBatch& batch, const ModelTargets& targets, std::uint64_t seed,
                               const std::uint64_t* step, void* loss, void* weight_sum, Stream stream = {},
                               std::uint64_t* status = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime
