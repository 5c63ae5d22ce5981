#include "host/tool/data/text_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <stdexcept>
#include <string_view>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"

namespace ragtime {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view magic;
  std::string_view name;
  std::string_view advice;
  std::size_t at = 0;  // where the magic bytes stand
};

constexpr std::string_view decompress = "decompress it first, or compress it with gzip instead";
constexpr std::string_view as_utf8 = "convert it first, for example with iconv -t UTF-8";
constexpr std::string_view export_csv = "export its rows as a CSV file";

// A longer magic stands before one that it begins with.
constexpr std::array<Format, 19> formats = {{
    {"PAR1"sv, "a Parquet file", "write it as CSV first, for example with pandas or DuckDB"},
    {"PARE"sv, "an encrypted Parquet file", "write it as CSV first, for example with pandas or DuckDB"},
    {"ARROW1\0\0"sv, "an Arrow (Feather) file", "write it as CSV first, for example with pandas"},
    {"PK\3\4"sv, "a zip archive or an Excel workbook",
     "unpack the CSV file that is in it, or save the sheet as CSV"},
    {"PK\5\6"sv, "a zip archive without files", "give the CSV file itself"},
    {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "an Excel workbook (.xls)", "save the sheet as CSV"},
    {"\x28\xB5\x2F\xFD"sv, "a zstd file", decompress},
    {"\xFD"
     "7zXZ\0"sv,
     "an xz file", decompress},
    {"BZh"sv, "a bzip2 file", decompress},
    {"\x04\x22\x4D\x18"sv, "an lz4 file", decompress},
    {"7z\xBC\xAF\x27\x1C"sv, "a 7z archive", "unpack the CSV file that is in it"},
    {"SQLite format 3\0"sv, "an SQLite database", export_csv},
    {"\x89HDF\r\n\x1A\n"sv, "an HDF5 file", export_csv},
    {"\xFF\xFE\0\0"sv, "UTF-32 text", as_utf8},
    {"\0\0\xFE\xFF"sv, "UTF-32 text", as_utf8},
    {"\xFF\xFE"sv, "UTF-16 text", as_utf8},
    {"\xFE\xFF"sv, "UTF-16 text", as_utf8},
    {"ustar\0"sv, "a tar archive", "unpack the CSV file that is in it", 257},
    {"ustar  \0"sv, "a tar archive", "unpack the CSV file that is in it", 257},
}};

bool is_gzip(std::string_view content) {
  return content.starts_with("\x1F\x8B"sv);
}

// "BZh" alone might begin a line of text; a level and the magic number of a block or of the end follow.
bool is_bzip2(std::string_view content) {
  const std::string_view block = content.size() < 4 ? ""sv : content.substr(4);
  return block.starts_with("\x31\x41\x59\x26\x53\x59"sv) || block.starts_with("\x17\x72\x45\x38\x50\x90"sv);
}

// UTF-16 without a byte order mark: every other byte of the first few characters is 0.
bool is_utf16(std::string_view content) {
  constexpr std::size_t looked_at = 8;
  if (content.size() < looked_at) return false;
  for (const std::size_t zero : {std::size_t{0}, std::size_t{1}}) {
    bool holds = true;
    for (std::size_t i = 0; i < looked_at; ++i) holds = holds && (content[i] == '\0') == (i % 2 == zero);
    if (holds) return true;
  }
  return false;
}

void refuse_other_formats(std::string_view content, const std::string& name) {
  const auto refuse = [&](std::string_view format, std::string_view advice) {
    fail(ErrorCode::parse_error, name, " is ", format, ": ragtime reads CSV, plain or gzipped; ", advice);
  };
  for (const Format& format : formats) {
    if (content.size() < format.at || !content.substr(format.at).starts_with(format.magic)) continue;
    if (format.magic == "BZh"sv && !is_bzip2(content)) continue;
    refuse(format.name, format.advice);
  }
  if (is_utf16(content)) refuse("UTF-16 text", as_utf8);
}

class Inflater {
 public:
  explicit Inflater(const std::string& name) : name_(name) {
    constexpr int gzip_only = 16;
    check(inflateInit2(&stream_, gzip_only + MAX_WBITS) == Z_OK, ErrorCode::out_of_memory, "decompressing ",
          name, " failed: no memory");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::string run(std::string_view compressed) {
    std::string text(std::max<std::size_t>(4 * compressed.size(), 1 << 16), '\0');
    std::size_t written = 0;
    std::size_t read = 0;
    for (;;) {
      if (written == text.size()) text.resize(2 * text.size());
      // zlib counts in 32 bits.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data() + read));
      stream_.avail_in = in_32_bits(compressed.size() - read);
      stream_.next_out = reinterpret_cast<Bytef*>(text.data() + written);
      stream_.avail_out = in_32_bits(text.size() - written);
      const uInt in_before = stream_.avail_in;
      const uInt out_before = stream_.avail_out;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      read += in_before - stream_.avail_in;
      written += out_before - stream_.avail_out;
      if (status == Z_MEM_ERROR) throw std::bad_alloc();
      check(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR, ErrorCode::parse_error, name_,
            " is a damaged gzip file: ", stream_.msg == nullptr ? "its data do not decompress" : stream_.msg,
            ", at byte ", read);
      if (status == Z_STREAM_END) {
        const std::string_view rest = compressed.substr(read);
        if (rest.find_first_not_of('\0') == rest.npos) break;  // tapes and disks pad with zeros
        check(is_gzip(rest), ErrorCode::parse_error, name_, " is a damaged gzip file: at byte ", read,
              " something follows that is no gzip data");
        inflateReset(&stream_);
      } else {
        check(read < compressed.size() || written == text.size(), ErrorCode::parse_error, name_,
              " is a gzip file that ends too early: it was not copied or written as a whole");
      }
    }
    text.resize(written);
    return text;
  }

 private:
  static uInt in_32_bits(std::size_t bytes) {
    return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
  }

  const std::string& name_;
  z_stream stream_ = {};
};

std::string decompressed(std::string_view content, const std::string& name) {
  try {
    return Inflater(name).run(content);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  fail(ErrorCode::out_of_memory, "decompressing ", name, " failed: its text does not fit into memory");
}

}  // namespace

std::string read_text_file(const std::filesystem::path& file) {
  std::string content = read_file(file);
  const std::string name = file.string();
  if (is_gzip(content)) {
    content = decompressed(content, name);
    check(!is_gzip(content), ErrorCode::parse_error, name,
          " is gzipped twice: ragtime reads CSV, plain or gzipped; decompress it once");
  }
  refuse_other_formats(content, name);
  return content;
}

}  // namespace ragtime
