// cuda/runtime/rnn.hpp by cuDNN 9, which is opened at run time.

#include "cuda/runtime/rnn.hpp"

#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <type_traits>

#include "cuda/runtime/device.hpp"
#include "cuda/runtime/gpu/shared_library.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

// What is used of the library, under its own names.
struct Library {
  const SharedLibrary library{"the cudnn algorithm", concat("libcudnn.so.", CUDNN_MAJOR)};

#define RAGTIME_CUDNN(name) const decltype(&::name) name = library.find<decltype(&::name)>(#name)
  RAGTIME_CUDNN(cudnnCreate);
  RAGTIME_CUDNN(cudnnDestroy);
  RAGTIME_CUDNN(cudnnSetStream);
  RAGTIME_CUDNN(cudnnGetErrorString);
  RAGTIME_CUDNN(cudnnGetLastErrorString);
  RAGTIME_CUDNN(cudnnCreateTensorDescriptor);
  RAGTIME_CUDNN(cudnnDestroyTensorDescriptor);
  RAGTIME_CUDNN(cudnnSetTensorNdDescriptor);
  RAGTIME_CUDNN(cudnnGetTensorNdDescriptor);
  RAGTIME_CUDNN(cudnnCreateDropoutDescriptor);
  RAGTIME_CUDNN(cudnnDestroyDropoutDescriptor);
  RAGTIME_CUDNN(cudnnSetDropoutDescriptor);
  RAGTIME_CUDNN(cudnnCreateRNNDescriptor);
  RAGTIME_CUDNN(cudnnDestroyRNNDescriptor);
  RAGTIME_CUDNN(cudnnSetRNNDescriptor_v8);
  RAGTIME_CUDNN(cudnnBuildRNNDynamic);
  RAGTIME_CUDNN(cudnnGetRNNTempSpaceSizes);
  RAGTIME_CUDNN(cudnnGetRNNWeightSpaceSize);
  RAGTIME_CUDNN(cudnnGetRNNWeightParams);
  RAGTIME_CUDNN(cudnnCreateRNNDataDescriptor);
  RAGTIME_CUDNN(cudnnDestroyRNNDataDescriptor);
  RAGTIME_CUDNN(cudnnSetRNNDataDescriptor);
  RAGTIME_CUDNN(cudnnRNNForward);
  RAGTIME_CUDNN(cudnnRNNBackwardData_v8);
  RAGTIME_CUDNN(cudnnRNNBackwardWeights_v8);
#undef RAGTIME_CUDNN
};

const Library& cudnn() {
  static const Library library;  // tried again after a failure
  return library;
}

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  cudaGetLastError();  // so that the next launch does not report it again
  char reason[512] = "";
  cudnn().cudnnGetLastErrorString(reason, sizeof(reason));
  const bool memory = status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                      status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
  const bool refused = CUDNN_STATUS_CATEGORY(static_cast<int>(status)) == CUDNN_STATUS_NOT_SUPPORTED;
  fail(memory    ? ErrorCode::out_of_memory
       : refused ? ErrorCode::unsupported
                 : ErrorCode::device_error,
       what, " failed: ", cudnn().cudnnGetErrorString(status), reason[0] == 0 ? "" : ": ", reason);
}

// An object of cuDNN's that goes away by itself.
template <class Object>
using Owned = std::unique_ptr<std::remove_pointer_t<Object>, cudnnStatus_t (*)(Object)>;

template <class Object>
Owned<Object> make(cudnnStatus_t (*create)(Object*), cudnnStatus_t (*destroy)(Object), const char* what) {
  Object object = nullptr;
  check_cudnn(create(&object), what);
  return {object, destroy};
}

cudnnDataType_t type_of(DType dtype) {
  return dtype == DType::bf16  ? CUDNN_DATA_BFLOAT16
         : dtype == DType::f16 ? CUDNN_DATA_HALF
                               : CUDNN_DATA_FLOAT;
}

cudnnRNNAlgo_t algorithm_of(RnnAlgorithm algorithm) {
  switch (algorithm) {
    case RnnAlgorithm::persist_static:
      return CUDNN_RNN_ALGO_PERSIST_STATIC;
    case RnnAlgorithm::persist_dynamic:
      return CUDNN_RNN_ALGO_PERSIST_DYNAMIC;
    case RnnAlgorithm::persist_static_small_h:
      return CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H;
    case RnnAlgorithm::standard:
      break;
  }
  return CUDNN_RNN_ALGO_STANDARD;
}

