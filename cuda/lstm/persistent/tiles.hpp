#pragma once

// Every instantiation of the persistent LSTM, and nowhere else. A line is
//   X(hidden, cluster, slots, tiles of a warp, k steps in registers[, true where the cluster is a group])
// (LstmTile); the number of k steps there are is hidden * size / 32 forward and hidden / cluster * 4 * size /
// 32 backward, with size 2 bytes, or 4 for tf32. Chosen so that ptxas spills nothing for sm_90
// (docs/persistent-lstm.md has its table), 65,536 registers and 227 KB of shared memory a block.
//
// The first lists are small enough for the emulation, which compiles and runs them alone.

#define RAGTIME_LSTM_FORWARD_SMALL_16(X) \
  X(32, 1, 8, 1, 2)                      \
  X(32, 1, 16, 1, 2)                     \
  X(32, 2, 8, 1, 2)                      \
  X(32, 4, 8, 1, 0)                      \
  X(32, 4, 32, 1, 2)                     \
  X(64, 1, 8, 2, 4)                      \
  X(64, 1, 16, 2, 4)                     \
  X(64, 4, 16, 2, 2)                     \
  X(64, 8, 8, 1, 4)                      \
  X(128, 16, 8, 1, 8)                    \
  X(32, 2, 16, 1, 2, true)               \
  X(64, 2, 8, 2, 2, true)                \
  X(64, 4, 8, 1, 0, true)
#define RAGTIME_LSTM_BACKWARD_SMALL_16(X) \
  X(32, 1, 8, 1, 8)                       \
  X(32, 2, 8, 1, 4)                       \
  X(32, 4, 8, 1, 0)                       \
  X(32, 4, 32, 1, 2)                      \
  X(64, 1, 8, 1, 16)                      \
  X(64, 4, 16, 2, 2)                      \
  X(64, 8, 8, 1, 2)                       \
  X(128, 16, 8, 1, 2)                     \
  X(32, 2, 16, 1, 4, true)                \
  X(64, 2, 8, 2, 4, true)                 \
  X(64, 4, 8, 1, 2, true)
#define RAGTIME_LSTM_FORWARD_SMALL_32(X) \
  X(32, 1, 8, 1, 4)                      \
  X(32, 2, 16, 1, 2)                     \
  X(64, 4, 8, 1, 8)
#define RAGTIME_LSTM_BACKWARD_SMALL_32(X) \
  X(32, 1, 8, 1, 16)                      \
  X(32, 2, 16, 1, 4)                      \
  X(64, 4, 8, 1, 8)

#define RAGTIME_LSTM_FORWARD_LARGE_16(X) \
  X(128, 1, 8, 2, 4)                     \
  X(128, 2, 8, 1, 8)                     \
  X(128, 4, 8, 1, 8)                     \
  X(128, 4, 16, 1, 8)                    \
  X(128, 4, 32, 1, 8)                    \
  X(192, 4, 8, 1, 12)                    \
  X(192, 4, 16, 1, 12)                   \
  X(256, 4, 8, 2, 16)                    \
  X(256, 4, 16, 2, 16)                   \
  X(256, 8, 8, 1, 16)                    \
  X(256, 8, 16, 1, 16)                   \
  X(256, 8, 32, 1, 16)                   \
  X(256, 16, 8, 1, 16)                   \
  X(384, 8, 8, 1, 22)                    \
  X(384, 8, 16, 1, 18)                   \
  X(512, 8, 8, 1, 12)                    \
  X(512, 16, 8, 1, 32)                   \
  X(512, 16, 16, 1, 32)                  \
  X(512, 16, 32, 1, 32)                  \
  X(640, 16, 8, 1, 22)                   \
  X(768, 16, 8, 1, 24)                   \
  X(1024, 32, 8, 1, 40, true)            \
  X(1024, 32, 16, 1, 36, true)
#define RAGTIME_LSTM_BACKWARD_LARGE_16(X) \
  X(128, 1, 8, 1, 16)                     \
  X(128, 2, 8, 1, 16)                     \
  X(128, 4, 8, 1, 8)                      \
  X(128, 4, 16, 1, 8)                     \
  X(128, 4, 32, 1, 8)                     \
  X(192, 4, 8, 1, 12)                     \
  X(192, 4, 16, 1, 12)                    \
  X(256, 4, 8, 2, 16)                     \
  X(256, 8, 8, 2, 8)                      \
  X(256, 8, 16, 2, 8)                     \
  X(256, 8, 32, 2, 8)                     \
  X(256, 16, 8, 2, 4)                     \
  X(384, 8, 8, 2, 8)                      \
  X(384, 8, 16, 2, 6)                     \
  X(512, 8, 8, 2, 6)                      \
  X(512, 16, 8, 4, 8)                     \
  X(512, 16, 16, 4, 6)                    \
  X(640, 16, 8, 4, 4)                     \
  X(768, 16, 8, 6, 6)                     \
  X(1024, 32, 8, 8, 4, true)              \
  X(1024, 32, 16, 8, 4, true)
#define RAGTIME_LSTM_FORWARD_LARGE_32(X) \
  X(64, 1, 8, 2, 8)                      \
  X(128, 4, 8, 1, 16)                    \
  X(128, 4, 16, 1, 16)                   \
  X(128, 4, 32, 1, 16)                   \
  X(256, 8, 8, 1, 32)                    \
  X(256, 8, 16, 1, 32)                   \
  X(256, 16, 8, 1, 32)                   \
  X(384, 16, 8, 1, 32)                   \
  X(512, 16, 8, 1, 32)
#define RAGTIME_LSTM_BACKWARD_LARGE_32(X) \
  X(64, 1, 8, 1, 16)                      \
  X(128, 4, 8, 1, 16)                     \
  X(128, 4, 16, 1, 16)                    \
  X(256, 8, 8, 2, 16)                     \
  X(256, 16, 8, 2, 8)                     \
  X(384, 16, 8, 3, 12)                    \
  X(512, 16, 8, 4, 8)

// The lists that this compiler is given.
#if defined(__CUDACC__)
#define RAGTIME_LSTM_FORWARD_16(X) RAGTIME_LSTM_FORWARD_SMALL_16(X) RAGTIME_LSTM_FORWARD_LARGE_16(X)
#define RAGTIME_LSTM_BACKWARD_16(X) RAGTIME_LSTM_BACKWARD_SMALL_16(X) RAGTIME_LSTM_BACKWARD_LARGE_16(X)
#define RAGTIME_LSTM_FORWARD_32(X) RAGTIME_LSTM_FORWARD_SMALL_32(X) RAGTIME_LSTM_FORWARD_LARGE_32(X)
#define RAGTIME_LSTM_BACKWARD_32(X) RAGTIME_LSTM_BACKWARD_SMALL_32(X) RAGTIME_LSTM_BACKWARD_LARGE_32(X)
#else
#define RAGTIME_LSTM_FORWARD_16(X) RAGTIME_LSTM_FORWARD_SMALL_16(X)
#define RAGTIME_LSTM_BACKWARD_16(X) RAGTIME_LSTM_BACKWARD_SMALL_16(X)
#define RAGTIME_LSTM_FORWARD_32(X) RAGTIME_LSTM_FORWARD_SMALL_32(X)
#define RAGTIME_LSTM_BACKWARD_32(X) RAGTIME_LSTM_BACKWARD_SMALL_32(X)
#endif
