// What the C API does with bad arguments: a status and a text that names the argument, on every backend, and
// nothing written.

#include <cstddef>
#include <cstring>

#include "tests/c_api/fixture.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;

// Every tensor of a run, spoilt in every way there is: the error names it, and says what was expected.
TEST_P(CApi, EveryTensorIsChecked) {
  ASSERT_EQ(run_forward(), RAGTIME_OK) << ragtime_last_error();
  ASSERT_EQ(run_backward(), RAGTIME_OK) << ragtime_last_error();
  poison_y();
  expect_refused_when_spoilt(*backend,
                             {{&forward.x, "args.x", Place::or_more},
                              {&forward.h0, "args.h0"},
                              {&forward.c0, "args.c0"},
                              {&forward.y, "args.y", Place::or_more},
                              {&forward.h_n, "args.h_n"},
                              {&forward.c_n, "args.c_n"},
                              {&forward.final_state, "args.final_state", Place::or_more},
                              {&forward.c_seq, "args.c_seq", Place::or_more},
                              {&weights.weight_ih, "args.weights[0].weight_ih"},
                              {&weights.weight_hh, "args.weights[0].weight_hh"},
                              {&weights.bias_ih, "args.weights[0].bias_ih"},
                              {&weights.bias_hh, "args.weights[0].bias_hh"}},
                             [&] { return run_forward(); });
  expect_refused_when_spoilt(*backend,
                             {{&backward.x, "args.x", Place::or_more},
                              {&backward.h0, "args.h0"},
                              {&backward.c0, "args.c0"},
                              {&backward.y, "args.y", Place::or_more},
                              {&backward.d_y, "args.d_y", Place::or_more},
                              {&backward.d_h_n, "args.d_h_n"},
                              {&backward.d_c_n, "args.d_c_n"},
                              {&backward.d_final_state, "args.d_final_state", Place::or_more},
                              {&backward.d_x, "args.d_x", Place::or_more},
                              {&backward.d_h0, "args.d_h0"},
                              {&backward.d_c0, "args.d_c0"},
                              {&gradients.weight_ih, "args.gradients[0].weight_ih"},
                              {&gradients.weight_hh, "args.gradients[0].weight_hh"},
                              {&gradients.bias_ih, "args.gradients[0].bias_ih"},
                              {&gradients.bias_hh, "args.gradients[0].bias_hh"}},
                             [&] { return run_backward(); });
  for (const float value : y()) EXPECT_TRUE(std::isnan(value)) << "a refused run wrote";
}

TEST_P(CApi, MissingTensorsAndMemoryAreNamed) {
  const auto without = [&](auto member, const char* name) {
    auto args = forward;
    args.*member = nullptr;
    EXPECT_REFUSED(ragtime_lstm_forward(lstm, &args, nullptr), RAGTIME_INVALID_ARGUMENT, name);
  };
  without(&ragtime_lstm_forward_args::x, "x is null");
  without(&ragtime_lstm_forward_args::y, "y is null");
  without(&ragtime_lstm_forward_args::weights, "weights is null");
  without(&ragtime_lstm_forward_args::batch, "args.batch is null");
  without(&ragtime_lstm_forward_args::workspace, "args.workspace is null");
  without(&ragtime_lstm_forward_args::reserve, "args.reserve is null");
  forward.workspace_bytes -= 1;
  EXPECT_REFUSED(run_forward(), RAGTIME_OUT_OF_RANGE, "args.workspace_bytes is ");
  forward.workspace_bytes += 1;
  backward.reserve_bytes = 0;
  EXPECT_REFUSED(run_backward(), RAGTIME_OUT_OF_RANGE, "args.reserve_bytes is 0");
  weights.bias_hh = nullptr;
  EXPECT_REFUSED(run_forward(), RAGTIME_INVALID_ARGUMENT, "bias_hh is null");
}

