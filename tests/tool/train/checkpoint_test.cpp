// A checkpoint comes back to the last bit, and a file with a piece missing, added or of the wrong kind, half
// a file or another safetensors file is refused by name.

#include "host/tool/train/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/base/atomic_file.hpp"
#include "host/base/safetensors.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using nlohmann::json;
using test::same_bits;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr float infinity = std::numeric_limits<float>::infinity();

Checkpoint some_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.settings = R"({"task":"regression","tables":["conditions"],"lr":0.001})";
  checkpoint.fingerprint = 0xFEDCBA9876543210;
  checkpoint.position = {3, 17, 0.1, 1e300};
  checkpoint.history.task = "regression";
  checkpoint.history.epochs = {{1, 0.7, 0.1 + 0.2, {{"rmse", 1e-310}, {"mae", std::nullopt}}},
                               {2, -0.0, 5e-324, {{"rmse", 1.0 / 3}, {"mae", 2.0}}}};
  checkpoint.history.best_epoch = 2;
  checkpoint.optimizer.step = std::numeric_limits<std::uint64_t>::max();
  checkpoint.optimizer.skipped = 9;
  checkpoint.parameters = {0.1f, -0.0f, 1e-45f};
  checkpoint.first_moment = {3.4028235e38f, infinity, -1.1754942e-38f};
  checkpoint.second_moment = {0, 1, 2};
  return checkpoint;
}

std::vector<std::uint64_t> bits_of(const EpochPosition& position) {
  return {static_cast<std::uint64_t>(position.epoch), static_cast<std::uint64_t>(position.batch),
          std::bit_cast<std::uint64_t>(position.loss_sum), std::bit_cast<std::uint64_t>(position.weight_sum)};
}

class CheckpointFile : public testing::Test {
 protected:
  CheckpointFile() { write_checkpoint(file_, some_checkpoint()); }

