// cuda/runtime/rnn.hpp on the CPU: the cpu backend's LSTM, given cuDNN's arrays: rows in the packed layout,
// weights gate by gate in a weight space with gaps, a reserve that backward spoils.

#include "cuda/runtime/rnn.hpp"

#include <cstring>

#include "cuda/arch/arch.cuh"
#include "cuda/support/element.hpp"
#include "host/base/check.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

using Floats = std::vector<float>;

constexpr std::int64_t gap = 5;  // elements behind each piece
constexpr std::size_t work_bytes = 128;

LstmDesc describe(const RnnDesc& desc) {
  LstmDesc lstm;
  lstm.dtype = DType::f32;
  lstm.input_size = desc.input_size;
  lstm.hidden_size = desc.hidden_size;
  lstm.num_layers = desc.num_layers;
  lstm.bidirectional = desc.directions == 2;
  lstm.bias = desc.bias;
  lstm.proj_size = desc.proj_size;
  lstm.training = desc.training;
  lstm.capacity = {desc.sequences, desc.sequences * desc.steps, 0, desc.steps};
  return lstm;
}

Floats load(DType dtype, const void* from, std::int64_t count) {
  Floats values(static_cast<std::size_t>(count));
  with_element(dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < count; ++i)
      values[static_cast<std::size_t>(i)] = arch::to_float(static_cast<const T*>(from)[i]);
  });
  return values;
}

void store(DType dtype, const Floats& values, void* to) {
  if (to == nullptr) return;
  with_element(dtype, [&]<class T>() {
    for (std::size_t i = 0; i < values.size(); ++i) static_cast<T*>(to)[i] = arch::from_float<T>(values[i]);
  });
}

// A batch of sorted lengths for the cpu backend.
struct Sorted {
  explicit Sorted(const RnnLengths& lengths)
      : layout(RaggedLayout::from_lengths({lengths.host, static_cast<std::size_t>(lengths.sequences)})),
        counts{layout.sequences(), layout.rows(), 0, layout.steps()} {
    check(layout.steps() == lengths.steps, ErrorCode::invalid_argument, "steps is ", lengths.steps,
          ": expected ", layout.steps());
    for (std::int32_t b = 0; b < layout.sequences(); ++b)
      check(layout.order[static_cast<std::size_t>(b)] == b && lengths.device[b] == lengths.host[b],
            ErrorCode::invalid_argument, "lengths[", b, "] is out of order or differs on the device");
  }
  RaggedView view() const {
    RaggedView view;
    view.counts = counts;
    view.visit_offsets = layout.visit_offsets.data();
    view.order = layout.order.data();
    view.inverse_order = layout.inverse_order.data();
    view.batch_sizes = layout.batch_sizes.data();
    return view;
  }
  // Packed row of each ragged row.
  std::vector<std::int64_t> packed() const {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(layout.rows()));
    std::int64_t row = 0;
    for (std::int32_t t = 0; t < layout.steps(); ++t)
      for (std::int32_t b = 0; b < layout.batch_sizes[static_cast<std::size_t>(t)]; ++b)
        rows[static_cast<std::size_t>(layout.visit_offsets[static_cast<std::size_t>(b)] + t)] = row++;
    return rows;
  }
  Floats ragged(const Floats& values, std::int64_t width) const {
    Floats result(values.size());
    const auto rows = packed();
    for (std::size_t n = 0; n < rows.size(); ++n)
      std::copy_n(values.begin() + rows[n] * width, width,
                  result.begin() + static_cast<std::int64_t>(n) * width);
    return result;
  }
  Floats packed(const Floats& values, std::int64_t width) const {
    Floats result(values.size());
    const auto rows = packed();
    for (std::size_t n = 0; n < rows.size(); ++n)
      std::copy_n(values.begin() + static_cast<std::int64_t>(n) * width, width,
                  result.begin() + rows[n] * width);
    return result;
  }

  RaggedLayout layout;
  std::int32_t counts[4];
};

}  // namespace

