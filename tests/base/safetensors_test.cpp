// The safetensors reader takes what the format allows and nothing else, the writer writes what other readers
// expect, and what is refused is named: file, tensor, value and what was expected.

#include "host/base/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "host/base/atomic_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string framed(const std::string& header, const std::string& data = {}) {
  const std::uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes + header + data;
}

TensorFile parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "model.safetensors");
}

std::string refusal(const std::string& bytes) {
  return error_of(ErrorCode::parse_error, [&] { parse(bytes); });
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

// One tensor "w", the rest of the file as given.
std::string refusal_of(const std::string& dtype, const std::string& shape, const std::string& offsets,
                       std::size_t data_bytes) {
  return refusal(framed(R"({"w":)" + entry(dtype, shape, offsets) + "}", std::string(data_bytes, '\0')));
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const std::vector<float> b = {1.5F, -2};
  const std::vector<std::int64_t> a = {7, -8, std::int64_t{1} << 40};
  std::string data(reinterpret_cast<const char*>(b.data()), 8);
  data.append(reinterpret_cast<const char*>(a.data()), 24);
  const auto file = parse(framed(R"({"__metadata__":{"format":"pt"},"b":)" + entry("F32", "[2,1]", "[0,8]") +
                                     R"(,"a":)" + entry("I64", "[3]", "[8,32]") + R"(,"none":)" +
                                     entry("F64", "[4,0]", "[8,8]") + R"(}     )",
                                 data));
  EXPECT_EQ(file.metadata.at("format"), "pt");
  ASSERT_EQ(file.tensors.size(), 3);
  EXPECT_THAT(file.tensors.at("b").shape, ElementsAre(2, 1));
  EXPECT_EQ(file.tensors.at("b").at(1), -2);
  EXPECT_EQ(file.tensors.at("a").at(2), 1099511627776.0);
  EXPECT_EQ(file.tensors.at("none").elements(), 0);
  EXPECT_THAT(file.tensors.at("none").shape, ElementsAre(4, 0));
}

TEST(Safetensors, ReadsAFileOfThePythonPackage) {
  // safetensors.numpy.save({"y": np.float32([[1, 2]]), "x": np.int64([3])}, metadata={"k": "v"})
  std::string data("\x03\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 16);
  const auto file =
      parse(framed(R"({"__metadata__":{"k":"v"},"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                   R"("y":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}} )",
                   data));
  EXPECT_EQ(file.tensors.at("x").at(0), 3);
  EXPECT_EQ(file.tensors.at("y").at(1), 2);
}

TEST(Safetensors, ReadsHalfPrecision) {
  const auto values = [](const char* dtype, std::vector<std::uint16_t> bits) {
    Tensor tensor{dtype, {static_cast<std::int64_t>(bits.size())}, {}};
    const auto bytes = std::as_bytes(std::span(bits));
    tensor.bytes.assign(bytes.begin(), bytes.end());
    return tensor;
  };
  // 1, -2, largest, smallest normal, smallest subnormal, -0, infinity, NaN
  const Tensor f16 = values("F16", {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0x7e00});
  const double expected[] = {1, -2, 65504, 0x1p-14, 0x1p-24, -0.0, INFINITY};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(f16.at(i), expected[i]) << i;
  EXPECT_TRUE(std::signbit(f16.at(5)));
  EXPECT_TRUE(std::isnan(f16.at(7)));
  const Tensor bf16 = values("BF16", {0x3f80, 0xc040, 0xff80, 0x7fc0});
  EXPECT_EQ(bf16.at(0), 1);
  EXPECT_EQ(bf16.at(1), -3);
  EXPECT_EQ(bf16.at(2), -INFINITY);
  EXPECT_TRUE(std::isnan(bf16.at(3)));
}

TEST(Safetensors, ElementsBeyondTheTensorAndNumberlessTypesAreRefused) {
  const Tensor tensor = Tensor::from(std::vector<float>{1, 2}, {2});
  EXPECT_THROW(tensor.at(2), Error);
  EXPECT_THROW(tensor.at(-1), Error);
  EXPECT_THROW((Tensor{"C64", {1}, std::vector<std::byte>(8)}.at(0)), Error);
  EXPECT_THROW(Tensor::from(std::vector<float>{1, 2}, {3}), Error);
  EXPECT_THROW(Tensor::from(std::vector<double>{1, 2}, {-1, -2}), Error);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole = framed(R"({"w":)" + entry("F32", "[2]", "[0,8]") + "}", "12345678");
  ASSERT_EQ(parse(whole).tensors.size(), 1);
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THAT(refusal(whole.substr(0, length)), HasSubstr("model.safetensors")) << length;
  EXPECT_THAT(refusal("1234567"), HasSubstr("has 7 bytes: expected at least 8"));
  EXPECT_THAT(refusal(whole.substr(0, whole.size() - 1)),
              AllOf(HasSubstr("tensor \"w\""), HasSubstr("[0, 8]"), HasSubstr("within the 7 bytes")));
  EXPECT_THAT(refusal(whole + "9"), HasSubstr("the tensors end at byte 8 of the 9"));
}

TEST(Safetensors, HeaderLengthsBeyondTheFileAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 7}) {
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    EXPECT_THAT(refusal(bytes + "{}"),
                AllOf(HasSubstr("length is " + std::to_string(length)), HasSubstr("only 2 bytes follow")));
  }
  EXPECT_THAT(refusal(framed(std::string(100'000'001, ' '))), HasSubstr("expected at most 100000000"));
}

