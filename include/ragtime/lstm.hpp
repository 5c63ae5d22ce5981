#pragma once

// LSTM over ragged rows, the recurrence of Hochreiter and Schmidhuber (1997) with forget gates as PyTorch
// writes it:
//   i, f, o = sigmoid(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh),  g = tanh(the same)      gate order i, f, g, o
//   c_t = f c_{t-1} + i g,   h_t = o tanh(c_t),   with projection h_t = W_hr (o tanh(c_t))
// Every sequence runs over exactly its own rows.

#include <memory>
#include <string>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime {

// How the CUDA backend runs the recurrence; the CPU backend has its own way, which is what automatic means
// there.
enum class LstmAlgorithm : std::uint8_t {
  automatic,   // persistent or stepwise, whichever the cost model takes for faster
  stepwise,    // per step one product over the sequences still alive and one kernel; any size
  cudnn,       // cuDNN's own RNN; where the build and the machine have it
  persistent,  // one launch for all steps, weights on chip where they fit; no projection, no strict f32
};

const char* name_of(LstmAlgorithm algorithm);  // "automatic", "stepwise", "cudnn" or "persistent"

// An LSTM, as torch.nn.LSTM describes it, and how it is to be run. cluster and slots are 0 or of one of
// LstmChoice::cuts, else Error(unsupported).
struct LstmDesc {
  DType dtype = DType::f32;      // of everything below
  std::int64_t input_size = 0;   // of layer 0; 1 to 2^28 - 1
  std::int64_t hidden_size = 0;  // H; 1 to 2^28 - 1
  std::int64_t num_layers = 1;   // L; 1 to 1024
  bool bidirectional = false;    // D = 2
  bool bias = true;              // b_ih and b_hh are there
  std::int64_t proj_size = 0;    // P, less than H; 0: no projection, P = H below
  double dropout = 0;            // probability in [0, 1), between layers, at training
  bool training = true;          // false: backward is not offered, no reserve is needed, dropout is off
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;  // of the recurrence; on the CPU automatic
  // false: the reserve keeps h and c but no gates, a third of the memory; backward computes them again, by
  // two products over all rows. The CPU backend always keeps them.
  bool save_gates = true;
  bool tf32 = false;  // CUDA, f32: factors of products may be rounded to tf32
  int cluster = 0;    // persistent: thread blocks of a cluster; 0: chosen
  int slots = 0;      // persistent: sequences that a cluster runs at once; 0: chosen
  // persistent: every batch comes with host_counts, so no memory is kept for products over the capacity
  bool rows_on_host = false;
  Capacity capacity;  // sequences, rows, steps

  std::int64_t directions() const { return bidirectional ? 2 : 1; }                     // D
  std::int64_t output_size() const { return proj_size > 0 ? proj_size : hidden_size; }  // P
  // Columns of weight_ih of a layer, counted from 0.
  std::int64_t layer_input(std::int64_t layer) const {
    return layer == 0 ? input_size : directions() * output_size();
  }
};

// Device pointers to the weights of one layer and direction, PyTorch's names and shapes, of desc.dtype. What
// the plan does not have must be null.
struct LstmWeights {
  const void* weight_ih = nullptr;  // [4H, layer input]
  const void* weight_hh = nullptr;  // [4H, P]
  const void* bias_ih = nullptr;    // [4H], null without bias
  const void* bias_hh = nullptr;    // [4H], null without bias
  const void* weight_hr = nullptr;  // [P, H], null without projection
};

// Where the gradients of LstmWeights go; a null one is not computed.
struct LstmGradients {
  void* weight_ih = nullptr;  // [4H, layer input]
  void* weight_hh = nullptr;  // [4H, P]
  void* bias_ih = nullptr;    // [4H], null without bias
  void* bias_hh = nullptr;    // [4H], null without bias
  void* weight_hr = nullptr;  // [P, H], null without projection
};

// What a forward run reads and writes: device pointers to arrays of desc.dtype, row-major, unless it says
// host. No output may overlap another array.
struct LstmForward {
  RaggedView batch;         // within the capacity
  const void* x = nullptr;  // [N, input_size]
  // Host array [L*D] of device pointers: layer 0 forward, layer 0 reverse, layer 1 forward, ...
  const LstmWeights* weights = nullptr;
  const void* h0 = nullptr;     // [L*D, B, P] or null for zeros; sequences in their original order
  const void* c0 = nullptr;     // [L*D, B, H] or null for zeros
  void* y = nullptr;            // [N, D*P] h of the last layer, forward | reverse
  void* h_n = nullptr;          // [L*D, B, P] or null; sequences in their original order
  void* c_n = nullptr;          // [L*D, B, H] or null
  void* final_state = nullptr;  // [B, D*P] or null: h_n of the last layer, directions side by side
  void* c_seq = nullptr;        // [N, D*H] or null: c_t of the last layer
  DropoutKey dropout = {};      // site is that of layer 0's output; layer k uses site + k
  void* workspace = nullptr;    // [workspace_bytes()]
  void* reserve = nullptr;      // [reserve_bytes()] with desc.training: kept for backward
};

