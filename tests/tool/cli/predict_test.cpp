// What ragtime predict writes and where: the format to the digit, who is in it and from which visits, and
// what becomes of the file that was there before.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "host/tool/data/cohort.hpp"
#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;

using Lines = std::map<std::string, std::string>;  // patient, or patient and visit, -> the rest of the line

// For ids without commas.
Lines by_patient(const std::string& predictions, int keys = 1) {
  Lines lines;
  std::string last;
  const auto all = lines_of(predictions);
  for (std::size_t i = 1; i < all.size(); ++i) {
    std::size_t comma = all[i].find(',');
    if (keys == 2) comma = all[i].find(',', comma + 1);
    lines[all[i].substr(0, comma)] = all[i].substr(comma + 1);
  }
  return lines;
}

class Predict : public ToolTest {
 protected:
  // Lets a reader go on that waits for somebody to open the pipe, where the tool never did.
  static void release(const std::string& pipe) {
    const int writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK);
    if (writer >= 0) ::close(writer);
  }
  // The events of a cohort for which keep(patient, visit of the patient, time) holds, as a folder of one
  // table and of the encounters, which are all visits.
  std::string write_cohort(const Cohort& cohort, const std::string& name,
                           const std::function<bool(std::int64_t, std::int64_t, Time)>& keep) const {
    std::string table = "START,PATIENT,ENCOUNTER,CODE\n", encounters = "Id,START,PATIENT\n";
    for (std::int64_t p = 0; p < cohort.patients(); ++p)
      for (std::int64_t v = cohort.visit_offsets[p]; v < cohort.visit_offsets[p + 1]; ++v) {
        char encounter[32];
        std::snprintf(encounter, sizeof encounter, "e%09lld", static_cast<long long>(v));
        encounters += std::string(encounter) + "," + to_text(cohort.visit_times[v]) + "," +
                      cohort.patient_ids[p] + "\n";
        for (std::int64_t i = cohort.code_offsets[v]; i < cohort.code_offsets[v + 1]; ++i)
          if (keep(p, v - cohort.visit_offsets[p], cohort.code_times[i]))
            table += to_text(cohort.code_times[i]) + "," + cohort.patient_ids[p] + "," + encounter + "," +
                     cohort.code_names[cohort.codes[i]] + "\n";
      }
    std::filesystem::create_directory(at(name));
    write(name + "/conditions.csv", table);
    write(name + "/encounters.csv", encounters);
    return at(name);
  }
  std::string predicted(const std::string& data, const Arguments& more) const {
    const ToolResult result = run_tool(predict(at("model"), data, at("predicted.csv")) + more);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, "");
    return bytes_of(at("predicted.csv"));
  }
};

TEST_F(Predict, PatientLevelFormat) {
  const std::string data = synth(60);
  must_train(data, at("model"), binary_task("visit:3"));
  const auto lines = lines_of(must_predict(at("model"), data));
  EXPECT_EQ(lines.at(0), "patient_id,p0");
  std::vector<std::string> patients;
  std::size_t most_digits = 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t comma = lines[i].find(',');
    patients.push_back(lines[i].substr(0, comma));
    const std::string text = lines[i].substr(comma + 1);
    const double value = std::stod(text);
    EXPECT_GT(value, 0);
    EXPECT_LT(value, 1);
    char nine[32];
    std::snprintf(nine, sizeof nine, "%.9g", value);
    EXPECT_EQ(text, nine);
    const std::size_t first = text.find_first_of("123456789");  // 0.0123456789 has nine digits
    most_digits = std::max(most_digits, std::min(text.find('e'), text.size()) - first);
  }
  EXPECT_EQ(most_digits, 9u);  // a number of so many digits is not cut to fewer
  const Cohort cohort = read_cohort(data);
  EXPECT_TRUE(std::is_sorted(cohort.patient_ids.begin(), cohort.patient_ids.end()));
  EXPECT_EQ(patients, cohort.patient_ids);
}

