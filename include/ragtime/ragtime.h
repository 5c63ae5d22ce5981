#ifndef RAGTIME_RAGTIME_H
#define RAGTIME_RAGTIME_H

/**
 * @file
 * The C API of ragtime: its operations on the caller's memory and stream, without the model, training or
 * files.
 *
 * Shapes are written in these letters: B sequences, N rows (visits of all sequences), M codes, T longest
 * sequence, E embedding width, H hidden width, P projected width (H without projection), L layers,
 * D directions, K outputs. Ragged layout: row = visit_offsets[b] + t; nothing is padded.
 *
 * Every function returns a ragtime_status and, when that is not RAGTIME_OK, leaves a text that names the
 * argument, its value and what was expected in ragtime_last_error(); outputs are then untouched. No C++
 * exception leaves the library.
 *
 * Handles are numbers in the form of pointers, never reused: a destroyed or foreign handle is an error, not a
 * crash. Destroying null is allowed. What a call uses stays alive until the call has ended, and a plan keeps
 * its backend; work that is queued on a stream is the caller's to wait for before memory goes.
 *
 * Threads: plans and backends never change, so any number of threads may run one plan at once, each with a
 * workspace and a reserve of its own. A batch may be read by many, and loaded or built by one while nobody
 * else uses it. The last error belongs to its thread.
 *
 * Tensors are DLPack's DLTensor: ragtime_tensor has the same layout, and is that type where
 * <dlpack/dlpack.h> was included before. Each is checked: dtype, device, number of dimensions, sizes, and
 * that it is contiguous in row-major order. Where a size in use may be smaller than the array (N, B as first
 * dimension) a larger array is taken, and what is beyond is not touched.
 *
 * Structs begin with struct_size, which is sizeof the struct; everything else at zero is the default.
 */

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RAGTIME_API __attribute__((visibility("default")))
#else
#define RAGTIME_API
#endif

/* In C++ an enumeration must be able to hold whatever number a caller gives. */
#ifdef __cplusplus
#define RAGTIME_INT32 : int32_t
#else
#define RAGTIME_INT32
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The version this header belongs to; that of the library is ragtime_version(). */
#define RAGTIME_VERSION_TEXT "0.1.0"

/** How a call ended. */
typedef enum ragtime_status RAGTIME_INT32 {
  RAGTIME_OK = 0,               /**< done, or queued on the stream */
  RAGTIME_INVALID_ARGUMENT = 1, /**< a value that can never be right: null, a negative size, a dead handle */
  RAGTIME_SHAPE_MISMATCH = 2,   /**< a tensor whose dtype, device, shape or strides are not those expected */
  RAGTIME_OUT_OF_RANGE = 3,     /**< beyond a capacity or a table */
  RAGTIME_PARSE_ERROR = 4,      /**< a file's content; no function of this header gives it today */
  RAGTIME_IO_ERROR = 5,         /**< a file; no function of this header gives it today */
  RAGTIME_UNSUPPORTED = 6,      /**< right, but this build or this device cannot do it */
  RAGTIME_OUT_OF_MEMORY = 7,    /**< an allocation failed; nothing was changed */
  RAGTIME_DEVICE_ERROR = 8,     /**< CUDA, cuBLASLt or cuDNN reported a failure */
  RAGTIME_INTERNAL_ERROR = 9    /**< a defect of the library */
} ragtime_status;

/** Types of elements. */
typedef enum ragtime_dtype RAGTIME_INT32 {
  RAGTIME_F32 = 0,  /**< 32-bit float */
  RAGTIME_F64 = 1,  /**< 64-bit float, CPU only */
  RAGTIME_BF16 = 2, /**< bfloat16, CUDA only */
  RAGTIME_F16 = 3   /**< 16-bit float, CUDA only */
} ragtime_dtype;

