#include <algorithm>
#include <cmath>
#include <vector>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/base/safetensors.hpp"
#include "host/base/sixteen_bit.hpp"
#include "host/model/parameter_values.hpp"
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

// What a number of the file is in the model's dtype.
double as_kept(double value, DType dtype) {
  if (dtype == DType::f64) return value;
  const auto narrow = static_cast<float>(value);
  if (dtype == DType::bf16) return static_cast<double>(from_bf16(to_bf16(narrow)));
  if (dtype == DType::f16) return static_cast<double>(from_f16(to_f16(narrow)));
  return static_cast<double>(narrow);
}

const char* range_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "";
    case DType::f32:
      return " in the range of float";
    case DType::bf16:
      return " in the range of bf16";
    case DType::f16:
      return " in the range of f16";
  }
  return "";
}

// The flat array as the model keeps it, or in f32 what is rounded to that, zeros between the parameters.
template <class T>
std::vector<T> flatten(const TensorFile& content, const std::string& file, const VisitLstm& model) {
  std::vector<T> flat(static_cast<std::size_t>(model.parameter_count()), T(0));
  for (const ParameterInfo& parameter : model.parameters()) {
    const Tensor& tensor = content.tensors.at(parameter.name);
    for (std::int64_t i = 0; i < parameter.elements; ++i) {
      const double value = tensor.at(i);
      check(std::isfinite(as_kept(value, model.dtype())), ErrorCode::out_of_range, file, ": tensor \"",
            parameter.name, "\" holds ", value, " at element ", i, ": expected a finite number",
            range_of(model.dtype()));
      flat[static_cast<std::size_t>(parameter.offset + i)] = static_cast<T>(value);
    }
  }
  return flat;
}

void load(const TensorFile& content, const std::string& file, VisitLstm& model) {
  if (model.dtype() != DType::f64) return set_parameters(model, flatten<float>(content, file, model));
  const std::vector<double> flat = flatten<double>(content, file, model);
  model.backend().copy(model.parameter_data(), flat.data(), flat.size() * sizeof(double),
                       CopyKind::to_device);
  model.backend().synchronize();
}

template <class T>
TensorFile collect(const VisitLstm& model, std::span<const T> flat) {
  TensorFile content;
  for (const ParameterInfo& parameter : model.parameters())
    content.tensors.emplace(parameter.name,
                            Tensor::from(flat.subspan(static_cast<std::size_t>(parameter.offset),
                                                      static_cast<std::size_t>(parameter.elements)),
                                         parameter.shape));
  return content;
}

std::vector<double> wide_parameters(const VisitLstm& model) {
  std::vector<double> flat(static_cast<std::size_t>(model.parameter_count()));
  model.backend().copy(flat.data(), model.parameter_data(), flat.size() * sizeof(double), CopyKind::to_host);
  model.backend().synchronize();
  return flat;
}

}  // namespace

void load_parameters(const std::filesystem::path& file, VisitLstm& model) {
  const TensorFile content = read_safetensors(file);
  check_tensors(content, file.string(), model.parameters());
  load(content, file.string(), model);
}

VisitLstm read_model(const std::filesystem::path& folder, std::shared_ptr<Backend> backend, DType dtype,
                     bool tf32) {
  const ModelConfig config = read_config(folder / "config.json");
  const std::filesystem::path file = folder / "model.safetensors";
  const TensorFile content = read_safetensors(file);
  check_tensors(content, file.string(), model_parameters(config));
  VisitLstm model(std::move(backend), config, dtype, tf32);
  load(content, file.string(), model);
  return model;
}

void save_parameters(const std::filesystem::path& file, const VisitLstm& model) {
  if (model.dtype() != DType::f64) return save_parameters(file, model, get_parameters(model));
  write_safetensors(file, collect<double>(model, wide_parameters(model)));
}

void save_parameters(const std::filesystem::path& file, const VisitLstm& model,
                     std::span<const float> values) {
  const auto expected = static_cast<std::size_t>(model.parameter_count());
  check(values.size() == expected, ErrorCode::shape_mismatch, "values has ", values.size(),
        " elements: expected ", expected, ", the model's parameter_count()");
  write_safetensors(file, collect(model, values));
}

}  // namespace ragtime
