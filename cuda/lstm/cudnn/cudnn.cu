// The `cudnn` algorithm: cuDNN's own LSTM on packed rows (CUDNN_RNN_ALGO_STANDARD), as an oracle, a peer, and
// a choice where it wins.
//
// A run copies the weights into cuDNN's weight space, the rows into the packed layout and the states into its
// order, calls cuDNN, and brings back what it gave. cuDNN writes into the reserve on the way back; ours is as
// forward left it after any number of backwards, so it is given a copy. Sequences without rows never reach
// it. A capture holds for one profile of lengths, which cuDNN keeps on the host.

#include "cuda/lstm/cudnn/cudnn.cuh"

#include <mutex>
#include <vector>

#include "cuda/layout/layout.cuh"
#include "cuda/operations.hpp"
#include "cuda/runtime/rnn.hpp"
#include "cuda/support/element.hpp"
#include "cuda/support/enqueue.cuh"
#include "host/runtime/capacity.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

constexpr std::size_t cudnn_alignment = 256;

// Bytes for cuDNN, at its alignment whatever that of the workspace is; null while sizing.
std::byte* take_aligned(Carver& carver, std::size_t bytes) {
  std::byte* const piece = carver.take<std::byte>(static_cast<std::int64_t>(bytes + cudnn_alignment));
  const auto address = reinterpret_cast<std::uintptr_t>(piece);
  return piece == nullptr ? nullptr : piece + (cudnn_alignment - address % cudnn_alignment) % cudnn_alignment;
}

RnnDesc describe(const LstmDesc& desc) {
  RnnDesc rnn;
  rnn.dtype = desc.dtype;
  rnn.input_size = desc.input_size;
  rnn.hidden_size = desc.hidden_size;
  rnn.proj_size = desc.proj_size;
  rnn.num_layers = desc.num_layers;
  rnn.directions = desc.directions();
  rnn.bias = desc.bias;
  rnn.training = desc.training;
  rnn.tf32 = desc.tf32;
  rnn.sequences = desc.capacity.sequences;
  rnn.rows = desc.capacity.rows;
  rnn.steps = desc.capacity.steps;
  return rnn;
}

// The members of LstmWeights and of LstmGradients, in the order of RnnPiece::weight.
template <class Pointers>
auto pointer_of(const Pointers& own, int weight) {
  switch (weight) {
    case 0:
      return own.weight_ih;
    case 1:
      return own.weight_hh;
    case 2:
      return own.bias_ih;
    case 3:
      return own.bias_hh;
    default:
      return own.weight_hr;
  }
}

// What the host knows of a batch.
struct HostBatch {
  std::int64_t sequences, with_rows, rows, steps;
};

template <class T>
class LstmCudnn final : public LstmOperation {
 public:
  LstmCudnn(const LstmDesc& desc, LstmChoice choice)
      : desc_(desc), choice_(std::move(choice)), rnn_desc_(describe(desc)), rnn_(rnn_desc_) {
    lengths_.reserve(static_cast<std::size_t>(desc.capacity.sequences));
    std::size_t covered = 0;
    for (const RnnPiece& piece : rnn_.pieces()) covered += static_cast<std::size_t>(piece.count) * sizeof(T);
    gaps_ = covered != rnn_.weight_bytes();
  }

  std::size_t workspace_bytes() const override { return carve(nullptr).bytes; }
  std::size_t reserve_bytes() const override {
    return desc_.training ? rnn_.reserve_bytes() + cudnn_alignment : 0;
  }

  LstmChoice choice() const override { return choice_; }