#ifdef DLPACK_DLPACK_H_
typedef DLTensor ragtime_tensor;
typedef DLManagedTensor ragtime_managed_tensor;
#else
/** DLPack's DLTensor, byte for byte: a DLTensor* may be cast to it. */
typedef struct ragtime_tensor {
  void* data; /**< memory of the device; may be null where there are no elements */
  struct {
    int32_t device_type; /**< 1: CPU, 2: CUDA, 13: CUDA managed */
    int32_t device_id;   /**< ordinal of the CUDA device, 0 for the CPU */
  } device;              /**< where the memory is */
  int32_t ndim;          /**< number of dimensions */
  struct {
    uint8_t code;       /**< 0: int, 1: unsigned, 2: float, 4: bfloat, 6: bool */
    uint8_t bits;       /**< of an element */
    uint16_t lanes;     /**< 1 */
  } dtype;              /**< type of the elements */
  int64_t* shape;       /**< [ndim] */
  int64_t* strides;     /**< [ndim] in elements, or null: contiguous */
  uint64_t byte_offset; /**< from data to the first element */
} ragtime_tensor;

/** DLPack's DLManagedTensor: a tensor with an owner. Whoever takes it calls deleter(self) once. */
typedef struct ragtime_managed_tensor {
  ragtime_tensor dl_tensor;                             /**< the tensor */
  void* manager_ctx;                                    /**< the owner's */
  void (*deleter)(struct ragtime_managed_tensor* self); /**< gives it back; may be null */
} ragtime_managed_tensor;
#endif

/** A queue of work: a cudaStream_t, or null for the default stream; ignored on the CPU. */
typedef void* ragtime_stream;

/** The most that a plan will be asked for; a run may use less of each. */
typedef struct ragtime_capacity {
  int64_t sequences; /**< B */
  int64_t rows;      /**< N */
  int64_t codes;     /**< M */
  int64_t steps;     /**< T */
} ragtime_capacity;

/** The version of the library, "0.1.0". Never null. */
RAGTIME_API const char* ragtime_version(void);

/** What went wrong in this thread's last call that failed; "" before the first. Valid until the next failure.
 */
RAGTIME_API const char* ragtime_last_error(void);

/** "out of range" and the like; "unknown status" for what is none. Never null. */
RAGTIME_API const char* ragtime_status_name(ragtime_status status);

/* ---- Backends ---- */

/** A device and the operations it offers. */
typedef struct ragtime_backend_s* ragtime_backend;

/** Where a backend takes its memory from. Callbacks may come from any thread that calls the library, and must
 * not call it. Memory must be aligned to 256 bytes on CUDA and to 64 on the CPU. */
typedef struct ragtime_allocator {
  size_t struct_size;                                            /**< sizeof(ragtime_allocator) */
  void* context;                                                 /**< handed to both */
  void* (*allocate)(void* context, size_t bytes);                /**< device memory; null: there is none */
  void (*deallocate)(void* context, void* memory, size_t bytes); /**< what allocate gave, with its size */
} ragtime_allocator;

/** Opens "cpu", "cuda" (the calling thread's current device at the first call of the process) or "auto" (CUDA
 * where it is built in and a device answers). RAGTIME_UNSUPPORTED says what is missing. allocator: may be
 * null, for the device's own memory. */
RAGTIME_API ragtime_status ragtime_backend_open(const char* device, const ragtime_allocator* allocator,
                                                ragtime_backend* backend);
RAGTIME_API ragtime_status ragtime_backend_close(ragtime_backend backend); /**< plans made with it live on */

/** One line for a person, cut to fit `text` [bytes] and ended by a zero. */
RAGTIME_API ragtime_status ragtime_backend_describe(ragtime_backend backend, char* text, size_t bytes);

/** Waits for what is queued on the stream. */
RAGTIME_API ragtime_status ragtime_backend_synchronize(ragtime_backend backend, ragtime_stream stream);

/** A contiguous tensor of zeros in the backend's memory, shape [ndim], ndim 0 to 8. The caller owns it and
 * gives it back by its deleter, or hands it to whoever takes DLPack. */
