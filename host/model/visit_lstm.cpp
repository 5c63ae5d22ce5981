#include "ragtime/visit_lstm.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "host/core/carve.hpp"
#include "host/core/check.hpp"
#include "host/core/philox.hpp"
#include "ragtime/dropout.hpp"
#include "ragtime/linear.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/masked_loss.hpp"

namespace ragtime {
namespace {

// Where dropout happens: after pooling 0, after LSTM layer k 1 + k, so after the last layer 1 + L - 1.
constexpr std::uint32_t pooling_site = 0, first_layer_site = 1;

MaskedLossDesc loss_desc(const ModelConfig& config, DType dtype, const Capacity& capacity) {
  MaskedLossDesc desc;
  desc.dtype = dtype;
  desc.outputs = config.output_dim;
  desc.capacity = capacity;
  desc.layout = is_patient_level(config.task) ? LossLayout::sequences : LossLayout::rows;
  switch (config.task) {
    case Task::binary_classification:
    case Task::visit_binary:
    case Task::next_visit:
      desc.kind = LossKind::bce_with_logits;
      break;
    case Task::multi_class:
      desc.kind = LossKind::cross_entropy;
      break;
    case Task::regression:
      desc.kind = LossKind::mse;
      break;
    case Task::survival:
      desc.kind = LossKind::survival;
      break;
  }
  return desc;
}

}  // namespace

struct VisitLstm::State {
  // Everything whose size follows from the capacity.
  struct Plans {
    SegmentPoolPlan pool;
    LstmPlan lstm;
    LinearPlan head;
    MaskedLossPlan loss;
    std::optional<DropoutPlan> visit_dropout, state_dropout;
  };

  // Activations and their gradients, one piece of memory.
  struct Memory {
    std::byte* visits = nullptr;    // [N, E] pooled, dropout applied in place
    std::byte* y = nullptr;         // [N, D*H]
    std::byte* states = nullptr;    // [B, D*H] patient level
    std::byte* features = nullptr;  // [R, D*H] y or states after dropout
    std::byte* logits = nullptr;    // [R, K]
    std::byte* d_logits = nullptr;  // training from here on
    std::byte* d_features = nullptr;
    std::byte* d_visits = nullptr;
    std::byte* pool_reserve = nullptr;
    std::byte* lstm_reserve = nullptr;
    std::byte* workspace = nullptr;  // every operation's in turn
  };

