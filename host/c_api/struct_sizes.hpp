#pragma once

// How large each struct of the C API was in the version that introduced it. Structs grow at the end only, so a call takes
// any size from that one to today's, and counts missing members as 0. An entry never changes; a new struct gets one.

#include <cstddef>

#include "ragtime/ragtime.h"

namespace ragtime::c_api {

template <class Struct>
inline constexpr std::size_t initial_size = 0;

// last: the last member then.
#define RAGTIME_INITIAL_SIZE(Struct, last)                                                      \
  template <>                                                                                   \
  inline constexpr std::size_t initial_size<Struct> =                                           \
      (offsetof(Struct, last) + sizeof(Struct::last) + alignof(Struct) - 1) / alignof(Struct) * \
      alignof(Struct)

// 0.2
RAGTIME_INITIAL_SIZE(ragtime_allocator, deallocate_on_stream);
RAGTIME_INITIAL_SIZE(ragtime_batch_codes, allow_zero_length);
RAGTIME_INITIAL_SIZE(ragtime_batch_builder_desc, capacity);
RAGTIME_INITIAL_SIZE(ragtime_batch_build_args, faults);
RAGTIME_INITIAL_SIZE(ragtime_lstm_desc, tuning);
RAGTIME_INITIAL_SIZE(ragtime_lstm_forward_args, faults);
RAGTIME_INITIAL_SIZE(ragtime_lstm_backward_args, faults);
RAGTIME_INITIAL_SIZE(ragtime_lstm_step_desc, proj_size);
RAGTIME_INITIAL_SIZE(ragtime_lstm_step_forward_args, reserve_bytes);
RAGTIME_INITIAL_SIZE(ragtime_lstm_step_backward_args, reserve_bytes);
RAGTIME_INITIAL_SIZE(ragtime_segment_pool_desc, tf32);
RAGTIME_INITIAL_SIZE(ragtime_segment_pool_forward_args, faults);
RAGTIME_INITIAL_SIZE(ragtime_segment_pool_backward_args, reserve_bytes);
RAGTIME_INITIAL_SIZE(ragtime_masked_loss_desc, capacity);
RAGTIME_INITIAL_SIZE(ragtime_masked_loss_args, faults);
RAGTIME_INITIAL_SIZE(ragtime_layout_desc, capacity);
RAGTIME_INITIAL_SIZE(ragtime_final_state_desc, capacity);

#undef RAGTIME_INITIAL_SIZE

}  // namespace ragtime::c_api