TEST_F(Predict, VisitLevelFormatAndSeveralOutputs) {
  const std::string data = synth(30);
  must_train(data, at("model"), {"--task", "next_visit"});
  const auto lines = lines_of(must_predict(at("model"), data));
  const std::size_t codes = lines_of(bytes_of(at("model/vocabulary.txt"))).size();
  std::string header = "patient_id,visit";
  for (std::size_t k = 0; k < codes; ++k) header += ",p" + std::to_string(k);
  EXPECT_EQ(lines.at(0), header);
  const Cohort cohort = read_cohort(data);
  std::size_t i = 1;
  for (std::int64_t p = 0; p < cohort.patients(); ++p)
    for (std::int64_t t = 0; t < cohort.visit_offsets[p + 1] - cohort.visit_offsets[p]; ++t, ++i) {
      ASSERT_LT(i, lines.size());
      EXPECT_THAT(lines[i], testing::StartsWith(cohort.patient_ids[p] + "," + std::to_string(t) + ","));
      EXPECT_EQ(std::count(lines[i].begin(), lines[i].end(), ','), static_cast<std::ptrdiff_t>(codes) + 1);
    }
  EXPECT_EQ(i, lines.size());
}

TEST_F(Predict, ClassesAreAProbabilityAndRegressionIsNone) {
  const std::string data = synth(60);
  std::string labels = "patient_id,label\n";
  const Cohort cohort = read_cohort(data);
  for (std::int64_t p = 0; p < cohort.patients(); ++p)
    labels += cohort.patient_ids[p] + "," + std::to_string(p % 3) + "\n";
  write("labels.csv", labels);
  must_train(data, at("classes"), {"--task", "multi_class", "--labels", at("labels.csv")});
  const auto lines = lines_of(must_predict(at("classes"), data));
  EXPECT_EQ(lines.at(0), "patient_id,p0,p1,p2");
  EXPECT_EQ(lines.size(), 61u);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    double p[3];
    ASSERT_EQ(std::sscanf(lines[i].c_str() + lines[i].find(','), ",%lf,%lf,%lf", p, p + 1, p + 2), 3);
    EXPECT_NEAR(p[0] + p[1] + p[2], 1, 1e-6);
  }
  // Numbers around 1000: no probability is.
  std::string large = "patient_id,label\n";
  for (std::int64_t p = 0; p < cohort.patients(); ++p) large += cohort.patient_ids[p] + ",-1000\n";
  write("large.csv", large);
  must_train(data, at("number"),
             {"--task", "regression", "--labels", at("large.csv"), "--lr", "0.5", "--epochs", "10"});
  for (const auto& [patient, value] : by_patient(must_predict(at("number"), data)))
    EXPECT_LT(std::stod(value), -1);
}