  State(std::shared_ptr<Backend> given, const ModelConfig& settings, DType type)
      : backend(std::move(given)), config(settings), dtype(type), parameters(model_parameters(settings)) {
    check(backend != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
    elements = parameters.back().offset + parameters.back().elements;
    directions = config.bidirectional ? 2 : 1;
    values = Buffer(backend, bytes_of(elements));
    backend->zero(values.data(), values.bytes());
    for (const ParameterInfo& parameter : parameters)
      if (parameter.name.starts_with("lstm.weight_ih_l"))
        lstm_first.push_back(&parameter - parameters.data());
    for (const std::size_t i : lstm_first)
      lstm_weights.push_back(
          {at(values, i), at(values, i + 1), at(values, i + 2), at(values, i + 3), nullptr});
  }

  std::size_t bytes_of(std::int64_t count) const { return static_cast<std::size_t>(count) * size_of(dtype); }
  std::int64_t feature_width() const { return directions * config.hidden_dim; }
  bool patient_level() const { return is_patient_level(config.task); }
  bool attends() const { return config.visit_aggregation == PoolMode::attention; }
  bool drops() const { return config.dropout > 0; }

  std::byte* at(const Buffer& flat, std::size_t index) const {
    return flat.as<std::byte>() + bytes_of(parameters[index].offset);
  }

  Plans make_plans(const Capacity& capacity, bool training) const {
    SegmentPoolDesc pool;
    pool.dtype = dtype;
    pool.mode = config.visit_aggregation;
    pool.width = config.embedding_dim;
    pool.segments = capacity.rows;
    pool.items = capacity.codes;
    pool.vocab_size = config.vocab_size;
    pool.padding_idx = config.padding_idx;
    pool.attention_width = attends() ? config.embedding_dim / 2 : 0;

    LstmDesc lstm;
    lstm.dtype = dtype;
    lstm.input_size = config.embedding_dim;
    lstm.hidden_size = config.hidden_dim;
    lstm.num_layers = config.num_layers;
    lstm.bidirectional = config.bidirectional;
    lstm.dropout = config.dropout;
    lstm.training = training;
    lstm.capacity = capacity;

    LinearDesc head;
    head.dtype = dtype;
    head.rows = patient_level() ? capacity.sequences : capacity.rows;
    head.input_size = feature_width();
    head.output_size = config.output_dim;

    Plans plans{SegmentPoolPlan(backend, pool),
                LstmPlan(backend, lstm),
                LinearPlan(backend, head),
                MaskedLossPlan(backend, loss_desc(config, dtype, capacity)),
                std::nullopt,
                std::nullopt};
    if (training && drops()) {
      DropoutDesc dropout;
      dropout.dtype = dtype;
      dropout.probability = config.dropout;
      dropout.capacity = capacity;
      dropout.width = config.embedding_dim;
      plans.visit_dropout.emplace(backend, dropout);
      dropout.width = feature_width();
      dropout.per_sequence = patient_level();
      plans.state_dropout.emplace(backend, dropout);
    }
    return plans;
  }

  Memory carve(Carver& carver, const Plans& plan, const Capacity& capacity, bool training) const {
    const std::int64_t rows = capacity.rows, features = patient_level() ? capacity.sequences : capacity.rows;
    const auto take = [&](std::int64_t count) {
      return carver.take<std::byte>(static_cast<std::int64_t>(bytes_of(count)));
    };
    const auto take_bytes = [&](std::size_t bytes) {
      return carver.take<std::byte>(static_cast<std::int64_t>(bytes));
    };
    Memory cut;
    cut.visits = take(rows * config.embedding_dim);
    cut.y = take(rows * feature_width());
    if (patient_level()) cut.states = take(features * feature_width());
    cut.logits = take(features * config.output_dim);
    if (training) {
      cut.features = take(features * feature_width());
      cut.d_logits = take(features * config.output_dim);
      cut.d_features = take(features * feature_width());
      cut.d_visits = take(rows * config.embedding_dim);
      cut.pool_reserve = take_bytes(plan.pool.reserve_bytes());
      cut.lstm_reserve = take_bytes(plan.lstm.reserve_bytes());
    }
    cut.workspace = take_bytes(std::max({plan.pool.workspace_bytes(), plan.lstm.workspace_bytes(),
                                         plan.head.workspace_bytes(), plan.loss.workspace_bytes()}));
    return cut;
  }

  // One mode at a time is planned for; a training plan computes inference too, but keeps dropout out of it by
  // running another.
  struct Mode {
    Capacity capacity;
    std::optional<Plans> plans;
    Memory memory;
    Buffer buffer;
  };

  void reserve(Mode& mode, const Capacity& wanted, bool training) {
    const Capacity& have = mode.capacity;
    if (mode.plans && wanted.sequences <= have.sequences && wanted.rows <= have.rows &&
        wanted.codes <= have.codes && wanted.steps <= have.steps)
      return;
    const Capacity grown = {std::max(have.sequences, wanted.sequences), std::max(have.rows, wanted.rows),
                            std::max(have.codes, wanted.codes), std::max(have.steps, wanted.steps)};
    Plans plans = make_plans(grown, training);
    Carver sizes(nullptr);
    carve(sizes, plans, grown, training);
    if (sizes.bytes() > mode.buffer.bytes()) mode.buffer = Buffer(backend, sizes.bytes());
    Carver pieces(mode.buffer.data());
    mode.memory = carve(pieces, plans, grown, training);
    mode.plans.emplace(std::move(plans));
    mode.capacity = grown;
    if (training && gradients.bytes() == 0) {
      gradients = Buffer(backend, bytes_of(elements));
      backend->zero(gradients.data(), gradients.bytes());
      for (const std::size_t i : lstm_first)
        lstm_gradients.push_back(
            {at(gradients, i), at(gradients, i + 1), at(gradients, i + 2), at(gradients, i + 3), nullptr});
    }
  }

  AttentionWeights attention_weights() const {
    if (!attends()) return {};
    return {at(values, 1), at(values, 2), at(values, 3), at(values, 4)};
  }

  std::size_t head_weight() const { return parameters.size() - 2; }
  std::size_t head_bias() const { return parameters.size() - 1; }
  const std::int32_t* head_rows(const DeviceBatch& batch) const {
    return batch.view().counts + (patient_level() ? 0 : 1);
  }

  const void* run_forward(Mode& mode, const DeviceBatch& batch, bool training, const DropoutKey& key,
                          Stream stream, std::uint64_t* status) const;
  void run_loss(Mode& mode, const DeviceBatch& batch, const ModelTargets& targets, void* loss,
                void* weight_sum, void* d_logits, Stream stream, std::uint64_t* status) const;
  void run_backward(Mode& mode, const DeviceBatch& batch, const DropoutKey& key, Stream stream) const;

  std::shared_ptr<Backend> backend;
  ModelConfig config;
  DType dtype;
  std::vector<ParameterInfo> parameters;
  std::vector<std::size_t> lstm_first;  // index of weight_ih of each layer and direction
  std::vector<LstmWeights> lstm_weights;
  std::vector<LstmGradients> lstm_gradients;
  std::int64_t elements = 0;  // of the flat arrays, with alignment
  std::int64_t directions = 1;
  Buffer values, gradients;
  Mode inference_mode, training_mode;
};

const void* VisitLstm::State::run_forward(Mode& mode, const DeviceBatch& batch, bool train,
                                          const DropoutKey& key, Stream stream, std::uint64_t* status) const {
  const Plans& plan = *mode.plans;
  const Memory& memory = mode.memory;
  const RaggedView& view = batch.view();

  SegmentPoolForward pool;
  pool.segments = view.counts + 1;
  pool.offsets = batch.code_offsets();
  pool.codes = batch.codes();
  pool.values = at(values, 0);
  pool.attention = attention_weights();
  pool.out = memory.visits;
  pool.workspace = memory.workspace;
  pool.reserve = memory.pool_reserve;
  pool.status = status;
  plan.pool.forward(pool, stream);

  DropoutKey own = key;
  own.site = pooling_site;
  if (train && drops()) plan.visit_dropout->run(view, own, memory.visits, memory.visits, stream);

  LstmForward lstm;
  lstm.batch = view;
  lstm.x = memory.visits;
  lstm.weights = lstm_weights.data();
  lstm.y = memory.y;
  lstm.final_state = memory.states;
  lstm.dropout = key;
  lstm.dropout.site = first_layer_site;
  lstm.workspace = memory.workspace;
  lstm.reserve = memory.lstm_reserve;
  plan.lstm.forward(lstm, stream);

  const std::byte* features = patient_level() ? memory.states : memory.y;
  if (train && drops()) {
    own.site = first_layer_site + static_cast<std::uint32_t>(config.num_layers) - 1;
    plan.state_dropout->run(view, own, features, memory.features, stream);
    features = memory.features;
  }

  LinearForward head;
  head.rows = head_rows(batch);
  head.x = features;
  head.weight = at(values, head_weight());
  head.bias = at(values, head_bias());
  head.y = memory.logits;
  head.workspace = memory.workspace;
  plan.head.forward(head, stream);
  return memory.logits;
}

void VisitLstm::State::run_loss(Mode& mode, const DeviceBatch& batch, const ModelTargets& targets, void* loss,
                                void* weight_sum, void* d_logits, Stream stream,
                                std::uint64_t* status) const {
  MaskedLossArgs args;
  args.batch = batch.view();
  args.logits = mode.memory.logits;
  if (config.task != Task::next_visit) args.targets = targets.values;
  args.labels = targets.labels;
  args.event_time = targets.event_time;
  args.observed = targets.observed;
  args.row_weight = targets.row_weight;
  if (config.task == Task::next_visit) {
    check_given(targets.row_weight, "targets.row_weight");
    // The codes of the visit after each row; the last visit of a patient has weight 0, so nothing of
    // another's is read.
    args.target_offsets = batch.code_offsets() + 1;
    args.target_ids = batch.codes();
  }
  args.loss = loss;
  args.weight_sum = weight_sum;
  args.d_logits = d_logits;
  args.workspace = mode.memory.workspace;
  args.status = status;
  mode.plans->loss.run(args, stream);
}

void VisitLstm::State::run_backward(Mode& mode, const DeviceBatch& batch, const DropoutKey& key,
                                    Stream stream) const {
  const Plans& plan = *mode.plans;
  const Memory& memory = mode.memory;
  const RaggedView& view = batch.view();
  const std::byte* features = drops() ? memory.features : patient_level() ? memory.states : memory.y;

  LinearBackward head;
  head.rows = head_rows(batch);
  head.x = features;
  head.weight = at(values, head_weight());
  head.d_y = memory.d_logits;
  head.d_x = memory.d_features;
  head.d_weight = at(gradients, head_weight());
  head.d_bias = at(gradients, head_bias());
  head.workspace = memory.workspace;
  plan.head.backward(head, stream);

  DropoutKey own = key;
  if (drops()) {
    own.site = first_layer_site + static_cast<std::uint32_t>(config.num_layers) - 1;
    plan.state_dropout->run(view, own, memory.d_features, memory.d_features, stream);
  }

  LstmBackward lstm;
  lstm.batch = view;
  lstm.x = memory.visits;
  lstm.weights = lstm_weights.data();
  lstm.y = memory.y;
  (patient_level() ? lstm.d_final_state : lstm.d_y) = memory.d_features;
  lstm.d_x = memory.d_visits;
  lstm.gradients = lstm_gradients.data();
  lstm.dropout = key;
  lstm.dropout.site = first_layer_site;
  lstm.workspace = memory.workspace;
  lstm.reserve = memory.lstm_reserve;
  plan.lstm.backward(lstm, stream);

  own.site = pooling_site;
  if (drops()) plan.visit_dropout->run(view, own, memory.d_visits, memory.d_visits, stream);

  SegmentPoolBackward pool;
  pool.segments = view.counts + 1;
  pool.offsets = batch.code_offsets();
  pool.codes = batch.codes();
  pool.values = at(values, 0);
  pool.attention = attention_weights();
  pool.d_out = memory.d_visits;
  pool.d_values = at(gradients, 0);
  if (attends()) pool.d_attention = {at(gradients, 1), at(gradients, 2), at(gradients, 3), at(gradients, 4)};
  pool.workspace = memory.workspace;
  pool.reserve = memory.pool_reserve;
  plan.pool.backward(pool, stream);
}

VisitLstm::VisitLstm(std::shared_ptr<Backend> backend, const ModelConfig& config, DType dtype)
    : state_(std::make_unique<State>(std::move(backend), config, dtype)) {}

VisitLstm::~VisitLstm() = default;
VisitLstm::VisitLstm(VisitLstm&&) noexcept = default;
VisitLstm& VisitLstm::operator=(VisitLstm&&) noexcept = default;

const ModelConfig& VisitLstm::config() const {
  return state_->config;
}
DType VisitLstm::dtype() const {
  return state_->dtype;
}
Backend& VisitLstm::backend() const {
  return *state_->backend;
}
std::span<const ParameterInfo> VisitLstm::parameters() const {
  return state_->parameters;
}
std::int64_t VisitLstm::parameter_count() const {
  return state_->elements;
}
void* VisitLstm::parameter_data() const {
  return state_->values.data();
}
void* VisitLstm::gradient_data() const {
  return state_->gradients.data();
}

void VisitLstm::reserve(const Capacity& capacity, bool training) {
  state_->reserve(training ? state_->training_mode : state_->inference_mode, capacity, training);
}

const void* VisitLstm::forward(const DeviceBatch& batch, Stream stream, std::uint64_t* status) {
  reserve(batch.size(), false);
  return state_->run_forward(state_->inference_mode, batch, false, {}, stream, status);
}

const void* VisitLstm::evaluate(const DeviceBatch& batch, const ModelTargets& targets, void* loss,
                                void* weight_sum, Stream stream, std::uint64_t* status) {
  const void* logits = forward(batch, stream, status);
  state_->run_loss(state_->inference_mode, batch, targets, loss, weight_sum, nullptr, stream, status);
  return logits;
}

const void* VisitLstm::forward_backward(const DeviceBatch& batch, const ModelTargets& targets,
                                        std::uint64_t seed, const std::uint64_t* step, void* loss,
                                        void* weight_sum, Stream stream, std::uint64_t* status) {
  reserve(batch.size(), true);
  State& state = *state_;
  DropoutKey key;
  key.seed = seed;
  key.step = step;
  const void* logits = state.run_forward(state.training_mode, batch, true, key, stream, status);
  state.run_loss(state.training_mode, batch, targets, loss, weight_sum, state.training_mode.memory.d_logits,
                 stream, status);
  state.run_backward(state.training_mode, batch, key, stream);
  return logits;
}

void VisitLstm::initialize(std::uint64_t seed) {
  const State& state = *state_;
  std::vector<double> host(static_cast<std::size_t>(state.elements), 0.0);
  for (std::size_t p = 0; p < state.parameters.size(); ++p) {
    const ParameterInfo& parameter = state.parameters[p];
    const bool embedding = parameter.name == "embedding.weight";
    // nn.Linear draws weight and bias from +-1/sqrt(inputs), nn.LSTM everything from +-1/sqrt(hidden).
    double inputs = static_cast<double>(parameter.shape.back());
    if (parameter.name.starts_with("lstm.")) inputs = static_cast<double>(state.config.hidden_dim);
    if (parameter.name == "fc.bias") inputs = static_cast<double>(state.feature_width());
    if (parameter.name == "visit_encoder.attention.0.bias")
      inputs = static_cast<double>(state.config.embedding_dim);
    if (parameter.name == "visit_encoder.attention.2.bias")
      inputs = static_cast<double>(state.config.embedding_dim / 2);
    const double bound = 1 / std::sqrt(inputs);
    for (std::int64_t i = 0; i < parameter.elements; ++i) {
      const auto numbers = philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                                   static_cast<std::uint32_t>(p), 0},
                                  seed);
      const double u = (numbers[0] + 0.5) * 0x1p-32, v = (numbers[1] + 0.5) * 0x1p-32;
      host[static_cast<std::size_t>(parameter.offset + i)] =
          embedding ? std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v) : (2 * u - 1) * bound;
    }
    if (embedding)
      std::fill_n(host.begin() + parameter.offset + state.config.padding_idx * state.config.embedding_dim,
                  state.config.embedding_dim, 0.0);
  }
  if (state.dtype == DType::f64) {
    state.backend->copy(state.values.data(), host.data(), state.values.bytes(), CopyKind::to_device);
  } else {
    const std::vector<float> rounded(host.begin(), host.end());
    state.backend->copy(state.values.data(), rounded.data(), state.values.bytes(), CopyKind::to_device);
  }
  state.backend->synchronize();
}

}  // namespace ragtime
