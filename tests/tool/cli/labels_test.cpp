// Label files in the MEDS schema: what they may hold and which task takes it, that the input ends at the
// prediction time, by event, and what a run says of lines that it leaves out.

#include "tests/tool/cli/tool_test.hpp"
#include "tests/tool/train/written_histories.hpp"

namespace ragtime::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* columns =
    "subject_id,prediction_time,boolean_value,integer_value,float_value,"
    "categorical_value\n";

class Labels : public ToolTest {
 protected:
  void SetUp() override {
    histories_ = make_histories(60);
    data_ = write("events.csv", meds_text(histories_)).string();
  }

  // A label at the end of each patient's first visit, and of the third where there is one.
  std::string lines(const std::function<std::string(int)>& value) const {
    std::string text;
    int n = 0;
    for (const auto& [patient, events] : histories_) {
      std::set<std::int64_t> days;
      for (const Event& event : events) days.insert(event.day);
      int visit = 0;
      for (const std::int64_t day : days)
        if (++visit == 1 || visit == 3)
          text += patient + "," + day_text(day + 1) + "T00:00:00Z," + value(n++) + "\n";
    }
    return text;
  }
  std::string labels(const std::string& content, const std::string& name = "labels.csv") const {
    return write(name, content).string();
  }
  std::string booleans(const std::string& more = "") const {
    return labels("subject_id,prediction_time,boolean_value\n" +
                  lines([](int n) { return n % 3 == 0 ? "true" : "false"; }) + more);
  }
  Arguments task(const std::string& name, const std::string& file, const std::string& out = "model") const {
    return train(
        data_, at(out),
        {"--task", name, "--labels", file, "--epochs", "1", "--batch-size", "32", "--min-code-count", "0"});
  }
  ToolResult must_run(const Arguments& arguments) const {
    ToolResult result = run_tool(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  // The predictions at the times of a label file.
  std::vector<std::string> predicted(const std::string& data, const std::string& file,
                                     const Arguments& more = {}, const std::string& model = "model") const {
    must_run(predict(at(model), data, at("predicted.csv")) + Arguments{"--labels", file} + more);
    return lines_of(bytes_of(at("predicted.csv")));
  }

  Histories histories_;
  std::string data_;
};

TEST_F(Labels, EachKindOfValueFitsItsTasks) {
  const auto number = [](int n) { return std::to_string(n % 2); };
  const std::map<std::string, std::string> files = {
      {"boolean",
       labels(columns + lines([&](int n) { return (n % 2 ? "True" : "false") + std::string(",,,"); }),
              "boolean.csv")},
      {"integer", labels(columns + lines([&](int n) { return "," + number(n) + ",,"; }), "integer.csv")},
      {"float", labels(columns + lines([&](int n) { return ",," + number(n) + ".0,"; }), "float.csv")},
      {"category",
       labels(columns + lines([&](int n) { return n % 2 ? ",,,home" : ",,,\"ward, 3\""; }), "category.csv")}};
  int runs = 0;
  for (const auto& [kind, file] : files)
    for (const std::string name : {"binary_classification", "multi_class", "regression"}) {
      SCOPED_TRACE(kind + " " + name);
      const std::string out = "run" + std::to_string(runs++);
      const ToolResult result = run_tool(task(name, file, out));
      if (kind == "category" && name != "multi_class") {
        expect_refused(
            result, 1,
            {file, "categorical_value", name == "regression" ? "float_value" : "boolean_value", name});
        continue;
      }
      ASSERT_EQ(result.status, 0) << result.err;
      EXPECT_THAT(result.err, Not(HasSubstr("prediction times: the whole record")));
      const auto training = json_of(at(out + "/training.json"));
      EXPECT_EQ(training["labels"], file);
      EXPECT_TRUE(training["label_code"].is_null());
      EXPECT_TRUE(training["predict_at"].is_null());
      EXPECT_EQ(training["classes"], kind == "category" ? nlohmann::ordered_json({"home", "ward, 3"})
                                                        : nlohmann::ordered_json::array());
      EXPECT_EQ(json_of(at(out + "/config.json"))["output_dim"], name == "multi_class" ? 2 : 1);
    }
  for (const auto& [value, expected] : std::map<std::string, std::string>{{"2", "0 or 1"}, {"-1", "0 or 1"}})
    expect_refused(run_tool(task("binary_classification",
                                 labels(columns + lines([&](int) { return "," + value + ",,"; })), "bad")),
                   1, {"is " + value, expected});
  expect_refused(run_tool(task("multi_class",
                               labels(columns + lines([](int) { return std::string(",,0.5,"); })), "bad")),
                 1, {"is 0.5", "a class"});
}

TEST_F(Labels, ClassesAreInStringOrder) {
  const char* names[] = {"ward", "Icu", "home", "10", "9"};
  const std::string file = labels("prediction_time,subject_id,categorical_value\n" + [&] {
    std::string text;
    for (const std::string& line : lines_of(lines([&](int n) { return names[n % 5]; }))) {
      const std::size_t first = line.find(','), second = line.find(',', first + 1);
      text += line.substr(first + 1, second - first) + line.substr(0, first) + line.substr(second) + "\n";
    }
    return text;
  }());
  must_run(task("multi_class", file));
  EXPECT_EQ(json_of(at("model/training.json"))["classes"],
            (nlohmann::ordered_json{"10", "9", "Icu", "home", "ward"}));
  EXPECT_EQ(json_of(at("model/config.json"))["output_dim"], 5);
  EXPECT_EQ(predicted(data_, file).at(0), "patient_id,prediction_time,p0,p1,p2,p3,p4");
}

TEST_F(Labels, PredictionsHaveTheTimesAsTheFileHasThem) {
  must_run(task("binary_classification", booleans()));
  // By patient and time, whatever the order of the file; one moment in two texts is one prediction.
  const std::string times = labels(
      "prediction_time,subject_id\n2016-01-01 10:00:00,p1002\n2030-01-01T10:00:00.5+02:00,p1001\n"
      "2030-01-01,p1001\n2030-01-01T08:00:00Z,p1001\n2016-01-01T11:00:00+01:00,p1002\n",
      "times.csv");
  const auto all = predicted(data_, times);
  std::vector<std::string> keys;
  for (const std::string& line : all) keys.push_back(line.substr(0, line.rfind(',')));
  EXPECT_THAT(keys,
              ElementsAre("patient_id,prediction_time", "p1001,2030-01-01", "p1001,2030-01-01T08:00:00Z",
                          "p1001,2030-01-01T10:00:00.5+02:00", "p1002,2016-01-01 10:00:00"));
  // After everything, that is the prediction from everything.
  const auto whole = lines_of(must_predict(at("model"), data_));
  EXPECT_EQ(all[1].substr(all[1].rfind(',')), whole.at(2).substr(whole.at(2).rfind(',')));
  EXPECT_THAT(whole.at(2), testing::StartsWith("p1001,"));

  // Several lines of a subject, with the values of the file of training, which do not count.
  const auto lines = predicted(data_, at("labels.csv"));
  const auto expected = lines_of(bytes_of(at("labels.csv")));
  ASSERT_EQ(lines.size(), expected.size());
  for (std::size_t i = 1; i < lines.size(); ++i)
    EXPECT_EQ(lines[i].substr(0, lines[i].rfind(',')), expected[i].substr(0, expected[i].rfind(',')));
}

// With what follows the prediction times taken out, put in or changed, parameters and predictions have the
// same bytes.
TEST_F(Labels, NothingAfterTheTimeIsInput) {
  const std::string file = booleans();
  must_run(task("binary_classification", file));
  std::map<std::string, Time> last;  // label of each patient
  for (const std::string& line : lines_of(bytes_of(file))) {
    Timestamp time;
    const std::size_t comma = line.find(',');
    if (parse_timestamp(line.substr(comma + 1, line.rfind(',') - comma - 1), time))
      last[line.substr(0, comma)] = std::max(last[line.substr(0, comma)], time.time);
  }
  Histories cut = histories_, changed = histories_;
  std::size_t removed = 0;
  for (auto& [patient, events] : cut)
    removed += std::erase_if(events, [&](const Event& event) { return event.known_by() > last.at(patient); });
  EXPECT_GT(removed, 100u);
  for (auto& [patient, events] : changed) {
    for (Event& event : events)
      if (event.known_by() > last.at(patient)) event.code = "other";
    events.push_back({last.at(patient) / time_per_day, 1, "c1"});  // one second after midnight, the last time
    events.push_back({last.at(patient) / time_per_day, -1, "X"});
    events.push_back({last.at(patient) / time_per_day + 5, -1, "X"});
  }
  const auto predictions = predicted(data_, file);
  for (const auto& [name, histories] : std::map<std::string, Histories>{{"cut", cut}, {"changed", changed}}) {
    SCOPED_TRACE(name);
    const std::string data = write(name + ".csv", meds_text(histories)).string();
    Arguments run = task("binary_classification", file, name);
    run[2] = data;
    must_run(run);
    EXPECT_EQ(bytes_of(at(name + "/model.safetensors")), bytes_of(at("model/model.safetensors")));
    EXPECT_EQ(bytes_of(at(name + "/vocabulary.txt")), bytes_of(at("model/vocabulary.txt")));
    EXPECT_EQ(bytes_of(at(name + "/history.json")), bytes_of(at("model/history.json")));
    EXPECT_EQ(predicted(data, file), predictions);
  }
}

TEST_F(Labels, TheLimitIsTheEventsTime) {
  must_run(task("regression", labels("subject_id,prediction_time,float_value\n" +
                                     lines([](int n) { return std::to_string(n % 7); }))));
  const std::string start = "subject_id,time,code\np,2020-01-01,c1\n";
  const auto value = [&](const std::string& events, const std::string& time, const Arguments& more = {}) {
    const auto all = predicted(write("p.csv", events).string(),
                               labels("subject_id,prediction_time\np," + time + "\n", "p_labels.csv"), more);
    EXPECT_EQ(all.size(), 2u);
    return all.back().substr(all.back().rfind(','));
  };
  const std::string noon = "2020-01-02T12:00:00Z";
  const std::string nothing = value(start, noon);
  const std::string known = value(start + "p,2020-01-02T08:00:00Z,c2\n", noon);
  EXPECT_NE(known, nothing);
  EXPECT_EQ(value(start + "p,2020-01-02T12:00:00Z,c2\n", noon), known) << "at that very time";
  EXPECT_EQ(value(start + "p,2020-01-02T12:00:00Z,c2\n", noon, {"--before"}), nothing);
  EXPECT_EQ(value(start + "p,2020-01-02T11:59:59.999999Z,c2\n", noon, {"--before"}), known);
  EXPECT_EQ(value(start + "p,2020-01-02T12:00:00.000001Z,c2\n", noon), nothing);
  EXPECT_EQ(value(start + "p,2020-01-02T14:00:00+02:00,c2\n", noon), known);
  EXPECT_EQ(value(start + "p,2020-01-02T12:30:00+00:30,c2\n", noon, {"--before"}), nothing);
  // Of one visit, the morning is input and the evening is not.
  EXPECT_EQ(value(start + "p,2020-01-02T08:00:00Z,c2\np,2020-01-02T18:00:00Z,c3\n", noon), known);
  EXPECT_NE(value(start + "p,2020-01-02T08:00:00Z,c2\np,2020-01-02T11:00:00Z,c3\n", noon), known);
  // Where the order within the day is not known, nothing of it is input: neither an event without a time of
  // day nor a label without one.
  EXPECT_EQ(value(start + "p,2020-01-02,c2\n", noon), nothing);
  EXPECT_EQ(value(start + "p,2020-01-02,c2\n", "2020-01-02"), nothing);
  EXPECT_EQ(value(start + "p,2020-01-02T00:00:00Z,c2\n", "2020-01-02"), nothing);
  EXPECT_EQ(value(start + "p,2020-01-02,c2\n", "2020-01-03"),
            value(start + "p,2020-01-02,c2\n", "2020-01-04"));
  EXPECT_EQ(value(start + "p,2020-01-02,c2\n", "2020-01-03"), known);
}

// The same in a folder, whose encounters say when visits began.
TEST_F(Labels, TheLimitIsTheEventsTimeWhereEncountersAre) {
  must_run(task("regression", labels("subject_id,prediction_time,float_value\n" +
                                     lines([](int n) { return std::to_string(n % 7); }))));
  std::filesystem::create_directory(at("p"));
  write(
      "p/encounters.csv",
      "Id,START,PATIENT\ne1,2020-01-01T08:00:00Z,p\ne2,2020-01-02T08:00:00Z,p\ne3,2020-01-02T10:00:00Z,p\n");
  const std::string times = labels("subject_id,prediction_time\np,2020-01-02T12:00:00Z\n", "p_labels.csv");
  const auto value = [&](const std::string& rows) {
    write("p/conditions.csv", "START,PATIENT,ENCOUNTER,CODE\n2020-01-01T08:30:00Z,p,e1,c1\n" + rows);
    const auto all = predicted(at("p"), times);
    EXPECT_EQ(all.size(), 2u);
    return all.back().substr(all.back().rfind(','));
  };
  const std::string nothing = value("");
  const std::string known = value("2020-01-02T10:30:00Z,p,e3,c2\n");
  EXPECT_NE(known, nothing);
  EXPECT_EQ(value("2020-01-02T10:30:00Z,p,e3,c2\n2020-01-02T18:00:00Z,p,e3,c3\n"), known);
  EXPECT_EQ(value("2020-01-02T10:30:00Z,p,e3,c2\n2020-01-02,p,e3,c3\n"), known);
  // An encounter of which nothing is known by then is no visit, not even an empty one: that it will have a
  // code is known later.
  EXPECT_EQ(value("2020-01-02T18:00:00Z,p,e3,c3\n"), nothing);
  EXPECT_EQ(value("2020-01-02,p,e3,c3\n"), nothing);
  EXPECT_EQ(value("2020-01-02T18:00:00Z,p,e2,c3\n2020-01-02T10:30:00Z,p,e3,c2\n"), known);
}

// Nor does training see such an encounter, or the codes of the evening, not even in its vocabulary.
TEST_F(Labels, EncountersWithoutACodeByThenAreNotTrainedOn) {
  std::string file = "subject_id,prediction_time,boolean_value\n";
  const auto folder = [&](const std::string& name, bool evening) {
    std::filesystem::create_directory(at(name));
    std::string encounters = "Id,START,PATIENT\n", rows = "START,PATIENT,ENCOUNTER,CODE\n";
    file = file.substr(0, file.find('\n') + 1);
    for (int p = 0; p < 40; ++p) {
      const std::string id = "p" + std::to_string(100 + p);
      for (const char* encounter : {"e1,2020-01-01T08", "e2,2020-01-02T08", "e3,2020-01-02T10"})
        encounters += id + encounter + ":00:00Z," + id + "\n";
      rows += "2020-01-01T08:30:00Z," + id + "," + id + "e1,c" + std::to_string(p % 5) + "\n";
      if (evening) rows += "2020-01-02T18:00:00Z," + id + "," + id + "e2,evening\n";
      rows += "2020-01-02T10:30:00Z," + id + "," + id + "e3,c" + std::to_string(p % 3) + "\n";
      if (evening) rows += "2020-01-02T18:00:00Z," + id + "," + id + "e3,night\n";
      file += id + ",2020-01-02T12:00:00Z," + (p % 2 ? "true" : "false") + "\n";
    }
    write(name + "/encounters.csv", encounters);
    write(name + "/conditions.csv", rows);
    return at(name);
  };
  const std::string with = folder("with", true), without = folder("without", false);
  const std::string times = labels(file);
  data_ = with;
  must_run(task("binary_classification", times));
  data_ = without;
  must_run(task("binary_classification", times, "other"));
  for (const char* name : {"/vocabulary.txt", "/model.safetensors", "/history.json"})
    EXPECT_EQ(bytes_of(at("model") + name), bytes_of(at("other") + name)) << name;
  EXPECT_EQ(predicted(with, times), predicted(without, times));
}

TEST_F(Labels, BeforeIsPartOfTheModel) {
  // Every event of a label's day is at its very time.
  std::string events = "subject_id,time,code\n", file = "subject_id,prediction_time,boolean_value\n",
              earlier = events;
  for (int p = 0; p < 40; ++p) {
    const std::string id = "p" + std::to_string(100 + p);
    const std::string first = id + ",2020-01-01T10:00:00Z,c" + std::to_string(p % 7) + "\n";
    events += first + id + ",2020-01-05T10:00:00Z," + (p % 2 ? "yes" : "no") + "\n";
    earlier += first;
    file += id + ",2020-01-05T10:00:00Z," + (p % 2 ? "true" : "false") + "\n";
  }
  data_ = write("events.csv", events).string();
  labels(file);
  const Arguments run = task("binary_classification", at("labels.csv"));
  must_run(run + Arguments{"--before"});
  EXPECT_EQ(json_of(at("model/training.json"))["before"], true);
  EXPECT_THAT(bytes_of(at("model/vocabulary.txt")), Not(HasSubstr("yes")));
  data_ = write("earlier.csv", earlier).string();
  must_run(task("binary_classification", at("labels.csv"), "earlier") + Arguments{"--before"});
  EXPECT_EQ(bytes_of(at("earlier/model.safetensors")), bytes_of(at("model/model.safetensors")));
  const auto before = predicted(at("events.csv"), at("labels.csv"));
  EXPECT_EQ(predicted(at("earlier.csv"), at("labels.csv")), before) << "predict does as training did";
  data_ = at("events.csv");
  must_run(task("binary_classification", at("labels.csv"), "with"));
  EXPECT_EQ(json_of(at("with/training.json"))["before"], false);
  EXPECT_THAT(bytes_of(at("with/vocabulary.txt")), HasSubstr("yes"));
  const auto with = predicted(data_, at("labels.csv"), {}, "with");
  EXPECT_NE(predicted(data_, at("labels.csv"), {"--before"}, "with"), with);
  EXPECT_EQ(predicted(at("earlier.csv"), at("labels.csv"), {}, "with"),
            predicted(data_, at("labels.csv"), {"--before"}, "with"));
}

TEST_F(Labels, LinesThatAreLeftOutAreCounted) {
  const std::string more =
      "nobody,2020-01-01T00:00:00Z,true\nno one,2020-01-01T00:00:00Z,false\n"
      "p1003,2009-12-31T00:00:00Z,true\np1004,2020-01-01T00:00:00Z,\n"
      "p1004,2020-01-02T00:00:00Z,\np1004,2020-01-03T00:00:00Z,\n";
  const std::string file = booleans(more + more.substr(0, more.find('\n') + 1));
  const ToolResult result = must_run(task("binary_classification", file));
  EXPECT_THAT(result.err, HasSubstr("warning: 2 labels of " + file + " are not in the data\n"));
  EXPECT_THAT(result.err, HasSubstr("warning: 1 labels of " + file +
                                    " are of a time before the patient's first visit, left out"));
  EXPECT_THAT(result.err, HasSubstr("warning: 3 lines of " + file + " have no value, left out\n"));
  EXPECT_THAT(result.err, HasSubstr("warning: 1 lines of " + file + " repeat an earlier one, left out\n"));
  EXPECT_THAT(result.err, Not(HasSubstr("patients have no label")));
  const ToolResult predicted =
      must_run(predict(at("model"), data_, at("out.csv")) + Arguments{"--labels", file});
  EXPECT_THAT(predicted.err,
              HasSubstr("warning: 2 labels of " + file + " are of patients that are not in the data"));
  EXPECT_THAT(predicted.err,
              HasSubstr("warning: 1 labels of " + file + " are of a time before the patient's first"));
  EXPECT_THAT(predicted.err,
              HasSubstr("warning: 1 lines of " + file + " repeat a patient and time, left out"));
  // The same model as from a file without those lines.
  must_run(task("binary_classification", booleans(), "clean"));
  EXPECT_EQ(bytes_of(at("clean/model.safetensors")), bytes_of(at("model/model.safetensors")));

  const auto all = lines_of(bytes_of(booleans()));
  std::string few;
  for (std::size_t i = 0; i < all.size() - 3; ++i) few += all[i] + "\n";
  const ToolResult missing = must_run(task("binary_classification", labels(few, "few.csv"), "few"));
  EXPECT_THAT(missing.err,
              testing::ContainsRegex("\n[12] patients have no label in " + at("few.csv") + ", left out"));
}

TEST_F(Labels, WhatMakesNoSenseIsNamedWithItsLine) {
  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    const std::string file = labels(content);
    expect_refused(run_tool(task("binary_classification", file)), 1, parts);
    EXPECT_FALSE(std::filesystem::exists(at("model")));
  };
  const std::string line = "p1000,2020-01-01T00:00:00Z,";
  refused(columns + line + "true,,,\n" + line + "false,,,\n",
          {"labels.csv:3", "\"p1000\"", "2020-01-01T00:00:00Z", "at line 2"});
  refused(columns + line + "true,1,,\n", {"labels.csv:2", "boolean_value and integer_value", "both filled"});
  refused(columns + line + ",,0.5,a\n", {"labels.csv:2", "float_value and categorical_value", "both filled"});
  refused(columns + line + "true,,,\np1001,2020-01-01T00:00:00Z,,1,,\n",
          {"labels.csv:3", "integer_value", "boolean_value at line 2"});
  refused(columns + line + "maybe,,,\n", {"labels.csv:2", "boolean_value is \"maybe\"", "true or false"});
  refused(columns + std::string("p1000,yesterday,true,,,\n"),
          {"labels.csv:2", "prediction_time is \"yesterday\"", "expected a time"});
  refused(columns + std::string("p1000,,true,,,\n"), {"labels.csv:2", "prediction_time is \"\""});
  refused(columns + std::string(",2020-01-01,true,,,\n"), {"labels.csv:2", "subject_id is empty"});
  refused(columns + line + ",,,\n", {"labels.csv holds no labels", "none of its 1 lines has a value"});
  refused(columns, {"labels.csv holds no labels"});
  refused("subject_id,prediction_time\np1000,2020-01-01\n", {"labels.csv:1", "boolean_value"});
  refused("subject_id,boolean_value\np1000,true\n", {"labels.csv:1", "no column prediction_time"});
  refused(columns + std::string("nobody,2020-01-01,true,,,\n"),
          {"none of its 1 labels is of a patient in the data"});
  refused(columns + std::string("p1000,1999-01-01,true,,,\n"), {"every label is of a time before"});
}

TEST_F(Labels, AGzippedFileIsReadAsWell) {
  const auto gzip = [](const std::string& file) {
    EXPECT_EQ(std::system(("gzip -kf '" + file + "'").c_str()), 0);
    return file + ".gz";
  };
  const std::string file = booleans();
  must_run(task("binary_classification", file));
  const std::string gzipped = gzip(file);
  must_run(task("binary_classification", gzipped, "gzipped"));
  EXPECT_EQ(bytes_of(at("gzipped/model.safetensors")), bytes_of(at("model/model.safetensors")));
  EXPECT_EQ(predicted(data_, gzipped), predicted(data_, file));
  const std::string bad =
      labels("subject_id,prediction_time,boolean_value\np1000,2020-01-01,perhaps\n", "bad.csv");
  expect_refused(run_tool(task("binary_classification", gzip(bad), "bad")), 1,
                 {"bad.csv.gz:2", "\"perhaps\""});
}

TEST_F(Labels, LabelsOfWholeRecordsAreWarnedOf) {
  std::string text = "patient_id,label\n";
  for (const auto& [patient, events] : histories_) text += patient + (patient.back() < '4' ? ",1\n" : ",0\n");
  const std::string file = labels(text);
  const ToolResult result = must_run(task("binary_classification", file));
  EXPECT_THAT(result.err, HasSubstr("warning: " + file +
                                    " has no prediction times: the whole record of each patient "
                                    "is input"));
  EXPECT_THAT(result.err, HasSubstr("subject_id,prediction_time"));
  expect_refused(run_tool(task("binary_classification", file, "before") + Arguments{"--before"}), 1,
                 {"--before", file, "no prediction times"});
}

// Killed and gone on with, whatever the moment, a run with a label file ends with the bytes of one that
// nothing disturbed.
TEST_F(Labels, AKilledRunEndsWithTheSameBytes) {
  histories_ = make_histories(400);
  data_ = write("events.csv", meds_text(histories_)).string();
  const std::string file = booleans();
  const auto run = [&](const std::string& out) {
    return train(data_, at(out),
                 {"--task", "binary_classification", "--labels", file, "--batch-size", "2", "--epochs", "3",
                  "--dropout", "0.3", "--num-layers", "2", "--split", "0.6,0.2,0.2", "--seed", "3"});
  };
  const ToolResult through = must_run(run("whole"));
  const Folder whole = bytes_of_folder(at("whole"));
  // The moments are told by what the run has said and written: its first checkpoint, its first epoch, its
  // second.
  const std::vector<std::function<bool(const std::string&, const ToolResult&)>> moments = {
      [&](const std::string& out, const ToolResult&) {
        return std::filesystem::exists(at(out + "/checkpoint.safetensors"));
      },
      [](const std::string&, const ToolResult& said) { return lines_of(said.out).size() >= 2; },
      [](const std::string&, const ToolResult& said) { return lines_of(said.out).size() >= 3; }};
  int killed = 0;
  for (std::size_t m = 0; m < moments.size(); ++m) {
    const std::string out = "killed" + std::to_string(m);
    ToolRun stop;
    stop.signal = SIGKILL;
    stop.when = [&](const ToolResult& said) { return moments[m](out, said); };
    const ToolResult result = run_tool(run(out), stop);
    if (result.status == 0) continue;  // it was through before
    EXPECT_EQ(result.status, -SIGKILL) << result.err;
    ++killed;
    const ToolResult resumed = must_run(run(out) + Arguments{"--resume"});
    EXPECT_TRUE(same_files(bytes_of_folder(at(out)), whole)) << m;
    EXPECT_EQ(lines_of(resumed.out).back(), lines_of(through.out).back());
  }
  EXPECT_GT(killed, 0);
  // Another label, or another time, is other data, whatever the file is called.
  std::string other = bytes_of(file);
  other.replace(other.find(",true"), 5, ",false");
  write("labels.csv", other);
  expect_refused(run_tool(run("whole") + Arguments{"--resume"}), 1, {"--resume with other data"});
  EXPECT_TRUE(same_files(bytes_of_folder(at("whole")), whole));
}

}  // namespace
}  // namespace ragtime::test
