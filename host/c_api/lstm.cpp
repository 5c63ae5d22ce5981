#include "ragtime/lstm.hpp"

#include "host/c_api/lstm_weights.hpp"
#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

struct Lstm : Planned<LstmPlan, LstmDesc, Kind::lstm> {
  Lstm(std::shared_ptr<Backend> owner, const LstmDesc& description) : Planned(std::move(owner), description) {
    const LstmChoice choice = plan.choice();
    algorithm = choice.algorithm;
    needs_counts = backend->device() == DeviceType::cuda && !choice.graph_takes_any_batch;
  }
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;
  bool needs_counts = false;  // on the host: it launches step by step
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
      : desc(lstm.desc),
        batch(batch_for_run(*lstm.backend, batch_handle, "args.batch", desc.capacity)),
        faults(*lstm.backend, faults_handle),
        read(lstm.reader()),
        rows(batch->rows()),
        sequences(batch->sequences()),
        cells{desc.num_layers * desc.directions()} {
    check(batch->is_known() || !lstm.needs_counts, ErrorCode::invalid_argument,
          "args.batch is fixed and was not fetched: expected one after ragtime_batch_fetch, since ",
          name_of(lstm.algorithm), " launches step by step");
  }

  void* input(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {rows, {desc.input_size}});
  }
  void* output(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {rows, {desc.directions() * desc.output_size()}});
  }
  void* final_state(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {{sequences.size, true}, {desc.directions() * desc.output_size()}});
  }
  void* h(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {cells, sequences, {desc.output_size()}});
  }
  void* c(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {cells, sequences, {desc.hidden_size}});
  }
  const LstmDesc& desc;
  std::shared_ptr<Batch> batch;
  FaultWord faults;
  TensorReader read;
  Extent rows, sequences, cells;
};

// What forward and backward take alike.
template <class Run, class Given>
Run run_of(const Lstm& lstm, const Reader& reader, const Given& given) {
  Run run;
  run.batch = reader.faults.reported(reader.batch->view());
  run.x = reader.input(given.x, "args.x");
  run.weights = read_weights<LstmWeights>(reader.read, lstm.desc, given.weights, "args.weights");
  run.h0 = reader.h(given.h0, "args.h0");
  run.c0 = reader.c(given.c0, "args.c0");
  run.y = reader.output(given.y, "args.y");
  run.dropout.seed = given.dropout_seed;
  run.dropout.step = reader.read.of<std::uint64_t>(given.dropout_step, "args.dropout_step", {Extent{1}});
  check_space(*lstm.backend, given.workspace, given.workspace_bytes, lstm.plan.workspace_bytes(),
              "args.workspace");
  check_space(*lstm.backend, given.reserve, given.reserve_bytes, lstm.plan.reserve_bytes(), "args.reserve");
  run.workspace = given.workspace;
  run.reserve = given.reserve;
  return run;
}

}  // namespace

ragtime_status ragtime_lstm_create(ragtime_backend backend, const ragtime_lstm_desc* desc,
                                   ragtime_lstm* lstm) {
  return call("ragtime_lstm_create", [&] { create<Lstm>(backend, desc, desc_of, lstm, "lstm"); });
}

ragtime_status ragtime_lstm_destroy(ragtime_lstm lstm) {
  return call("ragtime_lstm_destroy", [&] { remove_handle(Kind::lstm, lstm, "lstm"); });
}

ragtime_status ragtime_lstm_workspace_bytes(ragtime_lstm lstm, size_t* bytes) {
  return call("ragtime_lstm_workspace_bytes", [&] { workspace_bytes<Lstm>(lstm, "lstm", bytes); });
}

ragtime_status ragtime_lstm_reserve_bytes(ragtime_lstm lstm, size_t* bytes) {
  return call("ragtime_lstm_reserve_bytes", [&] { reserve_bytes<Lstm>(lstm, "lstm", bytes); });
}

ragtime_status ragtime_lstm_describe(ragtime_lstm lstm, char* text, size_t bytes) {
  return call("ragtime_lstm_describe", [&] {
    const LstmChoice choice = object_of<Lstm>(lstm, "lstm")->plan.choice();
    write_text(std::string(name_of(choice.algorithm)) + ": " + choice.reason, text, bytes);
  });
}

ragtime_status ragtime_lstm_graph_takes_any_batch(ragtime_lstm lstm, int32_t* yes) {
  return call("ragtime_lstm_graph_takes_any_batch", [&] {
    const auto object = object_of<Lstm>(lstm, "lstm");
    *out(yes, "yes") = object->plan.choice().graph_takes_any_batch ? 1 : 0;
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
    check(object->desc.training, ErrorCode::unsupported,
          "lstm was created with inference 1: expected one with 0 for a backward run");
    const Reader reader(*object, given.batch, given.faults);
    auto run = run_of<LstmBackward>(*object, reader, given);
    run.d_y = reader.output(given.d_y, "args.d_y");
    run.d_h_n = reader.h(given.d_h_n, "args.d_h_n");
    run.d_c_n = reader.c(given.d_c_n, "args.d_c_n");
    run.d_final_state = reader.final_state(given.d_final_state, "args.d_final_state");
    run.d_x = reader.input(given.d_x, "args.d_x");
    run.d_h0 = reader.h(given.d_h0, "args.d_h0");
    run.d_c0 = reader.c(given.d_c0, "args.d_c0");
    run.gradients = read_weights<LstmGradients>(reader.read, object->desc, given.gradients, "args.gradients");
    run.accumulate = flag(given.accumulate, "args.accumulate");
    object->plan.backward(run, {stream});
  });
}