RAGTIME_API ragtime_status ragtime_tensor_create(ragtime_backend backend, ragtime_dtype dtype, int32_t ndim,
                                                 const int64_t* shape, ragtime_managed_tensor** tensor);

/* ---- Faults: bad data that only the device sees ---- */

/** A status word in device memory: the first bad code, label or length of the operations it was given to. */
typedef struct ragtime_faults_s* ragtime_faults;

RAGTIME_API ragtime_status ragtime_faults_create(ragtime_backend backend,
                                                 ragtime_faults* faults); /**< clear */
RAGTIME_API ragtime_status ragtime_faults_destroy(ragtime_faults faults); /**< or null */

/** Waits for the stream, reads and clears the word: RAGTIME_OUT_OF_RANGE with fault and position, if any. */
RAGTIME_API ragtime_status ragtime_faults_check(ragtime_faults faults, ragtime_stream stream);

/* ---- Batches ---- */

/** Which rows belong to which sequence, in device memory: offsets, order longest first, steps. */
typedef struct ragtime_batch_s* ragtime_batch;

/** The arrays of a batch. */
typedef enum ragtime_batch_array RAGTIME_INT32 {
  RAGTIME_COUNTS = 0,        /**< int32 [4] B, N, M, T in use */
  RAGTIME_VISIT_OFFSETS = 1, /**< int32 [B+1] */
  RAGTIME_ORDER = 2,         /**< int32 [B] sequences, longest first, stable */
  RAGTIME_INVERSE_ORDER = 3, /**< int32 [B] */
  RAGTIME_BATCH_SIZES = 4,   /**< int32 [T] sequences alive at step t */
  RAGTIME_CODE_OFFSETS = 5,  /**< int32 [N+1], of a batch with codes */
  RAGTIME_CODES = 6          /**< int32 [M], of a batch with codes */
} ragtime_batch_array;

RAGTIME_API ragtime_status ragtime_batch_create(ragtime_backend backend, ragtime_batch* batch); /**< empty */
RAGTIME_API ragtime_status ragtime_batch_destroy(ragtime_batch batch); /**< or null */

/** Before the first load: every array gets its place once, with room for `capacity`, and operations go by the
 * device's counts alone; so a captured CUDA graph of the persistent LSTM holds for whatever is loaded later.
 */
RAGTIME_API ragtime_status ragtime_batch_fix(ragtime_batch batch, const ragtime_capacity* capacity);

/** Loads lengths, host [sequences]. A length of 0 is refused unless allow_zero_length is 1. The array may go
 * on return; the copy is queued on the stream. */
RAGTIME_API ragtime_status ragtime_batch_load_lengths(ragtime_batch batch, const int32_t* lengths,
                                                      int64_t sequences, int32_t allow_zero_length,
                                                      ragtime_stream stream);

/** The same with codes. Host: lengths [sequences]; code_offsets [N+1] from 0, N the sum of lengths; codes
 * [code_offsets[N]]; sequence_ids [sequences], the key of dropout masks, or null for 0, 1, 2, ... */
RAGTIME_API ragtime_status ragtime_batch_load_codes(ragtime_batch batch, const int32_t* lengths,
                                                    int64_t sequences, const int32_t* code_offsets,
                                                    const int32_t* codes, const uint32_t* sequence_ids,
                                                    int32_t allow_zero_length, ragtime_stream stream);

/** B, N, M, T in use, as the host knows them; of a fixed batch, its capacity. */
RAGTIME_API ragtime_status ragtime_batch_size(ragtime_batch batch, ragtime_capacity* size);

/** An array of the batch as a tensor that keeps the batch alive; its values change with the next load.
 * RAGTIME_INVALID_ARGUMENT where the batch has no such array. */
RAGTIME_API ragtime_status ragtime_batch_export(ragtime_batch batch, ragtime_batch_array array,
                                                ragtime_managed_tensor** tensor);

/* ---- LSTM ---- */

