// Order, batch sizes and packed rows are those of pack_padded_sequence, and the way back is
// pad_packed_sequence. The padding on the way in holds NaN.

#include <gtest/gtest.h>

#include "ragtime/layout.hpp"
#include "tests/support/golden.hpp"

namespace ragtime::test {
namespace {

class GoldenLayout : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(GoldenLayout);

template <class T>
void check_layout(const std::shared_ptr<Backend>& backend, const GoldenCase& golden) {
  const RaggedLayout layout = layout_of(golden.about<std::vector<std::int32_t>>("lengths"));
  EXPECT_EQ(layout.order, golden.values<std::int32_t>("order"));
  EXPECT_EQ(layout.inverse_order, golden.values<std::int32_t>("inverse_order"));
  EXPECT_EQ(layout.batch_sizes, golden.values<std::int32_t>("batch_sizes"));

  DeviceBatch batch(backend);
  batch.load(layout);
  const auto convert = [&](Layout from, const DeviceArray<T>& source, Layout to, const std::string& name) {
    LayoutDesc desc;
    desc.dtype = dtype_of<T>;
    desc.width = golden.size("rows", 1);
    desc.from = from;
    desc.to = to;
    desc.padded_steps = golden.about<std::int64_t>("padded_steps");
    desc.padding_value = golden.about<double>("padding_value");
    desc.capacity = batch.size();
    auto target = golden.room<T>(backend, name);
    LayoutPlan(backend, desc).forward(batch.view(), source.data(), target.data());
    EXPECT_EQ(target.host(), golden.values<T>(name)) << name_of(from) << " -> " << name_of(to);
    return target;
  };
  const auto padded = golden.device<T>(backend, "padded");
  const auto packed = convert(Layout::padded, padded, Layout::packed, "packed");
  const auto rows = convert(Layout::padded, padded, Layout::ragged, "rows");
  convert(Layout::packed, packed, Layout::padded, "repadded");
  convert(Layout::ragged, rows, Layout::padded, "repadded");
  convert(Layout::ragged, rows, Layout::packed, "packed");
  convert(Layout::packed, packed, Layout::ragged, "rows");
}

TEST_P(GoldenLayout, Double) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("layout", [&](const GoldenCase& golden) { check_layout<double>(backend, golden); });
}
TEST_P(GoldenLayout, Float) {
  for_each_golden("layout", [&](const GoldenCase& golden) { check_layout<float>(backend, golden); });
}

}  // namespace
}  // namespace ragtime::test
