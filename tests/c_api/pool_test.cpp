// The C API's pooling: the bits of the C++ plan it stands for, and every bad argument refused.

#include "ragtime/segment_pool.hpp"
#include "tests/c_api/operations.hpp"

namespace ragtime::test {
namespace {

// Codes of each visit out of a table, by attention, weighted: every tensor that there is.
TEST_P(CApiOperations, PoolsTheCodesOfABatch) {
  constexpr std::int64_t width = 4, scorer = 2;
  auto desc = sized<ragtime_segment_pool_desc>();
  desc.mode = RAGTIME_POOL_ATTENTION;
  desc.width = width;
  desc.segments = rows;
  desc.items = codes;
  desc.vocab_size = vocab;
  desc.padding_row = 1;
  desc.attention_width = scorer;
  desc.weighted = 1;
  expect_handles_are_found_out<ragtime_segment_pool, ragtime_segment_pool_desc>(
      {ragtime_segment_pool_create, ragtime_segment_pool_destroy, ragtime_segment_pool_workspace_bytes,
       ragtime_segment_pool_reserve_bytes},
      desc, "pool");
  ragtime_segment_pool pool = nullptr;
  EXPECT_DONE(ragtime_segment_pool_create(opened, &desc, &pool));
  auto forward = sized<ragtime_segment_pool_forward_args>();
  auto backward = sized<ragtime_segment_pool_backward_args>();
  forward.segments = backward.segments = array(RAGTIME_ROW_COUNT);
  forward.offsets = backward.offsets = array(RAGTIME_CODE_OFFSETS);
  forward.codes = backward.codes = array(RAGTIME_CODES);
  forward.weights = backward.weights = array(RAGTIME_CODE_WEIGHTS);
  forward.values = backward.values = drawn({vocab, width});
  forward.attention =
      backward.attention = {drawn({scorer, width}), drawn({scorer}), drawn({1, scorer}), drawn({1})};
  forward.out = poisoned({rows, width});
  backward.d_out = drawn({rows, width});
  backward.d_values = poisoned({vocab, width});
  backward.d_attention = {poisoned({scorer, width}), poisoned({scorer}), poisoned({1, scorer}),
                          poisoned({1})};
  EXPECT_DONE(ragtime_segment_pool_workspace_bytes(pool, &forward.workspace_bytes));
  EXPECT_DONE(ragtime_segment_pool_reserve_bytes(pool, &forward.reserve_bytes));
  backward.workspace_bytes = forward.workspace_bytes;
  backward.reserve_bytes = forward.reserve_bytes;
  forward.workspace = backward.workspace = space(forward.workspace_bytes);
  forward.reserve = space(forward.reserve_bytes);
  backward.reserve = forward.reserve;
  const auto run = [&] { return ragtime_segment_pool_forward(pool, &forward, nullptr); };
  const auto run_back = [&] { return ragtime_segment_pool_backward(pool, &backward, nullptr); };
  EXPECT_DONE(run());
  EXPECT_DONE(run_back());

  SegmentPoolDesc own_desc;
  own_desc.mode = PoolMode::attention;
  own_desc.width = width;
  own_desc.segments = rows;
  own_desc.items = codes;
  own_desc.vocab_size = vocab;
  own_desc.padding_idx = 0;
  own_desc.attention_width = scorer;
  own_desc.weighted = true;
  const SegmentPoolPlan plan(backend, own_desc);
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes()),
             reserve = poisoned_workspace(backend, plan.reserve_bytes());
  const auto out = DeviceArray<float>::poisoned(backend, rows * width),
             d_table = DeviceArray<float>::poisoned(backend, vocab * width),
             d_w1 = DeviceArray<float>::poisoned(backend, scorer * width),
             d_b1 = DeviceArray<float>::poisoned(backend, scorer),
             d_w2 = DeviceArray<float>::poisoned(backend, scorer),
             d_b2 = DeviceArray<float>::poisoned(backend, 1);
  SegmentPoolForward own_forward;
  own_forward.segments = own->view().counts + 1;
  own_forward.offsets = own->code_offsets();
  own_forward.codes = own->codes();
  own_forward.weights = own->code_weights();
  own_forward.values = forward.values->data;
  own_forward.attention = {forward.attention.w1->data, forward.attention.b1->data, forward.attention.w2->data,
                           forward.attention.b2->data};
  own_forward.out = out.data();
  own_forward.workspace = workspace.data();
  own_forward.reserve = reserve.data();
  plan.forward(own_forward);
  SegmentPoolBackward own_backward;
  own_backward.segments = own_forward.segments;
  own_backward.offsets = own_forward.offsets;
  own_backward.codes = own_forward.codes;
  own_backward.weights = own_forward.weights;
  own_backward.values = own_forward.values;
  own_backward.attention = own_forward.attention;
  own_backward.d_out = backward.d_out->data;
  own_backward.d_values = d_table.data();
  own_backward.d_attention = {d_w1.data(), d_b1.data(), d_w2.data(), d_b2.data()};
  own_backward.workspace = workspace.data();
  own_backward.reserve = reserve.data();
  plan.backward(own_backward);
  EXPECT_TRUE(same_bits(host(forward.out), out.host()));
  EXPECT_TRUE(same_bits(host(backward.d_values), d_table.host()));
  EXPECT_TRUE(same_bits(host(backward.d_attention.w1), d_w1.host()));
  EXPECT_TRUE(same_bits(host(backward.d_attention.b1), d_b1.host()));
  EXPECT_TRUE(same_bits(host(backward.d_attention.w2), d_w2.host()));
  EXPECT_TRUE(same_bits(host(backward.d_attention.b2), d_b2.host()));
  const auto table_gradient = host(backward.d_values);
  for (std::int64_t k = 0; k < width; ++k) EXPECT_EQ(table_gradient[k], 0) << "the row that gets none";

