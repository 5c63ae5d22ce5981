#include "ragtime/lstm_step.hpp"

#include "host/c_api/lstm_weights.hpp"
#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

using Step = Planned<LstmStepPlan, LstmStepDesc, Kind::lstm_step>;

LstmStepDesc desc_of(const ragtime_lstm_step_desc& given) {
  LstmStepDesc desc;
  desc.dtype = dtype_of(given.dtype, "desc.dtype");
  desc.input_size = given.input_size;
  desc.hidden_size = given.hidden_size;
  desc.num_layers = given.num_layers == 0 ? 1 : given.num_layers;
  desc.bias = !flag(given.no_bias, "desc.no_bias");
  desc.proj_size = given.proj_size;
  desc.training = flag(given.training, "desc.training");
  desc.sequences = given.sequences;
  return desc;
}

// The checked tensors of one run.
struct Reader {
  explicit Reader(const Step& step) : read(step.reader()), sequences{step.desc.sequences} {
    shapes.input_size = step.desc.input_size;
    shapes.hidden_size = step.desc.hidden_size;
    shapes.num_layers = step.desc.num_layers;
    shapes.proj_size = step.desc.proj_size;
  }
  void* input(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {sequences, {shapes.input_size}});
  }
  void* h(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {{shapes.num_layers}, sequences, {shapes.output_size()}});
  }
  void* c(const ragtime_tensor* tensor, const char* name) const {
    return read(tensor, name, {{shapes.num_layers}, sequences, {shapes.hidden_size}});
  }

  TensorReader read;
  Extent sequences;
  LstmDesc shapes;
};

// What forward and backward take alike.
template <class Run, class Given>
Run run_of(const Step& step, const Reader& reader, const Given& given) {
  Run run;
  run.x = reader.input(given.x, "args.x");
  run.weights = read_weights<LstmWeights>(reader.read, reader.shapes, given.weights, "args.weights");
  run.h = reader.h(given.h, "args.h");
  run.c = reader.c(given.c, "args.c");
  check_space(*step.backend, given.workspace, given.workspace_bytes, step.plan.workspace_bytes(),
              "args.workspace");
  check_space(*step.backend, given.reserve, given.reserve_bytes, step.plan.reserve_bytes(), "args.reserve");
  run.workspace = given.workspace;
  run.reserve = given.reserve;
  return run;
}

}  // namespace

ragtime_status ragtime_lstm_step_create(ragtime_backend backend, const ragtime_lstm_step_desc* desc,
                                        ragtime_lstm_step* step) {
  return call("ragtime_lstm_step_create", [&] { create<Step>(backend, desc, desc_of, step, "step"); });
}

ragtime_status ragtime_lstm_step_destroy(ragtime_lstm_step step) {
  return call("ragtime_lstm_step_destroy", [&] { remove_handle(Kind::lstm_step, step, "step"); });
}

ragtime_status ragtime_lstm_step_workspace_bytes(ragtime_lstm_step step, size_t* bytes) {
  return call("ragtime_lstm_step_workspace_bytes", [&] { workspace_bytes<Step>(step, "step", bytes); });
}

ragtime_status ragtime_lstm_step_reserve_bytes(ragtime_lstm_step step, size_t* bytes) {
  return call("ragtime_lstm_step_reserve_bytes", [&] { reserve_bytes<Step>(step, "step", bytes); });
}

ragtime_status ragtime_lstm_step_forward(ragtime_lstm_step step, const ragtime_lstm_step_forward_args* args,
                                         ragtime_stream stream) {
  return call("ragtime_lstm_step_forward", [&] {
    const auto object = object_of<Step>(step, "step");
    const ragtime_lstm_step_forward_args given = taken(args, "args");
    const Reader reader(*object);
    auto run = run_of<LstmStepForward>(*object, reader, given);
    run.h_next = reader.h(given.h_next, "args.h_next");
    run.c_next = reader.c(given.c_next, "args.c_next");
    object->plan.forward(run, {stream});
  });
}

ragtime_status ragtime_lstm_step_backward(ragtime_lstm_step step, const ragtime_lstm_step_backward_args* args,
                                          ragtime_stream stream) {
  return call("ragtime_lstm_step_backward", [&] {
    const auto object = object_of<Step>(step, "step");
    const ragtime_lstm_step_backward_args given = taken(args, "args");
    check(object->desc.training, ErrorCode::unsupported,
          "step was created with training 0: expected one with 1 for a backward run");
    const Reader reader(*object);
    auto run = run_of<LstmStepBackward>(*object, reader, given);
    run.d_h_next = reader.h(given.d_h_next, "args.d_h_next");
    run.d_c_next = reader.c(given.d_c_next, "args.d_c_next");
    run.d_x = reader.input(given.d_x, "args.d_x");
    run.d_h = reader.h(given.d_h, "args.d_h");
    run.d_c = reader.c(given.d_c, "args.d_c");
    run.gradients =
        read_weights<LstmGradients>(reader.read, reader.shapes, given.gradients, "args.gradients");
    run.accumulate = flag(given.accumulate, "args.accumulate");
    object->plan.backward(run, {stream});
  });
}
