#include "host/model/visit_lstm_state.hpp"

#include <algorithm>

#include "host/base/check.hpp"
#include "host/ops/validate.hpp"

namespace ragtime {
namespace {

LossKind loss_kind(Task task) {
  switch (task) {
    case Task::binary_classification:
    case Task::visit_binary:
    case Task::next_visit:
      return LossKind::bce_with_logits;
    case Task::multi_class:
      return LossKind::cross_entropy;
    case Task::regression:
      return LossKind::mse;
    case Task::survival:
      return LossKind::survival;
  }
  fail(ErrorCode::invalid_argument, "task is number ", static_cast<int>(task), ": expected a Task");
}

bool contains(const Capacity& have, const Capacity& wanted) {
  return wanted.sequences <= have.sequences && wanted.rows <= have.rows && wanted.codes <= have.codes &&
         wanted.steps <= have.steps;
}

Capacity widened(const Capacity& a, const Capacity& b) {
  return {std::max(a.sequences, b.sequences), std::max(a.rows, b.rows), std::max(a.codes, b.codes),
          std::max(a.steps, b.steps)};
}

}  // namespace

VisitLstm::State::State(std::shared_ptr<Backend> given, const ModelConfig& settings, DType type,
                        bool rounds_factors)
    : backend(std::move(given)),
      config(settings),
      dtype(type),
      tf32(rounds_factors),
      parameters(model_parameters(settings)) {
  operations_for(backend, dtype);  // refuses a backend that is null or does not compute in this dtype
  check(!tf32 || dtype == DType::f32, ErrorCode::invalid_argument, "tf32 is true with dtype ", name_of(dtype),
        ": expected f32, whose factors are rounded to tf32");
  const ParameterInfo& last = parameters.back();
  elements = last.offset + last.elements;
  directions = config.bidirectional ? 2 : 1;
  values = Buffer(backend, bytes_of(elements));
  backend->zero(values.data(), values.bytes());
  backend->synchronize();  // what comes next may be on another stream
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].name.starts_with("lstm.weight_ih_l")) {
      lstm_first.push_back(i);
      lstm_weights.push_back(
          {at(values, i), at(values, i + 1), at(values, i + 2), at(values, i + 3), nullptr});
    }
}

AttentionWeights VisitLstm::State::attention_weights() const {
  if (!attends()) return {};
  return {at(values, 1), at(values, 2), at(values, 3), at(values, 4)};
}

VisitLstm::State::Plans VisitLstm::State::make_plans(const Capacity& capacity, bool for_training,
                                                     bool any_batch) const {
  SegmentPoolDesc pool;
  pool.dtype = dtype;
  pool.mode = config.visit_aggregation;
  pool.width = config.embedding_dim;
  pool.segments = capacity.rows;
  pool.items = capacity.codes;
  pool.vocab_size = config.vocab_size;
  pool.padding_idx = config.padding_idx;
  pool.attention_width = attends() ? config.embedding_dim / 2 : 0;
  pool.tf32 = tf32;
  SegmentPoolDesc weighted_pool = pool;
  weighted_pool.weighted = true;

  LstmDesc lstm;
  lstm.dtype = dtype;
  lstm.input_size = config.embedding_dim;
  lstm.hidden_size = config.hidden_dim;
  lstm.num_layers = config.num_layers;
  lstm.bidirectional = config.bidirectional;
  lstm.dropout = config.dropout;
  lstm.training = for_training;
  lstm.tf32 = tf32;
  lstm.rows_on_host = !any_batch;
  // The one that does without the host; elsewhere than on CUDA all do.
  if (any_batch && backend->device() == DeviceType::cuda) lstm.algorithm = LstmAlgorithm::persistent;
  lstm.capacity = capacity;

  LinearDesc head;
  head.dtype = dtype;
  head.rows = patient_level() ? capacity.sequences : capacity.rows;
  head.input_size = feature_width();
  head.output_size = config.output_dim;
  head.rows_on_host = !any_batch;
  head.tf32 = tf32;

  MaskedLossDesc loss;
  loss.dtype = dtype;
  loss.kind = loss_kind(config.task);
  loss.layout = patient_level() ? LossLayout::sequences : LossLayout::rows;
  loss.outputs = config.output_dim;
  loss.capacity = capacity;

  Plans plans{SegmentPoolPlan(backend, pool),
              SegmentPoolPlan(backend, weighted_pool),
              LstmPlan(backend, lstm),
              LinearPlan(backend, head),
              MaskedLossPlan(backend, loss),
              std::nullopt,
              std::nullopt};
  if (for_training && drops()) {
    DropoutDesc dropout;
    dropout.dtype = dtype;
    dropout.probability = config.dropout;
    dropout.capacity = capacity;
    dropout.width = config.embedding_dim;
    plans.visit_dropout.emplace(backend, dropout);
    dropout.width = feature_width();
    dropout.per_sequence = patient_level();
    plans.feature_dropout.emplace(backend, dropout);
  }
  return plans;
}

