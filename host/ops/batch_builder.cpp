#include "ragtime/batch_builder.hpp"

#include "host/ops/validate.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime {
namespace {

RaggedArrays carve_arrays(Carver& carver, const Capacity& capacity) {
  check_count(capacity.sequences, "capacity.sequences");
  check_count(capacity.steps, "capacity.steps");
  RaggedArrays arrays;
  arrays.counts = carver.take<std::int32_t>(4);
  arrays.visit_offsets = carver.take<std::int32_t>(capacity.sequences + 1);
  arrays.order = carver.take<std::int32_t>(capacity.sequences);
  arrays.inverse_order = carver.take<std::int32_t>(capacity.sequences);
  arrays.batch_sizes = carver.take<std::int32_t>(capacity.steps);
  return arrays;
}

void check_build(const BatchBuild& args, std::size_t workspace_bytes) {
  check_given(args.batch.counts, "batch.counts");
  check_given(args.batch.visit_offsets, "batch.visit_offsets");
  check_given(args.batch.order, "batch.order");
  check_given(args.batch.inverse_order, "batch.inverse_order");
  check_given(args.batch.batch_sizes, "batch.batch_sizes");
  check_memory(args.workspace, workspace_bytes, "workspace");
}

}  // namespace

std::size_t RaggedArrays::bytes(const Capacity& capacity) {
  Carver carver(nullptr);
  carve_arrays(carver, capacity);
  return carver.bytes();
}

RaggedArrays RaggedArrays::in(void* memory, const Capacity& capacity) {
  check_memory(memory, bytes(capacity), "memory");
  Carver carver(memory);
  return carve_arrays(carver, capacity);
}

BatchBuilderPlan::BatchBuilderPlan(std::shared_ptr<Backend> backend, const BatchBuilderDesc& desc)
    : desc_(desc), backend_(std::move(backend)) {
  check_count(desc.capacity.sequences, "capacity.sequences");
  check_count(desc.capacity.rows, "capacity.rows");
  check_count(desc.capacity.steps, "capacity.steps");
  // There is no dtype; f32 is what every backend has.
  operation_ = operations_for(backend_, DType::f32).batch_builder(desc);
}

BatchBuilderPlan::~BatchBuilderPlan() = default;
BatchBuilderPlan::BatchBuilderPlan(BatchBuilderPlan&&) noexcept = default;
BatchBuilderPlan& BatchBuilderPlan::operator=(BatchBuilderPlan&&) noexcept = default;

std::size_t BatchBuilderPlan::workspace_bytes() const {
  return operation_->workspace_bytes();
}

void BatchBuilderPlan::from_lengths(const std::int32_t* lengths, const BatchBuild& args,
                                    Stream stream) const {
  if (desc_.capacity.sequences > 0) check_given(lengths, "lengths");
  check_build(args, workspace_bytes());
  operation_->from_lengths(lengths, args, stream);
}

void BatchBuilderPlan::from_mask(const std::uint8_t* mask, std::int64_t padded_steps, const BatchBuild& args,
                                 Stream stream) const {
  check(padded_steps >= 0 && padded_steps <= desc_.capacity.steps, ErrorCode::invalid_argument,
        "padded_steps is ", padded_steps, ": expected 0 to ", desc_.capacity.steps,
        ", the steps of the plan's capacity");
  if (desc_.capacity.sequences > 0 && padded_steps > 0) check_given(mask, "mask");
  check_build(args, workspace_bytes());
  operation_->from_mask(mask, padded_steps, args, stream);
}

// Pinned where the backend has that, so that both copies are under way before the host waits.
struct HostCounts::Memory {
  Memory(std::shared_ptr<Backend> owner, const Capacity& capacity)
      : backend(std::move(owner)), steps(capacity.steps) {
    check(backend != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
    check_count(steps, "capacity.steps");
    bytes = static_cast<std::size_t>(4 + steps) * sizeof(std::int32_t);
    counts = static_cast<std::int32_t*>(backend->allocate_host(bytes));
  }
  ~Memory() { backend->deallocate_host(counts, bytes); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::int32_t* batch_sizes() const { return counts + 4; }

  std::shared_ptr<Backend> backend;
  std::int64_t steps = 0;
  std::size_t bytes = 0;
  std::int32_t* counts = nullptr;  // [4], then batch_sizes [steps]
};

HostCounts::HostCounts(std::shared_ptr<Backend> backend, const Capacity& capacity)
    : memory_(std::make_unique<Memory>(std::move(backend), capacity)) {}

HostCounts::~HostCounts() = default;
HostCounts::HostCounts(HostCounts&&) noexcept = default;
HostCounts& HostCounts::operator=(HostCounts&&) noexcept = default;

RaggedView HostCounts::fetch(const RaggedView& batch, Stream stream) {
  check_batch(batch);
  Backend& backend = *memory_->backend;
  // How many batch_sizes are in use is only known when the counts are here; to copy them all costs less than
  // to wait twice.
  backend.copy(memory_->counts, batch.counts, 4 * sizeof(std::int32_t), CopyKind::to_host, stream);
  backend.copy(memory_->batch_sizes(), batch.batch_sizes,
               static_cast<std::size_t>(memory_->steps) * sizeof(std::int32_t), CopyKind::to_host, stream);
  backend.synchronize(stream);
  check(memory_->counts[3] <= memory_->steps, ErrorCode::out_of_range, "the batch has ", memory_->counts[3],
        " steps: expected at most ", memory_->steps, ", the capacity");
  RaggedView view = batch;
  view.host_counts = memory_->counts;
  view.host_batch_sizes = memory_->batch_sizes();
  return view;
}

}  // namespace ragtime