TEST_P(CApi, HandlesAreFoundOut) {
  const auto garbage = reinterpret_cast<ragtime_lstm>(std::uintptr_t{0xDEAD0});
  std::size_t bytes = 7;
  EXPECT_REFUSED(ragtime_lstm_workspace_bytes(nullptr, &bytes), RAGTIME_INVALID_ARGUMENT, "lstm is null");
  EXPECT_REFUSED(ragtime_lstm_workspace_bytes(garbage, &bytes), RAGTIME_INVALID_ARGUMENT,
                 "destroyed or never");
  EXPECT_REFUSED(ragtime_lstm_workspace_bytes(reinterpret_cast<ragtime_lstm>(batch), &bytes),
                 RAGTIME_INVALID_ARGUMENT, "lstm is a batch: expected an LSTM");
  EXPECT_REFUSED(ragtime_lstm_destroy(garbage), RAGTIME_INVALID_ARGUMENT, "destroyed or never");
  ragtime_lstm other = nullptr;
  ASSERT_EQ(ragtime_lstm_create(opened, &desc, &other), RAGTIME_OK);
  ASSERT_EQ(ragtime_lstm_destroy(other), RAGTIME_OK);
  EXPECT_REFUSED(ragtime_lstm_destroy(other), RAGTIME_INVALID_ARGUMENT, "destroyed or never");
  EXPECT_REFUSED(ragtime_lstm_forward(other, &forward, nullptr), RAGTIME_INVALID_ARGUMENT, "lstm is ");
  ragtime_batch empty = nullptr;
  ASSERT_EQ(ragtime_batch_create(opened, &empty), RAGTIME_OK);
  forward.batch = empty;
  EXPECT_REFUSED(run_forward(), RAGTIME_INVALID_ARGUMENT, "args.batch is empty");
  EXPECT_EQ(bytes, 7u) << "a refused query wrote";
  EXPECT_EQ(ragtime_batch_destroy(empty), RAGTIME_OK);
  EXPECT_EQ(ragtime_lstm_destroy(nullptr), RAGTIME_OK);
  EXPECT_EQ(ragtime_batch_destroy(nullptr), RAGTIME_OK);
  EXPECT_EQ(ragtime_faults_destroy(nullptr), RAGTIME_OK);
  EXPECT_EQ(ragtime_backend_close(nullptr), RAGTIME_OK);
}

