#include "host/cpu/lstm.hpp"

#include "host/runtime/capacity.hpp"

namespace ragtime::cpu {

template <class T>
LstmCpu<T>::LstmCpu(const LstmDesc& desc)
    : desc_(desc),
      directions_(desc.directions()),
      hidden_(desc.hidden_size),
      projected_(desc.output_size()),
      widest_input_(desc.num_layers > 1 ? std::max(desc.input_size, desc.layer_input(1)) : desc.input_size),
      drops_(desc.training && desc.dropout > 0 && desc.num_layers > 1) {
  Carver forward(nullptr), backward(nullptr), reserve(nullptr);
  carve_forward(forward);
  if (desc_.training) {
    carve_backward(backward);
    for (std::int64_t layer = 0; layer < desc_.num_layers; ++layer) carve_reserve(reserve, layer);
  }
  workspace_bytes_ = std::max(forward.bytes(), backward.bytes());
  reserve_bytes_ = reserve.bytes();
}

template <class T>
LstmChoice LstmCpu<T>::choice() const {
  LstmChoice choice;
  choice.reason = "the CPU has one algorithm";
  return choice;
}

template <class T>
void LstmCpu<T>::check_batch(const RaggedView& batch) const {
  check_batch_fits(batch.counts, desc_.capacity);
  check_fits(batch.counts[3], desc_.capacity.steps, "steps");
}

template <class T>
typename LstmCpu<T>::Walk LstmCpu<T>::carve_walk(Carver& carver) const {
  const std::int64_t sequences = desc_.capacity.sequences;
  Walk walk;
  walk.h = carver.take<T>(sequences * projected_);
  walk.c = carver.take<T>(sequences * hidden_);
  walk.gates = carver.take<T>(sequences * 4 * hidden_);
  walk.unprojected = carver.take<T>(sequences * hidden_);
  return walk;
}

template <class T>
typename LstmCpu<T>::Workspace LstmCpu<T>::carve_forward(Carver& carver) const {
  const std::int64_t rows = desc_.capacity.rows;
  Workspace work;
  for (std::int64_t d = 0; d < directions_; ++d) {
    work.packed_ih[d] = carver.take<T>(packed_size<T>(widest_input_, 4 * hidden_));
    work.packed_hh[d] = carver.take<T>(packed_size<T>(projected_, 4 * hidden_));
    if (desc_.proj_size > 0) work.packed_hr[d] = carver.take<T>(packed_size<T>(hidden_, projected_));
    if (desc_.bias) work.bias[d] = carver.take<T>(4 * hidden_);
    work.walk[d] = carve_walk(carver);
    if (!desc_.training) work.gates[d] = carver.take<T>(rows * 4 * hidden_);
  }
  // In training layer outputs live in the reserve; the input of the next layer after dropout needs a place of
  // its own.
  if (!desc_.training && desc_.num_layers > 1) work.layer_y = carver.take<T>(rows * directions_ * projected_);
  if (drops_) work.dropped = carver.take<T>(rows * directions_ * projected_);
  return work;
}

template <class T>
typename LstmCpu<T>::Workspace LstmCpu<T>::carve_backward(Carver& carver) const {
  const std::int64_t rows = desc_.capacity.rows;
  Workspace work;
  for (std::int64_t d = 0; d < directions_; ++d) {
    work.packed_ih[d] = carver.take<T>(packed_size<T>(4 * hidden_, widest_input_));
    work.packed_hh[d] = carver.take<T>(packed_size<T>(4 * hidden_, projected_));
    if (desc_.proj_size > 0) work.packed_hr[d] = carver.take<T>(packed_size<T>(projected_, hidden_));
    work.walk[d] = carve_walk(carver);
    work.d_gates[d] = carver.take<T>(rows * 4 * hidden_);
    if (desc_.proj_size > 0) work.d_projected[d] = carver.take<T>(rows * projected_);
  }
  work.h_previous = carver.take<T>(rows * hidden_);
  work.packed_rows = carver.take<T>(packed_size<T>(rows, std::max(widest_input_, hidden_)));
  if (desc_.num_layers > 1) work.d_layer = carver.take<T>(rows * directions_ * projected_);
  if (drops_) work.dropped = carver.take<T>(rows * directions_ * projected_);
  return work;
}

template <class T>
typename LstmCpu<T>::Reserve LstmCpu<T>::carve_reserve(Carver& carver, std::int64_t layer) const {
  const std::int64_t rows = desc_.capacity.rows;
  Reserve reserve;
  for (std::int64_t d = 0; d < directions_; ++d) {
    reserve.saved[d].gates = carver.take<T>(rows * 4 * hidden_);
    reserve.saved[d].c = carver.take<T>(rows * hidden_);
  }
  if (layer + 1 < desc_.num_layers) reserve.y = carver.take<T>(rows * directions_ * projected_);
  return reserve;
}

template <class T>
void LstmCpu<T>::pack_layer(const LstmWeights* weights, std::int64_t layer, bool backward,
                            Workspace& work) const {
  const std::int64_t input = desc_.layer_input(layer), gates = 4 * hidden_;
  for (std::int64_t d = 0; d < directions_; ++d) {
    const LstmWeights& own = weights[layer * directions_ + d];
    const T* ih = static_cast<const T*>(own.weight_ih);
    const T* hh = static_cast<const T*>(own.weight_hh);
    const T* hr = static_cast<const T*>(own.weight_hr);
    if (backward) {
      pack_transposed(ih, input, gates, input, work.packed_ih[d]);
      pack_transposed(hh, projected_, gates, projected_, work.packed_hh[d]);
      if (desc_.proj_size > 0) pack_transposed(hr, hidden_, projected_, hidden_, work.packed_hr[d]);
      continue;
    }
    pack_weight(ih, gates, input, work.packed_ih[d]);
    pack_weight(hh, gates, projected_, work.packed_hh[d]);
    if (desc_.proj_size > 0) pack_weight(hr, projected_, hidden_, work.packed_hr[d]);
    if (desc_.bias)
      for (std::int64_t j = 0; j < gates; ++j)
        work.bias[d][j] = static_cast<const T*>(own.bias_ih)[j] + static_cast<const T*>(own.bias_hh)[j];
  }
}

template class LstmCpu<float>;
template class LstmCpu<double>;

std::unique_ptr<LstmOperation> make_lstm(const LstmDesc& desc) {
  check(desc.algorithm == LstmAlgorithm::automatic, ErrorCode::unsupported, "algorithm is ",
        name_of(desc.algorithm), ": expected automatic on the cpu backend");
  check(desc.cluster == 0, ErrorCode::unsupported, "cluster is ", desc.cluster,
        ": expected 0 on the cpu backend");
  check(desc.slots == 0, ErrorCode::unsupported, "slots is ", desc.slots, ": expected 0 on the cpu backend");
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<LstmOperation> {
    return std::make_unique<LstmCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
