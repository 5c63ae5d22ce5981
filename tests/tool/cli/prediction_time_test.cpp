// When a prediction is made and which examples are used: the table of rules, the flow table of a run, every
// rule, the end of observation, codes that are no input. Numbers are held against those that the test counts.

#include <cinttypes>
#include <regex>

#include "tests/tool/cli/tool_test.hpp"
#include "tests/tool/train/written_histories.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::int64_t number_of(std::string text) {
  std::erase(text, ',');
  return std::stoll(text);
}

template <class T>
T lower_median(std::vector<T> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

// The number behind the first line that begins, after its indentation, with `what`.
std::int64_t number_behind(const std::string& text, const std::string& what) {
  for (const std::string& line : lines_of(text)) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == line.npos || line.compare(begin, what.size(), what) != 0) continue;
    const std::size_t number = line.find_first_of("0123456789", begin + what.size());
    if (number != line.npos && line.find_first_not_of(' ', begin + what.size()) == number)
      return number_of(line.substr(number, line.find_first_not_of("0123456789,", number) - number));
  }
  ADD_FAILURE() << "no number behind \"" << what << "\" in: " << text;
  return -1;
}

void expect_flow(const std::string& err, const RuleCounts& counts) {
  EXPECT_EQ(number_behind(err, "patients read"), counts.patients);
  EXPECT_EQ(number_behind(err, "without history, left out"), counts.without_history);
  EXPECT_EQ(number_behind(err, "prediction times with a history"), counts.times);
  EXPECT_EQ(number_behind(err, "X by then, left out"), counts.code_before);
  EXPECT_EQ(number_behind(err, "not observed to the end, left out"), counts.unobserved);
  EXPECT_EQ(number_behind(err, "used"), counts.used);
  EXPECT_THAT(err, HasSubstr(" of " + std::to_string(counts.used_patients) + " patients\n"));
  EXPECT_EQ(number_behind(err, "positive"), counts.positives);
}

class PredictionTime : public ToolTest {
 protected:
  std::string write_histories(const Histories& histories, const std::string& name = "events.csv") const {
    return write(name, meds_text(histories)).string();
  }
  // One epoch of a tiny model.
  Arguments task(const std::string& data, const Arguments& more, const std::string& out = "model") const {
    return train(data, at(out), Arguments{"--label-code", "X", "--epochs", "1", "--batch-size", "64"} + more);
  }
  static Arguments binary(const std::string& rule) {
    return {"--task", "binary_classification", "--predict-at", rule};
  }
  void expect_misuse(const Arguments& more, const std::vector<std::string>& parts) const {
    SCOPED_TRACE(testing::PrintToString(more));
    // On data that are not there: it was refused before a look.
    expect_refused(run_tool(Arguments{"train", "--data", at("none"), "--out", at("model")} + more), 2, parts);
  }
};