TEST_F(Predict, IdsWithCommasAndQuotesAreQuoted) {
  must_train(synth(30), at("model"), {"--task", "survival", "--label-code", diabetes});
  write("events.csv",
        "subject_id,time,code\nplain,2020-01-01,x\n\"a,b\",2020-01-01,x\n\"say \"\"hi\"\"\",2020-01-01,x\n");
  const ToolResult result = run_tool(predict(at("model"), at("events.csv"), "/dev/stdout"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out,
              testing::MatchesRegex("patient_id,visit,p0\n\"a,b\",0,0\\.[0-9]+\nplain,0,0\\.[0-9]+\n"
                                    "\"say \"\"hi\"\"\",0,0\\.[0-9]+\n"));
  EXPECT_THAT(result.err, HasSubstr("3 codes are not in the model's vocabulary: [UNK]"));
  EXPECT_THAT(result.err, HasSubstr("warning: the model knows none of the codes of this data"));
}

// The label code is a code like others: what was known is input, whether the code is in it or after it.
TEST_F(Predict, EverythingIsInputOrEverythingUpToATime) {
  const std::string data = synth(120);
  must_train(data, at("model"), binary_task("visits"));
  std::filesystem::rename(at("model/training.json"), at("kept.json"));  // which names the tables
  const Cohort cohort = read_cohort(data);
  const std::string all = write_cohort(cohort, "all", [](auto, auto, auto) { return true; });
  const std::string whole = must_predict(at("model"), all);
  EXPECT_EQ(by_patient(whole).size(), 120u);
  EXPECT_EQ(must_predict(at("model"), data), whole);  // the table is what the cohort is
  std::filesystem::rename(at("kept.json"), at("model/training.json"));
  EXPECT_EQ(must_predict(at("model"), data), whole);  // the same window or label or none

  for (const std::string text : {"2019-06-30", "2019-06-30T12:00:00Z", "2019-06-30T14:00:00+02:00"}) {
    SCOPED_TRACE(text);
    Timestamp time;
    ASSERT_TRUE(parse_timestamp(text, time));
    const std::string cut =
        write_cohort(cohort, text, [&](auto, auto, Time known) { return known <= time.known_by(); });
    std::filesystem::rename(at("model/training.json"), at("kept.json"));
    const Lines expected = by_patient(must_predict(at("model"), cut));
    std::filesystem::rename(at("kept.json"), at("model/training.json"));
    EXPECT_LT(expected.size(), 120u);
    EXPECT_GT(expected.size(), 60u);
    const ToolResult result = run_tool(predict(at("model"), data, at("at.csv")) + Arguments{"--at", text});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("warning: " + std::to_string(120 - expected.size()) +
                                      " patients have no visit by " + text + ", left out"));
    const std::string at_time = bytes_of(at("at.csv"));
    EXPECT_EQ(lines_of(at_time).at(0), "patient_id,prediction_time,p0");
    Lines actual;
    for (const auto& [patient, line] : by_patient(at_time)) {
      EXPECT_THAT(line, testing::StartsWith(text + ","));
      actual[patient] = line.substr(line.find(',') + 1);
    }
    EXPECT_EQ(actual, expected);
    std::int64_t changed = 0;
    for (const auto& [patient, line] : by_patient(whole))
      changed += actual.contains(patient) && actual.at(patient) != line;
    EXPECT_GT(changed, 50);
  }
}

TEST_F(Predict, BeforeATimeLeavesOutWhatHappenedAtIt) {
  must_train(synth(60), at("model"),
             {"--task", "visit_binary", "--label-code", diabetes, "--min-code-count", "0"});
  const std::string code = lines_of(bytes_of(at("model/vocabulary.txt"))).at(2);
  const std::string row = code.substr(0, code.find('\t')) + "\n", other = "other\n";
  const std::string events =
      "subject_id,time,code\na,2020-01-01,start\nb,2020-01-01T08:00:00Z,start\n"
      "a,2020-01-02T10:00:00Z," +
      row;
  write("events.csv", events + "a,2020-01-02T10:00:00.000001Z,other\n");
  write("cut.csv", events);
  write("before.csv", "subject_id,time,code\na,2020-01-01,start\nb,2020-01-01T08:00:00Z,start\n");
  const auto values = [&](const std::string& data, const Arguments& more) {
    std::vector<std::string> lines;
    for (const std::string& line : lines_of(predicted(at(data), more)))
      lines.push_back(line.substr(line.rfind(',')));
    return lines;
  };
  const Arguments at_ten = {"--at", "2020-01-02T10:00:00Z"};
  EXPECT_EQ(values("events.csv", at_ten), values("cut.csv", {}));
  EXPECT_EQ(values("events.csv", at_ten + Arguments{"--before"}), values("before.csv", {}));
  // A date without a time of day may be its last moment.
  EXPECT_EQ(values("before.csv", {"--at", "2020-01-01T23:59:59Z"}).size(), 2u);
  EXPECT_EQ(values("before.csv", {"--at", "2020-01-01"}).size(), 3u);
  EXPECT_EQ(values("before.csv", {"--at", "2020-01-01", "--before"}).size(), 1u) << "nothing of that day";
}

