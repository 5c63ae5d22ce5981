// The CSV reader: every way to write a field gives its text, and whatever is not CSV is refused with name and
// line.

#include "host/tool/data/csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

using Rows = std::vector<std::vector<std::string>>;

// The rows below the header, read by these columns.
Rows read(std::string_view content, const std::vector<std::string>& columns) {
  CsvReader reader(content, "x.csv");
  Rows rows;
  while (reader.next()) {
    rows.emplace_back();
    for (const std::string& column : columns) rows.back().emplace_back(reader.field(reader.column(column)));
  }
  return rows;
}

std::string refusal(std::string_view content) {
  return error_of(ErrorCode::parse_error, [&] { read(content, {"a"}); });
}

TEST(Csv, ReadsFieldsByColumnName) {
  EXPECT_EQ(read("a,b,c\n1,2,3\n4,,6\n", {"c", "a"}), (Rows{{"3", "1"}, {"6", "4"}}));
  EXPECT_EQ(read("a,b,c\n1,2,3\n4,,6\n", {"b"}), (Rows{{"2"}, {""}}));
}

TEST(Csv, LineEndsByteOrderMarkAndBlankLinesDoNotMatter) {
  const Rows expected = {{"1", "2"}, {"3", ""}};
  for (const std::string_view content :
       {"a,b\n1,2\n3,\n", "a,b\n1,2\n3,", "a,b\r\n1,2\r\n3,\r\n", "a,b\r\n1,2\r\n3,",
        "\xEF\xBB\xBF"
        "a,b\n1,2\n3,\n",
        "a,b\n\n1,2\r\n\r\n3,\n\n\n"})
    EXPECT_EQ(read(content, {"a", "b"}), expected) << content;
}

TEST(Csv, QuotedFieldsHoldAnything) {
  EXPECT_EQ(read("a,\"b\"\n\"x, y\",\"\"\n\"say \"\"hi\"\"\",\"\"\"\"\n", {"a", "b"}),
            (Rows{{"x, y", ""}, {"say \"hi\"", "\""}}));
  EXPECT_EQ(read("a,b\n\"one\ntwo\r\nthree\",2\n4,\"5\"", {"a", "b"}),
            (Rows{{"one\ntwo\r\nthree", "2"}, {"4", "5"}}));
}

TEST(Csv, EscapedFieldsOfOneRowDoNotShareTheirText) {
  CsvReader reader("a,b\n\"\"\"1\",\"\"\"2\"\n", "x.csv");
  ASSERT_TRUE(reader.next());
  const std::string_view first = reader.field(0);
  const std::string_view second = reader.field(1);
  EXPECT_EQ(first, "\"1");
  EXPECT_EQ(second, "\"2");
}

TEST(Csv, AQuoteInsideAnUnquotedFieldStandsForItself) {
  EXPECT_EQ(read("a,b\n5\" nail,x\"y\"\n", {"a", "b"}), (Rows{{"5\" nail", "x\"y\""}}));
}

// Comparing each column's title with all before it would take a minute here.
TEST(Csv, AHeaderMayBeLong) {
  std::string content = "0";
  for (int column = 1; column < 200'000; ++column) content += "," + std::to_string(column);
  CsvReader reader(content, "x.csv");
  EXPECT_EQ(reader.column("199999"), 199'999u);
  EXPECT_THAT(refusal(content + ",7\n"), EndsWith("x.csv:1: the header has the column \"7\" twice"));
}

TEST(Csv, HeaderAloneHasNoRows) {
  EXPECT_TRUE(read("a,b", {"a"}).empty());
  EXPECT_TRUE(read("a,b\r\n", {"a"}).empty());
}

TEST(Csv, LinesAreCountedThroughQuotedLineBreaks) {
  CsvReader reader("a,\"b\nb\"\n1,\"\n\n\"\n\n2,3\n", "x.csv");
  std::vector<std::int64_t> lines;
  while (reader.next()) lines.push_back(reader.line());
  EXPECT_THAT(lines, ElementsAre(3, 7));
}

TEST(Csv, RefusesBrokenQuoting) {
  EXPECT_EQ(refusal("a,b\n1,2\n3,\"4\n5,6\n"), "x.csv:3: a quoted field begins here and is never closed");
  EXPECT_EQ(refusal("a,b\n\"1\n\"2,3\n"),
            "x.csv:3: text after the closing quote of a field that begins at line 2");
  EXPECT_EQ(refusal("a,b\n\"1\" ,3\n"),
            "x.csv:2: text after the closing quote of a field that begins at line 2");
}

TEST(Csv, RefusesRowsThatAreNotAsLongAsTheHeader) {
  EXPECT_EQ(refusal("a,b,c\n1,2,3\n4,5\n"), "x.csv:3: the row has 2 fields, the header 3");
  EXPECT_EQ(refusal("a,b,c\n1\n"), "x.csv:2: the row has 1 field, the header 3");
  EXPECT_EQ(refusal("a,b\n1,2,\n"), "x.csv:2: the row has 3 fields, the header 2");
}

TEST(Csv, RefusesBinaryJunk) {
  EXPECT_EQ(refusal(std::string_view("a,b\n1,\0\n", 8)),
            "x.csv:2: a byte that is no text, \"\\x00\": expected a CSV file");
  EXPECT_THAT(refusal("a,b\n1,\"x\ny\x01\"\n"), HasSubstr("x.csv:3: a byte that is no text, \"\\x01\""));
  EXPECT_THAT(refusal("\x7f"
                      "ELF"),
              HasSubstr("x.csv:1: a byte that is no text, \"\\x7f\""));
  EXPECT_THAT(refusal("a,b\n\"1\"\x02,3\n"), HasSubstr("x.csv:2: a byte that is no text, \"\\x02\""));
  EXPECT_THAT(refusal("a,b\r1,2\r"), HasSubstr("x.csv:1: a carriage return without a line feed"));
}

TEST(Csv, RefusesHeadersThatNameNothingOrOneThingTwice) {
  EXPECT_EQ(refusal(""), "x.csv:1: the file is empty: expected a header line");
  EXPECT_EQ(refusal("\xEF\xBB\xBF"), "x.csv:1: the file is empty: expected a header line");
  EXPECT_EQ(refusal("a,b,a\n"), "x.csv:1: the header has the column \"a\" twice");
  EXPECT_EQ(refusal("b,\"c\"\"\"\n1,2\n"), "x.csv:1: there is no column a: the header is \"b,c\"\"");
}

}  // namespace
}  // namespace ragtime
