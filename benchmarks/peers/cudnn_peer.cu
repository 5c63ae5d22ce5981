#include "benchmarks/peers/cudnn_peer.hpp"

#include <algorithm>
#include <map>

#include "cuda/runtime/rnn.hpp"
#include "host/base/check.hpp"

namespace ragtime::benchmarks {
namespace {

cuda::RnnDesc describe(const CudnnPeerDesc& desc) {
  const std::map<std::string, cuda::RnnAlgorithm> algorithms = {
      {"standard", cuda::RnnAlgorithm::standard},
      {"persist_static", cuda::RnnAlgorithm::persist_static},
      {"persist_dynamic", cuda::RnnAlgorithm::persist_dynamic},
      {"persist_static_small_h", cuda::RnnAlgorithm::persist_static_small_h}};
  cuda::RnnDesc rnn;
  rnn.dtype = desc.dtype;
  rnn.input_size = desc.input_size;
  rnn.hidden_size = desc.hidden_size;
  rnn.num_layers = desc.num_layers;
  rnn.training = desc.training;
  rnn.tf32 = desc.tf32;
  rnn.sequences = static_cast<std::int64_t>(desc.lengths.size());
  for (const std::int32_t length : desc.lengths) rnn.rows += length;
  rnn.steps = *std::max_element(desc.lengths.begin(), desc.lengths.end());
  rnn.algorithm = algorithms.at(desc.algorithm);
  rnn.padded = desc.padded;
  return rnn;
}

}  // namespace

struct CudnnPeer::State {
  State(const std::shared_ptr<Backend>& backend, const CudnnPeerDesc& desc)
      : lengths_on_host(desc.lengths),
        steps(describe(desc).steps),
        rnn(describe(desc)),
        lengths(backend, desc.lengths.size() * sizeof(std::int32_t)),
        weights(backend, rnn.weight_bytes()),
        gradients(backend, desc.training ? rnn.weight_bytes() : 0),
        workspace(backend, rnn.workspace_bytes()),
        reserve(backend, rnn.reserve_bytes()),
        d_h0(backend, desc.training ? state_bytes(desc) : 0),
        d_c0(backend, desc.training ? state_bytes(desc) : 0) {}

  static std::size_t state_bytes(const CudnnPeerDesc& desc) {
    return static_cast<std::size_t>(desc.num_layers * desc.hidden_size) * desc.lengths.size() *
           size_of(desc.dtype);
  }
  cuda::RnnLengths run_lengths() const {
    return {lengths_on_host.data(), lengths.as<std::int32_t>(),
            static_cast<std::int64_t>(lengths_on_host.size()), steps};
  }

  std::vector<std::int32_t> lengths_on_host;
  std::int64_t steps;
  cuda::Rnn rnn;
  Buffer lengths, weights, gradients, workspace, reserve, d_h0, d_c0;
};

CudnnPeer::CudnnPeer(std::shared_ptr<Backend> backend, const CudnnPeerDesc& desc,
                     const std::vector<LstmWeights>& weights)
    : state_(std::make_unique<State>(backend, desc)) {
  backend->copy(state_->lengths.data(), desc.lengths.data(), state_->lengths.bytes(), CopyKind::to_device);
  backend->zero(state_->weights.data(), state_->weights.bytes());
  for (const cuda::RnnPiece& piece : state_->rnn.pieces()) {
    const LstmWeights& own = weights[static_cast<std::size_t>(piece.slot)];
    const void* const arrays[] = {own.weight_ih, own.weight_hh, own.bias_ih, own.bias_hh, own.weight_hr};
    backend->copy(state_->weights.as<std::byte>() + piece.offset,
                  static_cast<const std::byte*>(arrays[piece.weight]) +
                      static_cast<std::size_t>(piece.first) * size_of(desc.dtype),
                  static_cast<std::size_t>(piece.count) * size_of(desc.dtype), CopyKind::on_device);
  }
  backend->synchronize();
}
CudnnPeer::~CudnnPeer() = default;

std::size_t CudnnPeer::bytes() const {
  return state_->weights.bytes() + state_->gradients.bytes() + state_->workspace.bytes() +
         state_->reserve.bytes();
}

void CudnnPeer::forward(const void* x, void* y, Stream stream) const {
  cuda::RnnForward args;
  args.lengths = state_->run_lengths();
  args.x = x;
  args.y = y;
  args.weights = state_->weights.data();
  args.workspace = state_->workspace.data();
  args.reserve = state_->reserve.data();
  state_->rnn.forward(args, stream);
}

void CudnnPeer::backward(const void* x, const void* y, const void* d_y, void* d_x, Stream stream) const {
  cuda::RnnBackward args;
  args.lengths = state_->run_lengths();
  args.x = x;
  args.y = y;
  args.d_y = d_y;
  args.d_x = d_x;
  args.d_h0 = state_->d_h0.data();
  args.d_c0 = state_->d_c0.data();
  args.weights = state_->weights.data();
  args.d_weights = state_->gradients.data();
  args.workspace = state_->workspace.data();
  args.reserve = state_->reserve.data();
  state_->rnn.backward(args, stream);
}

}  // namespace ragtime::benchmarks
