#include "ragtime/final_state.hpp"

#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

using Gather = Planned<FinalStatePlan, FinalStateDesc, Kind::final_state>;

FinalStateDesc desc_of(const ragtime_final_state_desc& given) {
  return {dtype_of(given.dtype, "desc.dtype"), given.width, flag(given.bidirectional, "desc.bidirectional"),
          capacity_of(given.capacity)};
}

Capacity room_of(const FinalStateDesc& desc) {
  return {desc.capacity.sequences, desc.capacity.rows, any_number, any_number};
}

// What stands in every row, or for every sequence.
void* read(const Gather& gather, const ragtime_tensor* tensor, Extent count, const char* name) {
  return gather.reader()(tensor, name,
                         {{count.size, true}, {gather.desc.width * (gather.desc.bidirectional ? 2 : 1)}});
}

}  // namespace

ragtime_status ragtime_final_state_create(ragtime_backend backend, const ragtime_final_state_desc* desc,
                                          ragtime_final_state* final_state) {
  return call("ragtime_final_state_create",
              [&] { create<Gather>(backend, desc, desc_of, final_state, "final_state"); });
}

ragtime_status ragtime_final_state_destroy(ragtime_final_state final_state) {
  return call("ragtime_final_state_destroy",
              [&] { remove_handle(Kind::final_state, final_state, "final_state"); });
}

ragtime_status ragtime_final_state_forward(ragtime_final_state final_state, ragtime_batch batch,
                                           const ragtime_tensor* y, const ragtime_tensor* out,
                                           ragtime_faults faults, ragtime_stream stream) {
  return call("ragtime_final_state_forward", [&] {
    const auto object = object_of<Gather>(final_state, "final_state");
    const auto rows = batch_for_run(*object->backend, batch, "batch", room_of(object->desc));
    const FaultWord word(*object->backend, faults, "faults");
    const void* const from = read(*object, y, rows->rows(), "y");
    void* const to = read(*object, out, rows->sequences(), "out");
    object->plan.forward(word.reported(rows->view()), from, to, {stream});
  });
}

ragtime_status ragtime_final_state_backward(ragtime_final_state final_state, ragtime_batch batch,
                                            const ragtime_tensor* d_out, const ragtime_tensor* d_y,
                                            int32_t accumulate, ragtime_faults faults,
                                            ragtime_stream stream) {
  return call("ragtime_final_state_backward", [&] {
    const auto object = object_of<Gather>(final_state, "final_state");
    const auto rows = batch_for_run(*object->backend, batch, "batch", room_of(object->desc));
    const FaultWord word(*object->backend, faults, "faults");
    const void* const from = read(*object, d_out, rows->sequences(), "d_out");
    void* const to = read(*object, d_y, rows->rows(), "d_y");
    object->plan.backward(word.reported(rows->view()), from, to, flag(accumulate, "accumulate"), {stream});
  });
}
