#include "ragtime/layout.hpp"

#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

using Conversion = Planned<LayoutPlan, LayoutDesc, Kind::layout>;

Layout layout_of(ragtime_layout_kind layout, const char* name) {
  switch (static_cast<int>(layout)) {
    case RAGTIME_RAGGED:
      return Layout::ragged;
    case RAGTIME_PACKED:
      return Layout::packed;
    case RAGTIME_PADDED:
      return Layout::padded;
  }
  fail(ErrorCode::invalid_argument, name, " is ", static_cast<int>(layout),
       ": expected one of ragtime_layout_kind");
}

LayoutDesc desc_of(const ragtime_layout_desc& given) {
  LayoutDesc desc;
  desc.dtype = dtype_of(given.dtype, "desc.dtype");
  desc.width = given.width;
  desc.from = layout_of(given.from, "desc.from");
  desc.to = layout_of(given.to, "desc.to");
  desc.padded_steps = given.padded_steps;
  desc.padding_value = given.padding_value;
  desc.capacity = capacity_of(given.capacity);
  return desc;
}

void* read(const Conversion& conversion, const Batch& batch, const ragtime_tensor* tensor, Layout layout,
           const char* name) {
  const LayoutDesc& desc = conversion.desc;
  if (layout == Layout::padded)
    return conversion.reader()(tensor, name,
                               {{batch.sequences().size, true}, {desc.padded_steps}, {desc.width}});
  return conversion.reader()(tensor, name, {batch.rows(), {desc.width}});
}

}  // namespace

ragtime_status ragtime_layout_create(ragtime_backend backend, const ragtime_layout_desc* desc,
                                     ragtime_layout* layout) {
  return call("ragtime_layout_create", [&] { create<Conversion>(backend, desc, desc_of, layout, "layout"); });
}

ragtime_status ragtime_layout_destroy(ragtime_layout layout) {
  return call("ragtime_layout_destroy", [&] { remove_handle(Kind::layout, layout, "layout"); });
}

ragtime_status ragtime_layout_forward(ragtime_layout layout, ragtime_batch batch, const ragtime_tensor* from,
                                      const ragtime_tensor* to, ragtime_faults faults,
                                      ragtime_stream stream) {
  return call("ragtime_layout_forward", [&] {
    const auto object = object_of<Conversion>(layout, "layout");
    const auto rows = batch_for_run(*object->backend, batch, "batch", object->desc.capacity);
    const FaultWord word(*object->backend, faults, "faults");
    const void* const source = read(*object, *rows, from, object->desc.from, "from");
    void* const target = read(*object, *rows, to, object->desc.to, "to");
    object->plan.forward(word.reported(rows->view()), source, target, {stream});
  });
}

ragtime_status ragtime_layout_backward(ragtime_layout layout, ragtime_batch batch, const ragtime_tensor* d_to,
                                       const ragtime_tensor* d_from, ragtime_faults faults,
                                       ragtime_stream stream) {
  return call("ragtime_layout_backward", [&] {
    const auto object = object_of<Conversion>(layout, "layout");
    const auto rows = batch_for_run(*object->backend, batch, "batch", object->desc.capacity);
    const FaultWord word(*object->backend, faults, "faults");
    const void* const source = read(*object, *rows, d_to, object->desc.to, "d_to");
    void* const target = read(*object, *rows, d_from, object->desc.from, "d_from");
    object->plan.backward(word.reported(rows->view()), source, target, {stream});
  });
}
