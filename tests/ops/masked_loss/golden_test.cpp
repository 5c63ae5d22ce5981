// Losses give what PyTorch gives on the rows that count (survival: its formula): every kind, layout and
// reduction, with and without weights, loss, denominator and gradient. Padding and masked rows hold NaN.

#include <gtest/gtest.h>

#include <set>

#include "ragtime/masked_loss.hpp"
#include "ragtime/status.hpp"
#include "tests/support/golden.hpp"

namespace ragtime::test {
namespace {

class GoldenMaskedLoss : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(GoldenMaskedLoss);

LossKind kind_named(const std::string& name) {
  for (const LossKind kind :
       {LossKind::bce_with_logits, LossKind::cross_entropy, LossKind::mse, LossKind::survival})
    if (name == name_of(kind)) return kind;
  throw std::invalid_argument("loss kind " + name);
}

LossLayout layout_named(const std::string& name) {
  if (name == "rows") return LossLayout::rows;
  if (name == "sequences") return LossLayout::sequences;
  if (name == "padded") return LossLayout::padded;
  throw std::invalid_argument("loss layout " + name);
}

template <class T>
void check_loss(const std::shared_ptr<Backend>& backend, const GoldenCase& golden) {
  DeviceBatch batch(backend);
  batch.load(layout_of(golden.about<std::vector<std::int32_t>>("lengths")));
  MaskedLossDesc desc;
  desc.dtype = dtype_of<T>;
  desc.kind = kind_named(golden.about<std::string>("kind"));
  desc.layout = layout_named(golden.about<std::string>("layout"));
  desc.outputs = golden.about<std::int64_t>("outputs");
  desc.padded_steps = golden.about<std::int64_t>("padded_steps");
  desc.label_smoothing = golden.about<double>("label_smoothing");
  desc.ignore_index = golden.about<std::int32_t>("ignore_index");
  desc.hazards_are_logits = golden.about<bool>("hazards_are_logits");
  desc.capacity = batch.size();

  const auto logits = golden.device<T>(backend, "logits"), targets = golden.device<T>(backend, "targets");
  const auto pos_weight = golden.device<T>(backend, "pos_weight");
  const auto class_weight = golden.device<T>(backend, "class_weight");
  const auto labels = golden.device<std::int32_t>(backend, "labels");
  const auto event_time = golden.device<std::int32_t>(backend, "event_time");
  const auto observed = golden.device<std::uint8_t>(backend, "observed");
  const auto row_weight = golden.device<float>(backend, "row_weight");

  for (const Reduction reduction :
       {Reduction::none, Reduction::sum, Reduction::mean, Reduction::mean_per_sequence}) {
    const std::string suffix = std::string("_") + name_of(reduction);
    for (const std::string result : {"loss", "weight_sum", "d_logits"})
      ASSERT_TRUE(golden.has(result + suffix)) << result + suffix;
    desc.reduction = reduction;
    const MaskedLossPlan plan(backend, desc);
    const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
    const auto loss = golden.room<T>(backend, "loss" + suffix);
    const auto weight_sum = golden.room<T>(backend, "weight_sum" + suffix);
    const auto d_logits = golden.room<T>(backend, "d_logits" + suffix);
    Status status(backend);
    MaskedLossArgs args;
    args.batch = batch.view();
    args.logits = logits.data();
    args.targets = targets.data();
    args.labels = labels.data();
    args.event_time = event_time.data();
    args.observed = observed.data();
    args.row_weight = row_weight.data();
    args.pos_weight = pos_weight.data();
    args.class_weight = class_weight.data();
    args.loss = loss.data();
    args.weight_sum = weight_sum.data();
    args.d_logits = d_logits.data();
    args.workspace = workspace.data();
    args.status = status.word();
    plan.run(args);
    EXPECT_NO_THROW(status.check());
    golden.expect(loss, "loss" + suffix);
    golden.expect(weight_sum, "weight_sum" + suffix);
    golden.expect(d_logits, "d_logits" + suffix);
  }
}

TEST_P(GoldenMaskedLoss, Double) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("masked_loss", [&](const GoldenCase& golden) { check_loss<double>(backend, golden); });
}
TEST_P(GoldenMaskedLoss, Float) {
  for_each_golden("masked_loss", [&](const GoldenCase& golden) { check_loss<float>(backend, golden); });
}

// A file that lost a kind would pass the tests above.
TEST_P(GoldenMaskedLoss, EveryKindInEveryLayoutItHas) {
  std::set<std::pair<LossKind, LossLayout>> found;
  for_each_golden("masked_loss", [&](const GoldenCase& golden) {
    found.emplace(kind_named(golden.about<std::string>("kind")),
                  layout_named(golden.about<std::string>("layout")));
  });
  EXPECT_EQ(found.size(), 4u * 3 - 1);  // no survival with one row a sequence
}

}  // namespace
}  // namespace ragtime::test
