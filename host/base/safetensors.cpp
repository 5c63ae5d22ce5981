#include "host/base/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/printable.hpp"
#include "host/base/sixteen_bit.hpp"

static_assert(std::endian::native == std::endian::little, "tensors are copied as they stand in the file");

namespace ragtime {
namespace {

using Json = nlohmann::json;

constexpr std::size_t length_bytes = sizeof(std::uint64_t);
constexpr std::uint64_t largest_header = 100'000'000;  // the limit of the format
constexpr std::size_t write_chunk = std::size_t{1} << 20;
constexpr std::string_view metadata_key = "__metadata__";

template <class T>
double load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

template <float (*convert)(std::uint16_t)>
double load_16(const std::byte* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return static_cast<double>(convert(bits));
}

struct ElementType {
  std::string_view name;
  std::int64_t bytes;
  double (*load)(const std::byte*);  // null: carried, not read as a number
};

constexpr std::array<ElementType, 16> element_types = {{{"F32", 4, load<float>},
                                                        {"F64", 8, load<double>},
                                                        {"F16", 2, load_16<from_f16>},
                                                        {"BF16", 2, load_16<from_bf16>},
                                                        {"I64", 8, load<std::int64_t>},
                                                        {"I32", 4, load<std::int32_t>},
                                                        {"I16", 2, load<std::int16_t>},
                                                        {"I8", 1, load<std::int8_t>},
                                                        {"U64", 8, load<std::uint64_t>},
                                                        {"U32", 4, load<std::uint32_t>},
                                                        {"U16", 2, load<std::uint16_t>},
                                                        {"U8", 1, load<std::uint8_t>},
                                                        {"BOOL", 1, load<std::uint8_t>},
                                                        {"C64", 8, nullptr},
                                                        {"F8_E4M3", 1, nullptr},
                                                        {"F8_E5M2", 1, nullptr}}};

const ElementType* find_type(std::string_view name) {
  const auto found =
      std::find_if(element_types.begin(), element_types.end(), [&](const auto& t) { return t.name == name; });
  return found == element_types.end() ? nullptr : &*found;
}

// Text from a file, fit for a message: escaped, and not longer than a line.
std::string excerpt(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  constexpr std::size_t longest = 80;
  if (text.size() > longest) text.replace(longest, std::string::npos, "...");
  return text;
}

// False when the product does not fit.
bool multiply(std::int64_t& product, std::int64_t factor) {
  return !__builtin_mul_overflow(product, factor, &product);
}

// The bytes of a tensor; `where` begins every message.
std::int64_t checked_bytes(const std::vector<std::int64_t>& shape, const ElementType& type, ErrorCode code,
                           const std::string& where) {
  std::int64_t bytes = type.bytes;
  for (const std::int64_t size : shape) {
    check(size >= 0, code, where, "shape has the size ", size, ": expected no negative one");
    check(multiply(bytes, size), code, where, "shape ", excerpt(shape), " of ", type.name,
          " has more than 2^63 - 1 bytes");
  }
  return bytes;
}

class Parser {
 public:
  Parser(std::span<const std::byte> file, std::string_view name) : name_(name) {
    check(file.size() >= length_bytes, ErrorCode::parse_error, name, " has ", file.size(),
          " bytes: expected at least 8, the header's length");
    std::uint64_t header = 0;
    std::memcpy(&header, file.data(), length_bytes);
    const std::size_t rest = file.size() - length_bytes;
    check(header <= rest, ErrorCode::parse_error, name, ": the header's length is ", header, ", but only ",
          rest, " bytes follow: truncated, or no safetensors file");
    check(header <= largest_header, ErrorCode::parse_error, name, ": the header's length is ", header,
          ": expected at most ", largest_header);
    header_ = {reinterpret_cast<const char*>(file.data()) + length_bytes, static_cast<std::size_t>(header)};
    data_ = file.subspan(length_bytes + header_.size());
  }

  TensorFile parse() {
    const Json header = parse_header();
    TensorFile content;
    for (const auto& [name, entry] : header.items()) {
      if (name == metadata_key)
        content.metadata = parse_metadata(entry);
      else
        content.tensors.emplace(name, parse_tensor(name, entry));
    }
    check_ranges();
    return content;
  }

 private:
  struct Range {
    std::int64_t begin, end;
    std::string tensor;
  };