TEST_F(PredictionTime, WithoutARuleATableShowsWhatEachWouldMakeOfTheData) {
  const Histories histories = make_histories(120);
  // Names that a shell would take apart.
  std::filesystem::create_directory(at("it's my data"));
  const std::string data = write_histories(histories, "it's my data/$x.csv");
  const ToolResult result = run_tool(
      task(data,
           {"--task", "binary_classification", "--horizon-days", "200", "--gap-days", "3", "--seed", "5"},
           "a model"),
      {.directory = root()});
  expect_refused(result, 2, {"--predict-at is missing"});
  EXPECT_FALSE(std::filesystem::exists(at("a model")));
  EXPECT_THAT(result.err,
              HasSubstr("whether X occurs in the 200 days after 3 days from the prediction time"));

  const std::regex row("  (\\S+) +([0-9,]+) +([0-9,]+) +([0-9,]+)   ([0-9,]+) visits, ([0-9]+) days");
  std::vector<std::string> rules, commands;
  for (const std::string& line : lines_of(result.err)) {
    if (line.starts_with("  ragtime ")) commands.push_back(line);
    std::smatch parts;
    if (!std::regex_match(line, parts, row)) continue;
    SCOPED_TRACE(line);
    rules.push_back(parts[1]);
    const RuleCounts counts = count_rule(histories, parts[1], 200, 3, ends_of_data(histories), 5);
    EXPECT_EQ(number_of(parts[2]), counts.used);
    EXPECT_EQ(number_of(parts[3]), counts.used_patients);
    EXPECT_EQ(number_of(parts[4]), counts.positives);
    EXPECT_EQ(number_of(parts[5]), lower_median(counts.visits));
    EXPECT_NEAR(std::stod(parts[6]), lower_median(counts.days), 0.51);
    if (parts[1].str().starts_with("date:")) {  // the last day whose window is over
      Timestamp date;
      ASSERT_TRUE(parse_timestamp(parts[1].str().substr(5), date));
      EXPECT_GT(counts.used, 0);
      EXPECT_EQ(
          count_rule(histories, "date:" + day_text(date.day() + 1), 200, 3, ends_of_data(histories)).used, 0);
    }
  }
  std::set<std::string> kinds;
  for (const std::string& rule : rules) kinds.insert(rule.substr(0, rule.find(':')));
  EXPECT_EQ(kinds, (std::set<std::string>{"date", "days", "sample", "visit", "visits"}));

  // The command for each, as a shell takes it.
  ASSERT_EQ(commands.size(), rules.size());
  const std::string path = std::filesystem::path(RAGTIME_TOOL_PATH).parent_path().string();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    EXPECT_THAT(commands[i], testing::EndsWith(" --predict-at " + rules[i]));
    write("script", "cd '" + root().string() + "' && PATH='" + path +
                        "':$PATH && export RAGTIME_THREADS=1 &&" + commands[i] + " > out 2> err\n");
    EXPECT_EQ(std::system(("sh '" + at("script") + "'").c_str()), 0) << commands[i] << bytes_of(at("err"));
    expect_flow(bytes_of(at("err")), count_rule(histories, rules[i], 200, 3, ends_of_data(histories), 5));
    EXPECT_EQ(json_of(at("a model/training.json"))["predict_at"], rules[i]);
    std::filesystem::remove_all(at("a model"));
  }
}

TEST_F(PredictionTime, ATableWithoutAPositiveSaysSo) {
  Histories histories = make_histories(40);
  for (auto& [patient, events] : histories)
    std::erase_if(events, [](const Event& event) { return event.code == "X"; });
  histories["p1000"].insert(histories["p1000"].begin(), {first_day - 50, 100, "X"});
  const ToolResult result = run_tool(task(write_histories(histories), {"--task", "binary_classification"}));
  expect_refused(result, 2, {"--predict-at is missing"});
  EXPECT_THAT(result.err, HasSubstr("warning: no rule has a positive example"));
  expect_refused(run_tool(train(at("events.csv"), at("model"),
                                {"--task", "binary_classification", "--label-code", "Y"})),
                 1, {"--label-code is Y", "no visit of the data"});
}

TEST_F(PredictionTime, EveryRuleTrainsAndShowsItsFlow) {
  const Histories histories = make_histories(120, 2);
  const std::string data = write_histories(histories);
  int runs = 0;
  const auto check = [&](const Arguments& options, const std::string& rule) {
    SCOPED_TRACE(testing::PrintToString(options));
    const std::string out = "run" + std::to_string(runs++);
    const ToolResult result =
        run_tool(task(data, options + Arguments{"--horizon-days", "150", "--gap-days", "7.5"}, out));
    ASSERT_EQ(result.status, 0) << result.err;
    expect_flow(result.err, count_rule(histories, rule, 150, 7.5, ends_of_data(histories)));
    EXPECT_EQ(json_of(at(out + "/training.json"))["predict_at"], rule);
    EXPECT_EQ(json_of(at(out + "/training.json"))["horizon_days"], 150);
    EXPECT_EQ(json_of(at(out + "/training.json"))["gap_days"], 7.5);
    EXPECT_THAT(result.out,
                testing::ContainsRegex("\nValidation auroc [^;]*; the length of the history alone has "
                                       "auroc (0\\.[0-9]*|1\\.0000|not defined) \\(visits\\), "
                                       "auroc (0\\.[0-9]*|1\\.0000|not defined) \\(days\\)\n"));
  };
  for (const std::string rule :
       {"visit:1", "visit:4", "days:0", "days:90", "date:2012-06-30", "visits", "sample:0.3", "sample:1"})
    check(binary(rule), rule);
  for (const std::string rule : {"visit:2", "visits", "sample:0.3"})
    check({"--task", "visit_binary", "--predict-at", rule}, rule);
  check({"--task", "visit_binary"}, "visits");
}

