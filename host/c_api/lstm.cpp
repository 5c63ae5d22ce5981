#include "ragtime/lstm.hpp"

#include <cstdio>
#include <vector>

#include "host/c_api/call.hpp"
#include "host/c_api/objects.hpp"
#include "host/core/capacity.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

struct Lstm {
  static constexpr Kind kind = Kind::lstm;
  Lstm(std::shared_ptr<Backend> owner, const LstmDesc& desc) : backend(owner), plan(std::move(owner), desc) {}
  std::shared_ptr<Backend> backend;
  LstmPlan plan;
};

LstmAlgorithm algorithm_of(ragtime_lstm_algorithm algorithm) {
  switch (static_cast<int>(algorithm)) {
    case RAGTIME_LSTM_AUTOMATIC:
      return LstmAlgorithm::automatic;
    case RAGTIME_LSTM_STEPWISE:
      return LstmAlgorithm::stepwise;
    case RAGTIME_LSTM_CUDNN:
      return LstmAlgorithm::cudnn;
    case RAGTIME_LSTM_PERSISTENT:
      return LstmAlgorithm::persistent;
  }
  fail(ErrorCode::invalid_argument, "desc.algorithm is ", static_cast<int>(algorithm),
       ": expected one of ragtime_lstm_algorithm");
}

LstmDesc desc_of(const ragtime_lstm_desc& given) {
  LstmDesc desc;
  desc.dtype = dtype_of(given.dtype, "desc.dtype");
  desc.algorithm = algorithm_of(given.algorithm);
  desc.input_size = given.input_size;
  desc.hidden_size = given.hidden_size;
  desc.num_layers = given.num_layers == 0 ? 1 : given.num_layers;
  desc.proj_size = given.proj_size;
  desc.dropout = given.dropout;
  desc.bidirectional = flag(given.bidirectional, "desc.bidirectional");
  desc.bias = !flag(given.no_bias, "desc.no_bias");
  desc.training = !flag(given.inference, "desc.inference");
  desc.save_gates = !flag(given.recompute_gates, "desc.recompute_gates");
  desc.tf32 = flag(given.tf32, "desc.tf32");
  desc.cluster = given.cluster;
  desc.slots = given.slots;
  desc.capacity = capacity_of(given.capacity);
  return desc;
}

// The checked tensors of one run.
struct Reader {
  Reader(const Lstm& lstm, ragtime_batch batch_handle, ragtime_faults faults_handle)
      : desc(lstm.plan.desc()),
        batch(loaded_batch(batch_handle, *lstm.backend, "args.batch")),
        faults(faults_handle == nullptr ? nullptr : object_of<Faults>(faults_handle, "args.faults")),
        read(*lstm.backend, desc.dtype),
        rows{batch->rows(), true},
        sequences{batch->sequences(), batch->device.is_fixed()},
        cells{desc.num_layers * desc.directions()} {
    if (batch->device.is_fixed()) return;  // what is in use is only known on the device
    check_fits(batch->device.size().sequences, desc.capacity.sequences, "sequences");
    check_fits(batch->device.size().rows, desc.capacity.rows, "rows");
    check_fits(batch->device.size().steps, desc.capacity.steps, "steps");
  }

  void* input(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {rows, {desc.input_size}});
  }
  void* output(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {rows, {desc.directions() * desc.output_size()}});
  }
  void* final_state(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {{batch->sequences(), true}, {desc.directions() * desc.output_size()}});
  }
  void* h(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {cells, sequences, {desc.output_size()}});
  }
  void* c(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {cells, sequences, {desc.hidden_size}});
  }
  // Weights, or gradients of weights, [L*D]; null for null. Valid until the thread's next call: its memory is
  // kept, so that a run takes none.
  template <class Pointers>
  const Pointers* weights(const ragtime_lstm_weights* given, const char* name) const {
    if (given == nullptr) return nullptr;
    thread_local std::vector<Pointers> pointers;
    pointers.resize(static_cast<std::size_t>(cells.size));
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

  const LstmDesc& desc;
  std::shared_ptr<Batch> batch;
  std::shared_ptr<Faults> faults;  // or null
  TensorReader read;
  Extent rows, sequences, cells;
};

