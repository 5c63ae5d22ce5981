#pragma once

// The golden cases of tests/goldens: what PyTorch computed, made by scripts/make_goldens.py. A case has a
// description, inputs, and results in double.

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/base/safetensors.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

class GoldenCase {
 public:
  GoldenCase(const TensorFile& file, std::string name, const std::string& about)
      : file_(file), name_(std::move(name)), about_(nlohmann::json::parse(about)) {}

  const std::string& name() const { return name_; }
  template <class T>
  T about(const char* key) const {
    return about_.at(key).get<T>();
  }

  bool has(const std::string& tensor) const { return file_.tensors.contains(name_ + "/" + tensor); }
  const Tensor& tensor(const std::string& tensor) const { return file_.tensors.at(name_ + "/" + tensor); }
  std::int64_t size(const std::string& name, std::size_t axis) const { return tensor(name).shape.at(axis); }

  template <class T>
  std::vector<T> values(const std::string& name) const {
    const Tensor& found = tensor(name);
    std::vector<T> values;
    for (std::int64_t i = 0; i < found.elements(); ++i) values.push_back(static_cast<T>(found.at(i)));
    return values;
  }

  // On the device; null where the case has no such tensor.
  template <class T>
  DeviceArray<T> device(const std::shared_ptr<Backend>& backend, const std::string& name) const {
    return has(name) ? DeviceArray<T>(backend, values<T>(name)) : DeviceArray<T>();
  }
  // Room for a result of that name; null where the case has no such tensor.
  template <class T>
  DeviceArray<T> room(const std::shared_ptr<Backend>& backend, const std::string& name) const {
    return has(name) ? DeviceArray<T>::poisoned(backend, tensor(name).elements()) : DeviceArray<T>();
  }

  // Holds a result against PyTorch's, where the case has it.
  template <class T>
  void expect(const DeviceArray<T>& actual, const std::string& name, double share = tolerance<T>) const {
    if (!has(name)) return;
    const auto& shape = tensor(name).shape;
    EXPECT_TRUE(close(actual.host(), values<double>(name), share, shape.empty() ? 1 : shape.back()))
        << name_ << "/" << name;
  }

 private:
  const TensorFile& file_;
  std::string name_;
  nlohmann::json about_;
};

// Calls `check` with every case of tests/goldens/<stem>.safetensors.
template <class Check>
void for_each_golden(const std::string& stem, Check&& check) {
  const TensorFile file = read_safetensors(std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests" / "goldens" /
                                           (stem + ".safetensors"));
  ASSERT_FALSE(file.metadata.empty());
  for (const auto& [name, about] : file.metadata) {
    SCOPED_TRACE(stem + " " + name);
    check(GoldenCase(file, name, about));
  }
}

}  // namespace ragtime::test