  // What reading says once the file has been changed.
  template <class Change>
  std::string refusal(Change change) {
    write_checkpoint(file_, some_checkpoint());
    TensorFile content = read_safetensors(file_);
    change(content);
    write_safetensors(file_, content);
    return error_of(ErrorCode::parse_error, [&] { read_checkpoint(file_); });
  }
  template <class Change>
  std::string refused_position(Change change) {
    return refusal([&](TensorFile& content) {
      json position = json::parse(content.metadata.at("position"));
      change(position);
      content.metadata["position"] = position.dump();
    });
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "checkpoint.safetensors";
};

TEST_F(CheckpointFile, ComesBackToTheLastBit) {
  const Checkpoint written = some_checkpoint(), read = read_checkpoint(file_);
  EXPECT_EQ(read.settings, written.settings);
  EXPECT_EQ(read.fingerprint, written.fingerprint);
  EXPECT_EQ(bits_of(read.position), bits_of(written.position));
  EXPECT_EQ(read.history, written.history);
  EXPECT_EQ(read.optimizer.step, written.optimizer.step);
  EXPECT_EQ(read.optimizer.skipped, written.optimizer.skipped);
  EXPECT_TRUE(same_bits(read.parameters, written.parameters));
  EXPECT_TRUE(same_bits(read.first_moment, written.first_moment));
  EXPECT_TRUE(same_bits(read.second_moment, written.second_moment));
}

TEST_F(CheckpointFile, SumsComeBackToTheLastBit) {
  for (const double value :
       {0.0, -0.0, 0.1, 1.0 / 3, 5e-324, 2.2250738585072009e-308, 1.7976931348623157e308, 123456789.125}) {
    Checkpoint checkpoint = some_checkpoint();
    checkpoint.position.loss_sum = -value;
    checkpoint.position.weight_sum = value;
    write_checkpoint(file_, checkpoint);
    EXPECT_EQ(bits_of(read_checkpoint(file_).position), bits_of(checkpoint.position)) << value;
  }
}

TEST_F(CheckpointFile, TheSameStateGivesTheSameBytes) {
  const std::string before = read_file(file_);
  write_checkpoint(file_, read_checkpoint(file_));
  EXPECT_EQ(read_file(file_), before);
}

// A sum that is not finite has no JSON: better no checkpoint than one that cannot be read.
TEST_F(CheckpointFile, IsNotWrittenWithASumThatIsNotFinite) {
  const std::string before = read_file(file_);
  for (const double value : {std::nan(""), static_cast<double>(infinity)}) {
    Checkpoint checkpoint = some_checkpoint();
    checkpoint.position.loss_sum = value;
    expect_error(ErrorCode::invalid_argument, {file_.string(), "loss_sum is "},
                 [&] { write_checkpoint(file_, checkpoint); });
    EXPECT_EQ(read_file(file_), before);
  }
}

TEST_F(CheckpointFile, NeedsEveryPieceOfText) {
  for (const std::string key : {"format", "settings", "history", "position"})
    EXPECT_THAT(refusal([&](TensorFile& content) { content.metadata.erase(key); }),
                AllOf(StartsWith(file_.string()), HasSubstr('"' + key + "\" is missing"),
                      HasSubstr("expected a checkpoint of ragtime train")));
}

TEST_F(CheckpointFile, RefusesTextThatIsNotWhatItShouldBe) {
  const auto refused = [&](const char* key, const std::string& text) {
    return refusal([&](TensorFile& content) { content.metadata[key] = text; });
  };
  EXPECT_THAT(refused("format", "pt"), AllOf(StartsWith(file_.string()), HasSubstr("format is \"pt\"")));
  EXPECT_THAT(refused("format", "a\nb\x01"), HasSubstr("format is \"a\\x0ab\\x01\"")) << "fit for a terminal";
  for (const char* key : {"settings", "history", "position"})
    for (const char* text : {"", "junk", "[]", "1", "{\"a\":", "{\"a\":{}}"})
      EXPECT_THAT(refused(key, text), StartsWith(file_.string())) << key << ": " << text;
  EXPECT_THAT(refused("epoch", "3"), AllOf(StartsWith(file_.string()), HasSubstr("\"epoch\"")));
}

TEST_F(CheckpointFile, NeedsEveryNumberOfThePosition) {
  for (const std::string key :
       {"fingerprint", "epoch", "batch", "loss_sum", "weight_sum", "step", "skipped"}) {
    EXPECT_THAT(refused_position([&](json& position) { position.erase(key); }),
                AllOf(StartsWith(file_.string()), HasSubstr('"' + key + "\" is missing")));
    for (const json& wrong : {json("1"), json(), json(true), json::array({1})})
      EXPECT_THAT(refused_position([&](json& position) { position[key] = wrong; }),
                  AllOf(StartsWith(file_.string()), HasSubstr(key)))
          << wrong;
  }
  for (const std::string key : {"fingerprint", "epoch", "batch", "step", "skipped"})
    for (const json& wrong : {json(-1), json(1.5), json(1e30)})
      EXPECT_THAT(refused_position([&](json& position) { position[key] = wrong; }),
                  AllOf(StartsWith(file_.string()), HasSubstr(key)))
          << wrong;
  EXPECT_THAT(refused_position([](json& position) { position["epoch"] = 0; }), HasSubstr("epoch 0"));
  EXPECT_THAT(refused_position([](json& position) { position["lr"] = 1; }), HasSubstr("unknown key \"lr\""));
}

TEST_F(CheckpointFile, NeedsEveryTensorAndNoOther) {
  for (const std::string name : {"parameters", "first_moment", "second_moment"}) {
    EXPECT_THAT(refusal([&](TensorFile& content) { content.tensors.erase(name); }),
                AllOf(StartsWith(file_.string()), HasSubstr('"' + name + '"')));
    const auto replaced = [&](const Tensor& tensor) {
      return refusal([&](TensorFile& content) { content.tensors[name] = tensor; });
    };
    const std::vector<double> wide(3);
    const std::vector<float> narrow(3), four(4);
    EXPECT_THAT(replaced(Tensor::from(wide, {3})), HasSubstr('"' + name + '"')) << "dtype";
    EXPECT_THAT(replaced(Tensor::from(narrow, {3, 1})), HasSubstr('"' + name + '"')) << "shape";
    EXPECT_THAT(replaced(Tensor::from(four, {4})), HasSubstr("different sizes"));
  }
  const std::vector<float> more(3);
  EXPECT_THAT(refusal([&](TensorFile& content) { content.tensors["more"] = Tensor::from(more, {3}); }),
              AllOf(StartsWith(file_.string()), HasSubstr("\"more\"")));
}

TEST_F(CheckpointFile, RefusesHalfAFile) {
  const std::string whole = read_file(file_);
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 7) {
    folder_.write("checkpoint.safetensors", whole.substr(0, bytes));
    EXPECT_THAT(error_of(ErrorCode::parse_error, [&] { read_checkpoint(file_); }), StartsWith(file_.string()))
        << bytes << " of " << whole.size();
  }
}

TEST_F(CheckpointFile, RefusesAModel) {
  ModelConfig config;
  config.vocab_size = 3;
  config.embedding_dim = config.hidden_dim = 2;
  save_parameters(file_, VisitLstm(make_backend("cpu"), config));
  EXPECT_THAT(error_of(ErrorCode::parse_error, [&] { read_checkpoint(file_); }),
              AllOf(StartsWith(file_.string()), HasSubstr("expected a checkpoint of ragtime train")));
}

TEST_F(CheckpointFile, RefusesWhatIsNotThere) {
  expect_error(ErrorCode::io_error, {"nothing.safetensors"},
               [&] { read_checkpoint(folder_.path() / "nothing.safetensors"); });
}

}  // namespace
}  // namespace ragtime
