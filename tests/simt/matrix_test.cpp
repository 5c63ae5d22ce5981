// Matrix fragments against the maps of the PTX ISA ("Matrix Fragments for mma.m16n8k16", "... for
// mma.m16n8k8", "ldmatrix"), written down here once more in the document's own terms and with integers that
// every format holds exactly; and the functions of cuda/arch against double, within the error they promise.

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/simt/primitive_kernels.cuh"
#include "tests/simt/support.hpp"

namespace ragtime::test {
namespace {

// Small, and different enough that two swapped elements show.
int a_value(int row, int column) {
  return (row * 7 + column * 3) % 17 - 8;
}
int b_value(int row, int column) {
  return (row * 5 + column * 11) % 13 - 6;
}
int c_value(int row, int column) {
  return row * 8 + column;
}

template <Product form>
std::uint32_t encode(int value) {
  const auto number = static_cast<float>(value);
  std::uint32_t bits = 0;
  if constexpr (form == Product::tf32) {
    std::memcpy(&bits, &number, 4);
  } else if constexpr (form == Product::bf16) {
    const __nv_bfloat16 half = __float2bfloat16_rn(number);
    std::memcpy(&bits, &half, 2);
  } else {
    const __half half = __float2half_rn(number);
    std::memcpy(&bits, &half, 2);
  }
  return bits;
}

// Elements a_i of lane `laneid`, i from 0 to 7, as the document has them for 16-bit types; for tf32 from 0
// to 3.
template <Product form>
void check_product() {
  constexpr bool wide = form == Product::tf32;
  constexpr int k = wide ? 8 : 16, halves = wide ? 1 : 2;
  std::vector<std::uint32_t> a(32 * 4), b(32 * 2);
  std::vector<float> c(32 * 4);
  const auto c_row = [](int laneid, int i) { return laneid >> 2 | (i < 2 ? 0 : 8); };
  const auto c_column = [](int laneid, int i) { return laneid % 4 * 2 + (i & 1); };
  for (int laneid = 0; laneid < 32; ++laneid) {
    const int group = laneid >> 2, in_group = laneid % 4;
    for (int i = 0; i < 4 * halves; ++i) {
      int row, column;
      if (wide) {
        row = i == 0 || i == 2 ? group : group + 8;
        column = i == 0 || i == 1 ? in_group : in_group + 4;
      } else {
        row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
        column = in_group * 2 + (i & 1) + (i < 4 ? 0 : 8);
      }
      a[static_cast<std::size_t>(laneid * 4 + i / halves)] |= encode<form>(a_value(row, column))
                                                              << 16 * (i % halves);
    }
    for (int i = 0; i < 2 * halves; ++i) {
      const int row = wide ? (i == 0 ? in_group : in_group + 4) : in_group * 2 + (i & 1) + (i < 2 ? 0 : 8);
      b[static_cast<std::size_t>(laneid * 2 + i / halves)] |= encode<form>(b_value(row, group))
                                                              << 16 * (i % halves);
    }
    for (int i = 0; i < 4; ++i)
      c[static_cast<std::size_t>(laneid * 4 + i)] =
          static_cast<float>(c_value(c_row(laneid, i), c_column(laneid, i)));
  }
  run({.name = "multiply_fragments", .block = {32}}, multiply_fragments<form>, a.data(), b.data(), c.data());
  for (int laneid = 0; laneid < 32; ++laneid)
    for (int i = 0; i < 4; ++i) {
      const int row = c_row(laneid, i), column = c_column(laneid, i);
      int expected = c_value(row, column);
      for (int e = 0; e < k; ++e) expected += a_value(row, e) * b_value(e, column);
      ASSERT_EQ(c[static_cast<std::size_t>(laneid * 4 + i)], static_cast<float>(expected))
          << "row " << row << " column " << column;
    }
}

TEST(MatrixTest, ProductsOfBf16) {
  for_seeds(check_product<Product::bf16>);
}
TEST(MatrixTest, ProductsOfF16) {
  for_seeds(check_product<Product::f16>);
}
TEST(MatrixTest, ProductsOfTf32) {
  for_seeds(check_product<Product::tf32>);
}

template <Load form>
void check_load(int matrices, bool transposed) {
  std::vector<std::uint16_t> tile(4 * 64);
  for (std::size_t i = 0; i < tile.size(); ++i) tile[i] = static_cast<std::uint16_t>(i + 1);
  const auto element = [&](int matrix, int row, int column) -> std::uint32_t {
    return tile[static_cast<std::size_t>(matrix * 64 + row * 8 + column)];
  };
  for_seeds([&] {
    auto registers = unwritten<std::uint32_t>(32 * 4);
    run({.name = "load_matrices", .block = {32}, .shared_bytes = 512}, load_matrices<form>, tile.data(),
        registers.data());
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4, column = lane % 4 * 2;
        const std::uint32_t low = transposed ? element(i, column, row) : element(i, row, column);
        const std::uint32_t high = transposed ? element(i, column + 1, row) : element(i, row, column + 1);
        ASSERT_EQ(registers[static_cast<std::size_t>(lane * 4 + i)], i < matrices ? low | high << 16 : 0)
            << "lane " << lane;
      }
  });
}

TEST(MatrixTest, LoadsOneTwoAndFourMatrices) {
  check_load<Load::x1>(1, false);
  check_load<Load::x2>(2, false);
  check_load<Load::x4>(4, false);
}
TEST(MatrixTest, LoadsTransposed) {
  check_load<Load::x1_trans>(1, true);
  check_load<Load::x2_trans>(2, true);
  check_load<Load::x4_trans>(4, true);
}

TEST(NumbersTest, FunctionsKeepTheirPromises) {
  std::vector<float> x;
  for (float value = -40; value <= 40; value += 0.37f) x.push_back(value);
  const int count = static_cast<int>(x.size());
  auto results = unwritten<float>(5 * x.size());
  run({.name = "compute_functions", .block = {32}}, compute_functions, count, x.data(), results.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = x[i];
    const auto got = [&](std::size_t row) { return static_cast<double>(results[row * x.size() + i]); };
    const auto units = [](double exact) { return std::ldexp(std::abs(exact), -23); };
    EXPECT_NEAR(got(0), std::exp(value), (2 + 1.2 * std::abs(value)) * units(std::exp(value)));
    EXPECT_NEAR(got(1), std::tanh(value), 0x1p-21);
    EXPECT_NEAR(got(2), 1 / std::sqrt(std::abs(value)), 2 * units(1 / std::sqrt(std::abs(value))));
    EXPECT_EQ(got(3), static_cast<double>(static_cast<float>(value * value + 1)));
    EXPECT_NEAR(got(4), value, std::abs(value) * 0x1p-11);
  }
}

TEST(NumbersTest, Tf32TiesGoAwayFromZero) {
  // One and a half units of tf32's last place above 1, and the same below -1; what fits stays.
  const std::vector<float> x = {1 + 1.5f * 0x1p-10f,
                                -1 - 1.5f * 0x1p-10f,
                                1 + 0.5f * 0x1p-10f,
                                1.25f,
                                0,
                                std::numeric_limits<float>::infinity()};
  auto results = unwritten<float>(5 * x.size());
  run({.name = "compute_functions", .block = {32}}, compute_functions, static_cast<int>(x.size()), x.data(),
      results.data());
  const std::vector<float> rounded(results.end() - static_cast<std::ptrdiff_t>(x.size()), results.end());
  EXPECT_THAT(rounded, testing::ElementsAre(1 + 0x1p-9f, -1 - 0x1p-9f, 1 + 0x1p-10f, 1.25f, 0,
                                            std::numeric_limits<float>::infinity()));
}

TEST(NumbersTest, SixteenBitsRoundToNearestEven) {
  // Halves of the last place of bf16 (2^-7 at 1) and of f16 (2^-10 at 1), to even neighbours.
  const std::vector<float> x = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1p-11f, 1 + 3 * 0x1p-11f, -2.5f, 70000};
  auto results = unwritten<float>(4 * x.size());
  run({.name = "round_numbers", .block = {32}}, round_numbers, static_cast<int>(x.size()), x.data(),
      results.data());
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> as_bf16 = {1, 1 + 4 * 0x1p-8f, 1, 1, -2.5f, 70144};
  const std::vector<float> as_f16 = {x[0], x[1], 1, 1 + 4 * 0x1p-11f, -2.5f, infinity};
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(results[i], as_bf16[i]) << x[i];
    EXPECT_EQ(results[x.size() + i], as_f16[i]) << x[i];
    EXPECT_EQ(results[2 * x.size() + i], as_bf16[i]) << x[i];
    EXPECT_EQ(results[3 * x.size() + i], as_bf16[i]) << x[i];
  }
}

}  // namespace
}  // namespace ragtime::test
