#include "ragtime/visit_lstm.hpp"

#include "host/base/check.hpp"
#include "host/model/visit_lstm_state.hpp"

namespace ragtime {
namespace {

// Where dropout happens: after pooling 0, after LSTM layer k 1 + k, so before the head L.
constexpr std::uint32_t pooling_site = 0, first_layer_site = 1;

DropoutKey at_site(DropoutKey key, std::uint32_t site) {
  key.site = site;
  return key;
}

std::uint32_t feature_site(const ModelConfig& config) {
  return static_cast<std::uint32_t>(config.num_layers);
}

void check_codes(const DeviceBatch& batch) {
  check(batch.code_offsets() != nullptr, ErrorCode::invalid_argument,
        "batch has no codes: expected a DeviceBatch that has loaded a RaggedBatch");
}

void check_targets(Task task, const ModelTargets& targets) {
  const auto need = [&](const void* pointer, const char* name) {
    check(pointer != nullptr, ErrorCode::invalid_argument, "targets.", name, " is null: ", name_of(task),
          " needs it");
  };
  switch (task) {
    case Task::binary_classification:
    case Task::regression:
    case Task::visit_binary:
      return need(targets.values, "values");
    case Task::multi_class:
      return need(targets.labels, "labels");
    case Task::next_visit:
      check((targets.target_codes != nullptr) == (targets.target_code_offsets != nullptr),
            ErrorCode::invalid_argument, "targets.target_codes is ",
            targets.target_codes == nullptr ? "null and target_code_offsets is not"
                                            : "given and target_code_offsets is null",
            ": expected both or neither");
      return need(targets.row_weight, "row_weight");
    case Task::survival:
      need(targets.event_time, "event_time");
      return need(targets.observed, "observed");
  }
}

}  // namespace

const void* VisitLstm::State::forward(const Mode& mode, const DeviceBatch& batch, const DropoutKey& key,
                                      Stream stream, std::uint64_t* status) const {
  const Plans& plans = *mode.plans;
  const Memory memory = memory_of(mode);
  const RaggedView& view = batch.view();

  SegmentPoolForward pool;
  pool.segments = view.counts + 1;
  pool.offsets = batch.code_offsets();
  pool.codes = batch.codes();
  pool.values = at(values, 0);
  pool.weights = batch.code_weights();
  pool.attention = attention_weights();
  pool.out = memory.visits;
  pool.workspace = memory.workspace;
  pool.reserve = memory.pool_reserve;
  pool.status = status;
  (pool.weights == nullptr ? plans.pool : plans.weighted_pool).forward(pool, stream);
  if (plans.visit_dropout)
    plans.visit_dropout->run(view, at_site(key, pooling_site), memory.visits, memory.visits, stream);

  LstmForward lstm;
  lstm.batch = view;
  lstm.x = memory.visits;
  lstm.weights = lstm_weights.data();
  lstm.y = memory.y;
  lstm.final_state = memory.states;
  lstm.dropout = at_site(key, first_layer_site);
  lstm.workspace = memory.workspace;
  lstm.reserve = memory.lstm_reserve;
  plans.lstm.forward(lstm, stream);

  const std::byte* features = patient_level() ? memory.states : memory.y;
  if (plans.feature_dropout) {
    plans.feature_dropout->run(view, at_site(key, feature_site(config)), features, memory.features, stream);
    features = memory.features;
  }

  LinearForward head;
  head.rows = head_rows(batch);
  head.host_rows = host_head_rows(batch);
  head.x = features;
  head.weight = at(values, head_weight());
  head.bias = at(values, head_bias());
  head.y = memory.logits;
  head.workspace = memory.workspace;
  plans.head.forward(head, stream);
  return memory.logits;
}

void VisitLstm::State::loss(const Mode& mode, const DeviceBatch& batch, const ModelTargets& targets,
                            void* loss, void* weight_sum, Stream stream, std::uint64_t* status) const {
  const Memory memory = memory_of(mode);
  MaskedLossArgs args;
  args.batch = batch.view();
  args.logits = memory.logits;
  args.labels = targets.labels;
  args.event_time = targets.event_time;
  args.observed = targets.observed;
  args.row_weight = targets.row_weight;
  if (config.task == Task::next_visit) {
    // The codes of the visit after each row; at a patient's last visit that is the next patient's, hence the
    // weight 0.
    const bool own = targets.target_codes == nullptr;
    args.target_offsets = (own ? batch.code_offsets() : targets.target_code_offsets) + 1;
    args.target_ids = own ? batch.codes() : targets.target_codes;
  } else {
    args.targets = targets.values;
  }
  args.loss = loss;
  args.weight_sum = weight_sum;
  args.d_logits = memory.d_logits;
  args.workspace = memory.workspace;
  args.status = status;
  mode.plans->loss.run(args, stream);
}

void VisitLstm::State::backward(const Mode& mode, const DeviceBatch& batch, const DropoutKey& key,
                                Stream stream) const {
  const Plans& plans = *mode.plans;
  const Memory memory = memory_of(mode);
  const RaggedView& view = batch.view();

  LinearBackward head;
  head.rows = head_rows(batch);
  head.host_rows = host_head_rows(batch);
  head.x = plans.feature_dropout ? memory.features : patient_level() ? memory.states : memory.y;
  head.weight = at(values, head_weight());
  head.d_y = memory.d_logits;
  head.d_x = memory.d_features;
  head.d_weight = at(gradients, head_weight());
  head.d_bias = at(gradients, head_bias());
  head.workspace = memory.workspace;
  plans.head.backward(head, stream);
  if (plans.feature_dropout)
    plans.feature_dropout->run(view, at_site(key, feature_site(config)), memory.d_features, memory.d_features,
                               stream);

  LstmBackward lstm;
  lstm.batch = view;
  lstm.x = memory.visits;
  lstm.weights = lstm_weights.data();
  lstm.y = memory.y;
  (patient_level() ? lstm.d_final_state : lstm.d_y) = memory.d_features;
  lstm.d_x = memory.d_visits;
  lstm.gradients = lstm_gradients.data();
  lstm.dropout = at_site(key, first_layer_site);
  lstm.workspace = memory.workspace;
  lstm.reserve = memory.lstm_reserve;
  plans.lstm.backward(lstm, stream);
  if (plans.visit_dropout)
    plans.visit_dropout->run(view, at_site(key, pooling_site), memory.d_visits, memory.d_visits, stream);

  SegmentPoolBackward pool;
  pool.segments = view.counts + 1;
  pool.offsets = batch.code_offsets();
  pool.codes = batch.codes();
  pool.values = at(values, 0);
  pool.weights = batch.code_weights();
  pool.attention = attention_weights();
  pool.d_out = memory.d_visits;
  pool.d_values = at(gradients, 0);
  if (attends()) pool.d_attention = {at(gradients, 1), at(gradients, 2), at(gradients, 3), at(gradients, 4)};
  pool.workspace = memory.workspace;
  pool.reserve = memory.pool_reserve;
  (pool.weights == nullptr ? plans.pool : plans.weighted_pool).backward(pool, stream);
}

VisitLstm::VisitLstm(std::shared_ptr<Backend> backend, const ModelConfig& config, DType dtype, bool tf32)
    : state_(std::make_unique<State>(std::move(backend), config, dtype, tf32)) {}

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
  state_->reserve(capacity, training, false);
}

const void* VisitLstm::forward(const DeviceBatch& batch, Stream stream, std::uint64_t* status) {
  check_codes(batch);
  state_->reserve(batch, false);
  return state_->forward(state_->inference, batch, {}, stream, status);
}

const void* VisitLstm::evaluate(const DeviceBatch& batch, const ModelTargets& targets, void* loss,
                                void* weight_sum, Stream stream, std::uint64_t* status) {
  check_targets(state_->config.task, targets);
  const void* logits = forward(batch, stream, status);
  state_->loss(state_->inference, batch, targets, loss, weight_sum, stream, status);
  return logits;
}

const void* VisitLstm::forward_backward(const DeviceBatch& batch, const ModelTargets& targets,
                                        std::uint64_t seed, const std::uint64_t* step, void* loss,
                                        void* weight_sum, Stream stream, std::uint64_t* status) {
  check_codes(batch);
  check_targets(state_->config.task, targets);
  state_->reserve(batch, true);
  const DropoutKey key{seed, step, 0};
  const void* logits = state_->forward(state_->training, batch, key, stream, status);
  state_->loss(state_->training, batch, targets, loss, weight_sum, stream, status);
  state_->backward(state_->training, batch, key, stream);
  return logits;
}

}  // namespace ragtime
