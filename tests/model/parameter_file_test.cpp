// model.safetensors: what is saved is loaded with the same bits, exports in other floating dtypes load too,
// and a file that is not exactly this model's is refused with its name, the tensor and what was expected,
// while the model stays as it was. read_model refuses a config.json that does not fit before it takes memory;
// a write that fails leaves the old file.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <limits>

#include "host/base/atomic_file.hpp"
#include "host/base/safetensors.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

// E = 5 is odd: the scorer of attention is [2, 5].
ModelConfig attentive() {
  return config_for(Task::multi_class, PoolMode::attention, true, 2);
}

template <class T>
std::vector<T> values_of(const VisitLstm& model) {
  return copied<T>(model.backend(), model.parameter_data(), model.parameter_count());
}

// The numbers of a tensor in another dtype of the format.
template <class T, class Convert>
Tensor converted(const Tensor& from, const char* dtype, Convert convert) {
  std::vector<T> numbers;
  for (std::int64_t i = 0; i < from.elements(); ++i) numbers.push_back(convert(from.at(i)));
  const auto bytes = std::as_bytes(std::span<const T>(numbers));
  return {dtype, from.shape, {bytes.begin(), bytes.end()}};
}

class ParameterFile : public testing::Test {
 protected:
  ParameterFile() {
    model.initialize(3);
    save_parameters(file, model);
    content = read_safetensors(file);
  }

  // What load_parameters says to `content`; the model must be untouched.
  std::string refusal(ErrorCode code = ErrorCode::shape_mismatch) {
    write_safetensors(file, content);
    const auto before = values_of<float>(model);
    const std::string text = error_of(code, [&] { load_parameters(file, model); });
    EXPECT_THAT(text, HasSubstr(file.string() + ": tensor \""));
    EXPECT_TRUE(same_bits(values_of<float>(model), before));
    return text;
  }

  TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "model.safetensors";
  std::shared_ptr<PoisonedBackend> backend = std::make_shared<PoisonedBackend>();
  VisitLstm model{backend, attentive()};
  TensorFile content;
};

TEST_F(ParameterFile, LoadsTheBitsItSaved) {
  EXPECT_EQ(content.tensors.size(), model.parameters().size());
  for (const ParameterInfo& parameter : model.parameters()) {
    ASSERT_TRUE(content.tensors.contains(parameter.name)) << parameter.name;
    EXPECT_EQ(content.tensors.at(parameter.name).shape, parameter.shape);
    EXPECT_EQ(content.tensors.at(parameter.name).dtype, "F32");
  }
  EXPECT_EQ(content.tensors.at("visit_encoder.attention.0.weight").shape, (std::vector<std::int64_t>{2, 5}));
  VisitLstm other(backend, attentive());
  load_parameters(file, other);
  EXPECT_TRUE(same_bits(values_of<float>(other), values_of<float>(model)));

  VisitLstm wide(backend, attentive(), DType::f64), wide_too(backend, attentive(), DType::f64);
  wide.initialize(4);
  save_parameters(file, wide);
  EXPECT_EQ(read_safetensors(file).tensors.at("fc.bias").dtype, "F64");
  load_parameters(file, wide_too);
  EXPECT_TRUE(same_bits(values_of<double>(wide_too), values_of<double>(wide)));
}

TEST_F(ParameterFile, LoadsExportsInEveryFloatingDtype) {
  const TensorFile original = content;
  for (const std::string dtype : {"F64", "F16", "BF16"}) {
    double error = 0;
    for (auto& [name, tensor] : content.tensors) {
      const Tensor& source = original.tensors.at(name);
      if (dtype == "F64") tensor = converted<double>(source, "F64", [](double value) { return value; });
      if (dtype == "BF16")
        tensor = converted<std::uint16_t>(source, "BF16", [](double value) {
          return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16);
        });
      if (dtype == "F16")  // 1 + m / 1024, with the sign of the number: any value of the format will do
        tensor = converted<std::uint16_t>(source, "F16", [](double value) {
          return static_cast<std::uint16_t>((std::signbit(value) ? 0x8000 : 0) | 0x3c00 |
                                            (static_cast<int>(std::abs(value) * 100) & 1023));
        });
    }
    write_safetensors(file, content);
    VisitLstm other(backend, attentive());
    load_parameters(file, other);
    const auto loaded = values_of<float>(other), exact = values_of<float>(model);
    for (const ParameterInfo& parameter : model.parameters())
      for (std::int64_t i = 0; i < parameter.elements; ++i) {
        const float got = loaded[parameter.offset + i];
        const float was = exact[parameter.offset + i];
        const float half =
            1 + static_cast<float>(static_cast<int>(std::abs(double{was}) * 100) & 1023) / 1024;
        if (dtype == "F16")
          EXPECT_EQ(got, std::signbit(was) ? -half : half) << parameter.name;
        else
          error = std::max(error, std::abs(double{got} - was) / (std::abs(double{was}) + 1e-30));
      }
    EXPECT_LE(error, dtype == "F64" ? 0 : 0x1p-7) << dtype;
  }
}

TEST_F(ParameterFile, RefusesWrongShapes) {
  Tensor& bias = content.tensors.at("fc.bias");
  bias.shape = {1, 3};
  EXPECT_THAT(refusal(), EndsWith("tensor \"fc.bias\" has shape [1, 3]: expected [3]"));
  bias.shape = {3};
  // As an exported model of another width: [E/2 rounded up, E] instead of down.
  content.tensors.at("visit_encoder.attention.0.weight") = Tensor::from(std::vector<float>(15), {3, 5});
  EXPECT_THAT(refusal(),
              EndsWith("tensor \"visit_encoder.attention.0.weight\" has shape [3, 5]: expected [2, 5]"));
}

