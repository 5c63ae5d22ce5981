// The host's 16-bit numbers: every one of them goes to float and back, every float that lies between two, on
// one or half way rounds as the formats say (tests/support/sixteen_bit.hpp, written from them on its own).

#include "host/base/sixteen_bit.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

template <class T>
void expect_the_format(std::uint16_t (*to)(float), float (*from)(std::uint16_t)) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    T expected;
    expected.bits = static_cast<std::uint16_t>(bits);
    const float value = from(expected.bits);
    if (std::isnan(static_cast<double>(expected))) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(from(to(value)))) << bits;
      continue;
    }
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value),
              std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<double>(expected))))
        << bits;
    ASSERT_EQ(to(value), bits);
    // Up to the next number of the format, and half way: the floats around each.
    T next = expected;
    ++next.bits;
    const double between = (static_cast<double>(expected) + static_cast<double>(next)) / 2;
    if (!std::isfinite(between)) continue;
    const auto middle = static_cast<float>(between);
    for (const float near : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 4 * middle),
                             std::nextafter(value, 1e38f)})
      ASSERT_EQ(to(near), T(static_cast<double>(near)).bits) << near;
  }
}

TEST(SixteenBit, Bf16IsTheFormat) {
  expect_the_format<bf16>(to_bf16, from_bf16);
  for (const float value : {3.38e38f, 3.3895314e38f, 3.3961775e38f, -3.4028235e38f, 1e-45f})
    EXPECT_EQ(to_bf16(value), bf16(static_cast<double>(value)).bits) << value;
}

TEST(SixteenBit, F16IsTheFormat) {
  expect_the_format<f16>(to_f16, from_f16);
  for (const float value : {65504.0f, 65519.996f, 65520.0f, -1e30f, 1e-45f, 2.9802322e-8f, 2.9802326e-8f})
    EXPECT_EQ(to_f16(value), f16(static_cast<double>(value)).bits) << value;
}

TEST(SixteenBit, ArraysGoThereAndBack) {
  const std::vector<float> values = {1.5f, -2.25f, 0.0f, 1024.0f};
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    std::vector<std::byte> bytes(values.size() * size_of(dtype));
    from_floats(values, dtype, bytes.data());
    std::vector<float> back(values.size());
    to_floats(bytes.data(), dtype, back);
    EXPECT_TRUE(same_bits(back, values)) << name_of(dtype);
  }
  float value = 0;
  expect_error(ErrorCode::invalid_argument, {"dtype is f64"}, [&] {
    from_floats({&value, 1}, DType::f64, &value);
  });
  expect_error(ErrorCode::invalid_argument, {"dtype is f64"}, [&] {
    to_floats(&value, DType::f64, {&value, 1});
  });
}

}  // namespace
}  // namespace ragtime::test
