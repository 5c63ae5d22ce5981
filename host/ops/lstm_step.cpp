#include "ragtime/lstm_step.hpp"

#include <numeric>
#include <vector>

#include "host/ops/validate.hpp"
#include "host/runtime/carve.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime {

// One step is a batch of sequences of length one. The top layer's output is h_next's last layer already; y is
// scratch.
struct LstmStepPlan::State {
  State(std::shared_ptr<Backend> given, const LstmStepDesc& step)
      : desc(step), backend(std::move(given)), batch(backend), plan(backend, lstm_desc(step)) {
    carve_workspace(nullptr);  // throws where there can be no such memory
    if (desc.training) carve_reserve(nullptr);
    const std::vector<std::int32_t> lengths(static_cast<std::size_t>(step.sequences), 1);
    batch.load(RaggedLayout::from_lengths(lengths));
    backend->synchronize();
  }

  static LstmDesc lstm_desc(const LstmStepDesc& step) {
    check_size(step.sequences, 1, "sequences");
    check_count(step.sequences, "sequences");
    LstmDesc desc;
    desc.dtype = step.dtype;
    desc.input_size = step.input_size;
    desc.hidden_size = step.hidden_size;
    desc.num_layers = step.num_layers;
    desc.bias = step.bias;
    desc.proj_size = step.proj_size;
    desc.training = step.training;
    desc.capacity = {step.sequences, step.sequences, 0, 1};
    return desc;
  }

  struct Memory {
    std::byte* y;
    std::byte* h;  // copies of the incoming state, so that it may be overwritten in place
    std::byte* c;
    std::byte* lstm;
    std::size_t bytes;
  };

  // Forward keeps y in the reserve when training (backward reads it), else in the workspace.
  Memory carve(const void* memory, bool with_y, bool with_states, std::size_t lstm_bytes) const {
    Carver carver(memory);
    // Of states as wide as `width`, of so many layers.
    const auto bytes = [&](std::int64_t layers, std::int64_t width) {
      std::int64_t product = static_cast<std::int64_t>(size_of(desc.dtype));
      for (const std::int64_t factor : {layers, desc.sequences, width})
        check(!__builtin_mul_overflow(product, factor, &product), ErrorCode::out_of_memory, "states of ",
              layers, " layers, ", desc.sequences, " sequences and width ", width,
              " are larger than any memory");
      return product;
    };
    const std::int64_t projected = plan.desc().output_size();
    Memory cut{};
    if (with_y) cut.y = carver.take<std::byte>(bytes(1, projected));
    if (with_states) cut.h = carver.take<std::byte>(bytes(desc.num_layers, projected));
    if (with_states) cut.c = carver.take<std::byte>(bytes(desc.num_layers, desc.hidden_size));
    cut.lstm = carver.take<std::byte>(static_cast<std::int64_t>(lstm_bytes));
    cut.bytes = carver.bytes();
    return cut;
  }
  Memory carve_workspace(const void* memory) const {
    return carve(memory, !desc.training, !desc.training, plan.workspace_bytes());
  }
  Memory carve_reserve(const void* memory) const { return carve(memory, true, false, plan.reserve_bytes()); }

  LstmStepDesc desc;
  std::shared_ptr<Backend> backend;
  DeviceBatch batch;
  LstmPlan plan;
};

LstmStepPlan::LstmStepPlan(std::shared_ptr<Backend> backend, const LstmStepDesc& desc) {
  check(backend != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
  state_ = std::make_unique<State>(std::move(backend), desc);
}

LstmStepPlan::~LstmStepPlan() = default;
LstmStepPlan::LstmStepPlan(LstmStepPlan&&) noexcept = default;
LstmStepPlan& LstmStepPlan::operator=(LstmStepPlan&&) noexcept = default;

std::size_t LstmStepPlan::workspace_bytes() const {
  return state_->carve_workspace(nullptr).bytes;
}
std::size_t LstmStepPlan::reserve_bytes() const {
  return state_->desc.training ? state_->carve_reserve(nullptr).bytes : 0;
}

void LstmStepPlan::forward(const LstmStepForward& args, Stream stream) const {
  check_given(args.h_next, "h_next");
  check_given(args.c_next, "c_next");
  check_memory(args.workspace, workspace_bytes(), "workspace");
  check_memory(args.reserve, reserve_bytes(), "reserve");
  const State& state = *state_;
  const bool training = state.desc.training;
  const auto is_kept = [&](const void* next) { return next != args.h && next != args.c; };
  check(!training || (is_kept(args.h_next) && is_kept(args.c_next)), ErrorCode::invalid_argument,
        "h_next and c_next are the same memory as h and c: backward needs both, expected separate memory "
        "when training");
  const State::Memory workspace = state.carve_workspace(args.workspace);

  LstmForward forward;
  forward.batch = state.batch.view();
  forward.x = args.x;
  forward.weights = args.weights;
  forward.h0 = args.h;
  forward.c0 = args.c;
  forward.h_n = args.h_next;
  forward.c_n = args.c_next;
  forward.workspace = workspace.lstm;
  if (training) {
    const State::Memory reserve = state.carve_reserve(args.reserve);
    forward.y = reserve.y;
    forward.reserve = reserve.lstm;
  } else {
    forward.y = workspace.y;
    const std::size_t element = size_of(state.desc.dtype);
    const std::size_t states = static_cast<std::size_t>(state.desc.num_layers * state.desc.sequences);
    const auto keep = [&](const void* given, std::byte* copy, std::int64_t width) -> const void* {
      if (given == nullptr) return nullptr;
      state.backend->copy(copy, given, states * static_cast<std::size_t>(width) * element,
                          CopyKind::on_device, stream);
      return copy;
    };
    forward.h0 = keep(args.h, workspace.h, state.plan.desc().output_size());
    forward.c0 = keep(args.c, workspace.c, state.desc.hidden_size);
  }
  state.plan.forward(forward, stream);
}

void LstmStepPlan::backward(const LstmStepBackward& args, Stream stream) const {
  check(state_->desc.training, ErrorCode::unsupported,
        "backward needs a plan with training = true; this one has false");
  check_memory(args.workspace, workspace_bytes(), "workspace");
  check_memory(args.reserve, reserve_bytes(), "reserve");
  const State::Memory reserve = state_->carve_reserve(args.reserve);

  LstmBackward backward;
  backward.batch = state_->batch.view();
  backward.x = args.x;
  backward.weights = args.weights;
  backward.h0 = args.h;
  backward.c0 = args.c;
  backward.y = reserve.y;
  backward.d_h_n = args.d_h_next;
  backward.d_c_n = args.d_c_next;
  backward.d_x = args.d_x;
  backward.d_h0 = args.d_h;
  backward.d_c0 = args.d_c;
  backward.gradients = args.gradients;
  backward.accumulate = args.accumulate;
  backward.workspace = state_->carve_workspace(args.workspace).lstm;
  backward.reserve = reserve.lstm;
  state_->plan.backward(backward, stream);
}

}  // namespace ragtime
