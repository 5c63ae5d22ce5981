#pragma once

// What a VisitLstm holds: parameters, the plans of its operations, and one piece of memory that inference and
// training use in turn.

#include <optional>

#include "host/runtime/carve.hpp"
#include "ragtime/dropout.hpp"
#include "ragtime/linear.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/masked_loss.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

struct VisitLstm::State {
  struct Plans {
    SegmentPoolPlan pool, weighted_pool;  // without and with code weights
    LstmPlan lstm;
    LinearPlan head;
    MaskedLossPlan loss;
    std::optional<DropoutPlan> visit_dropout, feature_dropout;  // training only
  };

  // Plans for one capacity, with or without what backward needs. Dropout is part of training plans alone, so
  // forward and evaluate run plans of their own.
  struct Mode {
    bool training = false;
    Capacity capacity;
    bool any_batch = false;  // the plans do without the host's copies of a batch's counts
    std::optional<Plans> plans;
  };

  struct Memory {
    std::byte* visits = nullptr;    // [N, E] pooled, dropout applied in place
    std::byte* y = nullptr;         // [N, D*H]
    std::byte* states = nullptr;    // [B, D*H] patient level
    std::byte* logits = nullptr;    // [R, K]
    std::byte* features = nullptr;  // [R, D*H] y or states after dropout; training from here on
    std::byte* d_logits = nullptr;
    std::byte* d_features = nullptr;
    std::byte* d_visits = nullptr;
    std::byte* pool_reserve = nullptr;
    std::byte* lstm_reserve = nullptr;
    std::byte* workspace = nullptr;  // every operation's in turn
  };

  State(std::shared_ptr<Backend> backend, const ModelConfig& config, DType dtype, bool tf32);

  std::size_t bytes_of(std::int64_t count) const { return static_cast<std::size_t>(count) * size_of(dtype); }
  std::int64_t feature_width() const { return directions * config.hidden_dim; }
  bool patient_level() const { return is_patient_level(config.task); }
  bool attends() const { return config.visit_aggregation == PoolMode::attention; }
  bool drops() const { return config.dropout > 0; }

  // Parameters by their place in model_parameters.
  std::byte* at(const Buffer& flat, std::size_t index) const {
    return flat.as<std::byte>() + bytes_of(parameters[index].offset);
  }
  std::size_t head_weight() const { return parameters.size() - 2; }
  std::size_t head_bias() const { return parameters.size() - 1; }
  AttentionWeights attention_weights() const;
  const std::int32_t* head_rows(const DeviceBatch& batch) const {
    return batch.view().counts + (patient_level() ? 0 : 1);
  }
  std::int64_t host_head_rows(const DeviceBatch& batch) const {
    return batch.is_fixed() ? -1 : patient_level() ? batch.size().sequences : batch.size().rows;
  }

  // any_batch: for batches whose counts only the device knows.
  void reserve(const Capacity& wanted, bool training, bool any_batch);
  void reserve(const DeviceBatch& batch, bool for_training) {
    reserve(batch.capacity(), for_training, batch.is_fixed());
  }
  Plans make_plans(const Capacity& capacity, bool training, bool any_batch) const;
  Memory carve(Carver& carver, const Plans& plans, const Capacity& capacity, bool training) const;
  Memory memory_of(const Mode& mode) const;
  void allocate_gradients();

  const void* forward(const Mode& mode, const DeviceBatch& batch, const DropoutKey& key, Stream stream,
                      std::uint64_t* status) const;
  void loss(const Mode& mode, const DeviceBatch& batch, const ModelTargets& targets, void* loss,
            void* weight_sum, Stream stream, std::uint64_t* status) const;
  void backward(const Mode& mode, const DeviceBatch& batch, const DropoutKey& key, Stream stream) const;

  std::shared_ptr<Backend> backend;
  ModelConfig config;
  DType dtype;
  bool tf32;
  std::vector<ParameterInfo> parameters;
  std::int64_t elements = 0;  // of the flat arrays
  std::int64_t directions = 1;
  std::vector<std::size_t> lstm_first;  // place of weight_ih of each layer and direction
  std::vector<LstmWeights> lstm_weights;
  std::vector<LstmGradients> lstm_gradients;
  Buffer values, gradients, activations;
  Mode inference{false, {}, false, {}}, training{true, {}, false, {}};
};

}  // namespace ragtime
