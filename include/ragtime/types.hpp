#pragma once

// The words of the library. Shapes in comments use these letters throughout:
//   B sequences (patients)   N rows (visits, all sequences together)   M codes   T longest sequence
//   V vocabulary   E embedding width   H hidden width   P projected width (H without projection)
//   L layers   D directions (1 or 2)   K outputs
// Ragged layout: row = visit_offsets[b] + t. There is no padding anywhere in it.

#include <cstddef>
#include <cstdint>

// The C++ API.
namespace ragtime {

// Types of elements. The CPU backend computes in f32 and f64, the CUDA backend in f32, bf16 and f16; a plan
// in another one is an Error(unsupported).
enum class DType : std::uint8_t {
  f32,   // IEEE 754, 32 bits
  f64,   // IEEE 754, 64 bits
  bf16,  // bfloat16: the upper 16 bits of an f32
  f16,   // IEEE 754, 16 bits
};

std::size_t size_of(DType dtype);  // bytes of one element of this dtype
const char* name_of(DType dtype);  // "f32", ...

// What computes.
enum class DeviceType : std::uint8_t {
  cpu,   // the processor; its device memory is host memory
  cuda,  // an NVIDIA GPU of compute capability 8.0 or later
};

const char* name_of(DeviceType device);  // "cpu", "cuda"

// A queue of work on a device: a cudaStream_t for CUDA, nothing for the CPU, where every call is done on
// return.
struct Stream {
  void* handle = nullptr;  // the cudaStream_t; null: CUDA's default stream
};

// The most a plan will be asked for. A run may use less of each; it never needs a new plan for that. Those
// that a description goes by are 0 to 2^31 - 1, else Error(invalid_argument).
struct Capacity {
  std::int64_t sequences = 0;  // B
  std::int64_t rows = 0;       // N
  std::int64_t codes = 0;      // M
  std::int64_t steps = 0;      // T
};

// One batch in device memory, without its values: who has how many rows, and in which order to take them.
// Made by RaggedLayout (ragged_batch.hpp), or on the device (batch_builder.hpp). All pointers are device
// pointers unless they say host, and none is null that does not say so, else Error(invalid_argument).
struct RaggedView {
  const std::int32_t* counts = nullptr;  // [4] B, N, M, T in use
  // [B+1] rows of sequence b: [visit_offsets[b], visit_offsets[b+1])
  const std::int32_t* visit_offsets = nullptr;
  const std::int32_t* order = nullptr;          // [B] sequences, longest first, stable
  const std::int32_t* inverse_order = nullptr;  // [B] order[inverse_order[b]] == b
  const std::int32_t* batch_sizes = nullptr;    // [T] sequences alive at step t
  // [B] stable ids, the key of dropout masks; null: 0, 1, 2, ...
  const std::uint32_t* sequence_ids = nullptr;
  // Host copies of counts and batch_sizes, for algorithms that launch step by step; null where the host does
  // not know them.
  const std::int32_t* host_counts = nullptr;       // [4]
  const std::int32_t* host_batch_sizes = nullptr;  // [T] 1 to B, never rising, or null
  // Device status word (status.hpp), or null. Where only the device sees the counts, a batch beyond the
  // capacity of a plan is reported here, and what is beyond is left alone; where the host does, it is an
  // Error.
  std::uint64_t* status = nullptr;
};

// Where dropout masks come from: Philox, keyed by seed, counted by (step, site, sequence id, place in the
// sequence). The same mask on every backend, in every layout, whatever else is in the batch.
struct DropoutKey {
  std::uint64_t seed = 0;  // the key of Philox
  // [1] device: training step, so that a replayed graph draws new masks; null: 0
  const std::uint64_t* step = nullptr;
  std::uint32_t site = 0;  // which dropout of the model this is, below 65536, else Error(invalid_argument)
};

}  // namespace ragtime
