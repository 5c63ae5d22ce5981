#pragma once

// A batch with codes on each backend, in the C API and beside it in C++, and what every kind of handle is
// tested for.

#include <optional>

#include "ragtime/ragged_batch.hpp"
#include "tests/c_api/tensors.hpp"

namespace ragtime::test {

inline constexpr ragtime_status invalid = RAGTIME_INVALID_ARGUMENT, mismatch = RAGTIME_SHAPE_MISMATCH,
                                beyond = RAGTIME_OUT_OF_RANGE;

// Three patients of 2, 3 and 1 visits with codes of weights.
class CApiOperations : public CApiBackend {
 protected:
  static constexpr std::int64_t sequences = 3, rows = 6, codes = 9, steps = 3, vocab = 5;
  static constexpr ragtime_capacity capacity = {sequences, rows, codes, steps};
  static constexpr Capacity room = {sequences, rows, codes, steps};

  void SetUp() override {
    CApiBackend::SetUp();
    if (IsSkipped()) return;
    host_batch.layout = RaggedLayout::from_lengths(lengths);
    host_batch.code_offsets = {0, 2, 2, 3, 6, 8, 9};
    host_batch.codes = {1, 4, 0, 2, 2, 3, 4, 1, 0};
    host_batch.code_weights = {1, 0.5f, 2, 1, 1, 0, 3, 1, 1};
    own.emplace(backend);
    own->load(host_batch);
    EXPECT_DONE(ragtime_batch_create(opened, &batch));
    auto given = sized<ragtime_batch_codes>();
    given.sequences = sequences;
    given.lengths = lengths.data();
    given.code_offsets = host_batch.code_offsets.data();
    given.codes = host_batch.codes.data();
    given.code_weights = host_batch.code_weights.data();
    EXPECT_DONE(ragtime_batch_load_codes(batch, &given, nullptr));
  }
  void TearDown() override {
    for (ragtime_managed_tensor* array : exported) array->deleter(array);
    EXPECT_DONE(ragtime_batch_destroy(batch));
    own.reset();
    CApiBackend::TearDown();
  }
  const ragtime_tensor* array(ragtime_batch_array which) {
    ragtime_managed_tensor* made = nullptr;
    EXPECT_DONE(ragtime_batch_export(batch, which, &made));
    exported.push_back(made);
    return &made->dl_tensor;
  }

  // What every kind of plan has: a table of its functions.
  template <class Handle, class Desc>
  struct Functions {
    ragtime_status (*create)(ragtime_backend, const Desc*, Handle*);
    ragtime_status (*destroy)(Handle);
    ragtime_status (*workspace_bytes)(Handle, std::size_t*);
    ragtime_status (*reserve_bytes)(Handle, std::size_t*);
  };
  template <class Handle, class Desc>
  void expect_handles_are_found_out(const Functions<Handle, Desc>& functions, const Desc& desc,
                                    const char* name) {
    const std::string is_null = std::string(name) + " is null", is_dead = std::string(name) + " is ";
    Handle made = nullptr;
    EXPECT_REFUSED(functions.create(nullptr, &desc, &made), invalid, "backend is null");
    EXPECT_REFUSED(functions.create(opened, nullptr, &made), invalid, "desc is null");
    EXPECT_REFUSED(functions.create(opened, &desc, nullptr), invalid, is_null);
    Desc small = desc;
    small.struct_size = 4;
    EXPECT_REFUSED(functions.create(opened, &small, &made), invalid, "desc.struct_size is 4");
    EXPECT_EQ(made, nullptr);
    ASSERT_EQ(functions.create(opened, &desc, &made), RAGTIME_OK) << ragtime_last_error();
    std::size_t bytes = 7;
    for (const auto query : {functions.workspace_bytes, functions.reserve_bytes}) {
      if (query == nullptr) continue;
      EXPECT_DONE(query(made, &bytes));
      EXPECT_REFUSED(query(made, nullptr), invalid, "bytes is null");
      EXPECT_REFUSED(query(nullptr, &bytes), invalid, is_null);
      EXPECT_REFUSED(query(reinterpret_cast<Handle>(batch), &bytes), invalid, "is a batch: expected");
    }
    EXPECT_DONE(functions.destroy(made));
    EXPECT_REFUSED(functions.destroy(made), invalid, is_dead);
    EXPECT_DONE(functions.destroy(nullptr));
    bytes = 7;
    if (functions.workspace_bytes != nullptr)
      EXPECT_REFUSED(functions.workspace_bytes(made, &bytes), invalid, "destroyed or never");
    EXPECT_EQ(bytes, 7u);
  }

  const std::vector<std::int32_t> lengths = {2, 3, 1};
  RaggedBatch host_batch;
  std::optional<DeviceBatch> own;
  ragtime_batch batch = nullptr;
  std::vector<ragtime_managed_tensor*> exported;
};

}  // namespace ragtime::test
