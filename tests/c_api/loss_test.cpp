// The C API's losses and batches built on the device: the bits of the C++ plans they stand for, and every bad
// argument refused.

#include "ragtime/batch_builder.hpp"
#include "ragtime/masked_loss.hpp"
#include "tests/c_api/operations.hpp"

namespace ragtime::test {
namespace {

// Every kind in every layout it has, by the C++ plan.
TEST_P(CApiOperations, MaskedLosses) {
  constexpr std::int64_t outputs = 3, padded = steps + 1;
  const auto row_labels = tensor<std::int32_t>({rows}, {0, 2, 1, 1, 0, 2}),
             padded_labels = tensor<std::int32_t>({sequences, padded}, {0, 2, 9, 9, 1, 1, 0, 9, 2, 9, 9, 9}),
             sequence_labels = tensor<std::int32_t>({sequences}, {1, 0, 2});
  const auto event_time = tensor<std::int32_t>({sequences}, {1, 2, 0});
  const auto observed = tensor<std::uint8_t>({sequences}, {1, 0, 1});
  const auto class_weight = tensor<float>({outputs}, {1, 2, 0.5f}),
             pos_weight = tensor<float>({outputs}, {3, 1, 2});
  for (const ragtime_loss_layout layout : {RAGTIME_LOSS_ROWS, RAGTIME_LOSS_SEQUENCES, RAGTIME_LOSS_PADDED})
    for (const ragtime_loss_kind kind :
         {RAGTIME_LOSS_BCE_WITH_LOGITS, RAGTIME_LOSS_CROSS_ENTROPY, RAGTIME_LOSS_MSE, RAGTIME_LOSS_SURVIVAL})
      for (const ragtime_reduction reduction :
           {RAGTIME_REDUCTION_NONE, RAGTIME_REDUCTION_SUM, RAGTIME_REDUCTION_MEAN,
            RAGTIME_REDUCTION_MEAN_PER_SEQUENCE}) {
        const bool survival = kind == RAGTIME_LOSS_SURVIVAL, entropy = kind == RAGTIME_LOSS_CROSS_ENTROPY;
        if (survival && layout == RAGTIME_LOSS_SEQUENCES) continue;
        SCOPED_TRACE(testing::Message()
                     << "layout " << layout << " kind " << kind << " reduction " << reduction);
        auto desc = sized<ragtime_masked_loss_desc>();
        desc.kind = kind;
        desc.reduction = reduction;
        desc.layout = layout;
        desc.outputs = survival ? 1 : outputs;
        desc.padded_steps = layout == RAGTIME_LOSS_PADDED ? padded : 0;
        desc.capacity = capacity;
        ragtime_masked_loss loss = nullptr;
        EXPECT_DONE(ragtime_masked_loss_create(opened, &desc, &loss));
        std::vector<std::int64_t> row = layout == RAGTIME_LOSS_ROWS ? std::vector<std::int64_t>{rows}
                                        : layout == RAGTIME_LOSS_SEQUENCES
                                            ? std::vector<std::int64_t>{sequences}
                                            : std::vector<std::int64_t>{sequences, padded};
        std::vector<std::int64_t> element = row;
        if (!survival) element.push_back(outputs);
        const std::vector<std::int64_t> result = reduction != RAGTIME_REDUCTION_NONE
                                                     ? std::vector<std::int64_t>{1}
                                                 : survival ? std::vector<std::int64_t>{sequences}
                                                 : entropy  ? row
                                                            : element;
        auto args = sized<ragtime_masked_loss_args>();
        args.batch = batch;
        args.logits = drawn(element);
        if (kind == RAGTIME_LOSS_BCE_WITH_LOGITS || kind == RAGTIME_LOSS_MSE)
          args.targets = tensor(element, numbers.vector<float>(elements(element), 0, 1));
        if (entropy)
          args.labels = layout == RAGTIME_LOSS_ROWS        ? row_labels
                        : layout == RAGTIME_LOSS_SEQUENCES ? sequence_labels
                                                           : padded_labels;
        if (survival) args.event_time = event_time, args.observed = observed;
        if (entropy) args.class_weight = class_weight;
        if (kind == RAGTIME_LOSS_BCE_WITH_LOGITS) args.pos_weight = pos_weight;
        const std::vector<std::int64_t> weight = survival ? std::vector<std::int64_t>{sequences} : row;
        args.row_weight = tensor(weight, numbers.vector<float>(elements(weight), 0.5, 2));
        args.loss = poisoned(result);
        args.weight_sum = poisoned({1});
        args.d_logits = poisoned(element);
        EXPECT_DONE(ragtime_masked_loss_workspace_bytes(loss, &args.workspace_bytes));
        args.workspace = space(args.workspace_bytes);
        const auto run = [&] { return ragtime_masked_loss_run(loss, &args, nullptr); };
        EXPECT_DONE(run());

        MaskedLossDesc own_desc;
        own_desc.kind = static_cast<LossKind>(kind);
        own_desc.reduction = static_cast<Reduction>(reduction);
        own_desc.layout = static_cast<LossLayout>(layout);
        own_desc.outputs = desc.outputs;
        own_desc.padded_steps = desc.padded_steps;
        own_desc.capacity = room;
        const MaskedLossPlan plan(backend, own_desc);
        const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
        const auto own_loss = DeviceArray<float>::poisoned(backend, elements(result)),
                   sum = DeviceArray<float>::poisoned(backend, 1),
                   d_logits = DeviceArray<float>::poisoned(backend, elements(element));
        const auto data = [](const ragtime_tensor* given) {
          return given == nullptr ? nullptr : given->data;
        };
        MaskedLossArgs own_args;
        own_args.batch = own->view();
        own_args.logits = data(args.logits);
        own_args.targets = data(args.targets);
        own_args.labels = static_cast<const std::int32_t*>(data(args.labels));
        own_args.event_time = static_cast<const std::int32_t*>(data(args.event_time));
        own_args.observed = static_cast<const std::uint8_t*>(data(args.observed));
        own_args.row_weight = static_cast<const float*>(data(args.row_weight));
        own_args.class_weight = data(args.class_weight);
        own_args.pos_weight = data(args.pos_weight);
        own_args.loss = own_loss.data();
        own_args.weight_sum = sum.data();
        own_args.d_logits = d_logits.data();
        own_args.workspace = workspace.data();
        plan.run(own_args);
        EXPECT_TRUE(same_bits(host(args.loss), own_loss.host()));
        EXPECT_TRUE(same_bits(host(args.weight_sum), sum.host()));
        EXPECT_TRUE(same_bits(host(args.d_logits), d_logits.host()));
        EXPECT_NE(host(args.loss)[0], 0);

        if (reduction == RAGTIME_REDUCTION_NONE ||
            (layout == RAGTIME_LOSS_ROWS && reduction == RAGTIME_REDUCTION_MEAN)) {
          std::vector<Place> places = {
              {&args.logits, "args.logits", Place::or_more},
              {&args.row_weight, "args.row_weight", Place::or_more},
              {&args.loss, "args.loss", reduction == RAGTIME_REDUCTION_NONE ? Place::or_more : Place::exact},
              {&args.weight_sum, "args.weight_sum"},
              {&args.d_logits, "args.d_logits", Place::or_more}};
          if (args.targets != nullptr) places.push_back({&args.targets, "args.targets", Place::or_more});
          if (args.labels != nullptr) places.push_back({&args.labels, "args.labels", Place::or_more});
          if (survival) places.push_back({&args.event_time, "args.event_time", Place::or_more});
          if (survival) places.push_back({&args.observed, "args.observed", Place::or_more});
          if (args.class_weight != nullptr) places.push_back({&args.class_weight, "args.class_weight"});
          if (args.pos_weight != nullptr) places.push_back({&args.pos_weight, "args.pos_weight"});
          expect_refused_when_spoilt(*backend, places, run);
        }
        EXPECT_DONE(ragtime_masked_loss_destroy(loss));
      }
}

TEST_P(CApiOperations, LossesOfLabelsAsOffsetsAndIds) {
  auto desc = sized<ragtime_masked_loss_desc>();
  desc.reduction = RAGTIME_REDUCTION_MEAN;
  desc.outputs = vocab;
  desc.capacity = capacity;
  expect_handles_are_found_out<ragtime_masked_loss, ragtime_masked_loss_desc>(
      {ragtime_masked_loss_create, ragtime_masked_loss_destroy, ragtime_masked_loss_workspace_bytes, nullptr},
      desc, "loss");
  ragtime_masked_loss loss = nullptr;
  EXPECT_DONE(ragtime_masked_loss_create(opened, &desc, &loss));
  auto args = sized<ragtime_masked_loss_args>();
  args.batch = batch;
  args.logits = drawn({rows, vocab});
  args.loss = poisoned({1});
  EXPECT_DONE(ragtime_masked_loss_workspace_bytes(loss, &args.workspace_bytes));
  args.workspace = space(args.workspace_bytes);
  const auto run = [&] { return ragtime_masked_loss_run(loss, &args, nullptr); };

  // The batch's own codes are the labels, as in predicting the codes of a visit.
  std::vector<float> dense(rows * vocab);
  std::vector<std::int32_t> ids, offsets = {0};
  for (std::size_t n = 0; n < rows; ++n) {
    for (std::int32_t m = host_batch.code_offsets[n]; m < host_batch.code_offsets[n + 1]; ++m) {
      float& target =
          dense[n * vocab + static_cast<std::size_t>(host_batch.codes[static_cast<std::size_t>(m)])];
      if (target == 0) ids.push_back(host_batch.codes[static_cast<std::size_t>(m)]);
      target = 1;
    }
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
  args.targets = tensor({rows, vocab}, dense);
  EXPECT_DONE(run());
  const float expected = host(args.loss)[0];
  args.targets = nullptr;
  args.target_offsets = tensor({rows + 1}, offsets);
  args.target_ids = tensor({static_cast<std::int64_t>(ids.size())}, ids);
  EXPECT_DONE(run());
  EXPECT_NEAR(host(args.loss)[0], expected, 1e-6);
  expect_refused_when_spoilt(*backend,
                             {{&args.target_offsets, "args.target_offsets", Place::or_more},
                              {&args.target_ids, "args.target_ids", Place::any}},
                             run);

  args.targets = args.logits;
  EXPECT_REFUSED(run(), invalid, "targets and target_offsets are both given");
  args.targets = args.target_offsets = nullptr;
  EXPECT_REFUSED(run(), invalid, "targets and target_offsets are both null");
  EXPECT_REFUSED(ragtime_masked_loss_run(nullptr, &args, nullptr), invalid, "loss is null");
  EXPECT_REFUSED(ragtime_masked_loss_run(loss, nullptr, nullptr), invalid, "args is null");
  args.targets = tensor({rows, vocab}, dense);
  args.batch = nullptr;
  EXPECT_REFUSED(run(), invalid, "args.batch is null");
  args.batch = batch;
  args.workspace = nullptr;
  if (args.workspace_bytes > 0) EXPECT_REFUSED(run(), invalid, "args.workspace is null");
  EXPECT_DONE(ragtime_masked_loss_destroy(loss));

  ragtime_masked_loss made = nullptr;
  const auto refused = [&](auto change, const char* text) {
    ragtime_masked_loss_desc bad = desc;
    change(bad);
    EXPECT_REFUSED(ragtime_masked_loss_create(opened, &bad, &made), invalid, text);
  };
  refused([](auto& bad) { bad.kind = static_cast<ragtime_loss_kind>(-1); }, "desc.kind is -1");
  refused([](auto& bad) { bad.reduction = static_cast<ragtime_reduction>(4); }, "desc.reduction is 4");
  refused([](auto& bad) { bad.layout = static_cast<ragtime_loss_layout>(3); }, "desc.layout is 3");
  refused([](auto& bad) { bad.outputs = INT64_MIN; }, "outputs is ");
  refused([](auto& bad) { bad.label_smoothing = 2; }, "label_smoothing is 2");
  refused([](auto& bad) { bad.hazards = 2; }, "desc.hazards is 2");
}

TEST_P(CApiOperations, BatchesBuiltOnTheDevice) {
  auto desc = sized<ragtime_batch_builder_desc>();
  desc.capacity = capacity;
  expect_handles_are_found_out<ragtime_batch_builder, ragtime_batch_builder_desc>(
      {ragtime_batch_builder_create, ragtime_batch_builder_destroy, ragtime_batch_builder_workspace_bytes,
       nullptr},
      desc, "builder");
  ragtime_batch_builder builder = nullptr;
  ragtime_batch built = nullptr;
  ragtime_faults faults = nullptr;
  EXPECT_DONE(ragtime_batch_builder_create(opened, &desc, &builder));
  EXPECT_DONE(ragtime_batch_create(opened, &built));
  EXPECT_DONE(ragtime_faults_create(opened, &faults));
  auto args = sized<ragtime_batch_build_args>();
  args.batch = built;
  args.lengths = tensor<std::int32_t>({sequences}, lengths);
  args.faults = faults;
  EXPECT_DONE(ragtime_batch_builder_workspace_bytes(builder, &args.workspace_bytes));
  args.workspace = space(args.workspace_bytes);
  const auto run = [&] { return ragtime_batch_build(builder, &args, nullptr); };
  EXPECT_REFUSED(run(), invalid, "args.batch has no fixed capacity");
  ragtime_capacity small = capacity;
  small.rows -= 1;
  ragtime_batch narrow = nullptr;
  EXPECT_DONE(ragtime_batch_create(opened, &narrow));
  EXPECT_DONE(ragtime_batch_fix(narrow, &small, 0));
  args.batch = narrow;
  EXPECT_REFUSED(run(), beyond, "args.batch is fixed at 5 rows: expected at least 6");
  EXPECT_DONE(ragtime_batch_destroy(narrow));
  args.batch = batch;
  EXPECT_REFUSED(run(), invalid, "args.batch was loaded");
  args.batch = built;
  EXPECT_DONE(ragtime_batch_fix(built, &capacity, 0));
  EXPECT_DONE(run());
  EXPECT_REFUSED(ragtime_batch_fix(built, &capacity, 0), invalid, "batch was built");
  EXPECT_REFUSED(ragtime_batch_load_lengths(built, lengths.data(), sequences, 0, nullptr), invalid,
                 "was built");

  // Lengths, and the mask that says the same, give the arrays that the host makes of them.
  const auto expect_the_batch = [&] {
    const auto values = [&](ragtime_batch from, ragtime_batch_array which) {
      ragtime_managed_tensor* made = nullptr;
      EXPECT_DONE(ragtime_batch_export(from, which, &made));
      std::vector<std::int32_t> got(static_cast<std::size_t>(made->dl_tensor.shape[0]));
      backend->copy(got.data(), made->dl_tensor.data, got.size() * 4, CopyKind::to_host);
      backend->synchronize();
      made->deleter(made);
      return got;
    };
    for (const ragtime_batch_array which : {RAGTIME_VISIT_OFFSETS, RAGTIME_ORDER, RAGTIME_INVERSE_ORDER,
                                            RAGTIME_BATCH_SIZES, RAGTIME_SEQUENCE_COUNT, RAGTIME_ROW_COUNT})
      EXPECT_EQ(values(built, which), values(batch, which)) << "array " << which;
    EXPECT_DONE(ragtime_faults_check(faults, nullptr));
  };
  expect_the_batch();
  const auto run_of_final_state = [&] {
    auto gather_desc = sized<ragtime_final_state_desc>();
    gather_desc.width = 1;
    gather_desc.capacity = capacity;
    ragtime_final_state gather = nullptr;
    EXPECT_DONE(ragtime_final_state_create(opened, &gather_desc, &gather));
    const auto y = tensor<float>({rows, 1}, {1, 2, 3, 4, 5, 6}), out = poisoned({sequences, 1});
    EXPECT_DONE(ragtime_final_state_forward(gather, built, y, out, nullptr, nullptr));
    EXPECT_EQ(host(out), (std::vector<float>{2, 5, 6}));
    EXPECT_DONE(ragtime_final_state_destroy(gather));
  };
  run_of_final_state();
  const ragtime_tensor* const by_length = args.lengths;
  const ragtime_tensor* const mask = tensor<std::uint8_t>({sequences, steps}, {1, 1, 0, 1, 1, 1, 1, 0, 0});
  args.lengths = nullptr;
  args.mask = mask;
  EXPECT_DONE(run());
  expect_the_batch();

  ragtime_capacity size = {};
  EXPECT_DONE(ragtime_batch_fetch(built, nullptr));
  EXPECT_DONE(ragtime_batch_size(built, &size));
  EXPECT_EQ(size.rows, rows);
  EXPECT_EQ(size.codes, 0);
  EXPECT_EQ(size.steps, steps);

  // Two of them in use.
  args.sequences = tensor<std::int32_t>({1}, {2});
  EXPECT_DONE(run());
  EXPECT_DONE(ragtime_batch_size(built, &size));
  EXPECT_EQ(size.sequences, sequences) << "what was fetched is of the build before";
  EXPECT_DONE(ragtime_batch_fetch(built, nullptr));
  EXPECT_DONE(ragtime_batch_size(built, &size));
  EXPECT_EQ(size.sequences, 2);
  EXPECT_EQ(size.rows, 5);

  expect_refused_when_spoilt(
      *backend, {{&args.mask, "args.mask", Place::any}, {&args.sequences, "args.sequences"}}, run);
  args.mask = tensor<std::uint8_t>({sequences - 1, steps}, {1, 1, 0, 1, 1, 1});
  EXPECT_REFUSED(run(), mismatch, "args.mask has shape [2, 3]: expected [3 or more, 3]");
  args.mask = tensor<std::uint8_t>({sequences, steps + 1}, std::vector<std::uint8_t>(12, 1));
  EXPECT_REFUSED(run(), mismatch, "args.mask has 4 steps: expected 0 to 3");
  args.lengths = by_length;
  EXPECT_REFUSED(run(), invalid, "args.lengths and args.mask are both given");
  args.mask = nullptr;
  expect_refused_when_spoilt(*backend, {{&args.lengths, "args.lengths", Place::or_more}}, run);
  args.lengths = nullptr;
  EXPECT_REFUSED(run(), invalid, "args.lengths and args.mask are both null");
  EXPECT_REFUSED(ragtime_batch_build(nullptr, &args, nullptr), invalid, "builder is null");
  EXPECT_REFUSED(ragtime_batch_build(builder, nullptr, nullptr), invalid, "args is null");
  args.lengths = by_length;
  args.workspace_bytes = 0;
  EXPECT_REFUSED(run(), beyond, "args.workspace_bytes is 0");

  // A hole in a mask is a fault that names its place.
  EXPECT_DONE(ragtime_batch_builder_workspace_bytes(builder, &args.workspace_bytes));
  args.lengths = nullptr;
  args.sequences = nullptr;
  args.mask = tensor<std::uint8_t>({sequences, steps}, {1, 1, 0, 1, 0, 1, 1, 0, 0});
  EXPECT_DONE(run());
  EXPECT_REFUSED(ragtime_faults_check(faults, nullptr), beyond, "5");
  desc.capacity.steps = -1;
  ragtime_batch_builder made = nullptr;
  EXPECT_REFUSED(ragtime_batch_builder_create(opened, &desc, &made), invalid, "capacity.steps is -1");
  desc.capacity.steps = 1;
  desc.allow_zero_length = 2;
  EXPECT_REFUSED(ragtime_batch_builder_create(opened, &desc, &made), invalid, "desc.allow_zero_length is 2");
  EXPECT_DONE(ragtime_faults_destroy(faults));
  EXPECT_DONE(ragtime_batch_builder_destroy(builder));
  EXPECT_DONE(ragtime_batch_destroy(built));
}

// What was exported from a batch keeps its memory and values when the batch is loaded again.
TEST_P(CApiOperations, ExportedArraysOutliveTheNextLoad) {
  ragtime_managed_tensor* order = nullptr;
  EXPECT_DONE(ragtime_batch_export(batch, RAGTIME_ORDER, &order));
  const std::vector<std::int32_t> many(1000, 2);
  EXPECT_DONE(ragtime_batch_load_lengths(batch, many.data(), 1000, 0, nullptr));
  std::vector<std::int32_t> got(3);
  backend->copy(got.data(), order->dl_tensor.data, 12, CopyKind::to_host);
  backend->synchronize();
  EXPECT_EQ(got, (std::vector<std::int32_t>{1, 0, 2}));
  order->deleter(order);
  ragtime_capacity size = {};
  EXPECT_DONE(ragtime_batch_size(batch, &size));
  EXPECT_EQ(size.sequences, 1000);
}

}  // namespace
}  // namespace ragtime::test
