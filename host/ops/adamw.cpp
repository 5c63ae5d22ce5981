#include "ragtime/adamw.hpp"

#include <cmath>

#include "host/ops/validate.hpp"

namespace ragtime {

AdamWPlan::AdamWPlan(std::shared_ptr<Backend> backend, const AdamWDesc& desc)
    : desc_(desc), backend_(std::move(backend)) {
  check_size(desc.parameters, 0, "parameters");
  operation_ = operations_for(backend_, desc.dtype).adamw(desc);
}

AdamWPlan::~AdamWPlan() = default;
AdamWPlan::AdamWPlan(AdamWPlan&&) noexcept = default;
AdamWPlan& AdamWPlan::operator=(AdamWPlan&&) noexcept = default;

std::size_t AdamWPlan::workspace_bytes() const {
  return operation_->workspace_bytes();
}

void AdamWPlan::step(const AdamWOptions& options, const AdamWArgs& args, Stream stream) const {
  const auto need = [](bool good, const char* name, double value, const char* expected) {
    check(good, ErrorCode::invalid_argument, name, " is ", value, ": expected ", expected);
  };
  const auto not_negative = [&](double value, const char* name) {
    need(value >= 0 && std::isfinite(value), name, value, "a finite number, 0 or more");
  };
  not_negative(options.learning_rate, "learning_rate");
  not_negative(options.weight_decay, "weight_decay");
  not_negative(options.clip_norm, "clip_norm");
  need(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1, "a number in [0, 1)");
  need(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2, "a number in [0, 1)");
  need(options.epsilon > 0 && std::isfinite(options.epsilon), "epsilon", options.epsilon,
       "a finite number above 0");
  if (desc_.parameters > 0) {
    check_given(args.parameters, "parameters");
    check_given(args.gradients, "gradients");
    check_given(args.first_moment, "first_moment");
    check_given(args.second_moment, "second_moment");
    const bool has_master = size_of(desc_.dtype) == 2;
    if (has_master) check_given(args.master, "master");
    check(has_master || args.master == nullptr, ErrorCode::invalid_argument, "master is given with dtype ",
          name_of(desc_.dtype), ": expected null, the parameters themselves are what the steps add up in");
  }
  check_given(args.state, "state");
  check_memory(args.workspace, workspace_bytes(), "workspace");
  operation_->step(options, args, stream);
}

namespace {

Buffer zeroed(const std::shared_ptr<Backend>& backend, std::size_t bytes) {
  Buffer memory(backend, bytes);
  backend->zero(memory.data(), bytes);
  return memory;
}

}  // namespace

AdamW::AdamW(std::shared_ptr<Backend> backend, std::int64_t parameters, const AdamWOptions& given,
             DType dtype)
    : options(given),
      plan_(backend, {dtype, parameters}),
      first_moment_(zeroed(backend, static_cast<std::size_t>(parameters) * size_of(dtype))),
      second_moment_(zeroed(backend, static_cast<std::size_t>(parameters) * size_of(dtype))),
      state_(zeroed(backend, sizeof(AdamWState))),
      workspace_(backend, plan_.workspace_bytes()) {}

void AdamW::step(void* parameters, const void* gradients, Stream stream, const std::uint64_t* status) {
  AdamWArgs args;
  args.parameters = parameters;
  args.gradients = gradients;
  args.first_moment = first_moment_.data();
  args.second_moment = second_moment_.data();
  args.state = state();
  args.status = status;
  args.workspace = workspace_.data();
  plan_.step(options, args, stream);
}

}  // namespace ragtime
