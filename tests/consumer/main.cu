// An installed ragtime between kernels: the first writes the rows, the second reads the final states, and
// what is between them is queued on the same stream.

#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "ragtime/lstm.hpp"
#include "ragtime/ragged_batch.hpp"

__global__ void count_up(float* x, int rows) {
  const int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (row < rows) x[row] = static_cast<float>(row + 1);
}

__global__ void twice(const float* final_state, float* out, int sequences) {
  const int sequence = static_cast<int>(threadIdx.x);
  if (sequence < sequences) out[sequence] = 2 * final_state[sequence];
}

int main() {
  using namespace ragtime;
  const auto backend = make_backend("cuda");
  const Stream stream = backend->make_stream();
  const auto cuda_stream = static_cast<cudaStream_t>(stream.handle);
  const auto to_device = [&](const std::vector<float>& values) {
    Buffer memory(backend, values.size() * sizeof(float));
    backend->copy(memory.data(), values.data(), memory.bytes(), CopyKind::to_device, stream);
    backend->synchronize(stream);
    return memory;
  };

  const std::vector<std::int32_t> lengths = {2, 3};
  DeviceBatch batch(backend);
  batch.load(RaggedLayout::from_lengths(lengths), stream);
  LstmDesc desc;
  desc.input_size = 1;
  desc.hidden_size = 1;
  desc.training = false;
  desc.capacity = batch.size();
  const LstmPlan plan(backend, desc);

  const Buffer weight_ih = to_device({0, 0, 1, 0}), weight_hh = to_device({0, 0, 0, 0});
  const Buffer bias = to_device({0, 0, 0, 0}), x = to_device({0, 0, 0, 0, 0}), y = to_device({0, 0, 0, 0, 0});
  const Buffer final_state = to_device({0, 0}), out = to_device({0, 0});
  const Buffer workspace(backend, plan.workspace_bytes());
  const LstmWeights weights = {weight_ih.data(), weight_hh.data(), bias.data(), bias.data(), nullptr};
  LstmForward args;
  args.batch = batch.view();
  args.x = x.data();
  args.weights = &weights;
  args.y = y.data();
  args.final_state = final_state.data();
  args.workspace = workspace.data();

  count_up<<<1, 32, 0, cuda_stream>>>(x.as<float>(), 5);
  plan.forward(args, stream);
  twice<<<1, 32, 0, cuda_stream>>>(final_state.as<float>(), out.as<float>(), 2);
  std::vector<float> doubled(2);
  backend->copy(doubled.data(), out.data(), out.bytes(), CopyKind::to_host, stream);
  backend->synchronize(stream);
  backend->free_stream(stream);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
    return 1;
  }

  // With i = f = o = 1/2 and g = tanh(x): c_t = c_(t-1) / 2 + tanh(x_t) / 2, h = tanh(c) / 2.
  bool right = true;
  for (int sequence = 0, row = 0; sequence < 2; ++sequence) {
    double c = 0;
    for (int step = 0; step < lengths[sequence]; ++step) c = (c + std::tanh(++row)) / 2;
    std::printf("sequence %d: %.6f, expected %.6f\n", sequence, doubled[sequence], std::tanh(c));
    right = right && std::fabs(doubled[sequence] - std::tanh(c)) < 1e-5;
  }
  return right ? 0 : 1;
}