// f32 as tensor cores take it only where that was asked for: without CUDNN_FMA_MATH cuDNN would round to tf32
// by itself.
cudnnMathType_t math_of(const RnnDesc& desc) {
  if (desc.dtype == DType::f16) return CUDNN_TENSOR_OP_MATH;
  return desc.dtype == DType::f32 && !desc.tf32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
}

int int_of(std::int64_t value, const char* name) {
  check(value <= INT32_MAX, ErrorCode::unsupported, name, " is ", value, ": cuDNN takes at most ", INT32_MAX);
  return static_cast<int>(value);
}

}  // namespace

struct Rnn::State {
  struct Sizes {
    std::size_t workspace = 0, reserve = 0;
  };

  explicit State(const RnnDesc& description) : desc(description) {
    int_of(desc.directions * width(), "the width of y");
    check_cudnn(cudnn().cudnnSetDropoutDescriptor(dropout.get(), handle.get(), 0, nullptr, 0, 0),
                "cudnnSetDropoutDescriptor");
    check_cudnn(cudnn().cudnnSetRNNDescriptor_v8(
                    rnn.get(), algorithm_of(desc.algorithm), CUDNN_LSTM,
                    desc.bias ? CUDNN_RNN_DOUBLE_BIAS : CUDNN_RNN_NO_BIAS,
                    desc.directions == 2 ? CUDNN_BIDIRECTIONAL : CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT,
                    type_of(desc.dtype), CUDNN_DATA_FLOAT, math_of(desc),
                    int_of(desc.input_size, "input_size"), int_of(desc.hidden_size, "hidden_size"),
                    int_of(width(), "proj_size"), int_of(desc.num_layers, "num_layers"), dropout.get(),
                    desc.padded ? CUDNN_RNN_PADDED_IO_ENABLED : CUDNN_RNN_PADDED_IO_DISABLED),
                "cudnnSetRNNDescriptor_v8");
    int_of(desc.sequences, "sequences");
    int_of(desc.steps, "steps");
    if (desc.algorithm == RnnAlgorithm::persist_dynamic)
      check_cudnn(cudnn().cudnnBuildRNNDynamic(handle.get(), rnn.get(), static_cast<int>(desc.sequences)),
                  "cudnnBuildRNNDynamic");
    check_cudnn(cudnn().cudnnGetRNNWeightSpaceSize(handle.get(), rnn.get(), &weight_bytes),
                "cudnnGetRNNWeightSpaceSize");
    find_pieces();
    find_sizes();
  }

  std::int64_t width() const { return desc.proj_size > 0 ? desc.proj_size : desc.hidden_size; }

  // cuDNN speaks of one matrix and one bias a gate (0-3 for x, 4-7 for h, order i, f, g, o as ours), and of
  // the projection as the ninth, and tells where each is in a weight space at a given address.
  void find_pieces() {
    const std::int64_t gates = desc.hidden_size;
    void* const space = allocate(std::max<std::size_t>(weight_bytes, 1));
    const Owned<void*> freed(space, [](void* memory) {
      deallocate(memory);
      return CUDNN_STATUS_SUCCESS;
    });
    for (std::int64_t slot = 0; slot < desc.num_layers * desc.directions; ++slot)
      for (int weight = 0; weight < 5; ++weight) {
        const std::int64_t size = rnn_weight_size(desc, slot, weight);
        const bool is_bias = weight == 2 || weight == 3;
        const int parts = weight == 4 ? 1 : 4;
        for (int part = 0; part < parts && size > 0; ++part) {
          const int layer = weight == 4 ? 8 : (weight % 2) * 4 + part;
          void *matrix_place = nullptr, *bias_place = nullptr;
          check_cudnn(cudnn().cudnnGetRNNWeightParams(handle.get(), rnn.get(), static_cast<int>(slot),
                                                      weight_bytes, space, layer, matrix.get(), &matrix_place,
                                                      bias.get(), &bias_place),
                      "cudnnGetRNNWeightParams");
          const std::int64_t rows = weight == 4 ? desc.proj_size : gates;
          check_shape(is_bias ? bias.get() : matrix.get(), rows, size / parts / rows);
          const void* const place = is_bias ? bias_place : matrix_place;
          append({slot, weight, part * (size / parts), size / parts,
                  static_cast<std::size_t>(static_cast<const std::byte*>(place) -
                                           static_cast<const std::byte*>(space))});
        }
      }
  }