  expect_refused_when_spoilt(*backend,
                             {{&forward.segments, "args.segments"},
                              {&forward.offsets, "args.offsets", Place::any},
                              {&forward.codes, "args.codes", Place::any},
                              {&forward.weights, "args.weights", Place::or_more},
                              {&forward.values, "args.values"},
                              {&forward.attention.w1, "args.attention.w1"},
                              {&forward.attention.b1, "args.attention.b1"},
                              {&forward.attention.w2, "args.attention.w2"},
                              {&forward.attention.b2, "args.attention.b2"},
                              {&forward.out, "args.out", Place::or_more}},
                             run);
  expect_refused_when_spoilt(*backend,
                             {{&backward.segments, "args.segments"},
                              {&backward.values, "args.values"},
                              {&backward.d_out, "args.d_out", Place::or_more},
                              {&backward.d_values, "args.d_values"},
                              {&backward.d_attention.w1, "args.d_attention.w1"},
                              {&backward.d_attention.b1, "args.d_attention.b1"},
                              {&backward.d_attention.w2, "args.d_attention.w2"},
                              {&backward.d_attention.b2, "args.d_attention.b2"}},
                             run_back);
  EXPECT_REFUSED(ragtime_segment_pool_forward(nullptr, &forward, nullptr), invalid, "pool is null");
  EXPECT_REFUSED(ragtime_segment_pool_forward(pool, nullptr, nullptr), invalid, "args is null");
  EXPECT_REFUSED(ragtime_segment_pool_backward(nullptr, &backward, nullptr), invalid, "pool is null");
  EXPECT_REFUSED(ragtime_segment_pool_backward(pool, nullptr, nullptr), invalid, "args is null");
  const auto without = [&](const ragtime_tensor*& place, const char* text, auto again) {
    const ragtime_tensor* const kept = place;
    place = nullptr;
    EXPECT_REFUSED(again(), invalid, text);
    place = kept;
  };
  without(forward.segments, "segments is null", run);
  without(forward.offsets, "offsets is null", run);
  without(forward.codes, "codes is null", run);
  without(forward.values, "values is null", run);
  without(forward.weights, "weights is null", run);
  without(forward.attention.w2, "attention.w2 is null", run);
  without(forward.out, "out is null", run);
  without(backward.d_out, "d_out is null", run_back);
  without(backward.d_values, "d_values is null", run_back);
  without(backward.d_attention.b1, "d_attention.b1 is null", run_back);
  backward.accumulate = 3;
  EXPECT_REFUSED(run_back(), invalid, "args.accumulate is 3");
  backward.accumulate = 0;
  backward.workspace_bytes = 0;
  if (forward.workspace_bytes > 0) EXPECT_REFUSED(run_back(), beyond, "args.workspace_bytes is 0");
  backward.workspace_bytes = forward.workspace_bytes;
  backward.reserve = nullptr;
  EXPECT_REFUSED(run_back(), invalid, "args.reserve is null");

