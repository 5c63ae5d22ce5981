// Pooling gives what a padded, masked PyTorch model gives: every mode, from a table and from rows, with and
// without weights, with empty segments, and the gradients of table, rows and attention.

#include <gtest/gtest.h>

#include "ragtime/segment_pool.hpp"
#include "tests/support/golden.hpp"

namespace ragtime::test {
namespace {

class GoldenSegmentPool : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(GoldenSegmentPool);

PoolMode mode_named(const std::string& name) {
  for (const PoolMode mode :
       {PoolMode::sum, PoolMode::mean, PoolMode::max, PoolMode::attention, PoolMode::last})
    if (name == name_of(mode)) return mode;
  throw std::invalid_argument("pooling mode " + name);
}

template <class T>
void check_pool(const std::shared_ptr<Backend>& backend, const GoldenCase& golden) {
  SegmentPoolDesc desc;
  desc.dtype = dtype_of<T>;
  desc.mode = mode_named(golden.about<std::string>("mode"));
  desc.width = golden.size("out", 1);
  desc.segments = golden.size("out", 0);
  desc.items = golden.values<std::int64_t>("offsets").back();
  desc.vocab_size = golden.about<std::int64_t>("vocab_size");
  desc.padding_idx = golden.about<std::int64_t>("padding_idx");
  desc.attention_width = golden.about<std::int64_t>("attention_width");
  desc.weighted = golden.about<bool>("weighted");
  const SegmentPoolPlan plan(backend, desc);

  const DeviceArray<std::int32_t> segments(backend, {static_cast<std::int32_t>(desc.segments)});
  const auto offsets = golden.device<std::int32_t>(backend, "offsets");
  const auto codes = golden.device<std::int32_t>(backend, "codes");
  const auto item_weights = golden.device<float>(backend, "weights");
  const auto values = golden.device<T>(backend, "values");
  const auto w1 = golden.device<T>(backend, "w1"), b1 = golden.device<T>(backend, "b1");
  const auto w2 = golden.device<T>(backend, "w2"), b2 = golden.device<T>(backend, "b2");
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const auto reserve = poisoned_workspace(backend, plan.reserve_bytes());

  for (const bool training : {false, true}) {
    SCOPED_TRACE(training ? "training" : "inference");
    const auto out = golden.room<T>(backend, "out");
    SegmentPoolForward forward;
    forward.segments = segments.data();
    forward.offsets = offsets.data();
    forward.codes = codes.data();
    forward.values = values.data();
    forward.weights = item_weights.data();
    forward.attention = {w1.data(), b1.data(), w2.data(), b2.data()};
    forward.out = out.data();
    forward.workspace = workspace.data();
    forward.reserve = training ? reserve.data() : nullptr;
    plan.forward(forward);
    golden.expect(out, "out");
  }

  const auto d_out = golden.device<T>(backend, "d_out");
  const auto d_values = golden.room<T>(backend, "d_values");
  const auto d_w1 = golden.room<T>(backend, "d_w1"), d_b1 = golden.room<T>(backend, "d_b1");
  const auto d_w2 = golden.room<T>(backend, "d_w2"), d_b2 = golden.room<T>(backend, "d_b2");
  SegmentPoolBackward backward;
  backward.segments = segments.data();
  backward.offsets = offsets.data();
  backward.codes = codes.data();
  backward.values = values.data();
  backward.weights = item_weights.data();
  backward.attention = {w1.data(), b1.data(), w2.data(), b2.data()};
  backward.d_out = d_out.data();
  backward.d_values = d_values.data();
  backward.d_attention = {d_w1.data(), d_b1.data(), d_w2.data(), d_b2.data()};
  backward.workspace = workspace.data();
  backward.reserve = reserve.data();
  plan.backward(backward);
  golden.expect(d_values, "d_values");
  golden.expect(d_w1, "d_w1");
  golden.expect(d_b1, "d_b1");
  golden.expect(d_w2, "d_w2");
  if (!golden.has("d_b2")) return;
  // A constant added to every score changes nothing, so this gradient is 0 but for rounding.
  double scale = 0;
  for (const double value : golden.values<double>("d_w2")) scale = std::max(scale, std::abs(value));
  EXPECT_LE(std::abs(static_cast<double>(d_b2.host()[0])), tolerance<T> * scale);
}

TEST_P(GoldenSegmentPool, Double) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("segment_pool", [&](const GoldenCase& golden) { check_pool<double>(backend, golden); });
}
TEST_P(GoldenSegmentPool, Float) {
  for_each_golden("segment_pool", [&](const GoldenCase& golden) { check_pool<float>(backend, golden); });
}

}  // namespace
}  // namespace ragtime::test