TEST_F(PredictionTime, TheSameExamplesTrainAtPatientsAndAtVisits) {
  const std::string data = write_histories(make_histories(60));
  ASSERT_EQ(run_tool(task(data, {"--task", "visit_binary"}, "default")).status, 0);
  ASSERT_EQ(run_tool(task(data, {"--task", "visit_binary", "--predict-at", "visits"}, "visits")).status, 0);
  EXPECT_TRUE(same_files(bytes_of_folder(at("default")), bytes_of_folder(at("visits"))));
}

// Histories of one or two visits, of which the rate of X in training says what their length alone can tell.
TEST_F(PredictionTime, TheLengthOfTheHistoryAloneIsSaid) {
  std::string events = "subject_id,time,code\n", parts = "subject_id,part\n";
  double length_two[2] = {}, all[2] = {};  // validation examples by label
  for (int p = 0; p < 240; ++p) {
    const std::string id = "p" + std::to_string(p);
    const bool longer = p % 2 == 0, validates = p % 3 == 0;
    const bool positive = longer ? p % 5 < 3 : p % 5 < 1;
    if (longer) events += id + ",2020-01-01T10:00:00Z,a\n";
    events += id + ",2020-02-01T10:00:00Z,b\n";
    if (positive) events += id + ",2020-03-01T10:00:00Z,X\n";
    parts += id + (validates ? ",validation\n" : ",train\n");
    if (validates) {
      all[positive] += 1;
      length_two[positive] += longer;
    }
  }
  events += "last,2021-06-01T10:00:00Z,a\n";
  parts += "last,train\n";
  write("parts.csv", parts);
  const ToolResult result =
      run_tool(task(write("events.csv", events).string(),
                    binary("date:2020-02-15") + Arguments{"--split-file", at("parts.csv")}));
  ASSERT_EQ(result.status, 0) << result.err;
  const double positives = length_two[1] / all[1], negatives = length_two[0] / all[0];
  const double expected =
      positives * (1 - negatives) + (positives * negatives + (1 - positives) * (1 - negatives)) / 2;
  char number[32];
  std::snprintf(number, sizeof number, "%.4f", expected);
  EXPECT_THAT(result.out,
              HasSubstr("; the length of the history alone has auroc " + std::string(number) + " (visits)"));
  EXPECT_EQ(number_behind(result.err, "validation"), static_cast<std::int64_t>(all[0] + all[1]));
}

TEST_F(PredictionTime, FewPositivesAreWarnedOf) {
  const auto warnings = [&](int training_positives, int validation_positives) {
    std::string events = "subject_id,time,code\n", parts = "subject_id,part\n";
    for (int p = 0; p < 120; ++p) {
      const std::string id = "p" + std::to_string(100 + p);
      const bool validates = p >= 60;
      const bool positive = p % 60 < (validates ? validation_positives : training_positives);
      events += id + ",2020-01-01T10:00:00Z,a\n" + id +
                (positive ? ",2020-03-01T10:00:00Z,X\n" : ",2021-06-01,b\n");
      parts += id + (validates ? ",validation\n" : ",train\n");
    }
    write("events.csv", events);
    write("parts.csv", parts);
    std::filesystem::remove_all(at("model"));
    const ToolResult result =
        run_tool(task(at("events.csv"), binary("visit:1") + Arguments{"--split-file", at("parts.csv")}));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out.find("auroc not defined") != std::string::npos, validation_positives == 0);
    return result.err;
  };
  EXPECT_THAT(warnings(20, 20), Not(HasSubstr("warning")));
  EXPECT_THAT(warnings(19, 20),
              HasSubstr("warning: only 19 of 60 training examples are positive: fewer than 20"));
  EXPECT_THAT(warnings(20, 19),
              HasSubstr("warning: only 19 of 60 validation examples are positive: fewer than 20"));
  EXPECT_THAT(warnings(20, 0), HasSubstr("warning: no validation example is positive"));
  EXPECT_THAT(warnings(60, 20), HasSubstr("warning: no training example is negative"));
}

