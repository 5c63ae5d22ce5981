// What a hostile or unlucky caller of the C API finds: states after a refusal, numbers that wrap around,
// handles of another device, data that points beyond its arrays.

#include <array>
#include <cmath>
#include <cstdint>

#include "tests/c_api/operations.hpp"

namespace ragtime::test {
namespace {

// A build that is refused leaves an empty batch, which may be loaded, and a fetched one as it was.
TEST_P(CApiOperations, ARefusedBuildChangesNothing) {
  auto desc = sized<ragtime_batch_builder_desc>();
  desc.capacity = capacity;
  ragtime_batch_builder builder = nullptr;
  ragtime_batch built = nullptr;
  ragtime_faults faults = nullptr;
  EXPECT_DONE(ragtime_batch_builder_create(opened, &desc, &builder));
  EXPECT_DONE(ragtime_batch_create(opened, &built));
  EXPECT_DONE(ragtime_batch_fix(built, &capacity, 0));
  EXPECT_DONE(ragtime_faults_create(opened, &faults));
  auto args = sized<ragtime_batch_build_args>();
  args.batch = built;
  args.faults = faults;
  EXPECT_DONE(ragtime_batch_builder_workspace_bytes(builder, &args.workspace_bytes));
  void* const workspace = space(args.workspace_bytes + 16);
  args.workspace = static_cast<char*>(workspace) + 1;
  args.lengths = tensor<std::int32_t>({sequences}, lengths);
  EXPECT_REFUSED(ragtime_batch_build(builder, &args, nullptr), invalid, "args.workspace is at ");
  args.workspace = workspace;
  if (backend->device() == DeviceType::cpu) {
    args.lengths = tensor<std::int32_t>({sequences}, {-1, 100, 1});
    EXPECT_REFUSED(ragtime_batch_build(builder, &args, nullptr), beyond, "100 steps");
    EXPECT_DONE(ragtime_faults_check(faults, nullptr));
  }
  ragtime_managed_tensor* made = nullptr;
  EXPECT_REFUSED(ragtime_batch_export(built, RAGTIME_COUNTS, &made), invalid, "batch is empty");
  EXPECT_REFUSED(ragtime_batch_fetch(built, nullptr), invalid, "batch is empty");

  args.lengths = tensor<std::int32_t>({sequences}, {2, 1, 1});
  EXPECT_DONE(ragtime_batch_build(builder, &args, nullptr));
  EXPECT_DONE(ragtime_batch_fetch(built, nullptr));
  args.workspace = nullptr;
  EXPECT_REFUSED(ragtime_batch_build(builder, &args, nullptr), invalid, "args.workspace is null");
  ragtime_capacity size = {};
  EXPECT_DONE(ragtime_batch_size(built, &size));
  EXPECT_EQ(size.rows, 4) << "the refused build forgot what was fetched";
  EXPECT_DONE(ragtime_batch_destroy(built));
  EXPECT_DONE(ragtime_batch_builder_destroy(builder));
  EXPECT_DONE(ragtime_faults_destroy(faults));
}

// A fixed batch stays where it is, whether or not a load has codes; and the host can fetch what was loaded.
TEST_P(CApiOperations, AFixedBatchNeverMoves) {
  ragtime_batch fixed = nullptr;
  EXPECT_DONE(ragtime_batch_create(opened, &fixed));
  const ragtime_capacity room_of_it = {sequences, rows, 1000, steps};
  EXPECT_DONE(ragtime_batch_fix(fixed, &room_of_it, 1));
  EXPECT_DONE(ragtime_batch_load_lengths(fixed, lengths.data(), sequences, 0, nullptr));
  ragtime_managed_tensor *order = nullptr, *again = nullptr;
  EXPECT_DONE(ragtime_batch_export(fixed, RAGTIME_ORDER, &order));
  auto given = sized<ragtime_batch_codes>();
  const std::vector<std::int32_t> short_lengths = {1, 2};
  const std::vector<std::int32_t> offsets = {0, 2, 2, 3}, ids = {1, 4, 0};
  const std::vector<float> weights = {1, 2, 3};
  given.sequences = 2;
  given.lengths = short_lengths.data();
  given.code_offsets = offsets.data();
  given.codes = ids.data();
  given.code_weights = weights.data();
  EXPECT_DONE(ragtime_batch_load_codes(fixed, &given, nullptr));
  EXPECT_DONE(ragtime_batch_export(fixed, RAGTIME_ORDER, &again));
  EXPECT_EQ(order->dl_tensor.data, again->dl_tensor.data);
  std::vector<std::int32_t> got(2);
  backend->copy(got.data(), order->dl_tensor.data, 8, CopyKind::to_host);
  backend->synchronize();
  EXPECT_EQ(got, (std::vector<std::int32_t>{1, 0}));
  order->deleter(order);
  again->deleter(again);

  ragtime_capacity size = {};
  EXPECT_DONE(ragtime_batch_size(fixed, &size));
  EXPECT_EQ(size.rows, rows);
  EXPECT_DONE(ragtime_batch_fetch(fixed, nullptr));
  EXPECT_DONE(ragtime_batch_size(fixed, &size));
  EXPECT_EQ(size.sequences, 2);
  EXPECT_EQ(size.rows, 3);
  EXPECT_EQ(size.codes, 3);
  EXPECT_DONE(ragtime_batch_load_lengths(fixed, lengths.data(), sequences, 0, nullptr));
  EXPECT_DONE(ragtime_batch_size(fixed, &size));
  EXPECT_EQ(size.codes, 1000) << "what was fetched is of the load before";
  EXPECT_DONE(ragtime_batch_destroy(fixed));
}

// The stepwise LSTM on a fixed batch: refused in words of C, until the batch is fetched.
TEST_P(CApiOperations, AFixedBatchStepByStep) {
  ragtime_batch fixed = nullptr;
  EXPECT_DONE(ragtime_batch_create(opened, &fixed));
  EXPECT_DONE(ragtime_batch_fix(fixed, &capacity, 0));
  EXPECT_DONE(ragtime_batch_load_lengths(fixed, lengths.data(), sequences, 0, nullptr));
  auto desc = sized<ragtime_lstm_desc>();
  const bool cpu = backend->device() == DeviceType::cpu;
  desc.algorithm = cpu ? RAGTIME_LSTM_AUTOMATIC : RAGTIME_LSTM_STEPWISE;
  desc.input_size = 2;
  desc.hidden_size = 4;
  desc.inference = 1;
  desc.capacity = capacity;
  ragtime_lstm lstm = nullptr;
  EXPECT_DONE(ragtime_lstm_create(opened, &desc, &lstm));
  const ragtime_lstm_weights weights = {drawn({16, 2}), drawn({16, 4}), drawn({16}), drawn({16}), nullptr};
  auto args = sized<ragtime_lstm_forward_args>();
  args.batch = fixed;
  args.x = drawn({rows, 2});
  args.weights = &weights;
  args.y = poisoned({rows, 4});
  EXPECT_DONE(ragtime_lstm_workspace_bytes(lstm, &args.workspace_bytes));
  args.workspace = space(args.workspace_bytes);
  if (!cpu) EXPECT_REFUSED(ragtime_lstm_forward(lstm, &args, nullptr), invalid, "ragtime_batch_fetch");
  EXPECT_DONE(ragtime_batch_fetch(fixed, nullptr));
  EXPECT_DONE(ragtime_lstm_forward(lstm, &args, nullptr));
  const std::vector<float> y = host(args.y);
  args.batch = batch;
  EXPECT_DONE(ragtime_lstm_forward(lstm, &args, nullptr));
  EXPECT_TRUE(same_bits(host(args.y), y));
  auto back = sized<ragtime_lstm_backward_args>();
  EXPECT_REFUSED(ragtime_lstm_backward(lstm, &back, nullptr), RAGTIME_UNSUPPORTED, "inference 1");
  EXPECT_DONE(ragtime_lstm_destroy(lstm));
  EXPECT_DONE(ragtime_batch_destroy(fixed));
}

TEST_P(CApiOperations, HandlesOfAnotherDevice) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "needs two devices";
  ragtime_backend cpu = nullptr;
  ragtime_faults faults = nullptr;
  ragtime_batch other = nullptr;
  EXPECT_DONE(ragtime_backend_open("cpu", nullptr, &cpu));
  EXPECT_DONE(ragtime_faults_create(cpu, &faults));
  EXPECT_DONE(ragtime_batch_create(cpu, &other));
  EXPECT_DONE(ragtime_batch_load_lengths(other, lengths.data(), sequences, 0, nullptr));
  auto desc = sized<ragtime_final_state_desc>();
  desc.width = 1;
  desc.capacity = capacity;
  ragtime_final_state gather = nullptr;
  EXPECT_DONE(ragtime_final_state_create(opened, &desc, &gather));
  const auto y = drawn({rows, 1}), out = poisoned({sequences, 1});
  EXPECT_REFUSED(ragtime_final_state_forward(gather, other, y, out, nullptr, nullptr), mismatch,
                 "batch is on cpu 0");
  EXPECT_REFUSED(ragtime_final_state_forward(gather, batch, y, out, faults, nullptr), mismatch,
                 "faults is on cpu 0");
  EXPECT_DONE(ragtime_final_state_destroy(gather));
  EXPECT_DONE(ragtime_batch_destroy(other));
  EXPECT_DONE(ragtime_faults_destroy(faults));
  EXPECT_DONE(ragtime_backend_close(cpu));
}

// A description of zeros ignores what PyTorch's default ignores, and no class.
TEST_P(CApiOperations, NoClassIsIgnoredUnlessAskedFor) {
  auto desc = sized<ragtime_masked_loss_desc>();
  desc.kind = RAGTIME_LOSS_CROSS_ENTROPY;
  desc.reduction = RAGTIME_REDUCTION_MEAN;
  desc.outputs = 2;
  desc.capacity = capacity;
  auto args = sized<ragtime_masked_loss_args>();
  args.batch = batch;
  args.logits = tensor({rows, 2}, std::vector<float>(2 * rows));
  args.labels = tensor({rows}, std::vector<std::int32_t>{0, 0, 0, -100, 0, 0});
  args.loss = poisoned({1});
  args.weight_sum = poisoned({1});
  const auto run = [&] {
    ragtime_masked_loss loss = nullptr;
    EXPECT_DONE(ragtime_masked_loss_create(opened, &desc, &loss));
    EXPECT_DONE(ragtime_masked_loss_workspace_bytes(loss, &args.workspace_bytes));
    args.workspace = space(args.workspace_bytes);
    EXPECT_DONE(ragtime_masked_loss_run(loss, &args, nullptr));
    EXPECT_DONE(ragtime_masked_loss_destroy(loss));
    return host(args.weight_sum)[0];
  };
  EXPECT_EQ(run(), 5);
  EXPECT_NEAR(host(args.loss)[0], std::log(2.0), 1e-6);
  desc.has_ignore_index = 1;
  EXPECT_EQ(run(), 0);
}

// On the CPU nothing that the data says is followed out of an array.
TEST_P(CApiOperations, OffsetsBeyondTheirArrays) {
  if (backend->device() != DeviceType::cpu) GTEST_SKIP() << "the host cannot look";
  auto desc = sized<ragtime_segment_pool_desc>();
  desc.width = 2;
  desc.segments = 1'000'000;
  desc.items = codes;
  desc.vocab_size = vocab;
  ragtime_segment_pool pool = nullptr;
  EXPECT_DONE(ragtime_segment_pool_create(opened, &desc, &pool));
  auto args = sized<ragtime_segment_pool_forward_args>();
  args.segments = tensor<std::int32_t>({1}, {2});
  args.codes = tensor<std::int32_t>({2}, {0, 1});
  args.values = drawn({vocab, 2});
  args.out = poisoned({2, 2});
  EXPECT_DONE(ragtime_segment_pool_workspace_bytes(pool, &args.workspace_bytes));
  args.workspace = space(args.workspace_bytes);
  const auto pool_refused = [&](const std::vector<std::int32_t>& offsets, const char* text) {
    args.offsets = tensor({static_cast<std::int64_t>(offsets.size())}, offsets);
    EXPECT_REFUSED(ragtime_segment_pool_forward(pool, &args, nullptr), beyond, text);
  };
  pool_refused({0, 1'000'000, 2}, "args.offsets[2] is 2: expected at least 1000000");
  pool_refused({1, 1, 2}, "args.offsets[0] is 1: expected 0");
  pool_refused({0, 1, 3}, "args.offsets[2] is 3: expected at most 2");
  EXPECT_DONE(ragtime_segment_pool_destroy(pool));
  desc.items = 0;
  EXPECT_DONE(ragtime_segment_pool_create(opened, &desc, &pool));
  args.codes = nullptr;
  args.segments = tensor<std::int32_t>({1}, {100'000});
  pool_refused({0, 0}, "args.segments[0] is 100000: expected 0 to 1");
  EXPECT_DONE(ragtime_segment_pool_destroy(pool));

  auto loss_desc = sized<ragtime_masked_loss_desc>();
  loss_desc.outputs = vocab;
  loss_desc.reduction = RAGTIME_REDUCTION_SUM;
  loss_desc.capacity = capacity;
  ragtime_masked_loss loss = nullptr;
  EXPECT_DONE(ragtime_masked_loss_create(opened, &loss_desc, &loss));
  auto loss_args = sized<ragtime_masked_loss_args>();
  loss_args.batch = batch;
  loss_args.logits = drawn({rows, vocab});
  loss_args.loss = poisoned({1});
  loss_args.target_ids = tensor<std::int32_t>({1}, {0});
  EXPECT_DONE(ragtime_masked_loss_workspace_bytes(loss, &loss_args.workspace_bytes));
  loss_args.workspace = space(loss_args.workspace_bytes);
  const auto run = [&](const std::vector<std::int32_t>& offsets) {
    loss_args.target_offsets = tensor({rows + 1}, offsets);
    return ragtime_masked_loss_run(loss, &loss_args, nullptr);
  };
  EXPECT_REFUSED(run({0, 1000, 1000, 1000, 1000, 1000, 1000}), beyond,
                 "args.target_offsets[0] and [1] are 0 and 1000");
  EXPECT_REFUSED(run({-1000, 0, 0, 0, 0, 0, 0}), beyond, "are -1000 and 0");
  EXPECT_REFUSED(run({0, 1, 0, 0, 0, 0, 0}), beyond, "are 1 and 0");
  EXPECT_DONE(run({0, 0, 0, 1, 1, 1, 1}));
  // A row of weight 0 has its offsets unread.
  loss_args.row_weight = tensor<float>({rows}, {1, 1, 1, 1, 0, 0});
  EXPECT_DONE(run({0, 0, 0, 1, 1, 99, -5}));
  EXPECT_DONE(ragtime_masked_loss_destroy(loss));
}

// What a fixed batch has in use is held against the capacity of every plan where the host can look; elsewhere
// it is a fault.
TEST_P(CApiOperations, AFixedBatchBeyondThePlan) {
  ragtime_batch fixed = nullptr;
  EXPECT_DONE(ragtime_batch_create(opened, &fixed));
  EXPECT_DONE(ragtime_batch_fix(fixed, &capacity, 0));
  EXPECT_DONE(ragtime_batch_load_lengths(fixed, lengths.data(), sequences, 0, nullptr));
  ragtime_faults faults = nullptr;
  EXPECT_DONE(ragtime_faults_create(opened, &faults));
  auto desc = sized<ragtime_layout_desc>();
  desc.to = RAGTIME_PACKED;
  desc.width = 1;
  desc.capacity = {sequences, rows - 1, 0, steps};
  ragtime_layout layout = nullptr;
  EXPECT_DONE(ragtime_layout_create(opened, &desc, &layout));
  const auto from = drawn({rows, 1}), to = poisoned({rows, 1});
  const ragtime_status status = ragtime_layout_forward(layout, fixed, from, to, faults, nullptr);
  if (backend->device() == DeviceType::cpu) {
    EXPECT_REFUSED(status, beyond, "6 rows");
  } else {
    EXPECT_EQ(status, RAGTIME_OK);
    EXPECT_REFUSED(ragtime_faults_check(faults, nullptr), beyond, "has 6 rows; the plan's capacity is 5");
  }
  EXPECT_REFUSED(ragtime_layout_forward(layout, batch, from, to, faults, nullptr), beyond, "6 rows");
  EXPECT_DONE(ragtime_layout_destroy(layout));
  desc.capacity = capacity;
  EXPECT_DONE(ragtime_layout_create(opened, &desc, &layout));
  EXPECT_REFUSED(ragtime_layout_forward(layout, batch, from, from, nullptr, nullptr), invalid, "same memory");
  EXPECT_DONE(ragtime_layout_destroy(layout));
  EXPECT_DONE(ragtime_faults_destroy(faults));
  EXPECT_DONE(ragtime_batch_destroy(fixed));

  // Of a loss of sequences only their number counts.
  auto loss_desc = sized<ragtime_masked_loss_desc>();
  loss_desc.layout = RAGTIME_LOSS_SEQUENCES;
  loss_desc.kind = RAGTIME_LOSS_MSE;
  loss_desc.outputs = 1;
  loss_desc.reduction = RAGTIME_REDUCTION_SUM;
  loss_desc.capacity.sequences = sequences;
  ragtime_masked_loss loss = nullptr;
  EXPECT_DONE(ragtime_masked_loss_create(opened, &loss_desc, &loss));
  auto args = sized<ragtime_masked_loss_args>();
  args.batch = batch;
  args.logits = drawn({sequences, 1});
  args.targets = args.logits;
  args.loss = poisoned({1});
  EXPECT_DONE(ragtime_masked_loss_workspace_bytes(loss, &args.workspace_bytes));
  args.workspace = space(args.workspace_bytes);
  EXPECT_DONE(ragtime_masked_loss_run(loss, &args, nullptr));
  EXPECT_EQ(host(args.loss)[0], 0);
  EXPECT_DONE(ragtime_masked_loss_destroy(loss));
}

TEST_P(CApiOperations, SizesThatWrapAround) {
  ragtime_managed_tensor* made = nullptr;
  for (const std::array<std::int64_t, 3> shape : {std::array{std::int64_t{0}, INT64_MAX, INT64_MAX},
                                                  {INT64_MAX, std::int64_t{0}, INT64_MAX},
                                                  {INT64_MAX, INT64_MAX, std::int64_t{0}}}) {
    EXPECT_DONE(ragtime_tensor_create(opened, RAGTIME_F32, 3, shape.data(), &made));
    made->deleter(made);
  }
  auto desc = sized<ragtime_lstm_step_desc>();
  desc.sequences = 1 << 23;
  desc.hidden_size = 1 << 27;
  desc.input_size = 1;
  desc.num_layers = 1024;
  ragtime_lstm_step step = nullptr;
  EXPECT_REFUSED(ragtime_lstm_step_create(opened, &desc, &step), RAGTIME_OUT_OF_MEMORY,
                 "larger than any memory");

  auto gather_desc = sized<ragtime_final_state_desc>();
  gather_desc.width = 1;
  gather_desc.capacity = capacity;
  ragtime_final_state gather = nullptr;
  EXPECT_DONE(ragtime_final_state_create(opened, &gather_desc, &gather));
  const auto y = drawn({rows, 1}), out = poisoned({sequences, 1});
  for (const std::uint64_t offset : {UINT64_MAX - 15, 0 - reinterpret_cast<std::uintptr_t>(out->data)}) {
    ragtime_tensor wrapped = *out;
    wrapped.byte_offset = offset;
    EXPECT_REFUSED(ragtime_final_state_forward(gather, batch, y, &wrapped, nullptr, nullptr), invalid,
                   "out.byte_offset is ");
  }
  EXPECT_DONE(ragtime_final_state_destroy(gather));

  // More dimensions said than there are sizes.
  auto pool_desc = sized<ragtime_segment_pool_desc>();
  pool_desc.width = 1;
  ragtime_segment_pool pool = nullptr;
  EXPECT_DONE(ragtime_segment_pool_create(opened, &pool_desc, &pool));
  auto args = sized<ragtime_segment_pool_forward_args>();
  std::int64_t size = -1;
  ragtime_tensor many = *y;
  many.ndim = INT32_MAX;
  many.shape = &size;
  args.offsets = &many;
  EXPECT_REFUSED(ragtime_segment_pool_forward(pool, &args, nullptr), mismatch, "args.offsets.shape[0] is -1");
  EXPECT_DONE(ragtime_segment_pool_destroy(pool));
}

// A batch without a single code has all its weights.
TEST_P(CApiOperations, WeightsOfNoCodes) {
  const std::int32_t length = 2, offsets[3] = {0, 0, 0};
  const float weight = 1;
  auto given = sized<ragtime_batch_codes>();
  given.sequences = 1;
  given.lengths = &length;
  given.code_offsets = offsets;
  given.code_weights = &weight;
  EXPECT_DONE(ragtime_batch_load_codes(batch, &given, nullptr));
  EXPECT_EQ(array(RAGTIME_CODE_WEIGHTS)->shape[0], 0);
  EXPECT_EQ(array(RAGTIME_CODES)->shape[0], 0);
}

}  // namespace
}  // namespace ragtime::test
