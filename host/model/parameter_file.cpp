#include <algorithm>
#include <cmath>
#include <vector>

#include "host/core/check.hpp"
#include "host/core/safetensors.hpp"
#include "host/data/excerpt.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += concat(text.size() > 1 ? ", " : "", size);
  return text + "]";
}

// Every parameter is there in its shape, and nothing else. Asks for no memory, however large the model.
void check_tensors(const TensorFile& content, const std::string& file,
                   std::span<const ParameterInfo> parameters) {
  const auto is_parameter = [&](const std::string& name) {
    return std::any_of(parameters.begin(), parameters.end(), [&](const auto& p) { return p.name == name; });
  };
  for (const auto& [name, tensor] : content.tensors)
    if (!is_parameter(name))
      fail(ErrorCode::shape_mismatch, file, ": tensor ", excerpt(name),
           " is none of this model's: expected those of its config.json");
  for (const ParameterInfo& parameter : parameters) {
    const auto found = content.tensors.find(parameter.name);
    check(found != content.tensors.end(), ErrorCode::shape_mismatch, file, ": tensor \"", parameter.name,
          "\" is missing: expected shape ", shape_text(parameter.shape));
    const Tensor& tensor = found->second;
    const bool floating =
        tensor.dtype == "F32" || tensor.dtype == "F64" || tensor.dtype == "F16" || tensor.dtype == "BF16";
    check(floating, ErrorCode::shape_mismatch, file, ": tensor \"", parameter.name, "\" has dtype ",
          tensor.dtype, ": expected F32, F64, F16 or BF16");
    check(tensor.shape == parameter.shape, ErrorCode::shape_mismatch, file, ": tensor \"", parameter.name,
          "\" has shape ", shape_text(tensor.shape), ": expected ", shape_text(parameter.shape));
  }
}

// The flat array as the model keeps it, zeros between the parameters.
template <class T>
std::vector<T> flatten(const TensorFile& content, const std::string& file, const VisitLstm& model) {
  std::vector<T> flat(static_cast<std::size_t>(model.parameter_count()), T(0));
  for (const ParameterInfo& parameter : model.parameters()) {
    const Tensor& tensor = content.tensors.at(parameter.name);
    for (std::int64_t i = 0; i < parameter.elements; ++i) {
      const T value = static_cast<T>(tensor.at(i));
      check(std::isfinite(value), ErrorCode::out_of_range, file, ": tensor \"", parameter.name, "\" holds ",
            tensor.at(i), " at element ", i, ": expected a finite number",
            sizeof(T) == 4 ? " in the range of float" : "");
      flat[static_cast<std::size_t>(parameter.offset + i)] = value;
    }
  }
  return flat;
}

template <class T>
void load_as(const TensorFile& content, const std::string& file, VisitLstm& model) {
  const std::vector<T> flat = flatten<T>(content, file, model);
  model.backend().copy(model.parameter_data(), flat.data(), flat.size() * sizeof(T), CopyKind::to_device);
  model.backend().synchronize();
}

void load(const TensorFile& content, const std::string& file, VisitLstm& model) {
  model.dtype() == DType::f64 ? load_as<double>(content, file, model) : load_as<float>(content, file, model);
}

template <class T>
TensorFile collect(const VisitLstm& model) {
  std::vector<T> flat(static_cast<std::size_t>(model.parameter_count()));
  model.backend().copy(flat.data(), model.parameter_data(), flat.size() * sizeof(T), CopyKind::to_host);
  model.backend().synchronize();
  TensorFile content;
  for (const ParameterInfo& parameter : model.parameters())
    content.tensors.emplace(parameter.name, Tensor::from(std::span<const T>(flat).subspan(
                                                             static_cast<std::size_t>(parameter.offset),
                                                             static_cast<std::size_t>(parameter.elements)),
                                                         parameter.shape));
  return content;
}

}  // namespace

void load_parameters(const std::filesystem::path& file, VisitLstm& model) {
  const TensorFile content = read_safetensors(file);
  check_tensors(content, file.string(), model.parameters());
  load(content, file.string(), model);
}

VisitLstm read_model(const std::filesystem::path& folder, std::shared_ptr<Backend> backend, DType dtype) {
  const ModelConfig config = read_config(folder / "config.json");
  const std::filesystem::path file = folder / "model.safetensors";
  const TensorFile content = read_safetensors(file);
  check_tensors(content, file.string(), model_parameters(config));
  VisitLstm model(std::move(backend), config, dtype);
  load(content, file.string(), model);
  return model;
}

void save_parameters(const std::filesystem::path& file, const VisitLstm& model) {
  write_safetensors(file, model.dtype() == DType::f64 ? collect<double>(model) : collect<float>(model));
}

}  // namespace ragtime
