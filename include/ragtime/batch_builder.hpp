#pragma once

// Ragged batches out of lengths or masks that are in device memory already: what RaggedLayout does on the
// host, without the host waiting for, or ever seeing, a length. Faulty data goes to the status word.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// What a BatchBuilderPlan will be asked for.
struct BatchBuilderDesc {
  Capacity capacity;               // sequences, rows, steps; below 2^31
  bool allow_zero_length = false;  // as RaggedOptions: false makes a zero length a fault
};

// Where a batch is written: what a RaggedView points at, device memory with room for a capacity. Beyond the
// counts in use nothing is written.
struct RaggedArrays {
  std::int32_t* counts = nullptr;         // [4] B, N, M, T
  std::int32_t* visit_offsets = nullptr;  // [B+1]
  std::int32_t* order = nullptr;          // [B]
  std::int32_t* inverse_order = nullptr;  // [B]
  std::int32_t* batch_sizes = nullptr;    // [T]

  // How many bytes of device memory hold all of them. Throws Error(invalid_argument) on sequences or steps
  // outside [0, 2^31).
  static std::size_t bytes(const Capacity& capacity);
  // All of them in one piece of device memory of bytes(capacity). Throws as bytes does, and
  // Error(invalid_argument) on memory that is null or not aligned to 16 bytes.
  static RaggedArrays in(void* memory, const Capacity& capacity);

  // For operations; right once what builds it has run on the same stream. sequence_ids as in RaggedView. The
  // host's copies are null: see HostCounts.
  RaggedView view(const std::uint32_t* sequence_ids = nullptr) const {
    return {counts, visit_offsets, order, inverse_order, batch_sizes, sequence_ids, nullptr, nullptr};
  }
};

// What a build reads and writes, besides lengths or mask.
struct BatchBuild {
  const std::int32_t* sequences = nullptr;  // [1] device: B in use; null: all that there is room for
  const std::int32_t* codes = nullptr;      // [1] device: M, only passed on to counts; null: 0
  RaggedArrays batch = {};                  // what is made
  void* workspace = nullptr;                // [workspace_bytes()]
  std::uint64_t* status = nullptr;          // device status word or null
};

struct BatchBuilderOperation;

// A faulty sequence counts as what can be made of it, so that the batch is always one that operations can
// run on: a negative length as 0, a mask up to its first element that is not 1, a sequence longer than the
// capacity's steps as that long, and rows beyond the capacity are left out. On the CPU sizes beyond the
// capacity are an Error(out_of_range) in place of a fault, and nothing is written.
class BatchBuilderPlan {
 public:
  // Throws Error(invalid_argument) on a capacity that cannot be right.
  BatchBuilderPlan(std::shared_ptr<Backend> backend, const BatchBuilderDesc& desc);
  ~BatchBuilderPlan();
  BatchBuilderPlan(BatchBuilderPlan&&) noexcept;
  BatchBuilderPlan& operator=(BatchBuilderPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // of a build
  // Queues a build from lengths [B], device. Throws Error(invalid_argument) when a pointer that is needed is
  // null.
  void from_lengths(const std::int32_t* lengths, const BatchBuild& args, Stream stream = {}) const;
  // Queues a build from a mask [B, T_pad], row-major, device: 1 for a real visit and 0 for padding, ones
  // first. T_pad is padded_steps, at most the capacity's steps, else Error(invalid_argument); a CUDA graph
  // that captured the run keeps it.
  void from_mask(const std::uint8_t* mask, std::int64_t padded_steps, const BatchBuild& args,
                 Stream stream = {}) const;

 private:
  BatchBuilderDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<BatchBuilderOperation> operation_;
};

// Host copies of a built batch's counts and batch_sizes, which algorithms that launch step by step need.
// The host waits for the device to get them: the one synchronisation, and none where nobody needs them.
class HostCounts {
 public:
  // Takes host memory for the capacity's steps, once. Throws Error(out_of_memory), and
  // Error(invalid_argument) on steps outside [0, 2^31).
  HostCounts(std::shared_ptr<Backend> backend, const Capacity& capacity);
  ~HostCounts();
  HostCounts(HostCounts&&) noexcept;
  HostCounts& operator=(HostCounts&&) noexcept;

  // Copies, waits for the stream, and returns the batch with host_counts and host_batch_sizes set: right
  // until the next fetch. batch_sizes must have room for the capacity's steps, as RaggedArrays has. Throws
  // Error(out_of_range) when the batch has more steps than the capacity.
  RaggedView fetch(const RaggedView& batch, Stream stream = {});

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace ragtime