// What a backward run reads and writes: as LstmForward. A gradient that is null coming in counts as zeros,
// one that is null going out is not computed.
struct LstmBackward {
  RaggedView batch;                          // this and the next four as in forward
  const void* x = nullptr;                   // [N, input_size]
  const LstmWeights* weights = nullptr;      // host array [L*D]
  const void* h0 = nullptr;                  // [L*D, B, P] or null
  const void* c0 = nullptr;                  // [L*D, B, H] or null
  const void* y = nullptr;                   // [N, D*P] as forward wrote it
  const void* d_y = nullptr;                 // [N, D*P] or null
  const void* d_h_n = nullptr;               // [L*D, B, P] or null
  const void* d_c_n = nullptr;               // [L*D, B, H] or null
  const void* d_final_state = nullptr;       // [B, D*P] or null
  void* d_x = nullptr;                       // [N, input_size] or null
  void* d_h0 = nullptr;                      // [L*D, B, P] or null
  void* d_c0 = nullptr;                      // [L*D, B, H] or null
  const LstmGradients* gradients = nullptr;  // host array [L*D] or null; what is null inside is not computed
  bool accumulate = false;                   // add to the weight gradients instead of overwriting them
  DropoutKey dropout = {};                   // as in forward
  void* workspace = nullptr;                 // [workspace_bytes()]
  const void* reserve = nullptr;             // [reserve_bytes()] as forward left it
};

// How one pass runs, or could run, and what the cost model expects of that at the plan's capacity. Times
// leave out what all algorithms do alike: the products over all rows, before and after the recurrence.
struct LstmPassChoice {
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;  // that runs the pass
  // This and the next five are of the persistent algorithm, else 0.
  int hidden = 0;                // Hp, units of the kernel: H, and zeros behind them
  int cluster = 0;               // C, thread blocks of a cluster
  int slots = 0;                 // S, sequences that a cluster runs at once
  int clusters = 0;              // launched, of all directions together
  int threads = 0;               // of a block
  std::size_t shared_bytes = 0;  // of a block
  // Microseconds. This and the next two are 0 where nothing is known of the algorithm.
  double us_per_step = 0;
  std::int64_t steps = 0;  // of one layer, one after the other
  double us = 0;           // microseconds, of all layers
  // The blocks of a cluster are a group anywhere on the device, and exchange through memory; it needs no
  // clusters of the device, and holds more units than one of those.
  bool grid = false;
};

// What a description can ask for by LstmDesc::cluster and slots.
struct LstmCut {
  int cluster = 0;  // C
  int slots = 0;    // S
  friend bool operator==(const LstmCut&, const LstmCut&) = default;
};

// What a plan runs and why.
struct LstmChoice {
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;  // that runs; automatic on the CPU
  std::string reason;                                  // one line for a person
  LstmPassChoice forward;                              // how forward runs
  LstmPassChoice backward;                             // as it was made, without training
  // Whether a CUDA graph that captured a run may be replayed over any batch within the capacity; false: over
  // batches with the same host_counts and host_batch_sizes.
  bool graph_takes_any_batch = false;
  // All that was compared, the fastest first: every cut of the persistent algorithm that this description can
  // have, and stepwise.
  std::vector<LstmPassChoice> forward_options;
  std::vector<LstmPassChoice> backward_options;  // empty without training
  std::vector<LstmCut> cuts;                     // that can be forced: those which every pass of the plan has
  std::string costs;  // where the predictions come from, one line; empty where there are none
};

struct LstmOperation;

// An LSTM ready to run. A plan never changes: several threads may run it at once, each with a workspace and a
// reserve of its own.
class LstmPlan {
 public:
  // Throws Error(invalid_argument) on a description that cannot be right, Error(unsupported) on a dtype or an
  // algorithm the backend does not have, Error(out_of_memory) on sizes beyond any memory.
  LstmPlan(std::shared_ptr<Backend> backend, const LstmDesc& desc);
  ~LstmPlan();
  LstmPlan(LstmPlan&&) noexcept;
  LstmPlan& operator=(LstmPlan&&) noexcept;

  const LstmDesc& desc() const { return desc_; }  // as given
  std::size_t workspace_bytes() const;            // enough for forward and for backward
  std::size_t reserve_bytes() const;              // 0 without training
  LstmChoice choice() const;                      // what runs, and what else could
  // Queues a run on the stream. Throws Error(invalid_argument) on a null pointer that is needed, on weights
  // that this plan does not have, on a workspace or reserve not aligned to 16 bytes and on a dropout site at
  // which the last layer's would be beyond 65535, and Error(out_of_range) on a batch beyond the capacity,
  // where the host sees it. Then nothing is written.
  //
  // On CUDA, `stepwise` and `cudnn` launch step by step, and so need batch.host_counts and
  // batch.host_batch_sizes; a CUDA graph that captured a run holds for batches with the same ones.
  // `persistent` takes what host_counts there are to multiply no more rows than are in use, and where there
  // are none leaves everything to the device: such a graph holds for any batch within the capacity, and a
  // batch beyond it is reported to batch.status.
  void forward(const LstmForward& args, Stream stream = {}) const;
  // Queues the gradients of a forward run with the same arguments; what forward says holds here too. Throws
  // Error(unsupported) on a plan without training.
  void backward(const LstmBackward& args, Stream stream = {}) const;

 private:
  LstmDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<LstmOperation> operation_;
};

}  // namespace ragtime