TEST_F(PredictionTime, RulesThatAreNone) {
  const std::map<std::string, std::string> bad = {{"visit:0", "integer N from 1"},
                                                  {"visit:1.5", "integer N from 1"},
                                                  {"visit:-2", "integer N from 1"},
                                                  {"visit:", "integer N from 1"},
                                                  {"visit", "integer N from 1"},
                                                  {"visit:3x", "integer N from 1"},
                                                  {"visit:9999999999", "integer N from 1"},
                                                  {"visit:nan", "integer N from 1"},
                                                  {"days:-1", "N from 0 to 1000000"},
                                                  {"days:1000001", "N from 0 to 1000000"},
                                                  {"days:inf", "N from 0 to 1000000"},
                                                  {"days:x", "N from 0 to 1000000"},
                                                  {"date:2020-13-01", "2020-01-31"},
                                                  {"date:2020-02-30", "2020-01-31"},
                                                  {"date:", "2020-01-31"},
                                                  {"sample:0", "P above 0, at most 1"},
                                                  {"sample:2", "P above 0, at most 1"},
                                                  {"sample:-0.1", "P above 0, at most 1"},
                                                  {"sample:nan", "P above 0, at most 1"},
                                                  {"visits:3", "visit:N, days:N"},
                                                  {"Visits", "visit:N, days:N"},
                                                  {"data", "visit:N, days:N"},
                                                  {"3", "visit:N, days:N"}};
  for (const auto& [rule, expected] : bad)
    expect_misuse(binary(rule) + Arguments{"--label-code", "X"},
                  {"--predict-at is \"" + rule + "\"", expected});
  expect_misuse(binary("") + Arguments{"--label-code", "X"}, {"--predict-at", "not an empty text"});
}

TEST_F(PredictionTime, OptionsThatTheTaskHasNoUseFor) {
  const Arguments labels = {"--labels", at("labels.csv")}, code = {"--label-code", "X"};
  for (const Arguments& target :
       {Arguments{"--task", "next_visit"}, Arguments{"--task", "survival"} + code,
        Arguments{"--task", "multi_class"} + labels, Arguments{"--task", "regression"} + labels,
        Arguments{"--task", "binary_classification"} + labels}) {
    expect_misuse(target + Arguments{"--predict-at", "visit:3"}, {"--predict-at is visit:3", target[1]});
    expect_misuse(target + Arguments{"--horizon-days", "30"}, {"--horizon-days", target[1]});
    expect_misuse(target + Arguments{"--gap-days", "0"}, {"--gap-days", target[1]});
    expect_misuse(target + Arguments{"--observed-until", "data"}, {"--observed-until", target[1]});
  }
  for (const char* rule : {"days:30", "date:2020-01-01"})
    expect_misuse(Arguments{"--task", "visit_binary", "--predict-at", rule} + code,
                  {std::string("--predict-at is ") + rule, "visit_binary", "visits, sample:P or visit:N"});
  expect_misuse({"--task", "binary_classification", "--predict-at", "visits"}, {"--label-code or --labels"});
  expect_misuse(Arguments{"--task", "next_visit", "--before"}, {"--before without --labels"});
  expect_misuse(binary("visits") + code + Arguments{"--before"}, {"--before without --labels"});
  expect_misuse(binary("visits") + code + Arguments{"--observed-until", "date:2020-13-01"},
                {"--observed-until is \"date:2020-13-01\"", "record"});
}