TEST_P(CApi, NullWhereSomethingIsNeeded) {
  ragtime_backend no_backend = nullptr;
  ragtime_managed_tensor* tensor = nullptr;
  ragtime_lstm made = nullptr;
  ragtime_batch other = nullptr;
  ragtime_faults faults = nullptr;
  char text[8];
  const std::int64_t size = 1;
  const std::int32_t length = 1;
  constexpr ragtime_status invalid = RAGTIME_INVALID_ARGUMENT;
  EXPECT_REFUSED(ragtime_backend_open(nullptr, nullptr, &no_backend), invalid, "device is null");
  EXPECT_REFUSED(ragtime_backend_open("cpu", nullptr, nullptr), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_backend_open("tpu", nullptr, &no_backend), invalid, "device is \"tpu\"");
  EXPECT_REFUSED(ragtime_backend_describe(nullptr, text, 8), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_backend_describe(opened, nullptr, 8), invalid, "text is null");
  EXPECT_REFUSED(ragtime_backend_describe(opened, text, 0), invalid, "bytes is 0");
  EXPECT_EQ(ragtime_backend_describe(opened, text, 8), RAGTIME_OK);
  EXPECT_EQ(std::strlen(text), 7u);
  EXPECT_REFUSED(ragtime_backend_synchronize(nullptr, nullptr), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_tensor_create(nullptr, RAGTIME_F32, 1, &size, &tensor), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_tensor_create(opened, RAGTIME_F32, 1, nullptr, &tensor), invalid, "shape is null");
  EXPECT_REFUSED(ragtime_tensor_create(opened, RAGTIME_F32, 1, &size, nullptr), invalid, "tensor is null");
  EXPECT_REFUSED(ragtime_tensor_create(opened, static_cast<ragtime_dtype>(7), 1, &size, &tensor), invalid,
                 "dtype is 7");
  EXPECT_REFUSED(ragtime_tensor_create(opened, RAGTIME_F32, 9, &size, &tensor), invalid, "ndim is 9");
  EXPECT_REFUSED(ragtime_tensor_create(opened, RAGTIME_F32, -1, &size, &tensor), invalid, "ndim is -1");
  EXPECT_REFUSED(ragtime_faults_create(nullptr, &faults), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_faults_create(opened, nullptr), invalid, "faults is null");
  EXPECT_REFUSED(ragtime_faults_check(nullptr, nullptr), invalid, "faults is null");
  EXPECT_REFUSED(ragtime_batch_create(nullptr, &other), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_batch_create(opened, nullptr), invalid, "batch is null");
  EXPECT_REFUSED(ragtime_batch_fix(nullptr, &desc.capacity, 0), invalid, "batch is null");
  EXPECT_REFUSED(ragtime_batch_fix(batch, nullptr, 0), invalid, "capacity is null");
  EXPECT_REFUSED(ragtime_batch_fix(batch, &desc.capacity, 0), invalid, "has been loaded");
  EXPECT_REFUSED(ragtime_batch_load_lengths(nullptr, &length, 1, 0, nullptr), invalid, "batch is null");
  EXPECT_REFUSED(ragtime_batch_load_lengths(batch, nullptr, 1, 0, nullptr), invalid, "lengths is null");
  EXPECT_REFUSED(ragtime_batch_load_lengths(batch, &length, -1, 0, nullptr), invalid, "sequences is -1");
  EXPECT_REFUSED(ragtime_batch_load_lengths(batch, &length, 1, 2, nullptr), invalid,
                 "allow_zero_length is 2");
  const std::int32_t zero = 0, negative = -1;
  EXPECT_REFUSED(ragtime_batch_load_lengths(batch, &zero, 1, 0, nullptr), invalid, "zero length");
  EXPECT_REFUSED(ragtime_batch_load_lengths(batch, &negative, 1, 0, nullptr), invalid, "-1");
  const std::int32_t backwards[2] = {0, -5}, code = 1;
  auto codes = sized<ragtime_batch_codes>();
  codes.sequences = 1;
  codes.lengths = &length;
  codes.codes = &code;
  EXPECT_REFUSED(ragtime_batch_load_codes(nullptr, &codes, nullptr), invalid, "batch is null");
  EXPECT_REFUSED(ragtime_batch_load_codes(batch, nullptr, nullptr), invalid, "codes is null");
  EXPECT_REFUSED(ragtime_batch_load_codes(batch, &codes, nullptr), invalid, "codes.code_offsets is null");
  codes.code_offsets = backwards;
  EXPECT_REFUSED(ragtime_batch_load_codes(batch, &codes, nullptr), invalid, "codes.code_offsets[1] is -5");
  const std::int32_t one[2] = {0, 1};
  codes.code_offsets = one;
  codes.codes = nullptr;
  EXPECT_REFUSED(ragtime_batch_load_codes(batch, &codes, nullptr), invalid, "codes.codes is null");
  codes.lengths = nullptr;
  EXPECT_REFUSED(ragtime_batch_load_codes(batch, &codes, nullptr), invalid, "codes.lengths is null");
  codes.lengths = &length;
  codes.allow_zero_length = -1;
  EXPECT_REFUSED(ragtime_batch_load_codes(batch, &codes, nullptr), invalid, "codes.allow_zero_length is -1");
  EXPECT_REFUSED(ragtime_batch_fetch(nullptr, nullptr), invalid, "batch is null");
  EXPECT_DONE(ragtime_batch_fetch(batch, nullptr));  // nothing that the host does not know
  EXPECT_REFUSED(ragtime_batch_size(nullptr, &desc.capacity), invalid, "batch is null");
  EXPECT_REFUSED(ragtime_batch_size(batch, nullptr), invalid, "size is null");
  EXPECT_REFUSED(ragtime_batch_export(batch, RAGTIME_ORDER, nullptr), invalid, "tensor is null");
  EXPECT_REFUSED(ragtime_batch_export(batch, RAGTIME_CODES, &tensor), invalid, "made without");
  EXPECT_REFUSED(ragtime_batch_export(batch, RAGTIME_CODE_WEIGHTS, &tensor), invalid, "made without");
  EXPECT_REFUSED(ragtime_batch_export(batch, static_cast<ragtime_batch_array>(10), &tensor), invalid,
                 "array is 10");
  EXPECT_REFUSED(ragtime_batch_export(nullptr, RAGTIME_ORDER, &tensor), invalid, "batch is null");
  EXPECT_REFUSED(ragtime_lstm_create(nullptr, &desc, &made), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_lstm_create(opened, nullptr, &made), invalid, "desc is null");
  EXPECT_REFUSED(ragtime_lstm_create(opened, &desc, nullptr), invalid, "lstm is null");
  EXPECT_REFUSED(ragtime_lstm_workspace_bytes(lstm, nullptr), invalid, "bytes is null");
  EXPECT_REFUSED(ragtime_lstm_reserve_bytes(lstm, nullptr), invalid, "bytes is null");
  EXPECT_REFUSED(ragtime_lstm_reserve_bytes(nullptr, nullptr), invalid, "lstm is null");
  std::int32_t yes = 7;
  EXPECT_REFUSED(ragtime_lstm_describe(nullptr, text, 8), invalid, "lstm is null");
  EXPECT_REFUSED(ragtime_lstm_describe(lstm, nullptr, 8), invalid, "text is null");
  EXPECT_REFUSED(ragtime_lstm_describe(lstm, text, 0), invalid, "bytes is 0");
  EXPECT_REFUSED(ragtime_lstm_graph_takes_any_batch(nullptr, &yes), invalid, "lstm is null");
  EXPECT_REFUSED(ragtime_lstm_graph_takes_any_batch(lstm, nullptr), invalid, "yes is null");
  EXPECT_EQ(yes, 7);
  EXPECT_REFUSED(ragtime_set_cpu_threads(-1), invalid, "threads is -1");
  EXPECT_REFUSED(ragtime_set_cpu_threads(1025), invalid, "threads is 1025");
  EXPECT_REFUSED(ragtime_lstm_forward(lstm, nullptr, nullptr), invalid, "args is null");
  EXPECT_REFUSED(ragtime_lstm_backward(lstm, nullptr, nullptr), invalid, "args is null");
  EXPECT_EQ(tensor, nullptr);
  EXPECT_EQ(made, nullptr);
  EXPECT_STREQ(ragtime_status_name(static_cast<ragtime_status>(10)), "unknown status");
  EXPECT_STREQ(ragtime_version(), RAGTIME_VERSION_TEXT);
  // The refused loads left the batch as it was.
  EXPECT_EQ(run_forward(), RAGTIME_OK) << ragtime_last_error();
}