TEST_F(Predict, TimesThatMakeNoSense) {
  const Arguments asked = predict(at("none"), at("none"), at("out.csv"));
  for (const char* time : {"today", "2020-13-01", "2020-02-30", "2020", "2020-01-01T25:00:00"})
    expect_refused(run_tool(asked + Arguments{"--at", time}), 2, {"--at is ", time, "2020-01-31"});
  expect_refused(run_tool(asked + Arguments{"--at", "2020-01-01", "--labels", at("x.csv")}), 2,
                 {"--at and --labels"});
  expect_refused(run_tool(asked + Arguments{"--before"}), 2, {"--before without --at or --labels"});
  must_train(synth(30), at("model"), {"--task", "next_visit"});
  write("times.csv", "subject_id,prediction_time\na,2020-01-01\n");
  expect_refused(
      run_tool(predict(at("model"), at("cohort"), at("out.csv")) + Arguments{"--labels", at("times.csv")}), 1,
      {"times.csv", "none of its 1 labels is of a patient in the data"});
  EXPECT_FALSE(std::filesystem::exists(at("out.csv")));
}

// A model of visits at the times of a label file: what it says at the last visit by then.
TEST_F(Predict, AVisitLevelModelAtTheTimesOfLabels) {
  const std::string data = synth(30);
  must_train(data, at("model"), {"--task", "next_visit"});
  const std::string patient = read_cohort(data).patient_ids[3];
  write("times.csv", "subject_id,prediction_time\n" + patient + ",2022-01-01T00:00:00Z\n" + patient +
                         ",2023-12-31T23:59:59Z\n");
  const auto lines_with = [&](const Arguments& more) {
    const ToolResult result = run_tool(predict(at("model"), data, at("out.csv")) + more);
    EXPECT_EQ(result.status, 0) << result.err;
    std::vector<std::string> lines;
    for (const std::string& line : lines_of(bytes_of(at("out.csv"))))
      if (line.starts_with(patient)) lines.push_back(line);
    return lines;
  };
  const auto at_labels = lines_with({"--labels", at("times.csv")});
  ASSERT_EQ(at_labels.size(), 2u);
  EXPECT_EQ(at_labels[0], lines_with({"--at", "2022-01-01T00:00:00Z"}).back());
  EXPECT_EQ(at_labels[1], lines_with({"--at", "2023-12-31T23:59:59Z"}).back());
}

TEST_F(Predict, APatientDoesNotDependOnTheOthers) {
  const std::string data = synth(60);
  must_train(data, at("model"),
             {"--task", "visit_binary", "--label-code", diabetes, "--aggregation", "attention"});
  const Cohort cohort = read_cohort(data);
  const Lines lines = by_patient(must_predict(at("model"), data), 2);
  std::filesystem::remove(at("model/training.json"));  // which names the tables
  const std::string one = write_cohort(cohort, "one", [](auto p, auto, auto) { return p == 17; });
  const std::string some = write_cohort(cohort, "some", [](auto p, auto, auto) { return p % 3 == 1; });
  for (const std::string& part : {one, some}) {
    const Lines part_lines = by_patient(must_predict(at("model"), part), 2);
    EXPECT_FALSE(part_lines.empty());
    for (const auto& [key, line] : part_lines) EXPECT_EQ(line, lines.at(key)) << key;
  }
}

TEST_F(Predict, ReadsTheTablesOfTraining) {
  const std::string data = synth(40);
  must_train(data, at("model"), {"--task", "next_visit", "--tables", "conditions"});
  const std::string as_trained = must_predict(at("model"), data);
  const auto with = [&](const char* tables) {
    const ToolResult result =
        run_tool(predict(at("model"), data, at("with.csv")) + Arguments{"--tables", tables});
    EXPECT_EQ(result.status, 0) << result.err;
    return bytes_of(at("with.csv"));
  };
  EXPECT_EQ(with("conditions"), as_trained);
  EXPECT_NE(with("conditions,procedures"), as_trained);
}

