#pragma once

// cuDNN's LSTM over the setups of ours.

#include <memory>
#include <string>
#include <vector>

#include "benchmarks/cases/lstm_setup.hpp"

namespace ragtime::benchmarks {

struct CudnnChoice {
  std::string algorithm;
  bool padded, full;
  std::string name() const {
    return "cudnn_" + algorithm + (!padded ? "_packed" : full ? "_padded_full" : "_padded");
  }
};

std::vector<CudnnChoice> cudnn_choices();

// Throws Error(unsupported) where there is no cuDNN or it refuses.
std::unique_ptr<Work> make_cudnn_lstm(const std::shared_ptr<Backend>& backend,
                                      std::shared_ptr<const LstmSetup> setup, const CudnnChoice& choice,
                                      bool backward);

}  // namespace ragtime::benchmarks