TEST_F(PredictionTime, ObservationEndsWhenItIsSaidTo) {
  const Histories histories = make_histories(120, 3);
  const std::string data = write_histories(histories);
  int runs = 0;
  const auto train_until = [&](const std::string& until) {
    ToolResult result =
        run_tool(task(data, binary("visit:2") + Arguments{"--horizon-days", "100", "--observed-until", until},
                      "run" + std::to_string(runs++)));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  const auto expect = [&](const std::string& until, const std::map<std::string, Time>& ends) {
    SCOPED_TRACE(until);
    const RuleCounts counts = count_rule(histories, "visit:2", 100, 0, ends);
    EXPECT_TRUE(counts.unobserved > 0 || until == "data");
    const std::string err = train_until(until);
    expect_flow(err, counts);
    return err;
  };
  EXPECT_THAT(expect("data", ends_of_data(histories)), HasSubstr("the last time in the data"));

  std::map<std::string, Time> ends;
  for (const auto& [patient, events] : histories)
    for (const Event& event : events)  // the visit is not over before its day is
      ends[patient] = std::max(ends[patient], (event.day + 1) * time_per_day - 1);
  EXPECT_THAT(expect("record", ends), HasSubstr("biased"));

  for (auto& [patient, end] : ends) end = (first_day + 1000) * time_per_day - 1;
  expect("date:" + day_text(first_day + 999), ends);

  // A file knows each patient's own end, to the day or to the second; not that of p1005, nor of p1006.
  std::string file = "subject_id,time\nnobody,2020-01-01\nno one,2020-01-01\nwho,2020-01-01\n";
  ends.clear();
  for (const auto& [patient, events] : histories) {
    if (patient == "p1005" || patient == "p1006") continue;
    const std::int64_t day = first_day + 900 + std::stoll(patient.substr(1)) % 7 * 100;
    const Event end{day, patient.back() == '3' ? 40000 : -1, ""};
    file += patient + "," + time_text(end) + "\n";
    ends[patient] = end.known_by();
  }
  const std::string ends_file = write("ends.csv", file).string();
  const std::string err = expect(ends_file, ends);
  EXPECT_THAT(err, HasSubstr("warning: 3 patients of " + ends_file + " are not in the data\n"));
  EXPECT_THAT(err, HasSubstr("warning: 2 patients are not in " + ends_file));
  EXPECT_EQ(json_of(at("run3/training.json"))["observed_until"], ends_file);

  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    write("bad.csv", content);
    expect_refused(run_tool(task(data, binary("visit:2") + Arguments{"--observed-until", at("bad.csv")})), 1,
                   parts);
  };
  refused("subject_id,time\np1000,2020-01-01\np1001,2020-01-01\np1000,2020-01-01\n",
          {"bad.csv:4", "\"p1000\"", "already, at line 2"});
  refused("subject_id,time\np1000,soon\n", {"bad.csv:2", "time is \"soon\""});
  refused("subject_id,time\nnobody,2020-01-01\n",
          {"--predict-at visit:2: no example is left of 120 patients"});
  expect_refused(run_tool(task(data, binary("visit:2") + Arguments{"--observed-until", "month"})), 1,
                 {"--observed-until is month", "no file", "date:YYYY-MM-DD"});
}

TEST_F(PredictionTime, WhereNoExampleIsLeftTheNumbersSayWhy) {
  const Histories histories = make_histories(60);
  const RuleCounts counts = count_rule(histories, "visit:2", 5000, 0, ends_of_data(histories));
  expect_refused(
      run_tool(task(write_histories(histories), binary("visit:2") + Arguments{"--horizon-days", "5000"})), 1,
      {"--predict-at visit:2: no example is left of 60 patients; " + std::to_string(counts.without_history) +
           " have no visit by then",
       "of " + std::to_string(counts.times) + " prediction times " + std::to_string(counts.code_before) +
           " have X at or before them",
       std::to_string(counts.unobserved) + " are not observed to the end"});
  EXPECT_FALSE(std::filesystem::exists(at("model")));
}

