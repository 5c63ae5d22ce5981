#include "host/model/parameter_values.hpp"

#include "host/base/sixteen_bit.hpp"

namespace ragtime {
namespace {

std::size_t bytes_of(const VisitLstm& model) {
  return static_cast<std::size_t>(model.parameter_count()) * size_of(model.dtype());
}

}  // namespace

void set_parameters(VisitLstm& model, std::span<const float> values) {
  std::vector<std::byte> rounded(bytes_of(model));
  from_floats(values, model.dtype(), rounded.data());
  model.backend().copy(model.parameter_data(), rounded.data(), rounded.size(), CopyKind::to_device);
  model.backend().synchronize();
}

std::vector<float> get_parameters(const VisitLstm& model) {
  std::vector<std::byte> kept(bytes_of(model));
  model.backend().copy(kept.data(), model.parameter_data(), kept.size(), CopyKind::to_host);
  model.backend().synchronize();
  std::vector<float> values(static_cast<std::size_t>(model.parameter_count()));
  to_floats(kept.data(), model.dtype(), values);
  return values;
}

}  // namespace ragtime
