// Files as people keep them: gzipped ones are decompressed whole or refused by name, and a file that is no
// text is called what it is. The gzip files are made by zlib here; one is of the gzip tool, byte by byte.

#include "host/tool/data/text_file.hpp"

#include <gmock/gmock.h>
#include <zlib.h>

#include <random>

#include "tests/tool/data/cohort_folder.hpp"

namespace ragtime {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

std::string gzipped(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string compressed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  return compressed;
}

// Bytes that do not compress.
std::string noise(std::size_t size) {
  std::mt19937 random(1);
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(' ' + random() % 95);
  return text;
}

class TextFile : public CohortFolder {
 protected:
  std::string read_bytes(std::string_view bytes) { return read_text_file(folder_.write("file.csv", bytes)); }
  std::string refused_bytes(std::string_view bytes) {
    return error_of(ErrorCode::parse_error, [&] { read_bytes(bytes); });
  }
};

TEST_F(TextFile, PlainTextIsReadAsItIs) {
  for (const std::string_view text : {""sv, "a"sv, "a,b\r\n1,2\r\n"sv, "\xEF\xBB\xBFpatient_id\n"sv,
                                      "BZh9,PK,ustar\n"sv, "\xC3\xA9t\xC3\xA9\n"sv})
    EXPECT_EQ(read_bytes(text), text);
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_text_file(folder_.path() / "absent.csv"); }),
              HasSubstr("absent.csv failed: No such file"));
}