  void forward(const LstmForward& args, Stream stream) const override {
    check(args.c_seq == nullptr, ErrorCode::unsupported,
          "c_seq is given: the cudnn algorithm does not tell c of every step; expected null or another "
          "algorithm");
    const std::lock_guard<std::mutex> one_at_a_time(busy_);
    const HostBatch batch = read(args.batch);
    const Pieces pieces = carve(args.workspace);
    if (batch.with_rows > 0) {
      begin(args.batch, batch, args.weights, pieces, stream);
      to_packed(args.batch, args.x, pieces.x, desc_.input_size, stream);
      const T* const h0 = sorted(args.batch, batch, args.h0, nullptr, pieces.h0, width(), stream);
      const T* const c0 = sorted(args.batch, batch, args.c0, nullptr, pieces.c0, desc_.hidden_size, stream);
      rnn_.forward({.lengths = lengths_of(batch, pieces),
                    .x = pieces.x,
                    .h0 = h0,
                    .c0 = c0,
                    .y = pieces.y,
                    .h_n = pieces.h_n,
                    .c_n = pieces.c_n,
                    .weights = pieces.weights,
                    .workspace = pieces.work,
                    .reserve = aligned(args.reserve)},
                   stream);
      to_ragged(args.batch, pieces.y, args.y, desc_.directions() * width(), stream);
    }
    unsort(args.batch, batch, width(),
           {pieces.h_n, typed(args.h0), nullptr, typed(args.h_n), typed(args.final_state)}, stream);
    unsort(args.batch, batch, desc_.hidden_size,
           {pieces.c_n, typed(args.c0), nullptr, typed(args.c_n), nullptr}, stream);
  }

  void backward(const LstmBackward& args, Stream stream) const override {
    const std::lock_guard<std::mutex> one_at_a_time(busy_);
    const HostBatch batch = read(args.batch);
    const Pieces pieces = carve(args.workspace);
    if (batch.with_rows > 0) {
      const std::int64_t output = desc_.directions() * width();
      begin(args.batch, batch, args.weights, pieces, stream);
      to_packed(args.batch, args.x, pieces.x, desc_.input_size, stream);
      to_packed(args.batch, args.y, pieces.y, output, stream);
      if (args.d_y == nullptr)
        zero(pieces.d_y, static_cast<std::size_t>(batch.rows * output) * sizeof(T), stream);
      else
        to_packed(args.batch, args.d_y, pieces.d_y, output, stream);
      const T* const h0 = sorted(args.batch, batch, args.h0, nullptr, pieces.h0, width(), stream);
      const T* const c0 = sorted(args.batch, batch, args.c0, nullptr, pieces.c0, desc_.hidden_size, stream);
      const T* const d_h_n =
          sorted(args.batch, batch, args.d_h_n, args.d_final_state, pieces.h_n, width(), stream);
      const T* const d_c_n =
          sorted(args.batch, batch, args.d_c_n, nullptr, pieces.c_n, desc_.hidden_size, stream);
      copy(pieces.reserve, aligned(args.reserve), rnn_.reserve_bytes(), CopyKind::on_device, stream);
      rnn_.backward({.lengths = lengths_of(batch, pieces),
                     .x = pieces.x,
                     .h0 = h0,
                     .c0 = c0,
                     .y = pieces.y,
                     .d_y = pieces.d_y,
                     .d_h_n = d_h_n,
                     .d_c_n = d_c_n,
                     .d_x = pieces.d_x,
                     .d_h0 = pieces.d_h0,
                     .d_c0 = pieces.d_c0,
                     .weights = pieces.weights,
                     .d_weights = args.gradients == nullptr ? nullptr : pieces.d_weights,
                     .workspace = pieces.work,
                     .reserve = pieces.reserve},
                    stream);
      if (args.d_x != nullptr) to_ragged(args.batch, pieces.d_x, args.d_x, desc_.input_size, stream);
    }
    unsort(args.batch, batch, width(),
           {pieces.d_h0, typed(args.d_h_n), typed(args.d_final_state), typed(args.d_h0), nullptr}, stream);
    unsort(args.batch, batch, desc_.hidden_size,
           {pieces.d_c0, typed(args.d_c_n), nullptr, typed(args.d_c0), nullptr}, stream);
    if (args.gradients != nullptr) take_gradients(args, batch.with_rows > 0, pieces, stream);
  }

