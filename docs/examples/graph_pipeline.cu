#include <cstdio>
#include <cstdlib>

#include "ragtime/lstm.hpp"
#include "ragtime/ragged_batch.hpp"
#include "reference.hpp"

#ifdef __CUDACC__
#define ANYWHERE __host__ __device__
#else
#define ANYWHERE
#endif

using namespace ragtime;

// Two steps of a pipeline of one's own, each a body that a thread runs for its number: before the LSTM one
// element of a row of x [N, E], out of whatever the device holds; after it one patient's risk, out of the
// state it ends with.
struct MakeRows {
  const std::int32_t* counts;  // the batch's: B, N, ..., of which the host need not know
  float* x;
  std::int64_t E;
  ANYWHERE void operator()(std::int64_t i) const {
    if (i / E < counts[1]) x[i] = sinf(0.1f * static_cast<float>(i / E + 1) * static_cast<float>(i % E + 1));
  }
};
struct Risk {
  const std::int32_t* counts;
  const float* final_state;  // [B, H]
  float* risk;               // [B]
  std::int64_t H;
  ANYWHERE void operator()(std::int64_t b) const {
    if (b >= counts[0]) return;
    float sum = 0;
    for (std::int64_t k = 0; k < H; ++k) sum += final_state[b * H + k];
    risk[b] = 1 / (1 + expf(-sum));
  }
};

#ifdef __CUDACC__
void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}

template <class Body>
__global__ void kernel(Body body, std::int64_t count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) body(i);
}
#endif

template <class Body>
void launch(const Backend& backend, const Body& body, std::int64_t count, Stream stream) {
#ifdef __CUDACC__
  if (backend.device() == DeviceType::cuda) {
    kernel<<<static_cast<unsigned>((count + 127) / 128), 128, 0, static_cast<cudaStream_t>(stream.handle)>>>(
        body, count);
    check(cudaGetLastError(), "launching a kernel");
    return;
  }
#endif
  (void)backend, (void)stream;
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

int main(int argc, char** argv) {
  // auto: CUDA where it is built in and a GPU answers, else the CPU.
  const auto backend = make_backend(argc > 1 ? argv[1] : "auto");
  const bool is_cuda = backend->device() == DeviceType::cuda;
#ifdef __CUDACC__
  const bool is_graph = is_cuda;
#else
  const bool is_graph = false;
#endif
  std::fprintf(stderr, "%s: %s\n", is_graph ? "as one graph" : "as calls", backend->description().c_str());
  constexpr std::int64_t E = 3, H = 8;
  const Capacity most = {.sequences = 4, .rows = 16, .steps = 8};

  const Weights weights = some_weights(E, H);
  const auto to_device = [&](const std::vector<float>& values) {
    Buffer memory(backend, values.size() * sizeof(float));
    backend->copy(memory.data(), values.data(), memory.bytes(), CopyKind::to_device);
    return memory;
  };
  const Buffer weight_ih = to_device(weights.weight_ih), weight_hh = to_device(weights.weight_hh),
               bias_ih = to_device(weights.bias_ih), bias_hh = to_device(weights.bias_hh);
  const LstmWeights layer = {weight_ih.data(), weight_hh.data(), bias_ih.data(), bias_hh.data(), nullptr};

  // The persistent algorithm asks nothing of the host, so one graph holds for batches of any lengths. It
  // multiplies in tf32, bf16 or f16: with tf32 about three digits of each factor.
  LstmDesc desc = {.input_size = E, .hidden_size = H, .training = false, .tf32 = true, .capacity = most};
  if (is_cuda) desc.algorithm = LstmAlgorithm::persistent;
  const double bound = is_cuda ? 1e-3 : 1e-6;
  const LstmPlan lstm(backend, desc);
  const Buffer x(backend, most.rows * E * sizeof(float)), y(backend, most.rows * H * sizeof(float)),
      final_state(backend, most.sequences * H * sizeof(float)), risk(backend, most.sequences * sizeof(float)),
      workspace(backend, lstm.workspace_bytes());
  DeviceBatch batch(backend);
  batch.fix(most);  // every array gets its place for good
  batch.load(RaggedLayout::from_lengths(std::vector<std::int32_t>{1}));
  backend->synchronize();

  const auto pipeline = [&](Stream stream) {
    const std::int32_t* counts = batch.view().counts;
    launch(*backend, MakeRows{counts, x.as<float>(), E}, most.rows * E, stream);
    LstmForward run;
    run.batch = batch.view();
    run.x = x.data();
    run.weights = &layer;
    run.y = y.data();
    run.final_state = final_state.data();
    run.workspace = workspace.data();
    lstm.forward(run, stream);
    launch(*backend, Risk{counts, final_state.as<float>(), risk.as<float>(), H}, most.sequences, stream);
  };

  const Stream stream = backend->make_stream();
#ifdef __CUDACC__
  cudaGraphExec_t graph = nullptr;
  const auto queue = static_cast<cudaStream_t>(stream.handle);
  if (is_cuda) {
    pipeline(stream);  // once before: what is opened and loaded at the first use cannot be captured
    backend->synchronize(stream);
    cudaGraph_t captured = nullptr;
    check(cudaStreamBeginCapture(queue, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    pipeline(stream);
    check(cudaStreamEndCapture(queue, &captured), "cudaStreamEndCapture");
    check(cudaGraphInstantiate(&graph, captured, 0), "cudaGraphInstantiate");
    check(cudaGraphDestroy(captured), "cudaGraphDestroy");
  }
#endif

  bool right = true;
  for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{2, 5, 1}, {8, 1, 1, 4}, {3}}) {
    batch.load(RaggedLayout::from_lengths(lengths), stream);
#ifdef __CUDACC__
    if (is_cuda)
      check(cudaGraphLaunch(graph, queue), "cudaGraphLaunch");
    else
#endif
      pipeline(stream);
    std::vector<float> risks(lengths.size());
    backend->copy(risks.data(), risk.data(), risks.size() * sizeof(float), CopyKind::to_host, stream);
    backend->synchronize(stream);

    // The same in double on the host.
    std::int32_t counts[2] = {static_cast<std::int32_t>(lengths.size()), 0};
    for (const std::int32_t length : lengths) counts[1] += length;
    std::vector<float> same_x(static_cast<std::size_t>(counts[1] * E));
    for (std::size_t i = 0; i < same_x.size(); ++i)
      MakeRows{counts, same_x.data(), E}(static_cast<std::int64_t>(i));
    const std::vector<double> states = states_in_double(weights, lengths, same_x);
    std::vector<double> expected;
    std::int32_t end = 0;
    for (const std::int32_t length : lengths) {
      end += length;
      double sum = 0;
      for (std::int64_t k = 0; k < H; ++k) sum += states[static_cast<std::size_t>((end - 1) * H + k)];
      expected.push_back(1 / (1 + std::exp(-sum)));
    }
    right = right && largest_difference(risks, expected) < bound;
    std::printf("%zu patients:", lengths.size());
    for (const float value : risks) std::printf(" %.3f", value);
    std::printf("\n");
  }
  std::printf("%s double loops\n", right ? "as" : "NOT as");
#ifdef __CUDACC__
  if (graph != nullptr) check(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
#endif
  backend->free_stream(stream);
  return right ? 0 : 1;
}
