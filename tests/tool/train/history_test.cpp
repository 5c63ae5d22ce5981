// history.json: exact bytes, every double back as it was, and junk refused with the key that is wrong.

#include "host/tool/train/history.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/support/errors.hpp"

namespace ragtime {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

History small() {
  return {.task = "survival",
          .epochs = {{1, 0.5, 0.75, {{"concordance", std::nullopt}, {"auroc", 0.625}}},
                     {2, 0.1, 1.0, {{"concordance", 0.7}, {"auroc", 1.0}}}},
          .best_epoch = 2};
}

TEST(HistoryJson, HasTheseBytes) {
  EXPECT_EQ(to_json(small()), R"({
  "task": "survival",
  "best_epoch": 2,
  "epochs": [
    {
      "epoch": 1,
      "train_loss": 0.5,
      "validation_loss": 0.75,
      "metrics": {
        "concordance": null,
        "auroc": 0.625
      }
    },
    {
      "epoch": 2,
      "train_loss": 0.1,
      "validation_loss": 1.0,
      "metrics": {
        "concordance": 0.7,
        "auroc": 1.0
      }
    }
  ]
}
)");
  EXPECT_EQ(to_json({.task = "regression"}),
            "{\n  \"task\": \"regression\",\n  \"best_epoch\": 0,\n  \"epochs\": []\n}\n");
}

// Every double, not only those with a short decimal form, and names with characters JSON escapes.
TEST(HistoryJson, IsReadBackAsWritten) {
  using limits = std::numeric_limits<double>;
  History history{.task = "a \"quoted\" \\ <task>\n\u00e9"};
  const double values[] = {0.0,
                           1.0 / 3,
                           0.1 + 0.2,
                           std::nextafter(1.0, 2),
                           limits::min(),
                           limits::max(),
                           limits::denorm_min(),
                           -1e-300,
                           1e22,
                           123456789012.0,
                           -7};
  for (const double value : values)
    history.epochs.push_back({static_cast<std::int64_t>(history.epochs.size()) * 3 + 1,
                              value,
                              -value,
                              {{"z", value}, {"a\"\\/", std::nullopt}, {"m", value / 3}}});
  history.best_epoch = 4;
  const std::string text = to_json(history);
  const History back = history_from_json(text, "h");
  EXPECT_EQ(back, history);
  EXPECT_EQ(to_json(back), text);
  EXPECT_TRUE(std::signbit(back.epochs[0].validation_loss)) << "-0 keeps its sign";
  const History none{.task = "regression"};
  EXPECT_EQ(history_from_json(to_json(none), "h"), none);
}

TEST(HistoryJson, RefusesToWriteWhatItCouldNotRead) {
  const auto refuses = [](const std::string& text, auto change) {
    History history = small();
    change(history);
    expect_error(ErrorCode::invalid_argument, {text}, [&] { to_json(history); });
  };
  using limits = std::numeric_limits<double>;
  refuses("epochs[1].train_loss is nan: expected a finite number",
          [](History& h) { h.epochs[1].train_loss = limits::quiet_NaN(); });
  refuses("epochs[0].validation_loss is inf: expected a finite number",
          [](History& h) { h.epochs[0].validation_loss = limits::infinity(); });
  refuses("epochs[1].metrics.auroc is -inf: expected a finite number",
          [](History& h) { h.epochs[1].metrics[1].value = -limits::infinity(); });
  refuses("epochs[0].epoch is 0: expected more than 0", [](History& h) { h.epochs[0].epoch = 0; });
  refuses("epochs[1].epoch is 1: expected more than 1", [](History& h) { h.epochs[1].epoch = 1; });
  refuses("best_epoch is 3: expected 0 or one of the epochs", [](History& h) { h.best_epoch = 3; });
  refuses("epochs[1].metrics has 1 members: expected 2", [](History& h) { h.epochs[1].metrics.pop_back(); });
  refuses("epochs[1].metrics names \"mae\": expected \"auroc\"",
          [](History& h) { h.epochs[1].metrics[1].name = "mae"; });
  refuses("epochs[0].metrics names \"concordance\" twice",
          [](History& h) { h.epochs[0].metrics[1].name = "concordance"; });
  refuses("not UTF-8", [](History& h) { h.task = "\xff"; });
}

// small() as text, with one piece exchanged.
std::string with(const std::string& piece, const std::string& other) {
  std::string text = to_json(small());
  const std::size_t place = text.find(piece);
  EXPECT_NE(place, std::string::npos) << piece;
  return text.replace(place, piece.size(), other);
}