  // {tensor: {key: [numbers]}} is as deep as a header gets; what is deeper is refused before it is built.
  Json parse_header() {
    check(!header_.empty() && header_.front() == '{', ErrorCode::parse_error, name_,
          ": the header does not begin with '{': expected a JSON object");
    std::array<std::set<std::string>, 4> keys;  // of the open object, by depth
    const auto inspect = [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
        check(depth < 3, ErrorCode::parse_error, name_,
              ": the header nests deeper than {tensor: {key: [numbers]}}");
        keys[depth + 1].clear();
      } else if (event == Json::parse_event_t::key) {
        check(keys[depth].insert(parsed.get<std::string>()).second, ErrorCode::parse_error, name_,
              ": the header has the key ", excerpt(parsed), " twice in one object");
      }
      return true;
    };
    try {
      return Json::parse(header_.begin(), header_.end(), inspect);
    } catch (const Json::exception& error) {
      fail(ErrorCode::parse_error, name_, ": the header is no JSON: ", printable(error.what(), 200));
    }
  }

  std::map<std::string, std::string> parse_metadata(const Json& entry) const {
    check(entry.is_object(), ErrorCode::parse_error, name_, ": __metadata__ is ", excerpt(entry),
          ": expected an object of strings");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, value] : entry.items()) {
      check(value.is_string(), ErrorCode::parse_error, name_, ": __metadata__ has ", excerpt(key), ": ",
            excerpt(value), ": expected a string");
      metadata.emplace(key, value.get<std::string>());
    }
    return metadata;
  }

  Tensor parse_tensor(const std::string& name, const Json& entry) {
    const std::string where = concat(name_, ": tensor ", excerpt(name), ": ");
    check(entry.is_object(), ErrorCode::parse_error, where, "its entry is ", excerpt(entry),
          ": expected an object with dtype, shape and data_offsets");
    for (const char* key : {"dtype", "shape", "data_offsets"})
      check(entry.contains(key), ErrorCode::parse_error, where, key, " is missing");
    check(entry.size() == 3, ErrorCode::parse_error, where, "its entry has ", entry.size(),
          " keys: expected dtype, shape and data_offsets");

    const Json& dtype = entry["dtype"];
    const ElementType* type = dtype.is_string() ? find_type(dtype.get_ref<const std::string&>()) : nullptr;
    check(type != nullptr, ErrorCode::parse_error, where, "dtype is ", excerpt(dtype),
          ": expected one of those this version knows (F32, F64, F16, BF16, I64, ...)");

    Tensor tensor;
    tensor.dtype = type->name;
    tensor.shape = parse_numbers(entry["shape"], where + "shape");
    const auto offsets = parse_numbers(entry["data_offsets"], where + "data_offsets");
    check(offsets.size() == 2, ErrorCode::parse_error, where, "data_offsets has ", offsets.size(),
          " numbers: expected begin and end");
    const auto [begin, end] = std::pair(offsets[0], offsets[1]);
    check(begin <= end && static_cast<std::uint64_t>(end) <= data_.size(), ErrorCode::parse_error, where,
          "data_offsets is [", begin, ", ", end, "]: expected a range within the ", data_.size(),
          " bytes after the header");
    const std::int64_t bytes = checked_bytes(tensor.shape, *type, ErrorCode::parse_error, where);
    check(end - begin == bytes, ErrorCode::parse_error, where, "data_offsets span ", end - begin,
          " bytes: expected ", bytes, " for shape ", excerpt(tensor.shape), " of ", type->name);
    ranges_.push_back({begin, end, name});
    const auto range = data_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(bytes));
    // Before anything is copied, so that overlapping entries cannot ask for more memory than the file has.
    total_ += range.size();
    check(total_ <= data_.size(), ErrorCode::parse_error, where,
          "with it the tensors have more bytes than the ", data_.size(), " after the header: they overlap");
    tensor.bytes.assign(range.begin(), range.end());
    return tensor;
  }

  static std::vector<std::int64_t> parse_numbers(const Json& value, const std::string& where) {
    check(value.is_array(), ErrorCode::parse_error, where, " is ", excerpt(value),
          ": expected an array of integers");
    std::vector<std::int64_t> numbers;
    numbers.reserve(value.size());
    for (const Json& element : value) {
      check(element.is_number_unsigned() && element.get<std::uint64_t>() <= INT64_MAX, ErrorCode::parse_error,
            where, "[", numbers.size(), "] is ", excerpt(element),
            ": expected an integer from 0 to 2^63 - 1");
      numbers.push_back(element.get<std::int64_t>());
    }
    return numbers;
  }

  // The format wants the tensors to cover the bytes without holes or overlaps.
  void check_ranges() {
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
      return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
    });
    std::int64_t covered = 0;
    for (const Range& range : ranges_) {
      check(range.begin == covered, ErrorCode::parse_error, name_, ": tensor ", excerpt(range.tensor),
            " begins at byte ", range.begin, ": expected ", covered, ", where the one before it ends");
      covered = range.end;
    }
    check(static_cast<std::uint64_t>(covered) == data_.size(), ErrorCode::parse_error, name_,
          ": the tensors end at byte ", covered, " of the ", data_.size(),
          " after the header: expected them to fill it");
  }

  std::string_view name_;
  std::string_view header_;
  std::span<const std::byte> data_;
  std::vector<Range> ranges_;
  std::size_t total_ = 0;
};