TEST_F(ParameterFile, RefusesTransposedWeights) {
  content.tensors.at("lstm.weight_ih_l0").shape = {5, 16};
  EXPECT_THAT(refusal(), EndsWith("tensor \"lstm.weight_ih_l0\" has shape [5, 16]: expected [16, 5]"));
}

TEST_F(ParameterFile, RefusesMissingAndUnknownTensors) {
  const Tensor bias = content.tensors.at("fc.bias");
  content.tensors.erase("fc.bias");
  EXPECT_THAT(refusal(), EndsWith("tensor \"fc.bias\" is missing: expected shape [3]"));
  content.tensors["module.fc.bias"] = bias;
  EXPECT_THAT(refusal(), EndsWith("tensor \"module.fc.bias\" is none of this model's: expected those of its "
                                  "config.json"));
  content.tensors.erase("module.fc.bias");
  content.tensors["fc.bias"] = bias;
  content.tensors["lstm.weight_hr_l0"] = bias;
  EXPECT_THAT(refusal(), HasSubstr("tensor \"lstm.weight_hr_l0\" is none of this model's"));
  content.tensors.erase("lstm.weight_hr_l0");
  content.tensors[std::string(100'000, 'n') + "\n"] = bias;
  EXPECT_LT(refusal().size(), 400U);
}

TEST_F(ParameterFile, RefusesDtypesThatAreNoFloats) {
  for (const char* dtype : {"I32", "U32"}) {
    content.tensors.at("fc.weight").dtype = dtype;
    EXPECT_THAT(refusal(), EndsWith(std::string("tensor \"fc.weight\" has dtype ") + dtype +
                                    ": expected F32, F64, F16 or BF16"));
  }
}

TEST_F(ParameterFile, RefusesNumbersThatAreNotFinite) {
  const auto put = [&](auto value) {
    std::vector<decltype(value)> numbers = {1, value, 3};
    content.tensors.at("fc.bias") = Tensor::from(numbers, {3});
    return refusal(ErrorCode::out_of_range);
  };
  EXPECT_THAT(put(std::nanf("")), AllOf(HasSubstr("tensor \"fc.bias\" holds "), HasSubstr("nan at element 1"),
                                        HasSubstr("expected a finite number")));
  EXPECT_THAT(put(-std::numeric_limits<float>::infinity()), HasSubstr("holds -inf at element 1"));
  EXPECT_THAT(put(1e300),
              EndsWith("holds 1e+300 at element 1: expected a finite number in the range of float"));
  // In a model of doubles the last is a number like any other.
  VisitLstm wide(backend, attentive(), DType::f64);
  load_parameters(file, wide);
  EXPECT_EQ(values_of<double>(wide)[wide.parameters().back().offset + 1], 1e300);
}

TEST_F(ParameterFile, RefusesBrokenFilesAndKeepsTheModel) {
  const std::string whole = read_file(file);
  const auto before = values_of<float>(model);
  const auto refuses = [&](const std::string& bytes) {
    folder.write("model.safetensors", bytes);
    const std::string text = error_of(ErrorCode::parse_error, [&] { load_parameters(file, model); });
    EXPECT_THAT(text, HasSubstr(file.string()));
    EXPECT_TRUE(same_bits(values_of<float>(model), before));
    return text;
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{100}, whole.size() - 1})
    refuses(whole.substr(0, size));
  EXPECT_THAT(refuses(std::string(8, '\xff') + whole.substr(8)), HasSubstr("length is 18446744073709551615"));
  refuses("PK\x03\x04 a torch.save file is a zip archive");
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { load_parameters(folder.path(), model); }),
              HasSubstr("directory"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { load_parameters(folder.path() / "absent", model); }),
              HasSubstr("absent failed: No such file"));
}

TEST_F(ParameterFile, AWriteThatFailsLeavesTheOldFile) {
  const std::string old = read_file(file);
  VisitLstm other(backend, attentive());
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { save_parameters("/dev/full", other); }),
              HasSubstr("/dev/full failed: No space left on device"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { save_parameters(folder.path() / "absent" / "m", other); }),
              HasSubstr("No such file"));
  // A limit on file sizes stands in for a disk that fills on the way.
  rlimit kept{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &kept), 0);
  const rlimit small = {static_cast<rlim_t>(old.size() / 2), kept.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = error_of(ErrorCode::io_error, [&] { save_parameters(file, other); });
  ::setrlimit(RLIMIT_FSIZE, &kept);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(text, HasSubstr(file.string() + " failed: File too large"));
  EXPECT_EQ(read_file(file), old);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST_F(ParameterFile, ADirectoryIsAModel) {
  write_config(folder.path() / "config.json", attentive());
  VisitLstm read = read_model(folder.path(), backend);
  EXPECT_EQ(read.config(), attentive());
  const auto patients = some_patients();
  const DeviceBatch batch = load(backend, patients);
  const auto expected = copied<float>(*backend, model.forward(batch), 12);
  EXPECT_TRUE(same_bits(copied<float>(*backend, read.forward(batch), 12), expected));
  EXPECT_EQ(read_model(folder.path(), backend, DType::f64).dtype(), DType::f64);
}

TEST_F(ParameterFile, AConfigThatDoesNotFitIsRefusedBeforeMemoryIsTaken) {
  ModelConfig config = attentive();
  config.hidden_dim = 10'000;  // 10^10 bytes
  write_config(folder.path() / "config.json", config);
  const int before = backend->allocations;
  expect_error(ErrorCode::shape_mismatch, {"model.safetensors", "has shape [16, 5]: expected [40000, 5]"},
               [&] { read_model(folder.path(), backend); });
  EXPECT_EQ(backend->allocations, before);
}

}  // namespace
}  // namespace ragtime::test