/** How CUDA runs the recurrence; on the CPU automatic is all there is. */
typedef enum ragtime_lstm_algorithm RAGTIME_INT32 {
  RAGTIME_LSTM_AUTOMATIC = 0, /**< whichever the cost model takes for faster */
  RAGTIME_LSTM_STEPWISE = 1,  /**< per step one product and one kernel; any size */
  RAGTIME_LSTM_CUDNN = 2,     /**< cuDNN's own */
  RAGTIME_LSTM_PERSISTENT = 3 /**< one launch, the recurrent weights on chip */
} ragtime_lstm_algorithm;

/** Gates i, f, g, o and formulas as torch.nn.LSTM. */
typedef struct ragtime_lstm_desc {
  size_t struct_size;               /**< sizeof(ragtime_lstm_desc) */
  ragtime_dtype dtype;              /**< of all tensors but the batch's */
  ragtime_lstm_algorithm algorithm; /**< which is refused with what there is, where it is not offered */
  int64_t input_size;               /**< at least 1 */
  int64_t hidden_size;              /**< H, at least 1 */
  int64_t num_layers;               /**< L; 0: 1 */
  int64_t proj_size;                /**< P, below H; 0: no projection */
  double dropout;                   /**< in [0, 1), between layers, in training */
  int32_t bidirectional;            /**< 1: D = 2 */
  int32_t no_bias;                  /**< 1: there are no biases */
  int32_t inference;                /**< 1: no backward, no reserve, no dropout */
  int32_t recompute_gates;          /**< 1: CUDA, a third of the reserve; backward computes gates again */
  int32_t tf32;                     /**< 1: CUDA, f32: factors of products may be rounded to tf32 */
  int32_t cluster;                  /**< persistent: thread blocks of a cluster; 0: chosen */
  int32_t slots;                    /**< persistent: sequences a cluster runs at once; 0: chosen */
  ragtime_capacity capacity;        /**< sequences, rows, steps */
} ragtime_lstm_desc;

/** Weights, or their gradients, of one layer and direction, PyTorch's names and shapes. */
typedef struct ragtime_lstm_weights {
  const ragtime_tensor* weight_ih; /**< [4H, input_size], above the first layer [4H, D*P] */
  const ragtime_tensor* weight_hh; /**< [4H, P] */
  const ragtime_tensor* bias_ih;   /**< [4H]; null without bias */
  const ragtime_tensor* bias_hh;   /**< [4H]; null without bias */
  const ragtime_tensor* weight_hr; /**< [P, H]; null without projection */
} ragtime_lstm_weights;

/** Tensors of a forward run. Null where "or null" is said. */
typedef struct ragtime_lstm_forward_args {
  size_t struct_size;      /**< sizeof(ragtime_lstm_forward_args) */
  ragtime_batch batch;     /**< within the plan's capacity */
  const ragtime_tensor* x; /**< [N, input_size] */
  const ragtime_lstm_weights*
      weights;               /**< host [L*D]: layer 0 forward, layer 0 reverse, layer 1 forward, ... */
  const ragtime_tensor* h0;  /**< [L*D, B, P] or null for zeros */
  const ragtime_tensor* c0;  /**< [L*D, B, H] or null for zeros */
  const ragtime_tensor* y;   /**< out [N, D*P] */
  const ragtime_tensor* h_n; /**< out [L*D, B, P] or null */
  const ragtime_tensor* c_n; /**< out [L*D, B, H] or null */
  const ragtime_tensor*
      final_state;             /**< out [B, D*P] or null: h_n of the last layer, directions side by side */
  const ragtime_tensor* c_seq; /**< out [N, D*H] or null: c of the last layer at every row */
  uint64_t dropout_seed;       /**< key of the dropout masks */
  const ragtime_tensor* dropout_step; /**< uint64 [1] or int64 [1], device, or null for 0 */
  void* workspace;                    /**< device, aligned to 16 bytes (256 on CUDA) */
  size_t workspace_bytes;             /**< at least ragtime_lstm_workspace_bytes() */
  void* reserve;                      /**< kept for backward; null with inference */
  size_t reserve_bytes;               /**< at least ragtime_lstm_reserve_bytes() */
  ragtime_faults faults;              /**< or null */
} ragtime_lstm_forward_args;

