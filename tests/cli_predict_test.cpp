// What ragtime predict writes and where: the format to the digit, who is in it and from which visits, and
// what becomes of the file that was there before.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "host/data/cohort.hpp"
#include "tests/tool_test.hpp"

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
  // The visits of a cohort for which keep(patient, visit of the patient) holds, as a folder of one table.
  std::string write_cohort(const Cohort& cohort, const std::string& name,
                           const std::function<bool(std::int64_t, std::int64_t)>& keep) const {
    std::string table = "START,PATIENT,ENCOUNTER,CODE\n";
    for (std::int64_t p = 0; p < cohort.patients(); ++p)
      for (std::int64_t v = cohort.visit_offsets[p]; v < cohort.visit_offsets[p + 1]; ++v) {
        if (!keep(p, v - cohort.visit_offsets[p])) continue;
        const std::chrono::sys_seconds time{std::chrono::seconds(cohort.visit_times[v])};
        const auto day = std::chrono::floor<std::chrono::days>(time);
        const std::chrono::year_month_day date{day};
        const std::chrono::hh_mm_ss clock{time - day};
        char start[64], encounter[32];
        std::snprintf(start, sizeof start, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                      static_cast<int>(clock.seconds().count()));
        std::snprintf(encounter, sizeof encounter, "e%09lld", static_cast<long long>(v));
        for (const std::int32_t code : cohort.visit_codes(v))
          table += std::string(start) + "," + cohort.patient_ids[p] + "," + encounter + "," +
                   cohort.code_names[code] + "\n";
      }
    std::filesystem::create_directory(at(name));
    write(name + "/conditions.csv", table);
    return at(name);
  }
};

std::int64_t first_visit_with(const Cohort& cohort, std::int64_t patient, const char* code) {
  const std::int32_t wanted = cohort.find_code(code);
  const std::int64_t begin = cohort.visit_offsets[patient], end = cohort.visit_offsets[patient + 1];
  for (std::int64_t v = begin; v < end; ++v)
    for (const std::int32_t found : cohort.visit_codes(v))
      if (found == wanted) return v - begin;
  return end - begin;
}

TEST_F(Predict, PatientLevelFormat) {
  const std::string data = synth(60);
  must_train(data, at("model"), {"--task", "binary_classification", "--label-code", diabetes});
  const auto lines = lines_of(must_predict(at("model"), data));
  EXPECT_EQ(lines.at(0), "patient_id,p0");
  std::vector<std::string> patients, expected;
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
    most_digits = std::max(most_digits, text.size());
  }
  EXPECT_EQ(most_digits,
            std::string("0.123456789").size());  // a number of so many digits is not cut to fewer
  const Cohort cohort = read_cohort(data);
  for (std::int64_t p = 0; p < cohort.patients(); ++p)
    if (first_visit_with(cohort, p, diabetes) > 0) expected.push_back(cohort.patient_ids[p]);
  EXPECT_TRUE(std::is_sorted(expected.begin(), expected.end()));
  EXPECT_EQ(patients, expected);
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

TEST_F(Predict, TheCutIsCausal) {
  const std::string data = synth(120);
  must_train(data, at("model"), {"--task", "binary_classification", "--label-code", diabetes});
  const Cohort cohort = read_cohort(data);
  const auto first = [&](std::int64_t p) { return first_visit_with(cohort, p, diabetes); };
  const auto visits = [&](std::int64_t p) { return cohort.visit_offsets[p + 1] - cohort.visit_offsets[p]; };
  const std::string all = write_cohort(cohort, "all", [](auto, auto) { return true; });
  const std::string before = write_cohort(cohort, "before", [&](auto p, auto t) { return t < first(p); });
  const Lines lines = by_patient(must_predict(at("model"), all));
  EXPECT_GT(lines.size(), 100u);
  EXPECT_EQ(by_patient(must_predict(at("model"), data)), lines);  // the tables are what the cohort is
  EXPECT_EQ(by_patient(must_predict(at("model"), before)), lines);

  // Whoever has the code in the first visit has nothing to predict from.
  std::int64_t left_out = 0;
  for (std::int64_t p = 0; p < cohort.patients(); ++p) left_out += first(p) < visits(p);
  ASSERT_GT(left_out, 3);
  const std::string from =
      write_cohort(cohort, "from", [&](auto p, auto t) { return first(p) == visits(p) || t >= first(p); });
  const ToolResult result = run_tool(predict(at("model"), from, at("from.csv")));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr(std::to_string(left_out) + " patients have 44054006 in their first visit"));
  const Lines rest = by_patient(bytes_of(at("from.csv")));
  EXPECT_EQ(static_cast<std::int64_t>(rest.size()), cohort.patients() - left_out);
  for (const auto& [patient, line] : rest) EXPECT_EQ(line, lines.at(patient));
}

TEST_F(Predict, WithoutTrainingJsonEveryVisitIsInput) {
  const std::string data = synth(120);
  must_train(data, at("model"), {"--task", "binary_classification", "--label-code", diabetes});
  const Lines cut = by_patient(must_predict(at("model"), data));
  std::filesystem::remove(at("model/training.json"));
  const Lines whole = by_patient(must_predict(at("model"), data));
  EXPECT_EQ(whole.size(), 120u);
  const Cohort cohort = read_cohort(data);
  for (std::int64_t p = 0; p < cohort.patients(); ++p) {
    const std::string& id = cohort.patient_ids[p];
    const bool has_code =
        first_visit_with(cohort, p, diabetes) < cohort.visit_offsets[p + 1] - cohort.visit_offsets[p];
    if (!cut.contains(id)) continue;
    EXPECT_EQ(cut.at(id) != whole.at(id), has_code) << id;
  }
}

TEST_F(Predict, APatientDoesNotDependOnTheOthers) {
  const std::string data = synth(60);
  must_train(data, at("model"),
             {"--task", "visit_binary", "--label-code", diabetes, "--aggregation", "attention"});
  const Cohort cohort = read_cohort(data);
  const Lines lines = by_patient(must_predict(at("model"), data), 2);
  const std::string one = write_cohort(cohort, "one", [](auto p, auto) { return p == 17; });
  const std::string some = write_cohort(cohort, "some", [](auto p, auto) { return p % 3 == 1; });
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
