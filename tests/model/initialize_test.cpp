// VisitLstm::initialize draws what PyTorch's modules draw by default: the distribution of every parameter,
// from the seed alone, the same in float and double.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

TEST(Initialize, DrawsParametersAsPyTorchsModulesDo) {
  const auto backend = make_backend("cpu");
  ModelConfig config = config_for(Task::multi_class, PoolMode::attention, true, 2);
  config.vocab_size = 500;
  config.embedding_dim = 60;
  config.hidden_dim = 25;
  config.padding_idx = 7;
  VisitLstm model(backend, config), same(backend, config, DType::f64), other(backend, config);
  const auto zero = copied<float>(*backend, model.parameter_data(), model.parameter_count());
  EXPECT_TRUE(close(zero, std::vector<float>(zero.size(), 0.0f), 0));
  model.initialize(42);
  same.initialize(42);
  other.initialize(43);
  const auto flat = copied<float>(*backend, model.parameter_data(), model.parameter_count());
  EXPECT_TRUE(close(flat, copied<double>(*backend, same.parameter_data(), same.parameter_count()), 1e-7));
  EXPECT_FALSE(same_bits(flat, copied<float>(*backend, other.parameter_data(), other.parameter_count())));
  for (const ParameterInfo& parameter : model.parameters()) {
    double sum = 0, squares = 0, largest = 0;
    for (std::int64_t i = 0; i < parameter.elements; ++i) {
      const double value = flat[parameter.offset + i];
      sum += value;
      squares += value * value;
      largest = std::max(largest, std::abs(value));
    }
    const double count = static_cast<double>(parameter.elements), rms = std::sqrt(squares / count);
    if (parameter.name == "embedding.weight") {
      EXPECT_NEAR(sum / count, 0, 0.03);
      EXPECT_NEAR(rms, 1, 0.02);
      for (std::int64_t e = 0; e < 60; ++e) EXPECT_EQ(flat[7 * 60 + e], 0);
      continue;
    }
    double inputs = 25;  // nn.LSTM: hidden_size
    if (parameter.name.starts_with("fc.")) inputs = 50;
    if (parameter.name.starts_with("visit_encoder.attention.0")) inputs = 60;
    if (parameter.name.starts_with("visit_encoder.attention.2")) inputs = 30;
    const double bound = 1 / std::sqrt(inputs);
    EXPECT_LE(largest, bound * (1 + 1e-6)) << parameter.name;
    if (count < 50) continue;
    EXPECT_GT(largest, 0.9 * bound) << parameter.name;
    EXPECT_NEAR(rms, bound / std::sqrt(3.0), 0.2 * bound) << parameter.name;
  }
}

}  // namespace
}  // namespace ragtime::test