TEST_F(TextFile, GzipIsDecompressedWhateverTheName) {
  const std::string repeated(5'000'000, 'x');  // far longer than a guess from the size of its file
  const std::string random = noise(300'000);
  for (const std::string_view text : {""sv, "a,b\n"sv, std::string_view(repeated), std::string_view(random)})
    EXPECT_TRUE(read_bytes(gzipped(text)) == text) << text.size();
  // printf 'a,b\n1,2\n' | gzip -n | xxd
  EXPECT_EQ(
      read_bytes("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\xd4\x49\xe2\x32\xd4\x31\xe2\x02\x00\x7b\x07"
                 "\x97\x0a\x08\x00\x00\x00"sv),
      "a,b\n1,2\n");
}

TEST_F(TextFile, GzipOfSeveralMembersIsOneText) {
  EXPECT_EQ(read_bytes(gzipped("a,b\n") + gzipped("") + gzipped("1,2\n")), "a,b\n1,2\n");
  EXPECT_EQ(read_bytes(gzipped("a,b\n") + std::string(512, '\0')), "a,b\n") << "padded as on a tape";
}

TEST_F(TextFile, GzipThatEndsTooEarlyIsRefusedAtEveryByte) {
  const std::string whole = gzipped("a,b\n1,2\n") + gzipped("3,4\n");
  const std::size_t first = gzipped("a,b\n1,2\n").size();
  for (std::size_t size = 2; size < whole.size(); ++size) {
    if (size == first) continue;  // which is a whole file
    const std::string refused = refused_bytes(whole.substr(0, size));
    if (size == first + 1)
      EXPECT_THAT(refused, HasSubstr("file.csv is a damaged gzip file"));
    else
      EXPECT_THAT(refused,
                  EndsWith("file.csv is a gzip file that ends too early: it was not copied or written "
                           "as a whole"))
          << size;
  }
  const std::string large = gzipped(noise(300'000));
  EXPECT_THAT(refused_bytes(large.substr(0, large.size() / 2)), HasSubstr("ends too early"));
}

TEST_F(TextFile, DamagedGzipIsRefused) {
  std::string damaged = gzipped(noise(1000));
  damaged[damaged.size() / 2] ^= 0x10;
  EXPECT_THAT(refused_bytes(damaged), HasSubstr("file.csv is a damaged gzip file: "));
  std::string wrong_sum = gzipped("a,b\n");
  wrong_sum[wrong_sum.size() - 8] ^= 1;
  EXPECT_THAT(refused_bytes(wrong_sum), HasSubstr("file.csv is a damaged gzip file: incorrect data check"));
  EXPECT_THAT(refused_bytes(gzipped("a,b\n") + "more"), EndsWith("something follows that is no gzip data"));
  EXPECT_THAT(refused_bytes(gzipped(gzipped("a,b\n"))), HasSubstr("file.csv is gzipped twice"));
}

TEST_F(TextFile, OtherFormatsAreNamed) {
  const std::pair<std::string_view, const char*> formats[] = {
      {"PAR1\x15\x04\x15"sv, "a Parquet file"},
      {"PK\3\4\x14\0"sv, "a zip archive or an Excel workbook"},
      {"PK\5\6\0\0"sv, "a zip archive without files"},
      {"\x28\xB5\x2F\xFD\x04"sv, "a zstd file"},
      {"\xFD\x37\x7A\x58\x5A\x00"sv, "an xz file"},
      {"BZh91AY&SY\x01\x02"sv, "a bzip2 file"},
      {"BZh9\x17\x72\x45\x38\x50\x90"sv, "a bzip2 file"},
      {"\x04\x22\x4D\x18\x40"sv, "an lz4 file"},
      {"7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
      {"SQLite format 3\0\x10"sv, "an SQLite database"},
      {"ARROW1\0\0"sv, "an Arrow (Feather) file"},
      {"\x89HDF\r\n\x1A\n"sv, "an HDF5 file"},
      {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "an Excel workbook (.xls)"},
      {"\xFF\xFE"
       "a\0,\0b\0"sv,
       "UTF-16 text"},
      {"\xFE\xFF\0a\0,"sv, "UTF-16 text"},
      {"a\0,\0b\0\n\0"sv, "UTF-16 text"},
      {"\0a\0,\0b\0\n"sv, "UTF-16 text"},
      {"\xFF\xFE\0\0a\0\0\0"sv, "UTF-32 text"},
  };
  for (const auto& [bytes, name] : formats) {
    const auto says = testing::StartsWith((folder_.path() / "file.csv").string() + " is " + name +
                                          ": ragtime reads CSV, plain or gzipped; ");
    EXPECT_THAT(refused_bytes(bytes), says);
    EXPECT_THAT(refused_bytes(gzipped(bytes)), says) << "gzipped";
  }
  std::string tar(512, '\0');
  tar.replace(0, 8, "meds.csv").replace(257, 5, "ustar");
  EXPECT_THAT(refused_bytes(gzipped(tar)), HasSubstr("file.csv is a tar archive: "));
  tar.replace(257, 8, "ustar  \0"sv);
  EXPECT_THAT(refused_bytes(tar), HasSubstr("file.csv is a tar archive: "));
}

TEST_F(TextFile, TablesMayBeGzipped) {
  const std::string rows = std::string(header) + "2020-01-01,,p,e,1,\n";
  folder_.write("conditions.csv.gz", gzipped(rows));
  folder_.write("encounters.csv.gz", gzipped("Id,START,PATIENT\ne,2020-01-01T10:00:00Z,p\n"));
  folder_.write("medications.csv", gzipped(std::string(header) + "2020-01-01,,p,e,2,\n"));
  folder_.write("careplans.csv.gz", std::string(header) + "2020-01-01,,p,e,3,\n2020-01-01,,p,e,,\n");
  const Cohort cohort = read();
  EXPECT_THAT(visits_of(cohort, "p"), ElementsAre(ElementsAre("1", "2", "3")));
  EXPECT_EQ(to_text(cohort.visit_times[0]), "2020-01-01T10:00:00Z");
  EXPECT_THAT(report_.tables, ElementsAre("conditions", "medications", "careplans"));
  EXPECT_THAT(report_.files,
              ElementsAre("conditions.csv.gz", "medications.csv", "careplans.csv.gz", "encounters.csv.gz"));
  EXPECT_EQ(report_.null_codes.first, "careplans.csv.gz:3");
  folder_.write("conditions.csv.gz", gzipped(rows).substr(0, 30));
  EXPECT_THAT(refusal(ErrorCode::parse_error),
              HasSubstr("conditions.csv.gz is a gzip file that ends too early"));
  folder_.write("conditions.csv.gz", gzipped(std::string(header) + "soon,,p,e,1,\n"));
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr("conditions.csv.gz:2: START is \"soon\""));
  folder_.write("conditions.csv.gz", gzipped(""));
  read();
  EXPECT_THAT(report_.empty_files, ElementsAre("conditions.csv.gz"));
}

TEST_F(TextFile, AMedsFileMayBeGzippedAndIsNamedOtherwise) {
  const auto file = folder_.write("meds.csv.gz", gzipped("subject_id,time,code\n1,2020-01-01,X\n"));
  EXPECT_THAT(visits_of(read_cohort(file), "1"), ElementsAre(ElementsAre("X")));
  const auto parquet = folder_.write("events.parquet", "PAR1\x15");
  EXPECT_THAT(error_of(ErrorCode::parse_error, [&] { read_cohort(parquet); }),
              HasSubstr("events.parquet is a Parquet file: ragtime reads CSV"));
}

}  // namespace
}  // namespace ragtime
