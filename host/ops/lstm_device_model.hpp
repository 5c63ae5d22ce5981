#pragma once

// Devices that the LSTM's choice can be asked about without one.

#include <string_view>

#include "ragtime/lstm.hpp"

namespace ragtime {

// How many clusters of 1, 2, 4, 8 and 16 blocks are resident at once, where a multiprocessor holds one block.
// Of 132 multiprocessors not all stand where they can make clusters of 4 or more. Groups of blocks that
// exchange through memory may be anywhere.
struct LstmDeviceModel {
  const char* name;
  int resident_clusters[5];
};

inline constexpr LstmDeviceModel lstm_models[] = {
    {"h100", {132, 66, 32, 16, 8}},
    {"h200", {132, 66, 32, 16, 8}},
    {"a100", {108, 0, 0, 0, 0}},
};

// Throws what LstmPlan throws of a description that cannot be right on any backend.
void check_lstm_desc(const LstmDesc& desc);

#ifdef RAGTIME_CUDA_BACKEND
LstmChoice cuda_lstm_choice(const LstmDeviceModel& model, const LstmDesc& desc);  // cuda/make_backend.cu
#endif

}  // namespace ragtime