 private:
  struct Pieces {
    std::int32_t* lengths;           // [A]
    std::byte *weights, *work;       // cuDNN's
    T *x, *y;                        // [N, input_size], [N, D*P], packed
    T *h0, *c0, *h_n, *c_n;          // [L*D, A, P or H]; on the way back h_n, c_n: their gradients
    std::byte *d_weights, *reserve;  // cuDNN's, from here on for backward
    T *d_x, *d_y, *d_h0, *d_c0;      // as x, y, h0, c0
    std::size_t bytes;
  };

  Pieces carve(void* workspace) const {
    const Capacity& capacity = desc_.capacity;
    const std::int64_t states = desc_.num_layers * desc_.directions() * capacity.sequences;
    Carver carver(workspace);
    const auto rows = [&](std::int64_t row_width) { return carver.take<T>(capacity.rows * row_width); };
    Pieces pieces{};
    pieces.lengths = carver.take<std::int32_t>(capacity.sequences);
    pieces.weights = take_aligned(carver, rnn_.weight_bytes());
    pieces.work = take_aligned(carver, rnn_.workspace_bytes());
    pieces.x = rows(desc_.input_size);
    pieces.y = rows(desc_.directions() * width());
    pieces.h0 = carver.take<T>(states * width());
    pieces.c0 = carver.take<T>(states * desc_.hidden_size);
    pieces.h_n = carver.take<T>(states * width());
    pieces.c_n = carver.take<T>(states * desc_.hidden_size);
    if (desc_.training) {
      pieces.d_weights = take_aligned(carver, rnn_.weight_bytes());
      pieces.reserve = take_aligned(carver, rnn_.reserve_bytes());
      pieces.d_x = rows(desc_.input_size);
      pieces.d_y = rows(desc_.directions() * width());
      pieces.d_h0 = carver.take<T>(states * width());
      pieces.d_c0 = carver.take<T>(states * desc_.hidden_size);
    }
    pieces.bytes = carver.bytes();
    return pieces;
  }

  // reserve_bytes() has room for it.
  std::byte* aligned(const void* reserve) const {
    if (!desc_.training) return nullptr;
    Carver carver(reserve);
    return take_aligned(carver, rnn_.reserve_bytes());
  }

  std::int64_t width() const { return desc_.output_size(); }
  static const T* typed(const void* pointer) { return static_cast<const T*>(pointer); }
  static T* typed(void* pointer) { return static_cast<T*>(pointer); }

  // Checks the batch and takes the lengths of its sequences, longest first, into lengths_.
  HostBatch read(const RaggedView& batch) const {
    check_host_batch(batch, desc_.capacity);
    const HostBatch host{batch.host_counts[0], 0, batch.host_counts[1], batch.host_counts[3]};
    HostBatch result = host;
    if (host.steps > 0) result.with_rows = batch.host_batch_sizes[0];
    lengths_.assign(static_cast<std::size_t>(result.with_rows), 0);
    // From the last step on: those alive there and not later have that many rows.
    std::int32_t done = 0;
    for (std::int64_t t = host.steps - 1; t >= 0; --t)
      for (; done < batch.host_batch_sizes[t]; ++done)
        lengths_[static_cast<std::size_t>(done)] = static_cast<std::int32_t>(t + 1);
    return result;
  }

  RnnLengths lengths_of(const HostBatch& batch, const Pieces& pieces) const {
    return {lengths_.data(), pieces.lengths, batch.with_rows, batch.steps};
  }

  // Lengths on the device and weights in cuDNN's weight space.
  void begin(const RaggedView& batch, const HostBatch& host, const LstmWeights* weights, const Pieces& pieces,
             Stream stream) const {
    enqueue(config("sorted_lengths", host.with_rows, stream), sorted_lengths, batch, host.with_rows,
            pieces.lengths);
    if (gaps_) zero(pieces.weights, rnn_.weight_bytes(), stream);
    for (const RnnPiece& piece : rnn_.pieces())
      copy(pieces.weights + piece.offset, typed(pointer_of(weights[piece.slot], piece.weight)) + piece.first,
           static_cast<std::size_t>(piece.count) * sizeof(T), CopyKind::on_device, stream);
  }