template <class T>
Tensor tensor_from(const char* dtype, std::span<const T> values, std::vector<std::int64_t> shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  check(tensor.elements() == static_cast<std::int64_t>(values.size()), ErrorCode::shape_mismatch, "shape ",
        excerpt(tensor.shape), " has ", tensor.elements(), " elements: expected ", values.size(),
        ", one for each value");
  const auto bytes = std::as_bytes(values);
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

// A tensor on its way into a file.
struct Entry {
  const std::string* name;
  const Tensor* tensor;
  std::int64_t element_bytes;
};

// By name, wide elements first: then every tensor is aligned for readers that map the file.
std::vector<Entry> checked_entries(const TensorFile& content, const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& [name, tensor] : content.tensors) {
    const std::string where = concat(file, ": tensor ", excerpt(name), ": ");
    check(name != metadata_key, ErrorCode::invalid_argument, where, "this name is taken by the format");
    const ElementType* type = find_type(tensor.dtype);
    check(type != nullptr, ErrorCode::invalid_argument, where, "dtype is ", excerpt(tensor.dtype),
          ": expected one of the format's (F32, F64, ...)");
    const std::int64_t bytes = checked_bytes(tensor.shape, *type, ErrorCode::invalid_argument, where);
    check(static_cast<std::int64_t>(tensor.bytes.size()) == bytes, ErrorCode::shape_mismatch, where, "has ",
          tensor.bytes.size(), " bytes: expected ", bytes, " for shape ", excerpt(tensor.shape), " of ",
          type->name);
    entries.push_back({&name, &tensor, type->bytes});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.element_bytes > b.element_bytes; });
  return entries;
}

// Padded with spaces, so that the tensors begin at a multiple of 8.
std::string header_text(const std::vector<Entry>& entries, const std::map<std::string, std::string>& metadata,
                        const std::string& file) {
  Json header = Json::object();
  if (!metadata.empty()) header[std::string(metadata_key)] = metadata;
  std::size_t end = 0;
  for (const Entry& entry : entries) {
    const std::size_t begin = end;
    end += entry.tensor->bytes.size();
    header[*entry.name] = {
        {"dtype", entry.tensor->dtype}, {"shape", entry.tensor->shape}, {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_argument, file, ": names and metadata must be UTF-8: ", error.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  check(text.size() <= largest_header, ErrorCode::invalid_argument, file, ": the header has ", text.size(),
        " bytes: expected at most ", largest_header);
  return text;
}

}  // namespace

std::int64_t Tensor::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape)
    check(size >= 0 && multiply(product, size), ErrorCode::invalid_argument, "shape ", excerpt(shape),
          " has a negative size or more than 2^63 - 1 elements");
  return product;
}

double Tensor::at(std::int64_t i) const {
  const ElementType* type = find_type(dtype);
  check(type != nullptr && type->load != nullptr, ErrorCode::unsupported, "dtype is ", dtype,
        ", which cannot be read as a number");
  check(i >= 0 && i < static_cast<std::int64_t>(bytes.size()) / type->bytes, ErrorCode::out_of_range,
        "element ", i, " of a tensor of shape ", excerpt(shape));
  return type->load(bytes.data() + i * type->bytes);
}

Tensor Tensor::from(std::span<const float> values, std::vector<std::int64_t> shape) {
  return tensor_from("F32", values, std::move(shape));
}

Tensor Tensor::from(std::span<const double> values, std::vector<std::int64_t> shape) {
  return tensor_from("F64", values, std::move(shape));
}

TensorFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  return Parser(bytes, name).parse();
}

TensorFile read_safetensors(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  return parse_safetensors(std::as_bytes(std::span(content)), file.string());
}

void write_safetensors(const std::filesystem::path& file, const TensorFile& content) {
  const std::vector<Entry> entries = checked_entries(content, file.string());
  const std::string header = header_text(entries, content.metadata, file.string());
  const std::uint64_t header_bytes = header.size();

  AtomicFile out(file);
  out.write({reinterpret_cast<const char*>(&header_bytes), length_bytes});
  out.write(header);
  for (const Entry& entry : entries) {
    const std::string_view bytes(reinterpret_cast<const char*>(entry.tensor->bytes.data()),
                                 entry.tensor->bytes.size());
    for (std::size_t at = 0; at < bytes.size(); at += write_chunk) out.write(bytes.substr(at, write_chunk));
  }
  out.commit();
}

}  // namespace ragtime