  // More than the arrays have room for: seen where the host can look.
  if (backend->device() == DeviceType::cpu) {
    forward.segments = tensor<std::int32_t>({1}, {rows + 1});
    EXPECT_REFUSED(run(), beyond, "args.segments[0] is 7");
    forward.segments = backward.segments;
    forward.offsets = tensor<std::int32_t>({rows + 1}, {0, 2, 2, 3, 6, 8, 10});
    EXPECT_REFUSED(run(), beyond, "args.offsets[6] is 10");
    forward.offsets = backward.offsets;
  }

  // A code beyond the table is no error of the call, but a fault.
  ragtime_faults faults = nullptr;
  EXPECT_DONE(ragtime_faults_create(opened, &faults));
  forward.faults = faults;
  std::vector<std::int32_t> bad = host_batch.codes;
  bad[3] = 99;
  forward.codes = tensor<std::int32_t>({codes}, bad);
  EXPECT_DONE(run());
  EXPECT_REFUSED(ragtime_faults_check(faults, nullptr), beyond, "3");
  EXPECT_DONE(ragtime_faults_check(faults, nullptr));
  EXPECT_DONE(ragtime_faults_destroy(faults));
  EXPECT_REFUSED(run(), invalid, "args.faults is ");
  EXPECT_DONE(ragtime_segment_pool_destroy(pool));

  ragtime_segment_pool made = nullptr;
  const auto refused = [&](auto change, const char* text) {
    ragtime_segment_pool_desc other = desc;
    change(other);
    EXPECT_REFUSED(ragtime_segment_pool_create(opened, &other, &made), invalid, text);
  };
  refused([](auto& other) { other.mode = static_cast<ragtime_pool_mode>(5); }, "desc.mode is 5");
  refused([](auto& other) { other.padding_row = vocab + 1; }, "desc.padding_row is 6");
  refused([](auto& other) { other.items = INT64_MAX; }, "items is 9223372036854775807");
  refused([](auto& other) { other.attention_width = 0; }, "attention_width is 0");
  refused([](auto& other) { other.mode = RAGTIME_POOL_LAST; }, "weighted is true");
  refused([](auto& other) { other.tf32 = 7; }, "desc.tf32 is 7");
}

// Rows as they stand: the visits of each patient, in the modes without weights.
TEST_P(CApiOperations, PoolsTheRowsOfSequences) {
  const auto values = drawn({rows, 2});
  const std::vector<float> x = host(values);
  for (const ragtime_pool_mode mode :
       {RAGTIME_POOL_SUM, RAGTIME_POOL_MEAN, RAGTIME_POOL_MAX, RAGTIME_POOL_LAST}) {
    auto desc = sized<ragtime_segment_pool_desc>();
    desc.mode = mode;
    desc.width = 2;
    desc.segments = sequences;
    desc.items = rows;
    ragtime_segment_pool pool = nullptr;
    EXPECT_DONE(ragtime_segment_pool_create(opened, &desc, &pool));
    auto args = sized<ragtime_segment_pool_forward_args>();
    args.segments = array(RAGTIME_SEQUENCE_COUNT);
    args.offsets = array(RAGTIME_VISIT_OFFSETS);
    args.values = values;
    args.out = poisoned({sequences, 2});
    EXPECT_DONE(ragtime_segment_pool_workspace_bytes(pool, &args.workspace_bytes));
    args.workspace = space(args.workspace_bytes);
    EXPECT_DONE(ragtime_segment_pool_forward(pool, &args, nullptr));
    const std::vector<float> out = host(args.out);
    std::size_t row = 0;
    for (std::size_t b = 0; b < lengths.size(); row += static_cast<std::size_t>(lengths[b]), ++b)
      for (std::size_t k = 0; k < 2; ++k) {
        double sum = 0, most = -INFINITY, last = 0;
        for (std::int32_t t = 0; t < lengths[b]; ++t) {
          last = x[(row + static_cast<std::size_t>(t)) * 2 + k];
          sum += last;
          most = std::max(most, last);
        }
        const double expected = mode == RAGTIME_POOL_SUM    ? sum
                                : mode == RAGTIME_POOL_MEAN ? sum / lengths[b]
                                : mode == RAGTIME_POOL_MAX  ? most
                                                            : last;
        EXPECT_NEAR(out[b * 2 + k], expected, 1e-6) << "mode " << mode << " of sequence " << b;
      }
    EXPECT_DONE(ragtime_segment_pool_destroy(pool));
  }
}

}  // namespace
}  // namespace ragtime::test