VisitLstm::State::Memory VisitLstm::State::carve(Carver& carver, const Plans& plans, const Capacity& capacity,
                                                 bool for_training) const {
  const std::int64_t rows = capacity.rows, results = patient_level() ? capacity.sequences : rows;
  const auto take = [&](std::int64_t count, std::int64_t width) {
    switch (size_of(dtype)) {
      case sizeof(double):
        return reinterpret_cast<std::byte*>(carver.take<double>(count * width));
      case sizeof(float):
        return reinterpret_cast<std::byte*>(carver.take<float>(count * width));
      default:
        return reinterpret_cast<std::byte*>(carver.take<std::uint16_t>(count * width));
    }
  };
  const auto take_bytes = [&](std::size_t bytes) {
    return carver.take<std::byte>(static_cast<std::int64_t>(bytes));
  };
  Memory cut;
  cut.visits = take(rows, config.embedding_dim);
  cut.y = take(rows, feature_width());
  if (patient_level()) cut.states = take(results, feature_width());
  cut.logits = take(results, config.output_dim);
  if (for_training) {
    if (drops()) cut.features = take(results, feature_width());
    cut.d_logits = take(results, config.output_dim);
    cut.d_features = take(results, feature_width());
    cut.d_visits = take(rows, config.embedding_dim);
    cut.pool_reserve = take_bytes(std::max(plans.pool.reserve_bytes(), plans.weighted_pool.reserve_bytes()));
    cut.lstm_reserve = take_bytes(plans.lstm.reserve_bytes());
  }
  cut.workspace = take_bytes(
      std::max({plans.pool.workspace_bytes(), plans.weighted_pool.workspace_bytes(),
                plans.lstm.workspace_bytes(), plans.head.workspace_bytes(), plans.loss.workspace_bytes()}));
  return cut;
}

VisitLstm::State::Memory VisitLstm::State::memory_of(const Mode& mode) const {
  Carver carver(activations.data());
  return carve(carver, *mode.plans, mode.capacity, mode.training);
}

void VisitLstm::State::allocate_gradients() {
  Buffer zeros(backend, bytes_of(elements));
  backend->zero(zeros.data(), zeros.bytes());
  backend->synchronize();
  gradients = std::move(zeros);
  for (const std::size_t i : lstm_first)
    lstm_gradients.push_back(
        {at(gradients, i), at(gradients, i + 1), at(gradients, i + 2), at(gradients, i + 3), nullptr});
}

// Whatever fails, fails before the mode changes.
void VisitLstm::State::reserve(const Capacity& wanted, bool for_training, bool any_batch) {
  Mode& mode = for_training ? training : inference;
  check(!for_training || dtype != DType::f16, ErrorCode::unsupported,
        "dtype is f16: expected f32 or bf16 for training, in f16 small gradients are 0");
  if (mode.plans && contains(mode.capacity, wanted) && (mode.any_batch || !any_batch)) return;
  const Capacity grown = widened(mode.capacity, wanted);
  any_batch = any_batch || mode.any_batch;
  Plans plans = make_plans(grown, for_training, any_batch);
  Carver sizes(nullptr);
  carve(sizes, plans, grown, for_training);
  if (for_training && gradients.data() == nullptr) allocate_gradients();
  if (sizes.bytes() > activations.bytes()) activations = Buffer(backend, sizes.bytes());
  mode.plans.emplace(std::move(plans));
  mode.capacity = grown;
  mode.any_batch = any_batch;
}

}  // namespace ragtime
