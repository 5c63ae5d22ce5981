// What CSV files say of patients: labels of whole records and at prediction times, ends of observation, parts
// of a split. Every broken line is named.

#include "host/tool/data/patient_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

Time time_at(std::string_view text) {
  Timestamp time;
  EXPECT_TRUE(parse_timestamp(text, time)) << text;
  return time.time;
}

// A file of a fixture's kind, read as Read does.
class PatientFiles : public testing::Test {
 protected:
  std::filesystem::path write(std::string_view content) const { return folder_.write("file.csv", content); }
  template <class Read>
  std::string refusal(Read read, std::string_view content) const {
    return error_of(ErrorCode::parse_error, [&] { read(write(content)); });
  }

  TemporaryFolder folder_;
};

class WholeRecordLabels : public PatientFiles {
 protected:
  LabelTable read(std::string_view content) const { return read_labels(write(content)); }
  std::string refused(std::string_view content) const {
    return refusal([](const auto& file) { return read_labels(file); }, content);
  }
};

TEST_F(WholeRecordLabels, AreReadInTheOrderOfTheFile) {
  const LabelTable table = read("label,note,patient_id\r\n1,,p2\r\n-2.5e3,\"x,y\",p10\r\n0.1,,\"p 1\"\r\n");
  EXPECT_FALSE(table.has_times);
  EXPECT_FALSE(table.is_categorical);
  const auto& labels = table.labels;
  ASSERT_EQ(labels.size(), 3u);
  EXPECT_EQ(labels[0].patient_id, "p2");
  EXPECT_EQ(labels[0].label, 1);
  EXPECT_EQ(labels[0].until, last_time_of_all);
  EXPECT_EQ(labels[0].time_text, "");
  EXPECT_EQ(labels[1].patient_id, "p10");
  EXPECT_EQ(labels[1].label, -2500);
  EXPECT_EQ(labels[2].patient_id, "p 1");
  EXPECT_EQ(labels[2].label, 0.1);
}

TEST_F(WholeRecordLabels, MayBeginWithAByteOrderMark) {
  EXPECT_EQ(read("\xEF\xBB\xBFpatient_id,label\np,1\n").labels.size(), 1u);
}

TEST_F(WholeRecordLabels, MustBeFiniteNumbers) {
  for (const std::string text :
       {"", "yes", "nan", "inf", "-inf", "1e999", "0x10", "1,5", " 1", "1 ", "+1", "1.0.0"})
    EXPECT_THAT(refused("patient_id,label\np0,1\np1,\"" + text + "\"\n"),
                EndsWith("file.csv:3: label is \"" + text + "\": expected a finite number"));
}

TEST_F(WholeRecordLabels, NameAPatientOnce) {
  EXPECT_THAT(refused("patient_id,label\np1,1\np2,0\np1,1\n"),
              EndsWith(":4: patient_id \"p1\" was labelled before, at line 2"));
  EXPECT_THAT(refused("patient_id,label\n,1\n"), EndsWith(":2: patient_id is empty"));
}

TEST_F(WholeRecordLabels, NeedTheirColumnsAndRows) {
  EXPECT_THAT(refused("patient,label\np1,1\n"),
              EndsWith(":1: there is no column patient_id: the header is \"patient,label\""));
  EXPECT_THAT(refused("patient_id,outcome\np1,1\n"), HasSubstr(":1: there is no column label"));
  EXPECT_THAT(refused("patient_id,label\n"), EndsWith("file.csv holds no labels: only a header line"));
  EXPECT_THAT(refused("patient_id,label\np1\n"), EndsWith(":2: the row has 1 field, the header 2"));
  EXPECT_THAT(refused(""), HasSubstr("the file is empty"));
  EXPECT_THAT(refused("patient_id,label\n\"p1,1\n"),
              EndsWith(":2: a quoted field begins here and is never closed"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_labels(folder_.path()); }),
              HasSubstr("Is a directory"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_labels(folder_.path() / "absent.csv"); }),
              HasSubstr("absent.csv failed: No such file"));
}

class TimedLabels : public WholeRecordLabels {};

TEST_F(TimedLabels, HaveATimeUntilWhichInputIsKnown) {
  const LabelTable table = read(
      "subject_id,prediction_time,boolean_value\np2,2020-01-02 "
      "10:00:00,True\np1,2020-01-02T10:00:00+02:00,0\n"
      "p1,2020-01-03,false\n");
  EXPECT_TRUE(table.has_times);
  ASSERT_EQ(table.labels.size(), 3u);
  EXPECT_EQ(table.labels[0].patient_id, "p2");
  EXPECT_EQ(table.labels[0].label, 1);
  EXPECT_EQ(table.labels[0].until, time_at("2020-01-02T10:00:00Z"));
  EXPECT_EQ(table.labels[0].time_text, "2020-01-02 10:00:00");
  EXPECT_EQ(table.labels[1].label, 0);
  EXPECT_EQ(table.labels[1].until, time_at("2020-01-02T08:00:00Z"));
  // The order within that day is not known: nothing of it is input.
  EXPECT_EQ(table.labels[2].until, time_at("2020-01-03") - 1);
}

