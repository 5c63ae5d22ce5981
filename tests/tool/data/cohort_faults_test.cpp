// Folders and files that are no cohort: each refused with file, line, column, value and what was expected,
// and with nothing half-read.

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/tool/data/cohort_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

TEST_F(CohortFolder, NothingToReadIsAnError) {
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_cohort(folder_.path() / "absent"); }),
              HasSubstr("absent is not there: expected a folder"));
  EXPECT_THAT(refusal(ErrorCode::io_error),
              HasSubstr(" holds no table of events: expected one or more of cond"));
  EXPECT_THAT(refusal(ErrorCode::io_error), EndsWith("a MEDS-style CSV file is given by its own path"));
  table("conditions", "");
  table("medications", "");
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr(" holds no events: 0 rows read"));
  folder_.write("medications.csv", "");
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr(" holds no events: 0 rows read"))
      << "an empty table has no rows";
  folder_.write("conditions.csv", "");
  EXPECT_EQ(
      refusal(ErrorCode::parse_error),
      folder_.path().string() + " holds no events: all its files are empty, without even a header line");
}

TEST_F(CohortFolder, AFolderWhereATableShouldBeIsAnError) {
  std::filesystem::create_directory(folder_.path() / "conditions.csv");
  EXPECT_THAT(refusal(ErrorCode::io_error), HasSubstr("conditions.csv failed: Is a directory"));
}

TEST_F(CohortFolder, EveryColumnMustBeThere) {
  const std::string row = "\n2020-01-01,p,e,1\n";
  for (const auto& [columns, missing] :
       std::vector<std::pair<std::string, std::string>>{{"START,SUBJECT,ENCOUNTER,CODE", "PATIENT"},
                                                        {"START,PATIENT,VISIT,CODE", "ENCOUNTER"},
                                                        {"START,PATIENT,ENCOUNTER,code", "CODE"},
                                                        {"TIME,PATIENT,ENCOUNTER,CODE", "START or DATE"}}) {
    folder_.write("conditions.csv", columns + row);
    EXPECT_THAT(refusal(ErrorCode::parse_error), EndsWith("conditions.csv:1: there is no column " + missing +
                                                          ": the header is \"" + columns + "\""));
  }
  folder_.write("conditions.csv", "DATE,PATIENT,ENCOUNTER,CODE" + row);
  EXPECT_EQ(read().visits(), 1);
}

TEST_F(CohortFolder, EveryFieldMustBeRight) {
  EXPECT_THAT(refused_rows("2020-02-30,,p,e,1,x\n"),
              EndsWith("conditions.csv:2: START is \"2020-02-30\": expected a time such as 2019-01-23 or "
                       "2019-01-23T10:20:30Z"));
  EXPECT_THAT(refused_rows("2020-01-01,,p,e,[UNK],x\n"),
              EndsWith(":2: CODE is [UNK]: this name is reserved"));
  EXPECT_THAT(refused_rows("2020-01-01,,p,e,[PAD],x\n"),
              EndsWith(":2: CODE is [PAD]: this name is reserved"));
  EXPECT_THAT(refused_rows("2020-01-01,,p,e,1\t2,x\n"),
              HasSubstr(":2: CODE is \"1\\x092\": expected no tab"));
  EXPECT_THAT(refused_rows("2020-01-01,,\"p\nq\",e,1,x\n"),
              HasSubstr(":2: PATIENT is \"p\\x0aq\": expected no tab"));
  EXPECT_THAT(refused_rows("2020-01-01,,p,e\n"),
              EndsWith("conditions.csv:2: the row has 4 fields, the header 6"));
}

TEST_F(CohortFolder, RefusesRowsThatAreNoCsv) {
  EXPECT_THAT(refused_rows("2020-01-01,,p,e,1,\"never closed\n2020-01-02,,p,e,2,x\n"),
              EndsWith("conditions.csv:2: a quoted field begins here and is never closed"));
  EXPECT_THAT(refused_rows("2020-01-01,,p,e,1,\"x\"y\n"),
              HasSubstr("conditions.csv:2: text after the closing quote"));
  EXPECT_THAT(refused_rows("2020-01-01,,p,e,1,x\n2020-01-01,,p,e,1,x,more\n"),
              EndsWith("conditions.csv:3: the row has 7 fields, the header 6"));
  EXPECT_THAT(refused_rows(std::string_view("2020-01-01,,p,e,1\0,x\n", 21)),
              HasSubstr("conditions.csv:2: a byte that is no text, \"\\x00\""));
}

// Which of them is meant, nobody can know.
TEST_F(CohortFolder, ATablePlainAndGzippedIsAnError) {
  table("conditions", "2020-01-01,,p,e,1,\n");
  const std::string plain = (folder_.path() / "conditions.csv").string();
  folder_.write("conditions.csv.gz", "");
  EXPECT_EQ(refusal(ErrorCode::parse_error),
            plain + " and " + plain + ".gz are both there: expected one of them");
  std::filesystem::remove(plain + ".gz");
  encounters("");
  folder_.write("encounters.csv.gz", "");
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr("encounters.csv.gz are both there"));
  EXPECT_EQ(read_with({.encounters = Encounters::ignored}).visits(), 1);
  table("medications", "2020-01-01,,p,e,1,\n");
  folder_.write("medications.csv.gz", "");
  EXPECT_EQ(read_with({.tables = {"conditions"}, .encounters = Encounters::ignored}).visits(), 1)
      << "of a table that is not asked for, it does not matter";
  EXPECT_THAT(report_.ignored_tables, ElementsAre("medications"));
}