TEST_F(Predict, VocabularyInAnyOrderOfIds) {
  const std::string data = synth(30);
  must_train(data, at("model"), {"--task", "survival", "--label-code", diabetes});
  const std::string before = must_predict(at("model"), data);
  auto lines = lines_of(bytes_of(at("model/vocabulary.txt")));
  std::reverse(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\r\n";
  write("model/vocabulary.txt", text);
  EXPECT_EQ(must_predict(at("model"), data), before);
}

TEST_F(Predict, ReplacesAFileAndKeepsItsPermissions) {
  const std::string data = synth(30);
  must_train(data, at("model"), {"--task", "survival", "--label-code", diabetes});
  write("out.csv", "something longer than nothing");
  ::chmod(at("out.csv").c_str(), 0640);
  std::filesystem::create_hard_link(at("out.csv"), at("old.csv"));
  const ToolResult result = run_tool(predict(at("model"), data, at("out.csv")));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(bytes_of(at("out.csv")), must_predict(at("model"), data));
  EXPECT_EQ(bytes_of(at("old.csv")), "something longer than nothing");  // another file took its name
  EXPECT_EQ(static_cast<int>(std::filesystem::status(at("out.csv")).permissions()), 0640);
  EXPECT_THAT(names_of(bytes_of_folder(root())), testing::Not(testing::Contains(HasSubstr(".tmp"))));
}

TEST_F(Predict, APipeAndADeviceAreWrittenDirectly) {
  const std::string data = synth(30);
  must_train(data, at("model"), {"--task", "survival", "--label-code", diabetes});
  const std::string expected = must_predict(at("model"), data);
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = bytes_of(at("pipe")); });
  const ToolResult result = run_tool(predict(at("model"), data, at("pipe")));
  release(at("pipe"));
  reader.join();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(got, expected);
  EXPECT_TRUE(std::filesystem::is_fifo(at("pipe")));
  std::filesystem::remove(at("pipe"));

  EXPECT_EQ(run_tool(predict(at("model"), data, "/dev/stdout")).out, expected);
  expect_refused(run_tool(predict(at("model"), data, "/dev/full")), 1,
                 {"writing /dev/full failed", "No space left"});
}

TEST_F(Predict, APipeWhoseReaderGoesAwayIsAFailure) {
  const std::string data = synth(60);
  must_train(data, at("model"), {"--task", "next_visit"});  // more than a pipe holds
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  std::thread reader([&] {
    const int pipe = ::open(at("pipe").c_str(), O_RDONLY);
    char first[16];
    EXPECT_GE(::read(pipe, first, sizeof first), 0);
    ::close(pipe);
  });
  const ToolResult result = run_tool(predict(at("model"), data, at("pipe")));
  release(at("pipe"));
  reader.join();
  expect_refused(result, 1, {"writing " + at("pipe"), "Broken pipe"});
}

TEST_F(Predict, WhereNoFileCanBe) {
  const std::string data = synth(30);
  must_train(data, at("model"), {"--task", "survival", "--label-code", diabetes});
  const Folder before = bytes_of_folder(root());
  expect_refused(run_tool(predict(at("model"), data, at("none/out.csv"))), 1,
                 {at("none/out.csv"), "No such file"});
  expect_refused(run_tool(predict(at("model"), data, data)), 1, {data, "is a directory"});
  expect_refused(run_tool(predict(at("model"), at("none"), at("out.csv"))), 1, {at("none"), "not there"});
  expect_refused(run_tool(predict(at("none"), data, at("out.csv"))), 1,
                 {at("none/config.json"), "No such file"});
  EXPECT_TRUE(same_files(bytes_of_folder(root()), before));
  if (::geteuid() == 0) return;  // to whom every folder is open
  std::filesystem::create_directory(at("closed"));
  ::chmod(at("closed").c_str(), 0555);
  expect_refused(run_tool(predict(at("model"), data, at("closed/out.csv"))), 1,
                 {at("closed/out.csv"), "Permission"});
}

}  // namespace
}  // namespace ragtime::test