TEST_F(TimedLabels, TakeTheFourKindsOfValue) {
  const auto values = [&](const std::string& column, const std::vector<std::string>& texts) {
    std::string content = "subject_id,prediction_time," + column + "\n";
    for (std::size_t i = 0; i < texts.size(); ++i)
      content += "p" + std::to_string(i) + ",2020-01-01T00:00:00Z," + texts[i] + "\n";
    std::vector<double> numbers;
    for (const PatientLabel& label : read(content).labels) numbers.push_back(label.label);
    return numbers;
  };
  EXPECT_THAT(values("boolean_value", {"true", "True", "TRUE", "1", "false", "False", "FALSE", "0"}),
              ElementsAre(1, 1, 1, 1, 0, 0, 0, 0));
  EXPECT_THAT(values("integer_value", {"3", "-7", "2e3"}), ElementsAre(3, -7, 2000));
  EXPECT_THAT(values("float_value", {"0.5", "-1e3", "58399.25"}), ElementsAre(0.5, -1000, 58399.25));
  EXPECT_THAT(values("categorical_value", {"b", "a", "\"x,y\"", "b", "B"}), ElementsAre(2, 1, 3, 2, 0));
  EXPECT_THAT(
      read("subject_id,prediction_time,categorical_value\np,2020-01-01,b\nq,2020-01-01,a\nr,2020-01-01,b\n")
          .classes,
      ElementsAre("a", "b"));
}

TEST_F(TimedLabels, CountLinesWithoutAValueAndLinesThatRepeat) {
  const LabelTable table = read(
      "subject_id,prediction_time,boolean_value,float_value\np,2020-01-01T10:00:00Z,,1.5\n"
      "p,2020-01-01T11:00:00Z,,\np,2020-01-01T12:00:00+02:00,,1.5\nq,2020-01-01T10:00:00Z,,1.5\n");
  EXPECT_EQ(table.labels.size(), 2u);
  EXPECT_EQ(table.null_values, 1);
  EXPECT_EQ(table.duplicates, 1) << "the same moment, whatever its text";
}

TEST_F(TimedLabels, WhatIsRefused) {
  const std::string header = "subject_id,prediction_time,boolean_value,integer_value\n";
  const std::string at = "p,2020-01-01T10:00:00Z";
  EXPECT_THAT(refused(header + at + ",true,1\n"),
              EndsWith(":2: boolean_value and integer_value are both filled: expected one value"));
  EXPECT_THAT(
      refused(header + at + ",true,\nq,2020-01-01,,1\n"),
      EndsWith(":3: integer_value is filled, but boolean_value at line 2: expected the same column in "
               "every line"));
  EXPECT_THAT(refused(header + at + ",true,\n" + at + ",false,\n"),
              EndsWith(":3: subject_id \"p\" has another value at 2020-01-01T10:00:00Z already, at line 2"));
  for (const std::string text : {"yes", "2", "tRue", " true", "t"})
    EXPECT_THAT(refused(header + at + "," + text + ",\n"),
                EndsWith(":2: boolean_value is \"" + text + "\": expected true or false"));
  EXPECT_THAT(refused(header + at + ",,1.5\n"),
              EndsWith(":2: integer_value is \"1.5\": expected an integer"));
  EXPECT_THAT(refused(header + at + ",,x\n"), HasSubstr(":2: integer_value is \"x\": expected a finite"));
  for (const std::string text : {"", "now", "2020-13-01", "2020-01-01T24:00:00Z"})
    EXPECT_THAT(refused(header + "p," + text + ",true,\n"),
                HasSubstr(":2: prediction_time is \"" + text + "\": expected a time"));
  EXPECT_THAT(refused(header + ",2020-01-01,true,\n"), EndsWith(":2: subject_id is empty"));
  EXPECT_THAT(refused("subject_id,prediction_time\np,2020-01-01\n"),
              HasSubstr("no column boolean_value, integer_value, float_value or categorical_value"));
  EXPECT_THAT(refused("subject_id,boolean_value\np,true\n"), HasSubstr("no column prediction_time"));
  EXPECT_THAT(refused("patient_id,prediction_time,boolean_value\np,2020-01-01,true\n"),
              HasSubstr("no column subject_id"));
  EXPECT_THAT(refused(header), EndsWith("holds no labels: only a header line"));
  EXPECT_THAT(refused(header + at + ",,\n"), EndsWith("holds no labels: none of its 1 lines has a value"));
}