// What forward and backward take alike.
template <class Run, class Given>
Run run_of(const Lstm& lstm, const Reader& reader, const Given& given) {
  Run run;
  run.batch = reader.batch->device.view();
  run.batch.status = reader.faults == nullptr ? nullptr : reader.faults->status.word();
  run.x = reader.input(given.x, "args.x");
  run.weights = reader.weights<LstmWeights>(given.weights, "args.weights");
  run.h0 = reader.h(given.h0, "args.h0");
  run.c0 = reader.c(given.c0, "args.c0");
  run.y = reader.output(given.y, "args.y");
  run.dropout.seed = given.dropout_seed;
  run.dropout.step = static_cast<const std::uint64_t*>(
      reader.read.read(given.dropout_step, "args.dropout_step", Element::uint64, {Extent{1}}));
  check_space(given.workspace, given.workspace_bytes, lstm.plan.workspace_bytes(), "args.workspace");
  check_space(given.reserve, given.reserve_bytes, lstm.plan.reserve_bytes(), "args.reserve");
  run.workspace = given.workspace;
  run.reserve = given.reserve;
  return run;
}

}  // namespace

ragtime_status ragtime_lstm_create(ragtime_backend backend, const ragtime_lstm_desc* desc,
                                   ragtime_lstm* lstm) {
  return call("ragtime_lstm_create", [&] {
    const auto owner = backend_of(backend);
    out(lstm, "lstm");
    *lstm = handle_for<ragtime_lstm>(std::make_shared<Lstm>(owner, desc_of(taken(desc, "desc"))));
  });
}

ragtime_status ragtime_lstm_destroy(ragtime_lstm lstm) {
  return call("ragtime_lstm_destroy", [&] { remove_handle(Kind::lstm, lstm, "lstm"); });
}

ragtime_status ragtime_lstm_workspace_bytes(ragtime_lstm lstm, size_t* bytes) {
  return call("ragtime_lstm_workspace_bytes", [&] {
    const auto object = object_of<Lstm>(lstm, "lstm");
    *out(bytes, "bytes") = object->plan.workspace_bytes();
  });
}

ragtime_status ragtime_lstm_reserve_bytes(ragtime_lstm lstm, size_t* bytes) {
  return call("ragtime_lstm_reserve_bytes", [&] {
    const auto object = object_of<Lstm>(lstm, "lstm");
    *out(bytes, "bytes") = object->plan.reserve_bytes();
  });
}

ragtime_status ragtime_lstm_forward(ragtime_lstm lstm, const ragtime_lstm_forward_args* args,
                                    ragtime_stream stream) {
  return call("ragtime_lstm_forward", [&] {
    const auto object = object_of<Lstm>(lstm, "lstm");
    const ragtime_lstm_forward_args given = taken(args, "args");
    const Reader reader(*object, given.batch, given.faults);
    auto run = run_of<LstmForward>(*object, reader, given);
    run.h_n = reader.h(given.h_n, "args.h_n");
    run.c_n = reader.c(given.c_n, "args.c_n");
    run.final_state = reader.final_state(given.final_state, "args.final_state");
    run.c_seq = reader.read(given.c_seq, "args.c_seq",
                            {reader.rows, {reader.desc.directions() * reader.desc.hidden_size}});
    object->plan.forward(run, {stream});
  });
}

ragtime_status ragtime_lstm_backward(ragtime_lstm lstm, const ragtime_lstm_backward_args* args,
                                     ragtime_stream stream) {
  return call("ragtime_lstm_backward", [&] {
    const auto object = object_of<Lstm>(lstm, "lstm");
    const ragtime_lstm_backward_args given = taken(args, "args");
    const Reader reader(*object, given.batch, given.faults);
    auto run = run_of<LstmBackward>(*object, reader, given);
    run.d_y = reader.output(given.d_y, "args.d_y");
    run.d_h_n = reader.h(given.d_h_n, "args.d_h_n");
    run.d_c_n = reader.c(given.d_c_n, "args.d_c_n");
    run.d_final_state = reader.final_state(given.d_final_state, "args.d_final_state");
    run.d_x = reader.input(given.d_x, "args.d_x");
    run.d_h0 = reader.h(given.d_h0, "args.d_h0");
    run.d_c0 = reader.c(given.d_c0, "args.d_c0");
    run.gradients = reader.weights<LstmGradients>(given.gradients, "args.gradients");
    run.accumulate = flag(given.accumulate, "args.accumulate");
    object->plan.backward(run, {stream});
  });
}