std::string refusal(const std::string& text) {
  const std::string message =
      error_of(ErrorCode::parse_error, [&] { history_from_json(text, "run/history.json"); });
  EXPECT_THAT(message, testing::StartsWith("run/history.json: "));
  EXPECT_LT(message.size(), 400u);
  for (const char character : message) EXPECT_TRUE(character >= 0x20 && character < 0x7f) << message;
  return message;
}

TEST(HistoryJson, NamesTheKeyThatIsWrong) {
  EXPECT_THAT(refusal(with("\"survival\"", "3")), EndsWith(": task is 3: expected a string"));
  EXPECT_THAT(refusal(with("\"best_epoch\": 2", "\"best_epoch\": 2.5")),
              EndsWith(": best_epoch is 2.5: expected an integer"));
  EXPECT_THAT(refusal(with("\"best_epoch\": 2", "\"best_epoch\": 18446744073709551615")),
              EndsWith("best_epoch is 18446744073709551615: expected an integer"));
  EXPECT_THAT(refusal(with("\"best_epoch\": 2", "\"best_epoch\": 7")),
              HasSubstr("best_epoch is 7: expected"));
  EXPECT_THAT(refusal(with("\"best_epoch\": 2,", "")),
              EndsWith("best_epoch is missing: expected an integer"));
  EXPECT_THAT(refusal(with("\"epoch\": 2", "\"epoch\": \"2\"")),
              EndsWith("epochs[1].epoch is \"2\": expected an integer"));
  EXPECT_THAT(refusal(with("\"epoch\": 2", "\"epoch\": 1")),
              HasSubstr("epochs[1].epoch is 1: expected more"));
  EXPECT_THAT(refusal(with("\"train_loss\": 0.1", "\"train_loss\": null")),
              EndsWith("epochs[1].train_loss is null: expected a number"));
  EXPECT_THAT(refusal(with("\"train_loss\": 0.1", "\"train_los\": 0.1")),
              EndsWith("epochs[1].train_los is an unknown key"));
  EXPECT_THAT(refusal(with("\"validation_loss\": 0.75,", "")),
              EndsWith("epochs[0].validation_loss is missing: expected a number"));
  EXPECT_THAT(refusal(with("0.625", "\"good\"")),
              EndsWith("epochs[0].metrics.auroc is \"good\": expected a number or null"));
  EXPECT_THAT(refusal(with("0.625", "[]")), HasSubstr("\"auroc\" is nested deeper than a history"));
  EXPECT_THAT(refusal(with("\"concordance\": 0.7", "\"auroc\": 0.7")),
              HasSubstr("key \"auroc\" stands twice"));
  EXPECT_THAT(refusal(with("\"concordance\": 0.7,", "")), HasSubstr("epochs[1].metrics has 1 members"));
  EXPECT_THAT(refusal("{\"task\": \"t\", \"best_epoch\": 0}"),
              EndsWith("epochs is missing: expected an array"));
  EXPECT_THAT(refusal("{\"task\": \"t\", \"best_epoch\": 0, \"epochs\": {}}"),
              EndsWith("epochs is an object: expected an array"));
  EXPECT_THAT(refusal("{\"task\": \"t\", \"best_epoch\": 0, \"epochs\": [7]}"),
              EndsWith("epochs[0] is 7: expected an object"));
  EXPECT_THAT(refusal(with("\"task\"", "\"\xc3\xa9\\u0001\"")),
              HasSubstr("\\xc3\\xa9\\x01 is an unknown key"));
  EXPECT_THAT(refusal(with("\"task\"", '"' + std::string(100'000, 'k') + '"')),
              HasSubstr("is an unknown key"));
}

TEST(HistoryJson, RefusesWhatIsNoJson) {
  const std::string whole = to_json(small());
  for (std::size_t length = 0; length + 2 < whole.size(); ++length) refusal(whole.substr(0, length));
  for (const std::string junk : {"", "NaN", "{'a': 1}", "\x7f\x45LF", "// no\n{}"})
    EXPECT_THAT(refusal(junk), HasSubstr("not JSON")) << junk;
  for (const std::string junk : {"[]", "5", "null", "\"history\""})
    EXPECT_THAT(refusal(junk), EndsWith("expected a JSON object")) << junk;
  EXPECT_THAT(refusal(std::string(1'000'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(with("0.625", "1e999")), HasSubstr("not JSON"));
}

}  // namespace
}  // namespace ragtime
