#pragma once

// The weights of an LSTM's layers and directions, or their gradients, out of the structs of the C API.

#include <cstdio>
#include <vector>

#include "host/c_api/tensor.hpp"
#include "ragtime/lstm.hpp"

namespace ragtime::c_api {

// Pointers: LstmWeights or LstmGradients [L*D]; null for null. Valid until the thread's next call: its memory
// is kept, so that a run takes none. What of desc is not of shapes does not matter.
template <class Pointers>
const Pointers* read_weights(const TensorReader& read, const LstmDesc& desc,
                             const ragtime_lstm_weights* given, const char* name) {
  if (given == nullptr) return nullptr;
  thread_local std::vector<Pointers> pointers;
  pointers.resize(static_cast<std::size_t>(desc.num_layers * desc.directions()));
  const Extent gates{4 * desc.hidden_size}, h{desc.output_size()};
  for (std::size_t i = 0; i < pointers.size(); ++i) {
    const Extent in{desc.layer_input(static_cast<std::int64_t>(i) / desc.directions())};
    const auto get = [&](const ragtime_tensor* tensor, const char* member,
                         std::initializer_list<Extent> shape) {
      char place[64];
      std::snprintf(place, sizeof(place), "%s[%zu].%s", name, i, member);
      return read(tensor, place, shape);
    };
    pointers[i].weight_ih = get(given[i].weight_ih, "weight_ih", {gates, in});
    pointers[i].weight_hh = get(given[i].weight_hh, "weight_hh", {gates, h});
    pointers[i].bias_ih = get(given[i].bias_ih, "bias_ih", {gates});
    pointers[i].bias_hh = get(given[i].bias_hh, "bias_hh", {gates});
    pointers[i].weight_hr = get(given[i].weight_hr, "weight_hr", {h, {desc.hidden_size}});
  }
  return pointers.data();
}

}  // namespace ragtime::c_api
