#pragma once

// Host side of a ragged batch: checked, sorted, counted, and copied to a device in one piece.
// A newcomer from PyTorch: this replaces pad_sequence, pack_padded_sequence and the masks.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime {

// What is let pass when a batch is made.
struct RaggedOptions {
  // false: a sequence of zero length is an Error, "3 sequences have zero length, first at 17: ...".
  // true: it has no rows, so no visit-level loss, and ends with the state it began with.
  bool allow_zero_length = false;
};

// Which rows belong to which sequence, and in which order to take them.
struct RaggedLayout {
  std::vector<std::int32_t> visit_offsets = {0};  // [B+1]
  std::vector<std::int32_t> order;                // [B] sequences, longest first, stable
  std::vector<std::int32_t> inverse_order;        // [B] order[inverse_order[b]] == b
  std::vector<std::int32_t> batch_sizes;          // [T] sequences alive at step t

  std::int32_t sequences() const { return static_cast<std::int32_t>(order.size()); }    // B
  std::int32_t rows() const { return visit_offsets.back(); }                            // N
  std::int32_t steps() const { return static_cast<std::int32_t>(batch_sizes.size()); }  // T
  // Rows of sequence b, in [0, B).
  std::int32_t length(std::int32_t b) const { return visit_offsets[b + 1] - visit_offsets[b]; }

  // lengths [B]. Throws Error on a negative length, on a zero length unless allowed, on more than 2^31 - 1
  // rows.
  static RaggedLayout from_lengths(std::span<const std::int32_t> lengths, RaggedOptions options = {});
  // visit_offsets [B+1], from 0, never decreasing; else an Error, as on a zero length.
  static RaggedLayout from_offsets(std::span<const std::int32_t> visit_offsets, RaggedOptions options = {});
  // mask [B, T], row-major, 1 for a real visit and 0 for padding, ones first: a one behind a zero is a hole
  // and an Error that names its position; so is any other value. Throws Error(shape_mismatch) unless the mask
  // has sequences x steps elements.
  static RaggedLayout from_mask(std::span<const std::uint8_t> mask, std::int64_t sequences,
                                std::int64_t steps, RaggedOptions options = {});
};

using VisitCodes = std::vector<std::int32_t>;   // one visit's codes
using PatientVisits = std::vector<VisitCodes>;  // one patient's visits, first to last

// A whole batch: the layout, the codes of every visit, and who the sequences are.
struct RaggedBatch {
  RaggedLayout layout;  // which visits belong to which patient
  // [N+1] codes of visit n: [code_offsets[n], code_offsets[n+1])
  std::vector<std::int32_t> code_offsets = {0};
  std::vector<std::int32_t> codes;          // [M]
  std::vector<float> code_weights;          // [M] or empty
  std::vector<std::uint32_t> sequence_ids;  // [B] stable ids; empty: 0, 1, 2, ...

  Capacity size() const;  // B, N, M, T

  // patients [B]. vocab_size > 0 checks every code id against [0, vocab_size), else Error(out_of_range). A
  // visit may be empty; a patient without visits is a zero length.
  static RaggedBatch from_patients(std::span<const PatientVisits> patients, std::int64_t vocab_size = 0,
                                   RaggedOptions options = {});
  // The padded tensors of a PyTorch data loader, row-major, with B, T, C as sequences, steps, codes_per_visit
  // say: codes [B, T, C]; visit_mask [B, T, C], 1 for a
  // real code and 0 for padding, anywhere in the visit; sequence_mask [B, T], as from_mask. Codes that the
  // masks leave out, and the visit_mask of padding visits, are never read. An empty sequence_mask means that
  // all visits are real, an empty visit_mask that all codes of real visits are: both must be given unless
  // nothing is padded. Throws Error(shape_mismatch) on a wrong number of elements;
  // vocab_size as from_patients.
  static RaggedBatch from_padded(std::span<const std::int32_t> codes,
                                 std::span<const std::uint8_t> visit_mask,
                                 std::span<const std::uint8_t> sequence_mask, std::int64_t sequences,
                                 std::int64_t steps, std::int64_t codes_per_visit,
                                 std::int64_t vocab_size = 0, RaggedOptions options = {});
};

// A batch in device memory. `load` reuses the memory when it is large enough, so one DeviceBatch serves a
// whole epoch.
class DeviceBatch {
 public:
  // Empty, in memory of this backend.
  explicit DeviceBatch(std::shared_ptr<Backend> backend);

  // From the next load on every array has a place of its own, with room for batches up to `capacity`, and
  // operations are told nothing of the counts on the host (view().host_counts is null). So every pointer,
  // once loaded, stays as it is whatever is loaded next: a CUDA graph that captured operations on this batch
  // holds for every batch of that size, where the operations can do without the host (lstm.hpp). Batches must
  // have code_weights or not as code_weights says. Throws Error(invalid_argument) after the first load, and
  // on a capacity outside [0, 2^31).
  void fix(const Capacity& capacity, bool code_weights = false);
  bool is_fixed() const { return is_fixed_; }             // whether fix was called
  const Capacity& capacity() const { return capacity_; }  // fixed at; else that of the batch loaded

  // Copies a batch to the device. Throws Error(out_of_range) on a batch beyond a fixed capacity,
  // Error(out_of_memory), and Error (shape_mismatch, invalid_argument) when a batch filled by hand does not
  // add up; what was loaded before then stays. Code ids are not checked here: operations report them to the
  // status word. The host batch may go on return. The copy is queued on the stream, for which every load but
  // the first waits; whoever loads on another one than before, or still has what was loaded before in use
  // there, puts them in order first (Backend::order).
  void load(const RaggedBatch& batch, Stream stream = {});
  // The same with the layout alone: a batch without codes.
  void load(const RaggedLayout& layout, Stream stream = {});

  const RaggedView& view() const { return view_; }  // for operations; of the batch loaded last
  // Device [N+1], and one more, the last once again; null without codes.
  const std::int32_t* code_offsets() const { return code_offsets_; }
  const std::int32_t* codes() const { return codes_; }         // device [M]
  const float* code_weights() const { return code_weights_; }  // device [M] or null
  const Capacity& size() const { return size_; }               // host copy of the counts

 private:
  void stage(const RaggedLayout& layout, const RaggedBatch* batch, Stream stream);

  std::shared_ptr<Backend> backend_;
  Buffer memory_;
  HostBuffer staging_;
  std::vector<std::int32_t> host_counts_, host_batch_sizes_;
  RaggedView view_;
  const std::int32_t* code_offsets_ = nullptr;
  const std::int32_t* codes_ = nullptr;
  const float* code_weights_ = nullptr;
  Capacity size_, capacity_;
  bool is_fixed_ = false, fixed_weights_ = false;
};

// Which sequences go into which batch of an epoch.
struct EpochOptions {
  std::int64_t batch_rows = 0;  // at most this many rows a batch (one longer sequence stands alone), or
  std::int64_t batch_size = 0;  // at most this many sequences a batch; exactly one of the two is set
  std::uint64_t seed = 0;       // of the shuffle
  std::uint64_t epoch = 0;      // each is shuffled in its own way
  bool shuffle = true;          // false: in the given order, for prediction
};

// Shuffled by (seed, epoch), grouped so that sequences of like length meet, batches in shuffled order.
// lengths [patients]; each returned batch holds indices into it; every index occurs exactly once. Throws
// Error(invalid_argument) unless exactly one of batch_rows and batch_size is above 0.
std::vector<std::vector<std::int32_t>> plan_epoch(std::span<const std::int32_t> lengths,
                                                  const EpochOptions& options);

}  // namespace ragtime