// Half of a history would be missing, and nobody would know.
TEST_F(CohortFolder, ATableInAnotherFormatIsNamed) {
  for (const std::string file : {"medications.parquet", "medications.csv.zst", "medications.csv.zip"}) {
    folder_.write(file, "");
    EXPECT_EQ(refusal(ErrorCode::parse_error), folder_.path().string() +
                                                   " holds its tables in another format (" + file +
                                                   "): ragtime reads CSV, plain (.csv) or gzipped (.csv.gz)");
    table("conditions", "2020-01-01,,p,e,1,\n");
    EXPECT_EQ(read().visits(), 1);
    EXPECT_THAT(report_.unread_files, ElementsAre(file));
    EXPECT_THAT(refusal(ErrorCode::io_error, {"conditions", "medications"}),
                HasSubstr(" has no medications.csv (only " + file + "), plain or gzipped"));
    EXPECT_EQ(read({"conditions"}).visits(), 1);
    EXPECT_TRUE(report_.unread_files.empty());
    std::filesystem::remove(folder_.path() / file);
    std::filesystem::remove(folder_.path() / "conditions.csv");
  }
}

// As exported by MEDS tools: shards under data/, code descriptions under metadata/.
TEST_F(CohortFolder, AFolderOfParquetFilesIsNamed) {
  const std::string folder = folder_.path().string();
  const auto expect_named = [&](const std::string& file) {
    std::filesystem::create_directories((folder_.path() / file).parent_path());
    folder_.write(file, "PAR1");
    EXPECT_THAT(refusal(ErrorCode::parse_error),
                testing::StartsWith(folder + " is a MEDS folder of Parquet files (" + file +
                                    "): ragtime reads MEDS from one CSV file for now; write subject_id, time "
                                    "and code of all its data files into one"));
    std::filesystem::remove(folder_.path() / file);
  };
  expect_named("data/train/0.parquet");
  expect_named("data/0.parquet");
  expect_named("metadata/codes.parquet");
  expect_named("events.parquet");
  folder_.write("events.parquet", "PAR1");
  table("conditions", "2020-01-01,,p,e,1,\n");
  EXPECT_EQ(read().visits(), 1) << "beside a table, Parquet files are no matter";
}

TEST_F(CohortFolder, ATableAskedForTwiceIsAnError) {
  table("conditions", "2020-01-01,,p,e,1,\n");
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {"conditions", "conditions"}),
            "tables names conditions twice: expected each table once");
}

// A table that is there and cannot be read does not go missing silently, though absent tables do.
TEST_F(CohortFolder, ATableThatCannotBeOpenedIsAnError) {
  table("conditions", "2020-01-01,,p,e,1,\n");
  const auto link = folder_.path() / "medications.csv";
  std::filesystem::create_symlink("nowhere", link);
  EXPECT_THAT(refusal(ErrorCode::io_error), HasSubstr("medications.csv failed: No such file"));
  std::filesystem::remove(link);
  std::filesystem::create_symlink("medications.csv", link);
  EXPECT_THAT(refusal(ErrorCode::io_error), HasSubstr("medications.csv failed: Too many levels"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_cohort(link); }),
              HasSubstr("medications.csv failed: Too many levels"));
}

TEST_F(CohortFolder, WhatMayNotBeReadIsAnError) {
  table("conditions", "2020-01-01,,p,e,1,\n");
  const auto file = folder_.path() / "conditions.csv";
  std::filesystem::permissions(file, std::filesystem::perms::none);
  if (::access(file.c_str(), R_OK) == 0) GTEST_SKIP() << "this user may read everything";
  EXPECT_THAT(refusal(ErrorCode::io_error), HasSubstr("conditions.csv failed: Permission denied"));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::none);
  const std::string closed_folder = refusal(ErrorCode::io_error);
  const std::string inside = error_of(ErrorCode::io_error, [&] { read_cohort(file); });
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::owner_all);
  EXPECT_THAT(closed_folder, HasSubstr("conditions.csv failed: Permission denied"));
  EXPECT_THAT(inside, HasSubstr("conditions.csv failed: Permission denied"));
}

TEST_F(CohortFolder, AFailedReadLeavesTheReportAsItWas) {
  table("conditions", "2020-01-01,,p,e,1,\n");
  read();
  EXPECT_EQ(report_.rows, 1);
  table("medications", "2020-01-01,,p,e,1,\nnever,,p,e,1,\n");
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr("medications.csv:3: START is \"never\""));
  EXPECT_EQ(report_.rows, 1);
  EXPECT_THAT(report_.tables, ElementsAre("conditions"));
}

}  // namespace
}  // namespace ragtime