TEST(Safetensors, HeadersThatAreNoObjectOfTensorsAreRefused) {
  EXPECT_THAT(refusal(framed("")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal(framed(" {}")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal(framed("[]")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal(framed("{\"w\":")), HasSubstr("the header is no JSON"));
  EXPECT_THAT(refusal(framed("{} {}")), HasSubstr("the header is no JSON"));
  EXPECT_THAT(refusal(framed("{\"\xff\":1}")), HasSubstr("the header is no JSON"));
  EXPECT_THAT(refusal(framed(R"({"w":3})")), HasSubstr("tensor \"w\": its entry is 3"));
  EXPECT_THAT(refusal(framed(R"({"__metadata__":[]})")), HasSubstr("__metadata__ is []"));
  EXPECT_THAT(refusal(framed(R"({"__metadata__":{"epoch":3}})")),
              HasSubstr("\"epoch\": 3: expected a string"));
  EXPECT_THAT(refusal(framed(R"({"w":{"dtype":"F32","shape":[]}})")), HasSubstr("data_offsets is missing"));
  EXPECT_THAT(refusal(framed(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", "1234")),
              HasSubstr("has 4 keys"));
}

TEST(Safetensors, NestingBombsAreRefused) {
  const std::string arrays(1'000'000, '[');
  EXPECT_THAT(refusal(framed("{\"w\":" + arrays)), HasSubstr("nests deeper"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"w\":";
  EXPECT_THAT(refusal(framed(objects)), HasSubstr("nests deeper"));
  EXPECT_THAT(refusal(framed(R"({"w":{"shape":[[1]]}})")), HasSubstr("nests deeper"));
}

TEST(Safetensors, DuplicateKeysAreRefused) {
  const std::string w = R"("w":)" + entry("U8", "[1]", "[0,1]");
  EXPECT_THAT(refusal(framed("{" + w + "," + w + "}", "1")), HasSubstr("the key \"w\" twice"));
  EXPECT_THAT(refusal(framed(R"({"w":{"dtype":"U8","dtype":"U8"}})")), HasSubstr("the key \"dtype\" twice"));
  EXPECT_THAT(refusal(framed(R"({"__metadata__":{"a":"1","a":"2"}})")), HasSubstr("the key \"a\" twice"));
  // The same key in two tensors is how every file looks.
  EXPECT_EQ(parse(framed("{" + w + R"(,"v":)" + entry("U8", "[1]", "[1,2]") + "}", "12")).tensors.size(), 2);
}

TEST(Safetensors, ShapesAndDtypesThatCannotBeAreRefused) {
  EXPECT_THAT(refusal_of("F31", "[1]", "[0,4]", 4), HasSubstr("dtype is \"F31\""));
  EXPECT_THAT(refusal_of("F32", "[1,-2]", "[0,8]", 8), HasSubstr("shape[1] is -2"));
  EXPECT_THAT(refusal_of("F32", "[2.0]", "[0,8]", 8), HasSubstr("shape[0] is 2.0"));
  EXPECT_THAT(refusal_of("F32", "[\"2\"]", "[0,8]", 8), HasSubstr("shape[0] is \"2\""));
  EXPECT_THAT(refusal_of("F32", "[18446744073709551615]", "[0,8]", 8),
              HasSubstr("shape[0] is 18446744073709551615"));
  EXPECT_THAT(refusal_of("F32", "[99999999999999999999]", "[0,8]", 8), HasSubstr("shape[0] is 1e+20"));
  EXPECT_THAT(refusal_of("F32", "2", "[0,8]", 8), HasSubstr("shape is 2: expected an array"));
  // Products that wrap around to what the bytes hold, in 64 and in 63 bits.
  EXPECT_THAT(refusal_of("F32", "[4294967296,4294967296]", "[0,0]", 0),
              HasSubstr("more than 2^63 - 1 bytes"));
  EXPECT_THAT(refusal_of("F64", "[2305843009213693952]", "[0,0]", 0), HasSubstr("more than 2^63 - 1 bytes"));
}

TEST(Safetensors, RangesThatDisagreeAreRefused) {
  EXPECT_THAT(refusal_of("F32", "[3]", "[0,8]", 8),
              HasSubstr("span 8 bytes: expected 12 for shape [3] of F32"));
  EXPECT_THAT(refusal_of("F32", "[2]", "[8,0]", 8), HasSubstr("[8, 0]"));
  EXPECT_THAT(refusal_of("F32", "[2]", "[0,8,9]", 8), HasSubstr("3 numbers"));
  EXPECT_THAT(refusal_of("F32", "[2]", "[-8,0]", 8), HasSubstr("data_offsets[0] is -8"));
  EXPECT_THAT(refusal_of("F32", "[1]", "[18446744073709551612,18446744073709551615]", 8),
              HasSubstr("data_offsets[0] is 18446744073709551612"));
  EXPECT_THAT(refusal_of("F32", "[1]", "[1,5]", 5), HasSubstr("begins at byte 1: expected 0"));

  const auto two = [](const std::string& first, const std::string& second, int bytes) {
    return refusal(
        framed(R"({"v":)" + entry("U8", "[2]", first) + R"(,"w":)" + entry("U8", "[2]", second) + "}",
               std::string(bytes, 'x')));
  };
  EXPECT_THAT(two("[0,2]", "[3,5]", 5), HasSubstr("tensor \"w\" begins at byte 3: expected 2"));
  EXPECT_THAT(two("[0,2]", "[1,3]", 4), HasSubstr("tensor \"w\" begins at byte 1: expected 2"));
  EXPECT_THAT(two("[0,2]", "[0,2]", 3), HasSubstr("overlap"));
}

TEST(Safetensors, LongNamesAndBinaryJunkMakeShortMessages) {
  const std::string message = refusal(framed(R"({")" + std::string(100'000, 'n') + R"(":1})"));
  EXPECT_LT(message.size(), 300);
  EXPECT_LT(refusal(framed("{" + std::string(100'000, 'n'))).size(), 400);
}

TEST(Safetensors, WhatIsWrittenReadsBackAligned) {
  const TemporaryFolder folder;
  TensorFile content;
  content.metadata = {{"format", "pt"}, {"author", "Zoë \"Z\" \n"}};
  content.tensors["one"] = {"U8", {1}, {std::byte{1}}};
  content.tensors["two"] = Tensor::from(std::vector<float>{1.25F, NAN, -0.0F}, {3});
  content.tensors["wide"] = Tensor::from(std::vector<double>{1e300, -1}, {1, 2, 1});
  content.tensors["scalar"] = Tensor::from(std::vector<double>{7}, {});
  content.tensors["nothing"] = Tensor::from(std::vector<double>{}, {0, 5});
  const auto file = folder.path() / "model.safetensors";
  write_safetensors(file, content);

  const TensorFile back = read_safetensors(file);
  EXPECT_EQ(back.metadata, content.metadata);
  ASSERT_EQ(back.tensors.size(), content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) {
    EXPECT_EQ(back.tensors.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(back.tensors.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(back.tensors.at(name).bytes, tensor.bytes) << name;
  }

  const std::string bytes = read_file(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  EXPECT_EQ(header % 8, 0);
  // The widest elements stand first, so the byte-wide tensor is the last byte of the file.
  EXPECT_EQ(bytes.back(), '\1');
  EXPECT_THAT(std::vector<std::filesystem::path>(std::filesystem::directory_iterator(folder.path()), {}),
              ElementsAre(file));
}

TEST(Safetensors, TensorsThatCannotBeWrittenLeaveTheOldFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("model.safetensors", "old");
  const auto write = [&](const std::string& name, Tensor tensor, ErrorCode code) {
    TensorFile content;
    content.tensors["first"] = Tensor::from(std::vector<float>{1}, {1});
    content.tensors[name] = std::move(tensor);
    return error_of(code, [&] { write_safetensors(file, content); });
  };
  EXPECT_THAT(write("w", {"F32", {2}, std::vector<std::byte>(4)}, ErrorCode::shape_mismatch),
              HasSubstr("tensor \"w\": has 4 bytes: expected 8"));
  EXPECT_THAT(write("w", {"f32", {1}, std::vector<std::byte>(4)}, ErrorCode::invalid_argument),
              HasSubstr("dtype is \"f32\""));
  EXPECT_THAT(write("w", {"F32", {-1}, {}}, ErrorCode::invalid_argument), HasSubstr("size -1"));
  EXPECT_THAT(write("__metadata__", {"F32", {0}, {}}, ErrorCode::invalid_argument),
              HasSubstr("taken by the format"));
  EXPECT_THAT(write("\xff", {"F32", {0}, {}}, ErrorCode::invalid_argument), HasSubstr("must be UTF-8"));
  EXPECT_EQ(read_file(file), "old");
}

TEST(Safetensors, MissingFilesAndFoldersAreNamed) {
  const TemporaryFolder folder;
  for (const auto& file : {folder.path() / "absent.safetensors", folder.path()})
    EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_safetensors(file); }), HasSubstr(file.string()));
}

}  // namespace
}  // namespace ragtime