struct Rnn::State {
  explicit State(const RnnDesc& description)
      : desc(description), plan(make_backend("cpu"), describe(description)) {
    check(!desc.padded && desc.algorithm == RnnAlgorithm::standard, ErrorCode::unsupported,
          "the emulation has packed rows and the standard algorithm only");
    for (std::int64_t slot = 0; slot < slots(); ++slot)
      for (int weight = 0; weight < 5; ++weight) {
        const std::int64_t size = rnn_weight_size(desc, slot, weight), parts = weight == 4 ? 1 : 4;
        for (std::int64_t part = 0; part < parts && size > 0; ++part) {
          pieces.push_back({slot, weight, part * (size / parts), size / parts, weight_bytes});
          weight_bytes += static_cast<std::size_t>(size / parts + gap) * size_of(desc.dtype);
        }
      }
  }

  std::int64_t slots() const { return desc.num_layers * desc.directions; }
  std::int64_t width() const { return desc.proj_size > 0 ? desc.proj_size : desc.hidden_size; }
  std::int64_t output() const { return desc.directions * width(); }

  // Arrays for five weights a slot, as pointers into `arrays`; of size 0: null.
  template <class Pointers>
  std::vector<Pointers> pointers(std::vector<Floats>& arrays) const {
    const auto at = [&](std::size_t i) { return arrays[i].empty() ? nullptr : arrays[i].data(); };
    std::vector<Pointers> all;
    for (std::size_t i = 0; i < arrays.size(); i += 5)
      all.push_back({at(i), at(i + 1), at(i + 2), at(i + 3), at(i + 4)});
    return all;
  }
  std::vector<Floats> weight_arrays() const {
    std::vector<Floats> arrays;
    for (std::int64_t slot = 0; slot < slots(); ++slot)
      for (int weight = 0; weight < 5; ++weight)
        arrays.emplace_back(static_cast<std::size_t>(rnn_weight_size(desc, slot, weight)));
    return arrays;
  }
  std::vector<Floats> weights_in(const void* space) const {
    std::vector<Floats> arrays = weight_arrays();
    for (const RnnPiece& piece : pieces) {
      const Floats all =
          load(desc.dtype, static_cast<const std::byte*>(space) + piece.offset, piece.count + gap);
      std::copy_n(all.begin(), piece.count,
                  arrays[static_cast<std::size_t>(piece.slot * 5 + piece.weight)].begin() + piece.first);
      for (std::int64_t i = piece.count; i < piece.count + gap; ++i)
        check(all[static_cast<std::size_t>(i)] == 0, ErrorCode::invalid_argument,
              "the weight space holds something between two weights: expected 0");
    }
    return arrays;
  }

  RnnDesc desc;
  LstmPlan plan;
  std::vector<RnnPiece> pieces;
  std::size_t weight_bytes = 0;
};

Rnn::Rnn(const RnnDesc& desc) : state_(std::make_unique<State>(desc)) {}
Rnn::~Rnn() = default;
Rnn::Rnn(Rnn&&) noexcept = default;
Rnn& Rnn::operator=(Rnn&&) noexcept = default;

std::size_t Rnn::weight_bytes() const {
  return state_->weight_bytes;
}
std::size_t Rnn::workspace_bytes() const {
  return work_bytes;
}
std::size_t Rnn::reserve_bytes() const {
  return state_->plan.reserve_bytes();
}
const std::vector<RnnPiece>& Rnn::pieces() const {
  return state_->pieces;
}