  void take_gradients(const LstmBackward& args, bool any, const Pieces& pieces, Stream stream) const {
    if (!any && args.accumulate) return;
    for (const RnnPiece& piece : rnn_.pieces()) {
      T* to = typed(pointer_of(args.gradients[piece.slot], piece.weight));
      if (to == nullptr) continue;
      to += piece.first;
      const std::size_t bytes = static_cast<std::size_t>(piece.count) * sizeof(T);
      const T* const from = reinterpret_cast<const T*>(pieces.d_weights + piece.offset);
      if (!any)
        zero(to, bytes, stream);
      else if (!args.accumulate)
        copy(to, from, bytes, CopyKind::on_device, stream);
      else
        enqueue(config("add_elements", piece.count, stream), add_elements<T>, from, to, piece.count);
    }
  }

  void to_packed(const RaggedView& batch, const void* from, void* to, std::int64_t row_width,
                 Stream stream) const {
    convert(batch, Layout::ragged, from, Layout::packed, to, row_width, stream);
  }
  void to_ragged(const RaggedView& batch, const void* from, void* to, std::int64_t row_width,
                 Stream stream) const {
    convert(batch, Layout::packed, from, Layout::ragged, to, row_width, stream);
  }
  void convert(const RaggedView& batch, Layout from, const void* source, Layout to, void* target,
               std::int64_t row_width, Stream stream) const {
    const LayoutArgs args{batch,  from,           to,
                          source, target,         row_width * static_cast<std::int64_t>(sizeof(T)),
                          0,      desc_.capacity, {}};
    const arch::LaunchResult result = convert_layout_of(args, stream);
    check(result.ok(), ErrorCode::device_error, "launching convert_layout failed: ", result.text);
  }

  StateShape shape_of(const RaggedView& batch, const HostBatch& host, std::int64_t state_width) const {
    return {batch.order,        desc_.num_layers * desc_.directions(),
            desc_.directions(), host.sequences,
            host.with_rows,     state_width};
  }

  // Null stays null, which cuDNN takes for zeros too.
  const T* sorted(const RaggedView& batch, const HostBatch& host, const void* states, const void* final,
                  T* to, std::int64_t state_width, Stream stream) const {
    if (states == nullptr && final == nullptr) return nullptr;
    const StateShape shape = shape_of(batch, host, state_width);
    enqueue(config("sort_states", shape.slots * shape.with_rows * state_width, stream), sort_states<T>, shape,
            typed(states), typed(final), to);
    return to;
  }

  void unsort(const RaggedView& batch, const HostBatch& host, std::int64_t state_width,
              const UnsortedStates<T>& states, Stream stream) const {
    if (states.states == nullptr && states.final == nullptr) return;
    const StateShape shape = shape_of(batch, host, state_width);
    const std::int64_t count = shape.slots * shape.sequences * state_width;
    if (count > 0) enqueue(config("unsort_states", count, stream), unsort_states<T>, shape, states);
  }

  arch::LaunchConfig config(const char* name, std::int64_t elements, Stream stream) const {
    return {.name = name,
            .grid = {blocks_for(elements, LstmCudnnTuning::threads)},
            .block = {LstmCudnnTuning::threads},
            .stream = stream.handle};
  }

  LstmDesc desc_;
  LstmChoice choice_;
  RnnDesc rnn_desc_;
  Rnn rnn_;
  bool gaps_ = false;  // the weight space has bytes that are no weight's
  mutable std::mutex busy_;
  mutable std::vector<std::int32_t> lengths_;  // [A] of the run under way, longest first
};

}  // namespace

std::unique_ptr<LstmOperation> make_lstm_cudnn(const LstmDesc& desc, LstmChoice choice) {
  check(desc.dropout == 0 || desc.num_layers == 1 || !desc.training, ErrorCode::unsupported, "dropout is ",
        desc.dropout,
        ": the cudnn algorithm has masks of its own between layers; expected 0, or another algorithm");
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<LstmOperation> {
    return std::make_unique<LstmCudnn<T>>(desc, std::move(choice));
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