TEST_F(TimedLabels, ForPredictionsAreOnlyWhoAndWhen) {
  const LabelTable table = read_labels(
      write("subject_id,prediction_time,boolean_value,float_value\np,2020-01-01,what,ever\np,2020-01-01,,\n"
            "p,2020-01-02,,\n"),
      LabelValues::ignored);
  EXPECT_EQ(table.labels.size(), 2u);
  EXPECT_EQ(table.duplicates, 1);
  EXPECT_EQ(table.null_values, 0);
  EXPECT_EQ(
      read_labels(write("subject_id,prediction_time\np,2020-01-01\n"), LabelValues::ignored).labels.size(),
      1u);
  EXPECT_EQ(read_labels(write("patient_id\np\nq\n"), LabelValues::ignored).labels.size(), 2u);
}

class Times : public PatientFiles {};

TEST_F(Times, AreReadInTheOrderOfTheFile) {
  for (const std::string id : {"subject_id", "patient_id"}) {
    const auto times =
        read_patient_times(write("time,note," + id + "\n2020-01-01,,b\n2020-01-02T10:00:00Z,,a\n"));
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(times[0].patient_id, "b");
    EXPECT_EQ(times[0].time.known_by(), time_at("2020-01-02") - 1) << "the end of that day";
    EXPECT_EQ(times[1].patient_id, "a");
    EXPECT_EQ(times[1].time.known_by(), time_at("2020-01-02T10:00:00Z"));
  }
}

TEST_F(Times, NameAPatientOnceWithATime) {
  EXPECT_THAT(refusal(read_patient_times, "subject_id,time\na,2020-01-01\nb,2020-01-01\na,2020-01-01\n"),
              EndsWith(":4: subject_id \"a\" has a time already, at line 2"));
  EXPECT_THAT(refusal(read_patient_times, "subject_id,time\na,never\n"), HasSubstr(":2: time is \"never\""));
  EXPECT_THAT(refusal(read_patient_times, "subject_id,time\n,2020-01-01\n"),
              EndsWith(":2: subject_id is empty"));
  EXPECT_THAT(refusal(read_patient_times, "subject,time\na,2020-01-01\n"),
              HasSubstr("no column subject_id or patient_id"));
  EXPECT_THAT(refusal(read_patient_times, "subject_id,end\na,2020-01-01\n"), HasSubstr("no column time"));
  EXPECT_THAT(refusal(read_patient_times, "subject_id,time\n"),
              EndsWith("holds no times: only a header line"));
}

class Parts : public PatientFiles {};

TEST_F(Parts, HaveTheirNamesHereAndInMeds) {
  for (const std::string header : {"subject_id,part", "patient_id,part", "subject_id,split"}) {
    const auto parts = read_patient_parts(
        write(header + "\nf,train\ne,validation\nd,test\nc,tuning\nb,held_out\ne,tuning\n"));
    ASSERT_EQ(parts.size(), 5u) << "a line that says the same once more is none";
    const Part expected[] = {Part::training, Part::validation, Part::test, Part::validation, Part::test};
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(parts[i].patient_id, std::string(1, static_cast<char>('f' - i)));
      EXPECT_EQ(parts[i].part, expected[i]);
    }
  }
}

TEST_F(Parts, AreOneForEachPatient) {
  EXPECT_THAT(
      refusal(read_patient_parts, "subject_id,part\na,train\nb,test\na,tuning\n"),
      EndsWith(":4: subject_id \"a\" is in validation and, at line 2, in train: expected one part for "
               "each"));
  for (const std::string text : {"", "Train", "dev", "training"})
    EXPECT_THAT(refusal(read_patient_parts, "subject_id,part\na,train\nb," + text + "\n"),
                HasSubstr(":3: part is \"" + text + "\": expected train, validation (or tuning) or test"));
  EXPECT_THAT(refusal(read_patient_parts, "subject_id,part\n,train\n"), EndsWith(":2: subject_id is empty"));
  EXPECT_THAT(refusal(read_patient_parts, "subject_id,fold\na,1\n"), HasSubstr("no column part or split"));
  EXPECT_THAT(refusal(read_patient_parts, "subject_id,part\n"),
              EndsWith("holds no parts: only a header line"));
}

}  // namespace
}  // namespace ragtime
