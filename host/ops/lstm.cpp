#include "ragtime/lstm.hpp"

#include "host/ops/lstm_device_model.hpp"
#include "host/ops/validate.hpp"

namespace ragtime {

const char* name_of(LstmAlgorithm algorithm) {
  switch (algorithm) {
    case LstmAlgorithm::automatic:
      return "automatic";
    case LstmAlgorithm::stepwise:
      return "stepwise";
    case LstmAlgorithm::cudnn:
      return "cudnn";
    case LstmAlgorithm::persistent:
      return "persistent";
  }
  return "?";
}

void check_lstm_desc(const LstmDesc& desc) {
  check_size(desc.input_size, 1, "input_size");
  check_size(desc.hidden_size, 1, "hidden_size");
  check_size(desc.num_layers, 1, "num_layers");
  check_size(desc.proj_size, 0, "proj_size");
  // So that no product of two sizes and 4H overflows.
  check(desc.input_size < std::int64_t{1} << 28, ErrorCode::invalid_argument, "input_size is ",
        desc.input_size, ": expected less than 2^28");
  check(desc.hidden_size < std::int64_t{1} << 28, ErrorCode::invalid_argument, "hidden_size is ",
        desc.hidden_size, ": expected less than 2^28");
  check(desc.num_layers <= 1024, ErrorCode::invalid_argument, "num_layers is ", desc.num_layers,
        ": expected at most 1024");
  check(desc.proj_size < desc.hidden_size, ErrorCode::invalid_argument, "proj_size is ", desc.proj_size,
        ": expected less than hidden_size, ", desc.hidden_size);
  check_probability(desc.dropout, "dropout");
  check_count(desc.capacity.sequences, "capacity.sequences");
  check_count(desc.capacity.rows, "capacity.rows");
  check_count(desc.capacity.steps, "capacity.steps");
  check(desc.cluster >= 0, ErrorCode::invalid_argument, "cluster is ", desc.cluster,
        ": expected 0, which leaves the choice to the plan, or more");
  check(desc.slots >= 0, ErrorCode::invalid_argument, "slots is ", desc.slots,
        ": expected 0, which leaves the choice to the plan, or more");
}

namespace {

const LstmDesc& checked(const LstmDesc& desc) {
  check_lstm_desc(desc);
  return desc;
}

// What the plan has no such weight for must be null: whoever gives it takes the plan for another one.
template <class Pointers>
void check_absent(const LstmDesc& desc, const Pointers& own, const char* name, std::int64_t i) {
  const auto absent = [&](const void* pointer, const char* member, const char* why) {
    check(pointer == nullptr, ErrorCode::invalid_argument, name, "[", i, "].", member,
          " is given: expected null, the plan has ", why);
  };
  if (!desc.bias) absent(own.bias_ih, "bias_ih", "bias = false");
  if (!desc.bias) absent(own.bias_hh, "bias_hh", "bias = false");
  if (desc.proj_size == 0) absent(own.weight_hr, "weight_hr", "proj_size = 0");
}

void check_weights(const LstmDesc& desc, const LstmWeights* weights) {
  const std::int64_t count = desc.num_layers * desc.directions();
  check(weights != nullptr, ErrorCode::invalid_argument, "weights is null: expected ", count,
        " entries on the host");
  for (std::int64_t i = 0; i < count; ++i) {
    const auto need = [&](const void* pointer, const char* member) {
      check(pointer != nullptr, ErrorCode::invalid_argument, "weights[", i, "].", member,
            " is null: expected a device pointer");
    };
    need(weights[i].weight_ih, "weight_ih");
    need(weights[i].weight_hh, "weight_hh");
    if (desc.bias) need(weights[i].bias_ih, "bias_ih");
    if (desc.bias) need(weights[i].bias_hh, "bias_hh");
    if (desc.proj_size > 0) need(weights[i].weight_hr, "weight_hr");
    check_absent(desc, weights[i], "weights", i);
  }
}

// Layer k drops at site + k; 16 bits of the counter are the site's.
void check_dropout(const LstmDesc& desc, const DropoutKey& key) {
  if (desc.dropout == 0 || !desc.training) return;
  const std::int64_t last = std::int64_t{key.site} + desc.num_layers - 1;
  check(last < 1 << 16, ErrorCode::invalid_argument, "dropout.site is ", key.site, ": expected less than ",
        (1 << 16) - desc.num_layers + 1);
}

}  // namespace

LstmPlan::LstmPlan(std::shared_ptr<Backend> backend, const LstmDesc& desc)
    : desc_(checked(desc)),
      backend_(std::move(backend)),
      operation_(operations_for(backend_, desc_.dtype).lstm(desc_)) {}

LstmPlan::~LstmPlan() = default;
LstmPlan::LstmPlan(LstmPlan&&) noexcept = default;
LstmPlan& LstmPlan::operator=(LstmPlan&&) noexcept = default;

std::size_t LstmPlan::workspace_bytes() const {
  return operation_->workspace_bytes();
}
std::size_t LstmPlan::reserve_bytes() const {
  return operation_->reserve_bytes();
}
LstmChoice LstmPlan::choice() const {
  return operation_->choice();
}

void LstmPlan::forward(const LstmForward& args, Stream stream) const {
  check_batch(args.batch);
  check_weights(desc_, args.weights);
  if (desc_.capacity.rows > 0) {
    check_given(args.x, "x");
    check_given(args.y, "y");
  }
  check_memory(args.workspace, workspace_bytes(), "workspace");
  check_memory(args.reserve, reserve_bytes(), "reserve");
  check_dropout(desc_, args.dropout);
  operation_->forward(args, stream);
}

void LstmPlan::backward(const LstmBackward& args, Stream stream) const {
  check(desc_.training, ErrorCode::unsupported,
        "backward needs a plan with training = true; this one has false");
  check_batch(args.batch);
  check_weights(desc_, args.weights);
  if (desc_.capacity.rows > 0) {
    check_given(args.x, "x");
    check_given(args.y, "y");
  }
  check_memory(args.workspace, workspace_bytes(), "workspace");
  check_memory(args.reserve, reserve_bytes(), "reserve");
  check_dropout(desc_, args.dropout);
  for (std::int64_t i = 0; args.gradients != nullptr && i < desc_.num_layers * desc_.directions(); ++i)
    check_absent(desc_, args.gradients[i], "gradients", i);
  operation_->backward(args, stream);
}

}  // namespace ragtime
