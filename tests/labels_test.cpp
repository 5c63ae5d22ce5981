// Patient labels from a CSV file: numbers by patient, and every broken line named.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/data/cohort.hpp"
#include "temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class Labels : public testing::Test {
 protected:
  std::vector<PatientLabel> read(std::string_view content) {
    return read_labels(folder_.write("labels.csv", content));
  }
  std::string refusal(std::string_view content) {
    return error_of(ErrorCode::parse_error, [&] { read(content); });
  }

  TemporaryFolder folder_;
};

TEST_F(Labels, AreReadInTheOrderOfTheFile) {
  const auto labels = read("label,note,patient_id\r\n1,,p2\r\n-2.5e3,\"x,y\",p10\r\n0.1,,\"p 1\"\r\n");
  ASSERT_EQ(labels.size(), 3u);
  EXPECT_EQ(labels[0].patient_id, "p2");
  EXPECT_EQ(labels[0].label, 1);
  EXPECT_EQ(labels[1].patient_id, "p10");
  EXPECT_EQ(labels[1].label, -2500);
  EXPECT_EQ(labels[2].patient_id, "p 1");
  EXPECT_EQ(labels[2].label, 0.1);
}

TEST_F(Labels, MayBeginWithAByteOrderMark) {
  EXPECT_EQ(read("\xEF\xBB\xBFpatient_id,label\np,1\n").size(), 1u);
}

TEST_F(Labels, MustBeFiniteNumbers) {
  for (const std::string text :
       {"", "yes", "nan", "inf", "-inf", "1e999", "0x10", "1,5", " 1", "1 ", "+1", "1.0.0"})
    EXPECT_THAT(refusal("patient_id,label\np0,1\np1,\"" + text + "\"\n"),
                EndsWith("labels.csv:3: label is \"" + text + "\": expected a finite number"));
}

TEST_F(Labels, NameAPatientOnce) {
  EXPECT_THAT(refusal("patient_id,label\np1,1\np2,0\np1,1\n"),
              EndsWith(":4: patient_id \"p1\" was labelled before, at line 2"));
  EXPECT_THAT(refusal("patient_id,label\n,1\n"), EndsWith(":2: patient_id is empty"));
}

TEST_F(Labels, NeedTheirColumnsAndRows) {
  EXPECT_THAT(refusal("patient,label\np1,1\n"),
              EndsWith(":1: there is no column patient_id: the header is \"patient,label\""));
  EXPECT_THAT(refusal("patient_id,outcome\np1,1\n"), HasSubstr(":1: there is no column label"));
  EXPECT_THAT(refusal("patient_id,label\n"), EndsWith("labels.csv holds no labels: only a header line"));
  EXPECT_THAT(refusal("patient_id,label\np1\n"), EndsWith(":2: the row has 1 field, the header 2"));
  EXPECT_THAT(refusal(""), HasSubstr("the file is empty"));
  EXPECT_THAT(refusal("patient_id,label\n\"p1,1\n"),
              EndsWith(":2: a quoted field begins here and is never closed"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_labels(folder_.path()); }),
              HasSubstr("Is a directory"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_labels(folder_.path() / "absent.csv"); }),
              HasSubstr("absent.csv failed: No such file"));
}

}  // namespace
}  // namespace ragtime
