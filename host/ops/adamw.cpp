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

void AdamWPlan::widen(const void* parameters, float* values, Stream stream) const {
  if (desc_.parameters == 0) return;
  check_given(parameters, "parameters");
  check_given(values, "values");
  operation_->widen(parameters, values, stream);
}

void AdamWPlan::round(const float* values, void* parameters, Stream stream) const {
  if (desc_.parameters == 0) return;
  check_given(values, "values");
  check_given(parameters, "parameters");
  operation_->round(values, parameters, stream);
}

namespace {

Buffer zeroed(const std::shared_ptr<Backend>& backend, std::size_t bytes) {
  Buffer memory(backend, bytes);
  backend->zero(memory.data(), bytes);
  backend->synchronize();  // the first step may come on another stream
  return memory;
}

bool has_master(DType dtype) {
  return size_of(dtype) == 2;
}

std::size_t moment_bytes(const AdamWDesc& desc) {
  return static_cast<std::size_t>(desc.parameters) *
         (has_master(desc.dtype) ? sizeof(float) : size_of(desc.dtype));
}

}  // namespace

AdamW::AdamW(std::shared_ptr<Backend> backend, std::int64_t parameters, const AdamWOptions& given,
             DType dtype)
    : options(given),
      backend_(backend),
      desc_{dtype, parameters},
      plan_(backend, desc_),
      first_moment_(zeroed(backend, moment_bytes(desc_))),
      second_moment_(zeroed(backend, moment_bytes(desc_))),
      master_(has_master(dtype) ? zeroed(backend, moment_bytes(desc_)) : Buffer()),
      state_(zeroed(backend, sizeof(AdamWState))),
      workspace_(backend, plan_.workspace_bytes()) {}

void AdamW::check_has_master() const {
  check(has_master(desc_.dtype), ErrorCode::invalid_argument, "load_master with dtype ", name_of(desc_.dtype),
        ": expected bf16 or f16, other parameters are what the steps add up in themselves");
}

void AdamW::load_master(const void* parameters, Stream stream) {
  check_has_master();
  plan_.widen(parameters, master(), stream);
  is_master_loaded_ = true;
}

void AdamW::load_master(const float* values, void* parameters, Stream stream) {
  check_has_master();
  plan_.round(values, parameters, stream);
  if (values != master()) backend_->copy(master(), values, master_.bytes(), CopyKind::on_device, stream);
  is_master_loaded_ = true;
}

void AdamW::step(void* parameters, const void* gradients, Stream stream, const std::uint64_t* status) {
  check(is_master_loaded_ || !has_master(desc_.dtype), ErrorCode::invalid_argument,
        "the master of parameters in ", name_of(desc_.dtype), " is not loaded: expected load_master first");
  AdamWArgs args;
  args.parameters = parameters;
  args.gradients = gradients;
  args.first_moment = first_moment_.data();
  args.second_moment = second_moment_.data();
  args.master = master();
  args.state = state();
  args.status = status;
  args.workspace = workspace_.data();
  plan_.step(options, args, stream);
}

}  // namespace ragtime