void Rnn::forward(const RnnForward& args, Stream) const {
  const State& state = *state_;
  const RnnDesc& desc = state.desc;
  const Sorted batch(args.lengths);
  const std::int64_t rows = batch.layout.rows(), sequences = batch.layout.sequences();
  std::vector<Floats> arrays = state.weights_in(args.weights);
  const auto weights = state.pointers<LstmWeights>(arrays);
  const auto given = [&](const void* states, std::int64_t width) {
    return states == nullptr ? Floats{} : load(desc.dtype, states, state.slots() * sequences * width);
  };
  const Floats x = batch.ragged(load(desc.dtype, args.x, rows * desc.input_size), desc.input_size);
  const Floats h0 = given(args.h0, state.width()), c0 = given(args.c0, desc.hidden_size);
  Floats y(static_cast<std::size_t>(rows * state.output()));
  Floats h_n(static_cast<std::size_t>(state.slots() * sequences * state.width()));
  Floats c_n(static_cast<std::size_t>(state.slots() * sequences * desc.hidden_size));
  std::vector<std::byte> workspace(state.plan.workspace_bytes());
  std::memset(args.workspace, 0xFF, work_bytes);

  LstmForward forward;
  forward.batch = batch.view();
  forward.x = x.data();
  forward.weights = weights.data();
  forward.h0 = h0.empty() ? nullptr : h0.data();
  forward.c0 = c0.empty() ? nullptr : c0.data();
  forward.y = y.data();
  forward.h_n = h_n.data();
  forward.c_n = c_n.data();
  forward.workspace = workspace.data();
  forward.reserve = args.reserve;
  state.plan.forward(forward);
  store(desc.dtype, batch.packed(y, state.output()), args.y);
  store(desc.dtype, h_n, args.h_n);
  store(desc.dtype, c_n, args.c_n);
}

void Rnn::backward(const RnnBackward& args, Stream) const {
  const State& state = *state_;
  const RnnDesc& desc = state.desc;
  const Sorted batch(args.lengths);
  const std::int64_t rows = batch.layout.rows(), sequences = batch.layout.sequences();
  std::vector<Floats> arrays = state.weights_in(args.weights), gradient_arrays = state.weight_arrays();
  const auto weights = state.pointers<LstmWeights>(arrays);
  const auto gradients = state.pointers<LstmGradients>(gradient_arrays);
  const auto in_rows = [&](const void* values, std::int64_t width) {
    return batch.ragged(load(desc.dtype, values, rows * width), width);
  };
  const auto given = [&](const void* states, std::int64_t width) {
    return states == nullptr ? Floats{} : load(desc.dtype, states, state.slots() * sequences * width);
  };
  const auto pointer = [](const Floats& values) { return values.empty() ? nullptr : values.data(); };
  const Floats x = in_rows(args.x, desc.input_size), y = in_rows(args.y, state.output());
  const Floats d_y = in_rows(args.d_y, state.output());
  const Floats h0 = given(args.h0, state.width()), c0 = given(args.c0, desc.hidden_size);
  const Floats d_h_n = given(args.d_h_n, state.width()), d_c_n = given(args.d_c_n, desc.hidden_size);
  Floats d_x(x.size());
  Floats d_h0(static_cast<std::size_t>(state.slots() * sequences * state.width()));
  Floats d_c0(static_cast<std::size_t>(state.slots() * sequences * desc.hidden_size));
  std::vector<std::byte> workspace(state.plan.workspace_bytes());
  std::memset(args.workspace, 0xFF, work_bytes);

  LstmBackward backward;
  backward.batch = batch.view();
  backward.x = x.data();
  backward.weights = weights.data();
  backward.h0 = pointer(h0);
  backward.c0 = pointer(c0);
  backward.y = y.data();
  backward.d_y = d_y.data();
  backward.d_h_n = pointer(d_h_n);
  backward.d_c_n = pointer(d_c_n);
  backward.d_x = d_x.data();
  backward.d_h0 = d_h0.data();
  backward.d_c0 = d_c0.data();
  backward.gradients = gradients.data();
  backward.workspace = workspace.data();
  backward.reserve = args.reserve;
  state.plan.backward(backward);
  std::memset(args.reserve, 0xFF, state.plan.reserve_bytes());
  store(desc.dtype, batch.packed(d_x, desc.input_size), args.d_x);
  store(desc.dtype, d_h0, args.d_h0);
  store(desc.dtype, d_c0, args.d_c0);
  if (args.d_weights == nullptr) return;
  std::memset(args.d_weights, 0xFF, state.weight_bytes);
  for (const RnnPiece& piece : state.pieces) {
    const Floats& all = gradient_arrays[static_cast<std::size_t>(piece.slot * 5 + piece.weight)];
    store(desc.dtype, Floats(all.begin() + piece.first, all.begin() + piece.first + piece.count),
          static_cast<std::byte*>(args.d_weights) + piece.offset);
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