  void check_shape(cudnnTensorDescriptor_t tensor, std::int64_t rows, std::int64_t columns) const {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    int dimensions = 0, extents[3] = {}, strides[3] = {};
    check_cudnn(cudnn().cudnnGetTensorNdDescriptor(tensor, 3, &type, &dimensions, extents, strides),
                "cudnnGetTensorNdDescriptor");
    check(dimensions == 3 && extents[0] == 1 && extents[1] == rows && extents[2] == columns,
          ErrorCode::device_error, "cuDNN has a weight of ", dimensions, " dimensions, ", extents[0], " x ",
          extents[1], " x ", extents[2], ": expected 1 x ", rows, " x ", columns);
  }

  void append(const RnnPiece& piece) {
    if (!pieces.empty()) {
      RnnPiece& last = pieces.back();
      const std::size_t end = last.offset + static_cast<std::size_t>(last.count) * size_of(desc.dtype);
      if (last.slot == piece.slot && last.weight == piece.weight && last.first + last.count == piece.first &&
          end == piece.offset) {
        last.count += piece.count;
        return;
      }
    }
    pieces.push_back(piece);
  }

  // cuDNN's sizes do not grow with the batch in every step, so smaller batches are asked for too; should one
  // between them want more, its run says so.
  void find_sizes() {
    if (desc.sequences == 0 || desc.steps == 0) return;
    for (std::int64_t sequences = desc.sequences; sequences > 0; sequences /= 2)
      for (std::int64_t steps = desc.steps; steps > 0; steps /= 2) {
        assume(sequences, steps);
        describe({lengths.data(), nullptr, sequences, steps});
        const Sizes sizes = sizes_wanted();
        held.workspace = std::max(held.workspace, sizes.workspace);
        held.reserve = std::max(held.reserve, sizes.reserve);
        if (desc.padded) return;
      }
  }

  // Lengths of a batch with as many rows as there may be: one of all steps, the others of like length.
  void assume(std::int64_t sequences, std::int64_t steps) {
    lengths.assign(static_cast<std::size_t>(sequences), static_cast<std::int32_t>(steps));
    if (desc.padded || sequences == 1) return;
    const std::int64_t others = sequences - 1;
    const std::int64_t rows = std::clamp(desc.rows - steps, others, others * steps);
    for (std::int64_t i = 0; i < others; ++i)
      lengths[static_cast<std::size_t>(i + 1)] =
          static_cast<std::int32_t>(rows / others + (i < rows % others ? 1 : 0));
  }

  Sizes sizes_wanted() const {
    Sizes sizes;
    check_cudnn(
        cudnn().cudnnGetRNNTempSpaceSizes(handle.get(), rnn.get(),
                                          desc.training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE,
                                          x.get(), &sizes.workspace, &sizes.reserve),
        "cudnnGetRNNTempSpaceSizes");
    if (!desc.training) sizes.reserve = 0;
    return sizes;
  }

  void describe(const RnnLengths& batch) const {
    const auto rows = [&](const Owned<cudnnRNNDataDescriptor_t>& data, std::int64_t row_width) {
      std::uint32_t zero = 0;  // of any type
      check_cudnn(
          cudnn().cudnnSetRNNDataDescriptor(
              data.get(), type_of(desc.dtype),
              desc.padded ? CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED : CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED,
              static_cast<int>(batch.steps), static_cast<int>(batch.sequences), static_cast<int>(row_width),
              batch.host, desc.padded ? &zero : nullptr),
          "cudnnSetRNNDataDescriptor");
    };
    const auto states = [&](const Owned<cudnnTensorDescriptor_t>& tensor, std::int64_t state_width) {
      const int extents[3] = {static_cast<int>(desc.num_layers * desc.directions),
                              static_cast<int>(batch.sequences), static_cast<int>(state_width)};
      const int strides[3] = {int_of(batch.sequences * state_width, "the size of a layer's states"),
                              extents[2], 1};
      check_cudnn(cudnn().cudnnSetTensorNdDescriptor(tensor.get(), type_of(desc.dtype), 3, extents, strides),
                  "cudnnSetTensorNdDescriptor");
    };
    rows(x, desc.input_size);
    rows(y, desc.directions * width());
    states(h, width());
    states(c, desc.hidden_size);
  }

  void begin(const RnnLengths& batch, Stream stream) const {
    describe(batch);
    const Sizes sizes = sizes_wanted();
    check(sizes.workspace <= held.workspace && sizes.reserve <= held.reserve, ErrorCode::unsupported,
          "cuDNN wants a workspace of ", sizes.workspace, " and a reserve of ", sizes.reserve, " bytes for ",
          batch.sequences, " sequences of at most ", batch.steps, " steps: more than the plan has, ",
          held.workspace, " and ", held.reserve, "; make a plan of this capacity");
    check_cudnn(cudnn().cudnnSetStream(handle.get(), static_cast<cudaStream_t>(stream.handle)),
                "cudnnSetStream");
  }

