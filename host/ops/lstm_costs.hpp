#pragma once

// What the LSTM's cost model reckons with. No number here was measured: all are estimates for a GPU of
// compute capability 9.0 at 1.75 GHz, until `ragtime info --measure` puts what it found on the device in
// their place.
//
// From what:
//   design    the step-time budget that the kernels were designed by: 700 cycles for a step of backward at
//             H = 256, C = 8, S = 8, of which wake 35, sums 85, cell 75, barrier 30, product 200-250, sends
//             30, hop 230; a step in one block 0.25-0.5 us, in a cluster 0.4-0.7 us
//   paper     data sheets: 989 TFLOP/s of dense bf16, 3.35 TB/s, 128 bytes a cycle of shared memory; and that
//             mma.sync reaches about 60 % of the first
//   guess     the order of magnitude

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>

#include "ragtime/types.hpp"

namespace ragtime {

// A kernel of the persistent algorithm, as its measured steps are kept.
struct LstmKernelKey {
  bool backward = false;
  DType dtype = DType::bf16;  // f32: products in tf32
  int hidden = 0;             // Hp
  int cluster = 0;            // C
  int slots = 0;              // S

  friend bool operator<(const LstmKernelKey& a, const LstmKernelKey& b) {
    return std::tie(a.backward, a.dtype, a.hidden, a.cluster, a.slots) <
           std::tie(b.backward, b.dtype, b.hidden, b.cluster, b.slots);
  }
};

struct LstmCosts {
  // Persistent, of one step: how they are put together says cuda/lstm/choice/model.hpp.
  double step_ns = 115;          // waking, cell, sends: all that is not below (design: about 200 cycles)
  double backward_step_ns = 50;  // what backward adds: partial sums and a barrier (design: 85 + 30 cycles,
                                 // of which some overlap)
  double exchange_ns_1 = 20;     // C = 1: a barrier of the block (design: 30 cycles)
  double exchange_ns_2 = 115;    // C = 2: a hop (guess, from the next but one)
  double exchange_ns_4 = 120;    // C = 4 (guess)
  double exchange_ns_8 = 130;    // C = 8 (design: 230 cycles)
  double exchange_ns_16 = 150;   // C = 16 (guess)
  double mma_latency_ns = 10;    // per k step of a warp's chain: half of mma's 33 cycles, as two chains run
                                 // beside each other (design: 200-250 cycles at 16 k steps)
  double mma_ns = 0.9;           // of a block, per mma with 32 bytes of k while its warps keep the tensor
                                 // cores busy (paper: 1.6 cycles)
  double shared_bytes_per_ns = 220;   // of a block (paper)
  double network_bytes_per_ns = 25;   // received by a block from its cluster (design: 14 bytes a cycle)
  double block_bytes_per_ns = 100;    // between a block and device memory (guess: 64 bytes a cycle)
  double device_bytes_per_ns = 3000;  // between all blocks and device memory (paper, 90 %)
  double launch_us = 6;               // of a launch, with filling registers and starting clusters (guess)

  // Stepwise.
  double stepwise_launch_us = 2.2;        // of a kernel or a product that waits for the one before (guess)
  double stepwise_flops_per_ns = 200000;  // of a step's products (guess: 20 % of the data sheet)
  double stepwise_weight_bytes_per_ns = 4000;  // rereading the recurrent weights, from L2 (guess)

  // Persistent, where the cluster is a group that exchanges through memory.
  double group_exchange_ns = 2000;  // in place of exchange_ns: stores, a flag, its poll and loads, each to
                                    // the second-level cache and back (guess)
  double group_block_bytes_per_ns = 90;  // between a block and that cache (guess: 52 of 64 bytes a cycle)
  double group_bytes_per_ns = 5000;      // between all blocks and that cache (guess)

  // What steps of kernels were measured to take, in ns, with as many clusters at work as fit. It stands for
  // the sum of the above; what device memory takes still counts where that is more.
  std::map<LstmKernelKey, double> measured_step_ns;

  std::string source = "estimated, not measured on this device";  // one line for a person
};

// Bytes of device memory that a unit of a row takes in a pass, beside the weights; stepwise takes both sides
// of the gates, or their gradients, through memory besides.
inline double lstm_row_bytes(DType dtype, bool backward, bool training) {
  const double element = static_cast<double>(size_of(dtype)), gates = 4 * element, one = sizeof(float);
  if (backward) return gates + 2 * one + element + gates;             // c of two steps
  return 4 * one + element + (training ? gates + one + element : 0);  // h of the step before
}
inline double lstm_stepwise_row_bytes(DType dtype, bool backward, bool training) {
  return lstm_row_bytes(dtype, backward, training) + 8 * sizeof(float);
}

// Where the costs of a device are kept; device: Backend::description(). Throws Error(io_error) when the
// environment names no folder.
std::filesystem::path lstm_costs_file(const std::string& device);

// From the file where there is one that can be read, with defaults for what it does not tell, else the
// defaults; `source` says which, and what was wrong. Reads once a process and device.
const LstmCosts& lstm_costs_of(const std::string& device);
LstmCosts read_lstm_costs(const std::string& device);  // what its first call does

// The file's content: what measure_lstm measures. Reading throws Error(parse_error) with the path on what is
// no such content, and on what another device or version of the library wrote.
std::string lstm_costs_to_text(const LstmCosts& costs, const std::string& device);
LstmCosts lstm_costs_from_text(const std::string& path, const std::string& text, const std::string& device);

}  // namespace ragtime
