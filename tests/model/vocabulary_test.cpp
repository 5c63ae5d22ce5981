// vocabulary.txt: what is written is read back, in any order of lines, and every broken file is refused with
// its line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/atomic_file.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class VocabularyFile : public testing::Test {
 protected:
  Vocabulary read(std::string_view content) {
    return Vocabulary::read(folder_.write("vocabulary.txt", content));
  }
  std::string refusal(std::string_view content) {
    return error_of(ErrorCode::parse_error, [&] { read(content); });
  }

  TemporaryFolder folder_;
};

TEST(Vocabulary, PutsPaddingAndUnknownFirst) {
  const Vocabulary vocabulary = Vocabulary::from_codes({"b", "a"});
  EXPECT_EQ(vocabulary.size(), 4);
  EXPECT_EQ(vocabulary.code(0), "[PAD]");
  EXPECT_EQ(vocabulary.code(1), "[UNK]");
  EXPECT_EQ(vocabulary.find("b"), 2);
  EXPECT_EQ(vocabulary.find("a"), 3);
  EXPECT_EQ(vocabulary.find("c"), -1);
  EXPECT_EQ(vocabulary.map("a"), 3);
  EXPECT_EQ(vocabulary.map("c"), 1);
}

TEST(Vocabulary, RefusesCodesThatAreNoneOrListedTwice) {
  const auto refusal = [](const std::vector<std::string>& codes) {
    return error_of(ErrorCode::invalid_argument, [&] { Vocabulary::from_codes(codes); });
  };
  EXPECT_EQ(refusal({"a", "b", "a"}), "codes[2] is \"a\", which has id 2 already");
  EXPECT_EQ(refusal({"[PAD]"}), "codes[0] is \"[PAD]\", which has id 0 already");
  EXPECT_EQ(refusal({"a", ""}), "codes[1] is \"\": expected text without tabs and line breaks");
  EXPECT_THAT(refusal({"a\tb"}), HasSubstr("codes[0] is \"a\\x09b\""));
  EXPECT_THAT(refusal({"a\nb"}), HasSubstr("codes[0] is \"a\\x0ab\""));
}

TEST_F(VocabularyFile, IsReadBackAsWritten) {
  const auto file = folder_.path() / "vocabulary.txt";
  Vocabulary::from_codes({"44054006", "a code, with \"quotes\"", "\xC3\xA9"}).write(file);
  EXPECT_EQ(read_file(file), "[PAD]\t0\n[UNK]\t1\n44054006\t2\na code, with \"quotes\"\t3\n\xC3\xA9\t4\n");
  const Vocabulary vocabulary = Vocabulary::read(file);
  EXPECT_EQ(vocabulary.size(), 5);
  EXPECT_EQ(vocabulary.find("44054006"), 2);
  EXPECT_EQ(vocabulary.code(4), "\xC3\xA9");
}

TEST_F(VocabularyFile, TakesIdsInAnyOrderAndLineEndsOfAnyKind) {
  for (const std::string_view content : {"x\t2\n[PAD]\t0\ny\t1\n", "x\t2\r\n[PAD]\t0\r\ny\t1\r\n",
                                         "x\t2\n[PAD]\t0\ny\t1", "\xEF\xBB\xBFx\t2\n[PAD]\t0\ny\t1\n"}) {
    const Vocabulary vocabulary = read(content);
    ASSERT_EQ(vocabulary.size(), 3);
    EXPECT_EQ(vocabulary.code(1), "y");
    EXPECT_EQ(vocabulary.find("x"), 2);
    EXPECT_EQ(vocabulary.map("z"), -1) << "there is no [UNK]";
  }
}

TEST_F(VocabularyFile, NamesTheLineThatIsBroken) {
  EXPECT_THAT(refusal("[PAD]\t0\nx\n"), EndsWith("vocabulary.txt:2: \"x\" has no tab: expected code<TAB>id"));
  EXPECT_THAT(refusal("[PAD]\t0\n\nx\t1\n"), EndsWith(":2: \"\" has no tab: expected code<TAB>id"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\tone\n"), EndsWith(":2: the id of \"x\" is \"one\": expected a number"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\t\n"), EndsWith(":2: the id of \"x\" is \"\": expected a number"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\t1.5\n"), EndsWith(":2: the id of \"x\" is \"1.5\": expected a number"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\ty\t1\n"),
              EndsWith(":2: the id of \"x\" is \"y\\x091\": expected a number"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\t99999999999999999999\n"), HasSubstr(":2: the id of \"x\""));
  EXPECT_THAT(refusal("[PAD]\t0\n\t1\n"), EndsWith(":2: the code is \"\": expected text"));
  EXPECT_THAT(refusal(std::string_view("[PAD]\t0\n\0\t1\n", 12)),
              EndsWith(":2: the code is \"\\x00\": expected text"));
  EXPECT_THAT(refusal(""), EndsWith("vocabulary.txt is empty: expected one code<TAB>id a line"));
}

// Codes are the bytes of the data, whatever their encoding; a message shows them escaped.
TEST_F(VocabularyFile, CarriesCodesThatAreNoUtf8) {
  const Vocabulary vocabulary = read("[PAD]\t0\ncaf\xE9\t1\n");
  EXPECT_EQ(vocabulary.find("caf\xE9"), 1);
  vocabulary.write(folder_.path() / "again.txt");
  EXPECT_EQ(read_file(folder_.path() / "again.txt"), "[PAD]\t0\ncaf\xE9\t1\n");
  EXPECT_THAT(refusal("[PAD]\t0\n\xFF\xFE\t7\n"),
              HasSubstr(":2: the id of \"\\xff\\xfe\" is 7: expected 0 to 1"));
  EXPECT_THAT(refusal(std::string_view("\x7f\x45LF\x02\x01\x01\0\0\n\x03\0", 12)),
              HasSubstr(":1: \"\\x7fELF"));
}

TEST_F(VocabularyFile, WantsEveryIdOnceAndPaddingFirst) {
  EXPECT_THAT(refusal("[PAD]\t0\nx\t2\n"),
              EndsWith(":2: the id of \"x\" is 2: expected 0 to 1 without a gap, for the file has 2 lines"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\t-1\n"), HasSubstr(":2: the id of \"x\" is -1: expected 0 to 1"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\t1\ny\t1\n"),
              EndsWith(":3: the id of \"y\" is 1, which \"x\" has already"));
  EXPECT_THAT(refusal("[PAD]\t0\nx\t1\nx\t2\n"), EndsWith(":3: the code \"x\" is listed already, with id 1"));
  EXPECT_THAT(refusal("x\t0\n[PAD]\t1\n"), EndsWith(":1: id 0 belongs to \"x\": expected [PAD]"));
}

TEST_F(VocabularyFile, ReportsWhatTheSystemRefuses) {
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { Vocabulary::read(folder_.path() / "absent.txt"); }),
              HasSubstr("absent.txt failed: No such file"));
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { Vocabulary::read(folder_.path()); }),
              HasSubstr("Is a directory"));
  EXPECT_THAT(error_of(ErrorCode::io_error,
                       [&] { Vocabulary::from_codes({"a"}).write(folder_.path() / "absent" / "v.txt"); }),
              HasSubstr("v.txt failed: No such file"));
}

}  // namespace
}  // namespace ragtime