  RnnDesc desc;
  std::mutex mutable busy;  // a handle and descriptors serve one call at a time
  Owned<cudnnHandle_t> handle = make(cudnn().cudnnCreate, cudnn().cudnnDestroy, "cudnnCreate");
  Owned<cudnnDropoutDescriptor_t> dropout =
      make(cudnn().cudnnCreateDropoutDescriptor, cudnn().cudnnDestroyDropoutDescriptor,
           "cudnnCreateDropoutDescriptor");
  Owned<cudnnRNNDescriptor_t> rnn =
      make(cudnn().cudnnCreateRNNDescriptor, cudnn().cudnnDestroyRNNDescriptor, "cudnnCreateRNNDescriptor");
  Owned<cudnnRNNDataDescriptor_t> x = make_data(), y = make_data();
  Owned<cudnnTensorDescriptor_t> h = make_tensor(), c = make_tensor(), matrix = make_tensor(),
                                 bias = make_tensor();
  std::size_t weight_bytes = 0;
  Sizes held;
  std::vector<RnnPiece> pieces;
  std::vector<std::int32_t> lengths;

 private:
  static Owned<cudnnRNNDataDescriptor_t> make_data() {
    return make(cudnn().cudnnCreateRNNDataDescriptor, cudnn().cudnnDestroyRNNDataDescriptor,
                "cudnnCreateRNNDataDescriptor");
  }
  static Owned<cudnnTensorDescriptor_t> make_tensor() {
    return make(cudnn().cudnnCreateTensorDescriptor, cudnn().cudnnDestroyTensorDescriptor,
                "cudnnCreateTensorDescriptor");
  }
};

Rnn::Rnn(const RnnDesc& desc) : state_(std::make_unique<State>(desc)) {}
Rnn::~Rnn() = default;
Rnn::Rnn(Rnn&&) noexcept = default;
Rnn& Rnn::operator=(Rnn&&) noexcept = default;

std::size_t Rnn::weight_bytes() const {
  return state_->weight_bytes;
}
std::size_t Rnn::workspace_bytes() const {
  return state_->held.workspace;
}
std::size_t Rnn::reserve_bytes() const {
  return state_->held.reserve;
}
const std::vector<RnnPiece>& Rnn::pieces() const {
  return state_->pieces;
}

void Rnn::forward(const RnnForward& args, Stream stream) const {
  const State& state = *state_;
  const std::lock_guard<std::mutex> one_at_a_time(state.busy);
  state.begin(args.lengths, stream);
  check_cudnn(cudnn().cudnnRNNForward(
                  state.handle.get(), state.rnn.get(),
                  state.desc.training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE,
                  args.lengths.device, state.x.get(), args.x, state.y.get(), args.y, state.h.get(), args.h0,
                  args.h_n, state.c.get(), args.c0, args.c_n, state.weight_bytes, args.weights,
                  state.held.workspace, args.workspace, state.held.reserve, args.reserve),
              "cudnnRNNForward");
}

void Rnn::backward(const RnnBackward& args, Stream stream) const {
  const State& state = *state_;
  const std::lock_guard<std::mutex> one_at_a_time(state.busy);
  state.begin(args.lengths, stream);
  check_cudnn(cudnn().cudnnRNNBackwardData_v8(
                  state.handle.get(), state.rnn.get(), args.lengths.device, state.y.get(), args.y, args.d_y,
                  state.x.get(), args.d_x, state.h.get(), args.h0, args.d_h_n, args.d_h0, state.c.get(),
                  args.c0, args.d_c_n, args.d_c0, state.weight_bytes, args.weights, state.held.workspace,
                  args.workspace, state.held.reserve, args.reserve),
              "cudnnRNNBackwardData_v8");
  if (args.d_weights == nullptr) return;
  zero(args.d_weights, state.weight_bytes, stream);  // cuDNN only adds
  check_cudnn(cudnn().cudnnRNNBackwardWeights_v8(
                  state.handle.get(), state.rnn.get(), CUDNN_WGRAD_MODE_ADD, args.lengths.device,
                  state.x.get(), args.x, state.h.get(), args.h0, state.y.get(), args.y, state.weight_bytes,
                  args.d_weights, state.held.workspace, args.workspace, state.held.reserve, args.reserve),
              "cudnnRNNBackwardWeights_v8");
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
