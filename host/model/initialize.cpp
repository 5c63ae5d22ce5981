#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "host/base/philox.hpp"
#include "host/model/parameter_values.hpp"

namespace ragtime {
namespace {

// The last word of the counter: no training step comes this far, so no dropout mask is made of the same
// numbers.
constexpr std::uint32_t initialization = ~std::uint32_t{0};

// In (0, 1), never 0: its logarithm is taken.
double open_uniform(std::uint32_t number) {
  return (number + 0.5) * 0x1p-32;
}

// Two standard normals from two uniforms (Box and Muller 1958).
std::array<double, 2> normals(std::uint32_t first, std::uint32_t second) {
  const double radius = std::sqrt(-2 * std::log(open_uniform(first)));
  const double angle = 2 * std::numbers::pi * open_uniform(second);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

// The interval [-bound, bound] a module draws from: nn.LSTM all of it from 1 / sqrt(hidden), nn.Linear weight
// and bias from 1 / sqrt(inputs). `weight` is the module's weight, also for its bias.
double bound_of(const ParameterInfo& parameter, const ParameterInfo& weight, const ModelConfig& config) {
  const std::int64_t inputs = parameter.name.starts_with("lstm.") ? config.hidden_dim : weight.shape.back();
  return 1 / std::sqrt(static_cast<double>(inputs));
}

// Elements 4 * quad .. 4 * quad + 3 of parameter number `index`.
std::array<double, 4> draw(std::uint64_t seed, std::uint32_t index, std::uint64_t quad, bool is_embedding,
                           double bound) {
  const auto numbers = philox(
      {static_cast<std::uint32_t>(quad), static_cast<std::uint32_t>(quad >> 32), index, initialization},
      seed);
  if (is_embedding) {
    const auto a = normals(numbers[0], numbers[1]), b = normals(numbers[2], numbers[3]);
    return {a[0], a[1], b[0], b[1]};
  }
  std::array<double, 4> drawn;
  for (std::size_t i = 0; i < 4; ++i) drawn[i] = (2 * open_uniform(numbers[i]) - 1) * bound;
  return drawn;
}

template <class T>
std::vector<T> draw_all(const VisitLstm& model, std::uint64_t seed) {
  const ModelConfig& config = model.config();
  const std::span<const ParameterInfo> parameters = model.parameters();
  std::vector<T> flat(static_cast<std::size_t>(model.parameter_count()), T(0));
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const ParameterInfo& parameter = parameters[p];
    const bool is_embedding = p == 0;
    const double bound =
        bound_of(parameter, parameter.shape.size() == 1 ? parameters[p - 1] : parameter, config);
    T* to = flat.data() + parameter.offset;
    for (std::int64_t begin = 0; begin < parameter.elements; begin += 4) {
      const auto drawn = draw(seed, static_cast<std::uint32_t>(p), static_cast<std::uint64_t>(begin) / 4,
                              is_embedding, bound);
      for (std::int64_t i = begin; i < std::min(begin + 4, parameter.elements); ++i)
        to[i] = static_cast<T>(drawn[static_cast<std::size_t>(i - begin)]);
    }
  }
  std::fill_n(flat.begin() + config.padding_idx * config.embedding_dim, config.embedding_dim, T(0));
  return flat;
}

}  // namespace

std::vector<float> initial_parameters(const VisitLstm& model, std::uint64_t seed) {
  return draw_all<float>(model, seed);
}

void VisitLstm::initialize(std::uint64_t seed) {
  if (dtype() != DType::f64) return set_parameters(*this, initial_parameters(*this, seed));
  const std::vector<double> flat = draw_all<double>(*this, seed);
  backend().copy(parameter_data(), flat.data(), flat.size() * sizeof(double), CopyKind::to_device);
  backend().synchronize();
}

}  // namespace ragtime