// Codes that are no input are in no vocabulary, and neither the model nor its predictions depend on them.
TEST_F(PredictionTime, ExcludedCodesAreNoInput) {
  const Histories plain = make_histories(80);
  Histories coded = plain;
  int n = 0;
  for (auto& [patient, events] : coded) {
    const std::size_t count = events.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Event at = events[i];
      const char* codes[] = {"INSULIN", "BILL//1", "BILL//22", "METFORMIN"};
      if (n++ % 3 == 0) events.push_back({at.day, at.second, codes[n % 4]});
    }
  }
  const std::string data = write_histories(coded), without = write_histories(plain, "without.csv");
  write("codes.txt", "INSULIN\r\n\nBILL//*\nMETFORMIN\nc3\n");
  const auto vocabulary = [&](const std::string& out) { return bytes_of(at(out + "/vocabulary.txt")); };
  const Arguments options = binary("visit:2") + Arguments{"--min-code-count", "0"};
  ASSERT_EQ(run_tool(task(data, options, "all")).status, 0);
  for (const char* code : {"INSULIN\t", "BILL//1\t", "BILL//22\t", "METFORMIN\t", "c3\t"})
    EXPECT_THAT(vocabulary("all"), HasSubstr(code));

  const std::vector<std::pair<std::string, Arguments>> ways = {
      {"list", {"--exclude-codes", "METFORMIN,INSULIN,BILL//*,c3"}},
      {"twice", {"--exclude-codes", "METFORMIN,c3", "--exclude-codes", "INSULIN,BILL//*"}},
      {"file", {"--exclude-codes", "@" + at("codes.txt")}}};
  for (const auto& [name, exclude] : ways) {
    SCOPED_TRACE(name);
    const ToolResult result = run_tool(task(data, options + exclude, name));
    ASSERT_EQ(result.status, 0) << result.err;
    for (const char* code : {"INSULIN", "BILL", "METFORMIN", "c3"})
      EXPECT_THAT(vocabulary(name), Not(HasSubstr(code)));
    EXPECT_THAT(vocabulary(name), HasSubstr("c4\t"));
    EXPECT_EQ(json_of(at(name + "/training.json"))["exclude_codes"],
              (nlohmann::json{"BILL//*", "INSULIN", "METFORMIN", "c3"}));
    EXPECT_EQ(bytes_of(at(name + "/model.safetensors")), bytes_of(at("list/model.safetensors")));
    const std::string predictions = must_predict(at(name), data);
    EXPECT_EQ(must_predict(at(name), without), predictions);
    EXPECT_NE(must_predict(at("all"), without), must_predict(at("all"), data));
  }
  // Training without them ends with the same parameters as training on data that never had them.
  ASSERT_EQ(run_tool(task(without, options + ways[0].second, "clean")).status, 0);
  EXPECT_EQ(bytes_of(at("clean/model.safetensors")), bytes_of(at("list/model.safetensors")));

  // A code may be excluded and yet be the label.
  ASSERT_EQ(run_tool(task(data, options + Arguments{"--exclude-codes", "X"}, "label")).status, 0);
  EXPECT_THAT(vocabulary("label"), Not(HasSubstr("\nX\t")));
  expect_misuse(options + Arguments{"--label-code", "X", "--exclude-codes", "*"},
                {"--exclude-codes names \"*\""});
  expect_misuse(options + Arguments{"--label-code", "X", "--exclude-codes", ""}, {"--exclude-codes"});
  expect_refused(run_tool(task(data, options + Arguments{"--exclude-codes", "@" + at("no.txt")}, "none")), 1,
                 {at("no.txt"), "No such file"});
}

}  // namespace
}  // namespace ragtime::test
