// A model directory that is not what it should be: predict names the file and the thing in it, fails with
// status 1, and neither leaves a file behind nor touches the one that was there.

#include <cstring>
#include <limits>

#include "host/base/safetensors.hpp"
#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using Parts = std::vector<std::string>;

class ModelDirectory : public ToolTest {
 protected:
  void SetUp() override {
    data_ = synth(30);
    must_train(data_, at("model"), binary_task("visit:3"));
    sound_ = bytes_of_folder(at("model"));
    write("kept.csv", "an earlier answer");
  }

  // Predict refuses the directory with this file in it, whether there was an answer or not. Then the file is
  // as before.
  void expect_refusal(const std::string& file, const std::string& content, Parts parts) {
    write("model/" + file, content);
    expect_refusal_now(file, std::move(parts));
    write("model/" + file, sound_.at(file));
  }
  void expect_refusal_now(const std::string& file, Parts parts) {
    SCOPED_TRACE(file + " " + testing::PrintToString(parts));
    parts.push_back(at("model/" + file));
    const ToolResult result = run_tool(predict(at("model"), data_, at("new.csv")));
    expect_refused(result, 1, parts);
    EXPECT_FALSE(std::filesystem::exists(at("new.csv")));
    expect_refused(run_tool(predict(at("model"), data_, at("kept.csv"))), 1, parts);
    EXPECT_EQ(bytes_of(at("kept.csv")), "an earlier answer");
    EXPECT_THAT(names_of(bytes_of_folder(root())),
                testing::Not(testing::Contains(testing::HasSubstr(".tmp"))));
    EXPECT_LT(result.peak_bytes, 1'000'000'000);
  }

  std::string with_config(const char* key, const nlohmann::json& value) const {
    auto config = nlohmann::ordered_json::parse(sound_.at("config.json"));
    config[key] = value;
    return config.dump();
  }
  std::string with_tensors(const std::function<void(TensorFile&)>& change) const {
    TensorFile content = read_safetensors(at("model/model.safetensors"));
    change(content);
    write_safetensors(at("changed"), content);
    const std::string bytes = bytes_of(at("changed"));
    std::filesystem::remove(at("changed"));
    return bytes;
  }

  std::string data_;
  Folder sound_;
};

TEST_F(ModelDirectory, SoundItIsTaken) {
  EXPECT_NE(must_predict(at("model"), data_), "");
  write("model/model.safetensors", with_tensors([](TensorFile&) {}));
  EXPECT_NE(must_predict(at("model"), data_), "");
}

TEST_F(ModelDirectory, MissingFiles) {
  for (const char* file : {"config.json", "model.safetensors", "vocabulary.txt"}) {
    std::filesystem::remove(at("model") + "/" + file);
    expect_refusal_now(file, {"No such file"});
    std::filesystem::create_directory(at("model") + "/" + file);
    expect_refusal_now(file, {"s a directory"});
    std::filesystem::remove(at("model") + "/" + file);
    write(std::string("model/") + file, sound_.at(file));
    expect_refusal(file, "", {});
  }
}

TEST_F(ModelDirectory, TensorsThatAreNotTheModels) {
  const char* file = "model.safetensors";
  const auto changed = [&](const std::function<void(TensorFile&)>& change) { return with_tensors(change); };
  expect_refusal(file, changed([](TensorFile& content) {
                   content.tensors["fc.weight"].shape = {8, 1};
                 }),
                 {"\"fc.weight\"", "[8, 1]", "[1, 8]"});
  expect_refusal(file, changed([](TensorFile& content) {
                   content.tensors["fc.bias"] = {"I32", {1}, std::vector<std::byte>(4)};
                 }),
                 {"\"fc.bias\"", "I32", "F32"});
  expect_refusal(file, changed([](TensorFile& content) { content.tensors.erase("lstm.weight_hh_l0"); }),
                 {"\"lstm.weight_hh_l0\" is missing", "[32, 8]"});
  expect_refusal(file, changed([](TensorFile& content) {
                   auto renamed = content.tensors.extract("fc.bias");
                   renamed.key() = "head.bias";
                   content.tensors.insert(std::move(renamed));
                 }),
                 {"\"head.bias\"", "none of this model's"});
  expect_refusal(file, changed([](TensorFile& content) {
                   content.tensors["extra"] = {"F32", {1}, std::vector<std::byte>(4)};
                 }),
                 {"\"extra\"", "none of this model's"});
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    expect_refusal(file, changed([&](TensorFile& content) {
                     std::memcpy(content.tensors["embedding.weight"].bytes.data() + 4 * sizeof bad, &bad,
                                 sizeof bad);
                   }),
                   {"\"embedding.weight\"", bad > 0 ? "inf" : "nan", "element 4", "finite"});
}

TEST_F(ModelDirectory, FilesThatAreNoSafetensors) {
  const char* file = "model.safetensors";
  const std::string& sound = sound_.at(file);
  const auto with_length = [&](std::uint64_t length) {
    std::string bytes = sound;
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes;
  };
  expect_refusal(file, sound.substr(0, 5), {"5 bytes"});
  expect_refusal(file, sound.substr(0, 40), {"truncated"});
  expect_refusal(file, sound.substr(0, sound.size() - 1), {"bytes after the header"});
  expect_refusal(file, sound + "x", {"expected them to fill it"});
  for (const std::uint64_t length :
       {UINT64_MAX, UINT64_MAX - 7, std::uint64_t{1} << 63, std::uint64_t{sound.size() - 7}})
    expect_refusal(file, with_length(length), {"header's length is " + std::to_string(length), "truncated"});
  expect_refusal(file, with_length(3), {"header"});
  expect_refusal(file, sound_.at("config.json"), {});
}

TEST_F(ModelDirectory, Configurations) {
  const char* file = "config.json";
  const std::string& sound = sound_.at(file);
  expect_refusal(file, sound.substr(0, sound.size() / 2), {"not JSON"});
  expect_refusal(file, "[]", {});
  expect_refusal(file, "{}", {"\"vocab_size\" is missing"});
  expect_refusal(file, with_config("hidden_size", 8), {"unknown key \"hidden_size\""});
  expect_refusal(file, "{\"vocab_size\": 7, " + sound.substr(1), {"\"vocab_size\" stands twice"});
  expect_refusal(file, with_config("hidden_dim", 1 << 20), {"2^33", "hidden_dim 1048576"});
  expect_refusal(file, with_config("hidden_dim", INT64_MAX), {"hidden_dim is 9223372036854775807"});
  expect_refusal(file, with_config("hidden_dim", UINT64_MAX), {"hidden_dim is 18446744073709551615"});
  for (const char* size : {"hidden_dim", "embedding_dim", "num_layers", "vocab_size"})
    for (const auto& value : {nlohmann::json(0), nlohmann::json(-1), nlohmann::json(8.5), nlohmann::json("8"),
                              nlohmann::json(), nlohmann::json(true), nlohmann::json::array({8})})
      expect_refusal(file, with_config(size, value), {size});
  expect_refusal(file, with_config("num_layers", 100'000), {"num_layers is 100000"});
  expect_refusal(file, with_config("dropout", 1.5), {"dropout is 1.5"});
  expect_refusal(file, with_config("task", "classify"), {"task is \"classify\""});
  expect_refusal(file, with_config("visit_aggregation", "last"), {"visit_aggregation is \"last\""});
  expect_refusal(file, with_config("output_dim", 3), {"output_dim is 3", "expected 1"});
  expect_refusal(file, with_config("padding_idx", 1 << 30), {"padding_idx is 1073741824"});
}

TEST_F(ModelDirectory, AConfigurationOfAnotherModel) {
  // Right in itself, but the tensors are not its own; the huge one is found out without making room for it.
  for (const std::int64_t width : {7, 40'000}) {
    write("model/config.json", with_config("hidden_dim", width));
    expect_refusal_now("model.safetensors",
                       {"\"lstm.weight_ih_l0\" has shape [32, 6]", "[" + std::to_string(4 * width) + ", 6]"});
  }
  write("model/config.json", with_config("visit_aggregation", "attention"));
  expect_refusal_now("model.safetensors", {"visit_encoder.attention", "missing"});
  write("model/config.json", with_config("task", "survival"));
  expect_refusal_now("training.json", {"binary_classification", "config.json about survival"});
}

TEST_F(ModelDirectory, Vocabularies) {
  const char* file = "vocabulary.txt";
  const std::string& sound = sound_.at(file);
  const auto lines = lines_of(sound);
  const std::string ids = std::to_string(lines.size());
  expect_refusal(file, sound + "extra\t" + ids + "\n", {"vocab_size in config.json is " + ids});
  expect_refusal(file, sound.substr(0, sound.rfind('\n', sound.size() - 2) + 1),
                 {"vocab_size in config.json is " + ids});
  expect_refusal(file, sound + "extra\t99999\n", {"99999", ":" + std::to_string(lines.size() + 1)});
  expect_refusal(file, sound + "extra\t-1\n", {"-1"});
  expect_refusal(file, sound + "extra\t99999999999999999999\n", {"99999999999999999999"});
  expect_refusal(file, sound + "extra\t1\n", {"\"extra\" is 1", "[UNK]", "already"});
  expect_refusal(file, sound + "[UNK]\t" + ids + "\n", {"[UNK]", "already"});
  expect_refusal(file, sound + "extra\n", {"no tab"});
  expect_refusal(file, sound + "\n", {":" + std::to_string(lines.size() + 1)});
  expect_refusal(file, "zero\t0\n" + sound.substr(sound.find('\n') + 1), {"id 0", "\"zero\"", "[PAD]"});
}

TEST_F(ModelDirectory, TrainingFiles) {
  const char* file = "training.json";
  const auto changed = [&](const char* key, const nlohmann::json& value) {
    auto training = nlohmann::ordered_json::parse(sound_.at(file));
    training[key] = value;
    return training.dump();
  };
  expect_refusal(file, "", {"not JSON"});
  expect_refusal(file, "junk", {"not JSON"});
  expect_refusal(file, "[1, 2]", {});
  expect_refusal(file, changed("horizon", 3), {"unknown key \"horizon\""});
  expect_refusal(file, changed("task", 1), {"task is 1"});
  expect_refusal(file, changed("task", "nothing"), {"\"nothing\""});
  expect_refusal(file, changed("task", "survival"), {"--predict-at is visit:3", "survival"});
  expect_refusal(file, changed("label_code", 44054006), {"label_code is 44054006"});
  expect_refusal(file, changed("label_code", nullptr), {"--label-code"});
  expect_refusal(file, changed("horizon_days", -1), {"--horizon-days is -1"});
  expect_refusal(file, changed("gap_days", -1), {"--gap-days is -1"});
  expect_refusal(file, changed("predict_at", "visit:0"), {"--predict-at is \"visit:0\""});
  expect_refusal(file, changed("predict_at", 3), {"predict_at is 3"});
  expect_refusal(file, changed("observed_until", "date:today"), {"--observed-until is \"date:today\""});
  expect_refusal(file, changed("before", "yes"), {"before is \"yes\""});
  expect_refusal(file, changed("before", true), {"--before without --labels"});
  expect_refusal(file, changed("visit_by", "week"), {"visit_by is \"week\"", "day, time"});
  expect_refusal(file, changed("encounters", true), {"encounters is true"});
  expect_refusal(file, changed("encounters", "some"), {"encounters is \"some\"", "required"});
  expect_refusal(file, changed("exclude_codes", {"*"}), {"\"*\""});
  expect_refusal(file, changed("classes", "a"), {"classes is \"a\""});
  expect_refusal(file, changed("split_given", 1), {"split_given is 1"});
  expect_refusal(file, changed("min_code_count", "5"), {"min_code_count is \"5\""});
  expect_refusal(file, changed("seed", -1), {"seed is -1"});
  expect_refusal(file, changed("tables", "conditions"), {"tables is \"conditions\""});
  expect_refusal(file, changed("tables", {1}), {"tables"});
  expect_refusal(file, changed("tables", {"conditions", "observations"}), {"tables names \"observations\""});
}

}  // namespace
}  // namespace ragtime::test