/** Tensors of a backward run. */
typedef struct ragtime_lstm_backward_args {
  size_t struct_size;                    /**< sizeof(ragtime_lstm_backward_args) */
  ragtime_batch batch;                   /**< this, and the next four, as in forward */
  const ragtime_tensor* x;               /**< [N, input_size] */
  const ragtime_lstm_weights* weights;   /**< host [L*D] */
  const ragtime_tensor* h0;              /**< [L*D, B, P] or null */
  const ragtime_tensor* c0;              /**< [L*D, B, H] or null */
  const ragtime_tensor* y;               /**< [N, D*P] as forward wrote it */
  const ragtime_tensor* d_y;             /**< [N, D*P] or null */
  const ragtime_tensor* d_h_n;           /**< [L*D, B, P] or null */
  const ragtime_tensor* d_c_n;           /**< [L*D, B, H] or null */
  const ragtime_tensor* d_final_state;   /**< [B, D*P] or null */
  const ragtime_tensor* d_x;             /**< out [N, input_size] or null */
  const ragtime_tensor* d_h0;            /**< out [L*D, B, P] or null */
  const ragtime_tensor* d_c0;            /**< out [L*D, B, H] or null */
  const ragtime_lstm_weights* gradients; /**< out, host [L*D] or null; what is null inside is not computed */
  int32_t accumulate;                    /**< 1: adds to the gradients of weights */
  uint64_t dropout_seed;                 /**< as in forward */
  const ragtime_tensor* dropout_step;    /**< as in forward */
  void* workspace;                       /**< device */
  size_t workspace_bytes;                /**< at least ragtime_lstm_workspace_bytes() */
  const void* reserve;                   /**< as forward left it */
  size_t reserve_bytes;                  /**< at least ragtime_lstm_reserve_bytes() */
  ragtime_faults faults;                 /**< or null */
} ragtime_lstm_backward_args;

/** A described LSTM: what runs it, and how much memory that needs. */
typedef struct ragtime_lstm_s* ragtime_lstm;

/** RAGTIME_INVALID_ARGUMENT on a description that cannot be right, RAGTIME_UNSUPPORTED on a dtype or an
 * algorithm that the backend does not have, RAGTIME_OUT_OF_MEMORY on sizes beyond any memory. */
RAGTIME_API ragtime_status ragtime_lstm_create(ragtime_backend backend, const ragtime_lstm_desc* desc,
                                               ragtime_lstm* lstm);
RAGTIME_API ragtime_status ragtime_lstm_destroy(ragtime_lstm lstm);                        /**< or null */
RAGTIME_API ragtime_status ragtime_lstm_workspace_bytes(ragtime_lstm lstm, size_t* bytes); /**< of a run */
RAGTIME_API ragtime_status ragtime_lstm_reserve_bytes(ragtime_lstm lstm,
                                                      size_t* bytes); /**< 0 in inference */

/** Queues a forward run. Bad tensors are RAGTIME_SHAPE_MISMATCH, null ones RAGTIME_INVALID_ARGUMENT, a batch
 * beyond the capacity RAGTIME_OUT_OF_RANGE. */
RAGTIME_API ragtime_status ragtime_lstm_forward(ragtime_lstm lstm, const ragtime_lstm_forward_args* args,
                                                ragtime_stream stream);

/** Queues a backward run; errors as forward, and RAGTIME_UNSUPPORTED with inference. */
RAGTIME_API ragtime_status ragtime_lstm_backward(ragtime_lstm lstm, const ragtime_lstm_backward_args* args,
                                                 ragtime_stream stream);

#ifdef __cplusplus
}
#endif

#endif /* RAGTIME_RAGTIME_H */