TEST_P(CApi, SizesThatOverflowAndDescriptionsThatCannotBe) {
  const auto refused = [&](auto change, ragtime_status status, const char* text) {
    ragtime_lstm_desc bad = desc;
    change(bad);
    ragtime_lstm made = nullptr;
    EXPECT_REFUSED(ragtime_lstm_create(opened, &bad, &made), status, text);
    EXPECT_EQ(made, nullptr);
  };
  using Desc = ragtime_lstm_desc;
  constexpr ragtime_status invalid = RAGTIME_INVALID_ARGUMENT;
  refused([](Desc& bad) { bad.hidden_size = INT64_MAX; }, invalid, "hidden_size is 9223372036854775807");
  refused([](Desc& bad) { bad.input_size = 0; }, invalid, "input_size is 0");
  refused([](Desc& bad) { bad.num_layers = -1; }, invalid, "num_layers is -1");
  refused([](Desc& bad) { bad.capacity.rows = std::int64_t{1} << 31; }, invalid,
          "capacity.rows is 2147483648");
  refused(
      [](Desc& bad) {
        bad.capacity.rows = INT32_MAX, bad.hidden_size = (1 << 28) - 1, bad.num_layers = 1024;
      },
      RAGTIME_OUT_OF_MEMORY, "larger than any memory");
  refused([](Desc& bad) { bad.dropout = 1; }, invalid, "dropout is 1");
  refused([](Desc& bad) { bad.bidirectional = 2; }, invalid, "desc.bidirectional is 2");
  refused([](Desc& bad) { bad.dtype = static_cast<ragtime_dtype>(4); }, invalid, "desc.dtype is 4");
  refused([](Desc& bad) { bad.algorithm = static_cast<ragtime_lstm_algorithm>(4); }, invalid,
          "desc.algorithm is 4");
  refused([](Desc& bad) { bad.struct_size = 0; }, invalid, "desc.struct_size is 0");
  refused([](Desc& bad) { bad.struct_size = SIZE_MAX; }, invalid, "desc.struct_size is ");
  const bool cpu = backend->device() == DeviceType::cpu;
  refused([&](Desc& bad) { bad.dtype = cpu ? RAGTIME_BF16 : RAGTIME_F64; }, RAGTIME_UNSUPPORTED,
          cpu ? "dtype is bf16" : "dtype is f64");

  const std::int64_t shape[3] = {INT64_MAX, 2, 1};
  ragtime_managed_tensor* tensor = nullptr;
  EXPECT_REFUSED(ragtime_tensor_create(opened, RAGTIME_F32, 3, shape, &tensor), RAGTIME_OUT_OF_MEMORY,
                 "shape[0] is 9223372036854775807");

  // A struct of a later version is taken, unless it asks for what this one does not know.
  struct {
    ragtime_lstm_desc desc;
    std::int64_t later;
  } newer = {desc, 0};
  newer.desc.struct_size = sizeof(newer);
  ragtime_lstm made = nullptr;
  EXPECT_EQ(ragtime_lstm_create(opened, &newer.desc, &made), RAGTIME_OK) << ragtime_last_error();
  EXPECT_EQ(ragtime_lstm_destroy(made), RAGTIME_OK);
  newer.later = 1;
  EXPECT_REFUSED(ragtime_lstm_create(opened, &newer.desc, &made), RAGTIME_UNSUPPORTED, "beyond");
}

TEST_P(CApi, ABatchBeyondTheCapacityIsRefused) {
  const std::vector<std::int32_t> more = {1, 1, 1, 1}, longer = {4}, wide = {3, 3, 3};
  for (const auto& [lengths, text] :
       {std::pair{more, "4 sequences"}, std::pair{longer, "4 steps"}, std::pair{wide, "9 rows"}}) {
    ASSERT_EQ(ragtime_batch_load_lengths(batch, lengths.data(), static_cast<std::int64_t>(lengths.size()), 0,
                                         nullptr),
              RAGTIME_OK);
    EXPECT_REFUSED(run_forward(), RAGTIME_OUT_OF_RANGE, text);
    EXPECT_REFUSED(run_backward(), RAGTIME_OUT_OF_RANGE, text);
  }
}

}  // namespace
}  // namespace ragtime::test
