// What the tool says about the data that it reads: warnings with a count, the first place and what was done,
// --strict instead of them, and the options that choose what is read and what a visit is.

#include "tests/tool/cli/tool_test.hpp"

namespace ragtime::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* header = "START,PATIENT,ENCOUNTER,CODE\n";

class CliData : public ToolTest {
 protected:
  // Of `ragtime info`, which must end well.
  ToolResult info(const std::string& data, const Arguments& more = {}) {
    const ToolResult result = run_tool(Arguments{"info", "--data", at(data)} + more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  std::vector<std::string> warnings(const ToolResult& result) {
    std::vector<std::string> found;
    for (const std::string& line : lines_of(result.err))
      if (line.starts_with("warning: ")) found.push_back(line.substr(9));
    return found;
  }
  void folder(const std::string& conditions) {
    std::filesystem::create_directories(root() / "data");
    write("data/conditions.csv", header + conditions);
  }
};

TEST_F(CliData, WarnsOfEachKindOfOddRow) {
  folder(
      "2020-01-01,p,e,A\n2020-01-01,,e,A\n2020-01-01,p,e,\n2020-01-02,p,e,\n,p,e,A\n0001-01-01,p,e,A\n"
      "2299-01-01,p,f,B\n");
  write("data/encounters.csv", "Id,START,PATIENT\n,2020-01-01,p\n");
  write("data/careplans.csv", "");
  write("data/allergies.csv.zst", "");
  const ToolResult result = info("data");
  EXPECT_THAT(
      warnings(result),
      ElementsAre(
          "careplans.csv is empty, without even a header line: taken as a table without rows",
          "allergies.csv.zst is not read: ragtime reads CSV, plain (.csv) or gzipped (.csv.gz)",
          "1 row without a patient, at conditions.csv:3: skipped",
          "1 row without an encounter's id, at encounters.csv:2: skipped",
          "2 rows without a code, the first at conditions.csv:4: skipped",
          "1 row without a time, at conditions.csv:6: skipped",
          "1 row with a year before 1850 or after 2299, or a stand-in for a date, at conditions.csv:7: "
          "skipped",
          "1 row with a time after today, at conditions.csv:8: read as they are; the last "
          "time in the data may not be the end of observation"));
  EXPECT_THAT(result.err, HasSubstr("1 patients, 2 visits, 2 codes of 2 kinds\n"));
}

TEST_F(CliData, StrictStopsAtTheFirst) {
  folder("2020-01-01,p,e,A\n2020-01-01,p,e,\n");
  expect_refused(run_tool({"info", "--data", at("data"), "--strict"}), 1,
                 {"conditions.csv:3: CODE is empty"});
  folder("2299-01-01,p,e,A\n");
  EXPECT_EQ(warnings(info("data", {"--strict"})).size(), 1u) << "a time after today is a warning still";
  expect_refused(run_tool({"info", "--data", at("data"), "--strict=false"}), 2, {"strict"});
}

TEST_F(CliData, WarnsOfPatientsWithoutAVisit) {
  write("meds.csv", "subject_id,time,code\n1,2020-01-01,A\n3,,F\n2,,F\n2,,G\n");
  const ToolResult two = info("meds.csv");
  EXPECT_THAT(warnings(two),
              ElementsAre("2 patients have only rows without a time: they have no visit and get "
                          "no prediction (the first is 2)"));
  EXPECT_THAT(two.err, HasSubstr("3 rows without a time were skipped (static facts)\n"));
  write("meds.csv", "subject_id,time,code\n1,2020-01-01,A\n3,,F\n1,,F\n");
  EXPECT_THAT(
      warnings(info("meds.csv")),
      ElementsAre("1 patient has only rows without a time: it has no visit and gets no prediction (the "
                  "first is 3)"));
}

TEST_F(CliData, SaysWhichTablesWereNotAskedFor) {
  folder("2020-01-01,p,e,A\n");
  write("data/procedures.csv", std::string(header) + "2020-01-01,p,e,B\n");
  write("data/allergies.csv", std::string(header) + "2020-01-01,p,e,C\n");
  const ToolResult result = info("data", {"--tables", "conditions"});
  EXPECT_THAT(result.err,
              HasSubstr("Not read, because only conditions is asked for: procedures, allergies\n"));
  EXPECT_THAT(result.err, HasSubstr("1 codes of 1 kinds"));
  EXPECT_THAT(info("data").err, Not(HasSubstr("Not read")));
  expect_refused(run_tool({"info", "--data", at("data"), "--tables", "conditions,careplans"}), 1,
                 {"data has no careplans.csv, plain or gzipped"});
}

TEST_F(CliData, SaysThatEncountersWereRead) {
  folder("2020-01-01,p,e,A\n");
  EXPECT_THAT(info("data").err, HasSubstr("Read conditions.csv: 1 rows"));
  write("data/encounters.csv", "Id,START,PATIENT\ne,2020-01-01T10:00:00Z,p\n");
  EXPECT_THAT(info("data").err, HasSubstr("Read conditions.csv, encounters.csv: 2 rows"));
}

TEST_F(CliData, VisitByChoosesWhatAVisitIs) {
  write("meds.csv",
        "subject_id,time,code\n1,2020-01-01T08:00,A\n1,2020-01-01T08:00,B\n1,2020-01-01T09:00,A\n");
  EXPECT_THAT(info("meds.csv").err, HasSubstr("1 visits, 2 codes"));
  EXPECT_THAT(info("meds.csv", {"--visit-by", "day"}).err, HasSubstr("1 visits, 2 codes"));
  EXPECT_THAT(info("meds.csv", {"--visit-by", "time"}).err, HasSubstr("2 visits, 3 codes"));
  expect_refused(run_tool({"info", "--data", at("meds.csv"), "--visit-by", "hour"}), 2,
                 {"--visit-by", "hour"});
}

TEST_F(CliData, OptionsOfDataWithoutDataAreRefused) {
  expect_refused(run_tool({"info", "--strict"}), 2, {"--strict without --data"});
  expect_refused(run_tool({"info", "--visit-by", "time"}), 2, {"--visit-by without --data"});
}

}  // namespace
}  // namespace ragtime::test
