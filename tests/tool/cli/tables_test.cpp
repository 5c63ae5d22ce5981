// predict reads the tables that training read: what is missing of them is named, what is beside them is
// ignored with a word, and training.json says which they were.

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

class Tables : public ToolTest {
 protected:
  // 40 patients of three encounters, each with one row in every table named: code_of(table, patient,
  // encounter).
  std::string folder(const std::string& name, const std::vector<std::string>& tables) const {
    fs::create_directory(at(name));
    for (const std::string& table : tables) {
      const bool encounters = table == "encounters";
      std::string text = encounters ? "Id,START,PATIENT\n" : "START,PATIENT,ENCOUNTER,CODE\n";
      for (int p = 0; p < 40; ++p)
        for (int e = 0; e < 3; ++e) {
          const std::string patient = "p" + std::to_string(100 + p);
          const std::string encounter = patient + "-" + std::to_string(e);
          // The last encounter of a day begins first, which only encounters.csv knows.
          const std::string day = "2020-01-0" + std::to_string(1 + e / 2);
          if (encounters)
            text += encounter + "," + day + "T" + std::to_string(20 - e) + ":00:00Z," + patient + "\n";
          else
            text += day + "," + patient + "," + encounter + "," + table.substr(0, 3) +
                    std::to_string((p * (e + 1)) % 7) + "\n";
        }
      write(name + "/" + table + ".csv", text);
    }
    return at(name);
  }
  ToolResult must_predict_into(const std::string& model, const std::string& data, const std::string& out,
                               const Arguments& more = {}) const {
    ToolResult result = run_tool(predict(at(model), data, at(out)) + more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
};

const Arguments next_visit = {"--task", "next_visit"};

TEST_F(Tables, PredictReadsThoseOfTraining) {
  const std::string trained = folder("trained", {"conditions", "medications"});
  must_train(trained, at("model"), next_visit);
  const auto training = json_of(at("model/training.json"));
  EXPECT_EQ(training["tables"], (nlohmann::ordered_json{"conditions", "medications"}));
  EXPECT_EQ(training["encounters"], "ignored");
  const std::string expected = must_predict(at("model"), trained);

  const std::string more = folder("more", {"conditions", "medications", "procedures", "allergies"});
  const ToolResult result = must_predict_into("model", more, "more.csv");
  EXPECT_THAT(result.err,
              HasSubstr("Not read, because only conditions, medications are asked for: procedures, "
                        "allergies\n"));
  EXPECT_EQ(bytes_of(at("more.csv")), expected);
  // What is asked for is read all the same.
  must_predict_into("model", more, "asked.csv", {"--tables", "conditions,medications,procedures"});
  EXPECT_NE(bytes_of(at("asked.csv")), expected);

  const std::string less = folder("less", {"conditions", "procedures"});
  expect_refused(run_tool(predict(at("model"), less, at("less.csv"))), 1,
                 {less, "has no medications.csv", "conditions, medications"});
  EXPECT_FALSE(fs::exists(at("less.csv")));
  must_predict_into("model", less, "less.csv", {"--tables", "conditions"});
}

TEST_F(Tables, PredictReadsEncountersAsTrainingDid) {
  const std::string with = folder("with", {"conditions", "encounters"}),
                    without = folder("without", {"conditions"});
  must_train(with, at("model"), next_visit);
  EXPECT_EQ(json_of(at("model/training.json"))["encounters"], "required");
  const std::string expected = must_predict(at("model"), with);
  expect_refused(run_tool(predict(at("model"), without, at("out.csv"))), 1,
                 {without, "has no encounters.csv"});
  EXPECT_FALSE(fs::exists(at("out.csv")));

  must_train(without, at("plain"), next_visit);
  EXPECT_EQ(json_of(at("plain/training.json"))["encounters"], "ignored");
  const std::string plain = must_predict(at("plain"), without);
  EXPECT_EQ(must_predict(at("plain"), with), plain);
  // The order of a day's visits is what they tell.
  fs::remove(at("plain/training.json"));
  EXPECT_NE(must_predict(at("plain"), with), plain);
  EXPECT_EQ(must_predict(at("plain"), without), plain);
}

TEST_F(Tables, ThoseAskedForInTrainingAreThoseOfTheModel) {
  const std::string data = folder("data", {"conditions", "medications", "procedures"});
  must_train(data, at("model"), next_visit + Arguments{"--tables", "procedures,conditions"});
  EXPECT_EQ(json_of(at("model/training.json"))["tables"],
            (nlohmann::ordered_json{"conditions", "procedures"}));
  EXPECT_THAT(must_predict_into("model", data, "out.csv").err, HasSubstr("are asked for: medications\n"));
  // Training says likewise what it leaves out.
  const ToolResult result =
      run_tool(train(data, at("again"), next_visit + Arguments{"--tables", "conditions"}));
  EXPECT_THAT(result.err,
              HasSubstr("Not read, because only conditions is asked for: medications, procedures\n"));
}

TEST_F(Tables, AFileHasNone) {
  const std::string file =
      write("events.csv",
            "subject_id,time,code\na,2020-01-01,x\na,2020-01-02,x\nb,2020-01-01,x\nb,2020-01-02,x\n"
            "c,2020-01-01,x\nc,2020-01-02,x\nd,2020-01-01,x\nd,2020-01-02,x\n")
          .string();
  must_train(file, at("model"),
             next_visit + Arguments{"--min-code-count", "0", "--validation", "0.5", "--visit-by", "time"});
  const auto training = json_of(at("model/training.json"));
  EXPECT_EQ(training["tables"], nlohmann::ordered_json::array());
  EXPECT_EQ(training["encounters"], "if_there");
  EXPECT_EQ(training["visit_by"], "time");
  must_predict_into("model", folder("data", {"conditions", "encounters"}), "out.csv");
}

TEST_F(Tables, VisitsAreThoseOfTraining) {
  std::string events = "subject_id,time,code\n";
  for (int p = 0; p < 40; ++p)
    for (int hour = 10; hour < 13; ++hour)
      events += "p" + std::to_string(100 + p) + ",2020-01-01T" + std::to_string(hour) + ":00:00Z,c" +
                std::to_string((p + hour) % 7) + "\n";
  const std::string data = write("events.csv", events).string();
  must_train(data, at("model"), next_visit + Arguments{"--visit-by", "time"});
  EXPECT_EQ(lines_of(must_predict(at("model"), data)).size(), 1u + 3 * 40);
  must_predict_into("model", data, "day.csv", {"--visit-by", "day"});
  EXPECT_EQ(lines_of(bytes_of(at("day.csv"))).size(), 1u + 40);
}

TEST_F(Tables, TheSharedCase) {
  const fs::path cases = fs::path(RAGTIME_SOURCE_DIR) / "../shared/cases/tables";
  if (!fs::exists(cases)) GTEST_SKIP() << cases << " is not there";
  must_train((cases / "train").string(), at("model"), next_visit + Arguments{"--min-code-count", "0"});
  EXPECT_EQ(json_of(at("model/training.json"))["tables"],
            (nlohmann::ordered_json{"conditions", "medications"}));
  const ToolResult result = must_predict_into("model", (cases / "predict").string(), "out.csv");
  EXPECT_THAT(result.err, HasSubstr("are asked for: procedures\n"));
  EXPECT_THAT(result.err, Not(HasSubstr("codes are not in the model's vocabulary")));
  must_predict_into("model", (cases / "predict").string(), "asked.csv",
                    {"--tables", "conditions,medications"});
  EXPECT_EQ(bytes_of(at("asked.csv")), bytes_of(at("out.csv")));
  expect_refused(run_tool(predict(at("model"), (cases / "predict_less").string(), at("less.csv"))), 1,
                 {"predict_less", "has no medications.csv"});
}

}  // namespace
}  // namespace ragtime::test
