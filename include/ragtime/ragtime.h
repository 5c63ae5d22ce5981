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
 * Every function that can fail returns a ragtime_status and, when that is not RAGTIME_OK, leaves a text that
 * names the argument, its value and what was expected in ragtime_last_error(); outputs are then untouched,
 * unless it is RAGTIME_DEVICE_ERROR. No C++ exception leaves the library.
 *
 * These errors hold for every argument of its kind, and are not repeated below:
 * - handle: RAGTIME_INVALID_ARGUMENT when it is null, destroyed, of another kind, or never was one;
 * - pointer to a struct, or to where a result goes: RAGTIME_INVALID_ARGUMENT when it is null; of a struct
 * also when its struct_size is less than this header's, or when a flag is neither 0 nor 1 or an enumerator is
 * none of its enumeration; RAGTIME_UNSUPPORTED when a longer struct has something set that this version does
 * not know;
 * - tensor: RAGTIME_SHAPE_MISMATCH when its dtype, device, shape or strides are not those said;
 * RAGTIME_INVALID_ARGUMENT when it is null and "or null" is not said, when its data or shape is null, or when
 * it is not aligned to its elements;
 * - workspace and reserve: RAGTIME_INVALID_ARGUMENT when null or not aligned to 16 bytes, on CUDA to 256,
 * RAGTIME_OUT_OF_RANGE when shorter than the query says; neither matters where that is 0;
 * - batch of a run: RAGTIME_SHAPE_MISMATCH on another device than the plan, RAGTIME_INVALID_ARGUMENT when it
 * is empty, RAGTIME_OUT_OF_RANGE when it is beyond the plan's capacity, or, where only the device knows that,
 * a fault;
 * - stream: what CUDA says of one that is not its own is RAGTIME_DEVICE_ERROR, where CUDA says anything.
 *
 * Any call may end with RAGTIME_OUT_OF_MEMORY, RAGTIME_DEVICE_ERROR or RAGTIME_INTERNAL_ERROR.
 *
 * Handles are numbers in the form of pointers, never reused: a destroyed or foreign handle is an error, not a
 * crash. Destroying null is allowed. What a call uses stays alive until the call has ended, and a plan keeps
 * its backend; work that is queued on a stream is the caller's to wait for before memory goes.
 *
 * Threads: plans and backends never change, so any number of threads may run one plan at once, each with a
 * workspace and a reserve of its own. A batch may be read by many, and loaded, built or fetched by one while
 * nobody else uses it; a fault word may be given to many runs, and checked while none of them is under way.
 * The last error belongs to its thread. On CUDA the device of the backend must be current (cudaSetDevice) in
 * every thread that calls.
 *
 * Tensors are DLPack's DLTensor: ragtime_tensor has the same layout, and is that type where
 * <dlpack/dlpack.h> was included before. Each is checked: dtype, device, number of dimensions, sizes, and
 * that it is contiguous in row-major order. Where a size in use may be smaller than the array (N, B as first
 * dimension) a larger array is taken, and what is beyond is not touched.
 *
 * Descriptions and arguments begin with struct_size, which is sizeof the struct; everything else at zero is
 * the default.
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
#define RAGTIME_ENUM_BASE : int32_t
#else
#define RAGTIME_ENUM_BASE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The version this header belongs to; that of the library is ragtime_version(). */
#define RAGTIME_VERSION_TEXT "0.1.0"

/** How a call ended. */
typedef enum ragtime_status RAGTIME_ENUM_BASE {
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

/** Types of elements. What operations compute in are the first four; the others are those of indices and
 * masks. */
typedef enum ragtime_dtype RAGTIME_ENUM_BASE {
  RAGTIME_F32 = 0,  /**< 32-bit float */
  RAGTIME_F64 = 1,  /**< 64-bit float, CPU only */
  RAGTIME_BF16 = 2, /**< bfloat16, CUDA only */
  RAGTIME_F16 = 3,  /**< 16-bit float, CUDA only */
  RAGTIME_I32 = 4,  /**< int32: lengths, offsets, codes, labels */
  RAGTIME_U8 = 5,   /**< uint8: masks, indicators */
  RAGTIME_U64 = 6   /**< uint64: the step of dropout */
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

/** Threads of the CPU backend, of the whole process: 1 to 1024, or 0 for RAGTIME_THREADS if that is set, else
 * one a core. Results do not depend on it. Not while other threads run operations. */
RAGTIME_API ragtime_status ragtime_set_cpu_threads(int32_t threads);

/** Waits for what is queued on the stream. */
RAGTIME_API ragtime_status ragtime_backend_synchronize(ragtime_backend backend, ragtime_stream stream);

/** A contiguous tensor of zeros in the backend's memory, shape [ndim], ndim 0 to 8. The caller owns it and
 * gives it back by its deleter, or hands it to whoever takes DLPack. */
RAGTIME_API ragtime_status ragtime_tensor_create(ragtime_backend backend, ragtime_dtype dtype, int32_t ndim,
                                                 const int64_t* shape, ragtime_managed_tensor** tensor);

/** Queues a copy between two contiguous tensors of one dtype and shape, from host or device memory of the
 * backend to either. Host memory is a tensor on the CPU; it may be read or written until the stream is waited
 * for. */
RAGTIME_API ragtime_status ragtime_tensor_copy(ragtime_backend backend, const ragtime_tensor* from,
                                               const ragtime_tensor* to, ragtime_stream stream);

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
typedef enum ragtime_batch_array RAGTIME_ENUM_BASE {
  RAGTIME_COUNTS = 0,         /**< int32 [4] B, N, M, T in use */
  RAGTIME_VISIT_OFFSETS = 1,  /**< int32 [B+1] */
  RAGTIME_ORDER = 2,          /**< int32 [B] sequences, longest first, stable */
  RAGTIME_INVERSE_ORDER = 3,  /**< int32 [B] */
  RAGTIME_BATCH_SIZES = 4,    /**< int32 [T] sequences alive at step t */
  RAGTIME_CODE_OFFSETS = 5,   /**< int32 [N+1], of a batch with codes */
  RAGTIME_CODES = 6,          /**< int32 [M], of a batch with codes */
  RAGTIME_CODE_WEIGHTS = 7,   /**< f32 [M], of a batch with weights of codes */
  RAGTIME_SEQUENCE_COUNT = 8, /**< int32 [1], the B of counts: how many segments visit_offsets has */
  RAGTIME_ROW_COUNT = 9       /**< int32 [1], the N of counts: how many segments code_offsets has */
} ragtime_batch_array;

/** A batch on the host. The arrays may go as soon as the call that takes them returns. */
typedef struct ragtime_batch_codes {
  size_t struct_size;           /**< sizeof(ragtime_batch_codes) */
  int64_t sequences;            /**< B */
  const int32_t* lengths;       /**< [B] rows of each sequence; N is their sum */
  const int32_t* code_offsets;  /**< [N+1] from 0: codes of row n are [code_offsets[n], code_offsets[n+1]) */
  const int32_t* codes;         /**< [M], M = code_offsets[N] */
  const float* code_weights;    /**< [M] finite, not negative; or null: the batch has none */
  const uint32_t* sequence_ids; /**< [B] the key of dropout masks, or null for 0, 1, 2, ... */
  int32_t allow_zero_length;    /**< 1: a length of 0 is no error */
} ragtime_batch_codes;

RAGTIME_API ragtime_status ragtime_batch_create(ragtime_backend backend, ragtime_batch* batch); /**< empty */
RAGTIME_API ragtime_status ragtime_batch_destroy(ragtime_batch batch); /**< or null */

/** Before the first load or build: every array gets its place once, with room for `capacity`, and operations
 * go by the device's counts alone; so a captured CUDA graph of the persistent LSTM holds for whatever is
 * loaded later. What launches step by step needs ragtime_batch_fetch after each load. code_weights: 1 when
 * the batches to be loaded have weights of codes. */
RAGTIME_API ragtime_status ragtime_batch_fix(ragtime_batch batch, const ragtime_capacity* capacity,
                                             int32_t code_weights);

/** Loads lengths, host [sequences]. A length of 0 is refused unless allow_zero_length is 1. The array may go
 * on return; the copy is queued on the stream. */
RAGTIME_API ragtime_status ragtime_batch_load_lengths(ragtime_batch batch, const int32_t* lengths,
                                                      int64_t sequences, int32_t allow_zero_length,
                                                      ragtime_stream stream);

/** The same with the codes of every row. */
RAGTIME_API ragtime_status ragtime_batch_load_codes(ragtime_batch batch, const ragtime_batch_codes* codes,
                                                    ragtime_stream stream);

/** B, N, M, T in use, where the host knows them; of a fixed batch its capacity, until ragtime_batch_fetch. */
RAGTIME_API ragtime_status ragtime_batch_size(ragtime_batch batch, ragtime_capacity* size);

/** An array of the batch as a tensor that keeps its memory alive. Of a fixed batch the values change with the
 * next load or build; of another they stay those of the load before the export. RAGTIME_INVALID_ARGUMENT
 * where the batch has no such array. */
RAGTIME_API ragtime_status ragtime_batch_export(ragtime_batch batch, ragtime_batch_array array,
                                                ragtime_managed_tensor** tensor);

/* ---- Batches out of what is in device memory already ---- */

/** What makes a batch of lengths or masks, while the host neither waits for nor sees a length. */
typedef struct ragtime_batch_builder_s* ragtime_batch_builder;

/** What it will be asked for. */
typedef struct ragtime_batch_builder_desc {
  size_t struct_size;        /**< sizeof(ragtime_batch_builder_desc) */
  int32_t allow_zero_length; /**< 1: a length of 0 is no fault */
  ragtime_capacity capacity; /**< sequences, rows, steps */
} ragtime_batch_builder_desc;

/** Arguments of a build: lengths or mask, one of the two. A faulty sequence counts as what can be made of it,
 * and is reported to faults: a negative length as 0, a mask up to its first element that is not 1, one longer
 * than the capacity's steps as that long; rows beyond the capacity are left out. On the CPU sizes beyond the
 * capacity are RAGTIME_OUT_OF_RANGE instead, and nothing is written. */
typedef struct ragtime_batch_build_args {
  size_t struct_size;            /**< sizeof(ragtime_batch_build_args) */
  ragtime_batch batch;           /**< fixed, with at least the builder's capacity, and never loaded */
  const ragtime_tensor* lengths; /**< int32 [capacity.sequences or more], or null */
  const ragtime_tensor*
      mask; /**< uint8 or bool [capacity.sequences or more, T_pad] of ones, then zeros; or null */
  const ragtime_tensor* sequences; /**< int32 [1], device: B in use, or null: the capacity's */
  void* workspace;                 /**< device */
  size_t workspace_bytes;          /**< at least ragtime_batch_builder_workspace_bytes() */
  ragtime_faults faults;           /**< or null */
} ragtime_batch_build_args;

/** RAGTIME_INVALID_ARGUMENT on a capacity that cannot be right. */
RAGTIME_API ragtime_status ragtime_batch_builder_create(ragtime_backend backend,
                                                        const ragtime_batch_builder_desc* desc,
                                                        ragtime_batch_builder* builder);
RAGTIME_API ragtime_status ragtime_batch_builder_destroy(ragtime_batch_builder builder); /**< or null */
RAGTIME_API ragtime_status ragtime_batch_builder_workspace_bytes(ragtime_batch_builder builder,
                                                                 size_t* bytes); /**< of a build */

/** Queues a build; operations queued on the stream after it may take the batch. The first build into a batch
 * takes the memory of its arrays, so build once before a capture. */
RAGTIME_API ragtime_status ragtime_batch_build(ragtime_batch_builder builder,
                                               const ragtime_batch_build_args* args, ragtime_stream stream);

/** Waits for the stream and tells the host what is in a fixed batch, loaded or built: ragtime_batch_size is
 * then exact, and RAGTIME_LSTM_STEPWISE and RAGTIME_LSTM_CUDNN can run, until the next load or build. Of a
 * batch that is not fixed the host knows that anyway. */
RAGTIME_API ragtime_status ragtime_batch_fetch(ragtime_batch batch, ragtime_stream stream);

/* ---- LSTM ---- */

/** How CUDA runs the recurrence; on the CPU automatic is all there is. */
typedef enum ragtime_lstm_algorithm RAGTIME_ENUM_BASE {
  RAGTIME_LSTM_AUTOMATIC = 0, /**< whichever the cost model takes for faster */
  RAGTIME_LSTM_STEPWISE = 1,  /**< per step one product and one kernel; any size */
  RAGTIME_LSTM_CUDNN = 2,     /**< cuDNN's own */
  RAGTIME_LSTM_PERSISTENT = 3 /**< one launch, the recurrent weights on chip; bf16, f16, or f32 with tf32 */
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

/** Tensors of a forward run. Null where "or null" is said. Of a fixed batch that was not fetched, h0, c0, h_n
 * and c_n have room for the capacity's B, and hold [L*D, B, ...] for the B in use, one after the other. */
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
  void* workspace;                    /**< device */
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

/** The algorithm that runs and why, one line for a person, cut to fit `text` [bytes] and ended by a zero. */
RAGTIME_API ragtime_status ragtime_lstm_describe(ragtime_lstm lstm, char* text, size_t bytes);

/** 1: a CUDA graph that captured a run holds for whatever is loaded into its fixed batch later; 0: for
 * batches with the same lengths only. */
RAGTIME_API ragtime_status ragtime_lstm_graph_takes_any_batch(ragtime_lstm lstm, int32_t* yes);

/** Queues a forward run. Bad tensors are RAGTIME_SHAPE_MISMATCH, null ones RAGTIME_INVALID_ARGUMENT, a batch
 * beyond the capacity RAGTIME_OUT_OF_RANGE. */
RAGTIME_API ragtime_status ragtime_lstm_forward(ragtime_lstm lstm, const ragtime_lstm_forward_args* args,
                                                ragtime_stream stream);

/** Queues a backward run; errors as forward, and RAGTIME_UNSUPPORTED with inference. */
RAGTIME_API ragtime_status ragtime_lstm_backward(ragtime_lstm lstm, const ragtime_lstm_backward_args* args,
                                                 ragtime_stream stream);

/* ---- One LSTM step, for streams ---- */

/** B patients, one new visit each; the caller keeps h and c. One direction. */
typedef struct ragtime_lstm_step_desc {
  size_t struct_size;  /**< sizeof(ragtime_lstm_step_desc) */
  ragtime_dtype dtype; /**< of all tensors */
  int32_t no_bias;     /**< 1: there are no biases */
  int32_t training;    /**< 1: there is a backward, and a reserve for it */
  int64_t sequences;   /**< B, exactly */
  int64_t input_size;  /**< at least 1 */
  int64_t hidden_size; /**< H, at least 1 */
  int64_t num_layers;  /**< L; 0: 1 */
  int64_t proj_size;   /**< P, below H; 0: no projection */
} ragtime_lstm_step_desc;

/** Tensors of one step. */
typedef struct ragtime_lstm_step_forward_args {
  size_t struct_size;                  /**< sizeof(ragtime_lstm_step_forward_args) */
  const ragtime_tensor* x;             /**< [B, input_size] */
  const ragtime_lstm_weights* weights; /**< host [L] */
  const ragtime_tensor* h;             /**< [L, B, P] or null for zeros */
  const ragtime_tensor* c;             /**< [L, B, H] or null for zeros */
  const ragtime_tensor* h_next;        /**< out [L, B, P]; may be the memory of h, unless training */
  const ragtime_tensor* c_next;        /**< out [L, B, H]; may be the memory of c, unless training */
  void* workspace;                     /**< device */
  size_t workspace_bytes;              /**< at least ragtime_lstm_step_workspace_bytes() */
  void* reserve;                       /**< in training, kept for backward */
  size_t reserve_bytes;                /**< at least ragtime_lstm_step_reserve_bytes() */
} ragtime_lstm_step_forward_args;

/** Tensors of a step back. */
typedef struct ragtime_lstm_step_backward_args {
  size_t struct_size;                    /**< sizeof(ragtime_lstm_step_backward_args) */
  const ragtime_tensor* x;               /**< [B, input_size], this and the next three as in forward */
  const ragtime_lstm_weights* weights;   /**< host [L] */
  const ragtime_tensor* h;               /**< [L, B, P] or null */
  const ragtime_tensor* c;               /**< [L, B, H] or null */
  const ragtime_tensor* d_h_next;        /**< [L, B, P] or null */
  const ragtime_tensor* d_c_next;        /**< [L, B, H] or null */
  const ragtime_tensor* d_x;             /**< out [B, input_size] or null */
  const ragtime_tensor* d_h;             /**< out [L, B, P] or null */
  const ragtime_tensor* d_c;             /**< out [L, B, H] or null */
  const ragtime_lstm_weights* gradients; /**< out, host [L] or null; what is null inside is not computed */
  int32_t accumulate;                    /**< 1: adds to the gradients of weights */
  void* workspace;                       /**< device */
  size_t workspace_bytes;                /**< at least ragtime_lstm_step_workspace_bytes() */
  const void* reserve;                   /**< as forward left it */
  size_t reserve_bytes;                  /**< at least ragtime_lstm_step_reserve_bytes() */
} ragtime_lstm_step_backward_args;

/** A described step. */
typedef struct ragtime_lstm_step_s* ragtime_lstm_step;

/** Errors as ragtime_lstm_create. */
RAGTIME_API ragtime_status ragtime_lstm_step_create(ragtime_backend backend,
                                                    const ragtime_lstm_step_desc* desc,
                                                    ragtime_lstm_step* step);
RAGTIME_API ragtime_status ragtime_lstm_step_destroy(ragtime_lstm_step step); /**< or null */
RAGTIME_API ragtime_status ragtime_lstm_step_workspace_bytes(ragtime_lstm_step step,
                                                             size_t* bytes); /**< of a run */
RAGTIME_API ragtime_status ragtime_lstm_step_reserve_bytes(ragtime_lstm_step step,
                                                           size_t* bytes); /**< 0 without training */

/** Queues a step; errors as ragtime_lstm_forward. */
RAGTIME_API ragtime_status ragtime_lstm_step_forward(ragtime_lstm_step step,
                                                     const ragtime_lstm_step_forward_args* args,
                                                     ragtime_stream stream);

/** Queues a step back; errors as forward, and RAGTIME_UNSUPPORTED without training. */
RAGTIME_API ragtime_status ragtime_lstm_step_backward(ragtime_lstm_step step,
                                                      const ragtime_lstm_step_backward_args* args,
                                                      ragtime_stream stream);

/* ---- Pooling of segments ---- */

/** How the rows of a segment become one. An empty segment pools to 0 in every mode. */
typedef enum ragtime_pool_mode RAGTIME_ENUM_BASE {
  RAGTIME_POOL_SUM = 0,       /**< sum */
  RAGTIME_POOL_MEAN = 1,      /**< mean */
  RAGTIME_POOL_MAX = 2,       /**< largest, element by element */
  RAGTIME_POOL_ATTENTION = 3, /**< softmax over w2 . tanh(W1 e + b1) + b2 */
  RAGTIME_POOL_LAST = 4       /**< the last row */
} ragtime_pool_mode;

/** Rows gathered from a table by their codes (vocab_size > 0), or rows as they stand. */
typedef struct ragtime_segment_pool_desc {
  size_t struct_size;       /**< sizeof(ragtime_segment_pool_desc) */
  ragtime_dtype dtype;      /**< of values and results */
  ragtime_pool_mode mode;   /**< sum is 0 */
  int64_t width;            /**< E, at least 1 */
  int64_t segments;         /**< capacity */
  int64_t items;            /**< capacity: codes or rows of all segments together */
  int64_t vocab_size;       /**< V; 0: the items are rows */
  int64_t padding_row;      /**< 1 + the row of the table that gets no gradient; 0: none */
  int64_t attention_width;  /**< A, with attention */
  int32_t weighted;         /**< 1: items have weights (not with last) */
  int32_t atomic_gradients; /**< 1: CUDA, table gradients by atomic adds, in no fixed order */
  int32_t tf32;             /**< 1: CUDA, f32, attention: factors may be rounded to tf32 */
} ragtime_segment_pool_desc;

/** The scorer of attention, or its gradients. */
typedef struct ragtime_attention_weights {
  const ragtime_tensor* w1; /**< [A, E] */
  const ragtime_tensor* b1; /**< [A] */
  const ragtime_tensor* w2; /**< [1, A] */
  const ragtime_tensor* b2; /**< [1] */
} ragtime_attention_weights;

/** Tensors of a forward run. The arrays say what there is room for: offsets for S segments, codes (or the
 * rows of values) for M items. What is in use, segments and the last of offsets, is read on the device and
 * must not be more; on the CPU that is checked, on CUDA what is beyond the plan's capacity is a fault. The
 * codes of a batch's rows are pooled with its RAGTIME_ROW_COUNT, RAGTIME_CODE_OFFSETS and RAGTIME_CODES, the
 * rows of its sequences with RAGTIME_SEQUENCE_COUNT and RAGTIME_VISIT_OFFSETS. */
typedef struct ragtime_segment_pool_forward_args {
  size_t struct_size;                  /**< sizeof(ragtime_segment_pool_forward_args) */
  const ragtime_tensor* segments;      /**< int32 [1], device: segments in use */
  const ragtime_tensor* offsets;       /**< int32 [S+1] from 0, never decreasing */
  const ragtime_tensor* codes;         /**< int32 [M], with a table; else null */
  const ragtime_tensor* values;        /**< table [V, E], or rows [M, E] */
  const ragtime_tensor* weights;       /**< f32 [M], when weighted; else null */
  ragtime_attention_weights attention; /**< with attention */
  const ragtime_tensor* out;           /**< out [S, E] */
  void* workspace;                     /**< device */
  size_t workspace_bytes;              /**< at least ragtime_segment_pool_workspace_bytes() */
  void* reserve;                       /**< kept for backward; null: inference */
  size_t reserve_bytes;                /**< at least ragtime_segment_pool_reserve_bytes(), unless null */
  ragtime_faults faults;               /**< or null; a code outside [0, V) counts as absent */
} ragtime_segment_pool_forward_args;

/** Tensors of a backward run. */
typedef struct ragtime_segment_pool_backward_args {
  size_t struct_size;                    /**< sizeof(ragtime_segment_pool_backward_args) */
  const ragtime_tensor* segments;        /**< as in forward, and the next four and attention */
  const ragtime_tensor* offsets;         /**< int32 [S+1] */
  const ragtime_tensor* codes;           /**< int32 [M] */
  const ragtime_tensor* values;          /**< [V, E] or [M, E] */
  const ragtime_tensor* weights;         /**< f32 [M] */
  ragtime_attention_weights attention;   /**< with attention */
  const ragtime_tensor* d_out;           /**< [S, E] */
  const ragtime_tensor* d_values;        /**< out, as values */
  ragtime_attention_weights d_attention; /**< out, with attention */
  int32_t accumulate;                    /**< 1: adds to the gradients */
  void* workspace;                       /**< device */
  size_t workspace_bytes;                /**< at least ragtime_segment_pool_workspace_bytes() */
  const void* reserve;                   /**< as forward left it */
  size_t reserve_bytes;                  /**< at least ragtime_segment_pool_reserve_bytes() */
} ragtime_segment_pool_backward_args;

/** A described pooling. */
typedef struct ragtime_segment_pool_s* ragtime_segment_pool;

/** RAGTIME_INVALID_ARGUMENT on a description that cannot be right, RAGTIME_UNSUPPORTED on a dtype. */
RAGTIME_API ragtime_status ragtime_segment_pool_create(ragtime_backend backend,
                                                       const ragtime_segment_pool_desc* desc,
                                                       ragtime_segment_pool* pool);
RAGTIME_API ragtime_status ragtime_segment_pool_destroy(ragtime_segment_pool pool); /**< or null */
RAGTIME_API ragtime_status ragtime_segment_pool_workspace_bytes(ragtime_segment_pool pool,
                                                                size_t* bytes); /**< of a run */
RAGTIME_API ragtime_status ragtime_segment_pool_reserve_bytes(ragtime_segment_pool pool,
                                                              size_t* bytes); /**< of a forward run */

/** Queues a forward run: RAGTIME_SHAPE_MISMATCH, RAGTIME_INVALID_ARGUMENT, RAGTIME_OUT_OF_RANGE as the
 * LSTM's. */
RAGTIME_API ragtime_status ragtime_segment_pool_forward(ragtime_segment_pool pool,
                                                        const ragtime_segment_pool_forward_args* args,
                                                        ragtime_stream stream);
/** Queues a backward run; errors as forward. */
RAGTIME_API ragtime_status ragtime_segment_pool_backward(ragtime_segment_pool pool,
                                                         const ragtime_segment_pool_backward_args* args,
                                                         ragtime_stream stream);

/* ---- Masked losses ---- */

/** Which loss. */
typedef enum ragtime_loss_kind RAGTIME_ENUM_BASE {
  RAGTIME_LOSS_BCE_WITH_LOGITS = 0, /**< per element, targets in [0, 1] */
  RAGTIME_LOSS_CROSS_ENTROPY = 1,   /**< softmax over K, one label a row */
  RAGTIME_LOSS_MSE = 2,             /**< per element */
  RAGTIME_LOSS_SURVIVAL = 3         /**< discrete-time hazards, K = 1, event time and indicator a sequence */
} ragtime_loss_kind;

/** What becomes of the losses. */
typedef enum ragtime_reduction RAGTIME_ENUM_BASE {
  RAGTIME_REDUCTION_NONE = 0,             /**< all of them */
  RAGTIME_REDUCTION_SUM = 1,              /**< one number */
  RAGTIME_REDUCTION_MEAN = 2,             /**< over what is valid, by weight */
  RAGTIME_REDUCTION_MEAN_PER_SEQUENCE = 3 /**< of each sequence, then of the sequences */
} ragtime_reduction;

/** What the rows of the logits are. */
typedef enum ragtime_loss_layout RAGTIME_ENUM_BASE {
  RAGTIME_LOSS_ROWS = 0,      /**< ragged rows: R = N */
  RAGTIME_LOSS_SEQUENCES = 1, /**< one a sequence: R = B */
  RAGTIME_LOSS_PADDED = 2     /**< [B, T_pad]; padding is never read, its gradient is 0 */
} ragtime_loss_layout;

/** A loss: the definitions of PyTorch's BCEWithLogitsLoss, CrossEntropyLoss and MSELoss over the rows that
 * are not masked, and the discrete-time survival loss of Kvamme and Borgan (2021), eq. 3; written out in
 * ragtime/masked_loss.hpp. A row is masked by a weight of 0, and by a bad label, target or weight. */
typedef struct ragtime_masked_loss_desc {
  size_t struct_size;          /**< sizeof(ragtime_masked_loss_desc) */
  ragtime_dtype dtype;         /**< of logits, targets, and losses without reduction */
  ragtime_loss_kind kind;      /**< BCE is 0 */
  ragtime_reduction reduction; /**< none is 0 */
  ragtime_loss_layout layout;  /**< ragged rows are 0 */
  int64_t outputs;             /**< K, at least 1 */
  int64_t padded_steps;        /**< T_pad, with padded */
  double label_smoothing;      /**< cross entropy, in [0, 1] */
  int32_t has_ignore_index;    /**< 1: ignore_index counts; 0: it is -100, as PyTorch's */
  int32_t ignore_index;        /**< cross entropy: rows with this label are masked */
  int32_t hazards;             /**< survival, 1: the input is hazards in (0, 1), not their logits */
  ragtime_capacity capacity;   /**< sequences, rows; with padded also steps */
} ragtime_masked_loss_desc;

/** Tensors of a run. R: rows of the layout, for padded the two sizes B, T_pad. */
typedef struct ragtime_masked_loss_args {
  size_t struct_size;                   /**< sizeof(ragtime_masked_loss_args) */
  ragtime_batch batch;                  /**< within the plan's capacity */
  const ragtime_tensor* logits;         /**< [R, K]; survival [R] */
  const ragtime_tensor* targets;        /**< [R, K]: BCE, MSE */
  const ragtime_tensor* target_offsets; /**< int32 [R+1], BCE in place of targets: offsets of target_ids */
  const ragtime_tensor* target_ids;     /**< int32 [any], the labels that are 1, distinct in a row */
  const ragtime_tensor* labels;         /**< int32 [R]: cross entropy */
  const ragtime_tensor* event_time;     /**< int32 [B]: survival, visit from 0; -1 masks */
  const ragtime_tensor* observed;       /**< uint8 or bool [B]: survival, 1 event, 0 censored */
  const ragtime_tensor* row_weight;     /**< f32 [R], survival [B], or null; 0 masks */
  const ragtime_tensor* pos_weight;     /**< [K], BCE, or null */
  const ragtime_tensor* class_weight;   /**< [K], cross entropy, or null */
  const ragtime_tensor* loss;       /**< out [1], f32 for bf16 and f16; none: [R, K], [R] or [B] of dtype */
  const ragtime_tensor* weight_sum; /**< out [1], f32 for bf16 and f16, or null: the mean's denominator */
  const ragtime_tensor* d_logits;   /**< out, as logits, or null; padding gets 0 */
  void* workspace;                  /**< device */
  size_t workspace_bytes;           /**< at least ragtime_masked_loss_workspace_bytes() */
  ragtime_faults faults;            /**< or null */
} ragtime_masked_loss_args;

/** A described loss. */
typedef struct ragtime_masked_loss_s* ragtime_masked_loss;

/** RAGTIME_INVALID_ARGUMENT on a description that cannot be right, RAGTIME_UNSUPPORTED on a dtype. */
RAGTIME_API ragtime_status ragtime_masked_loss_create(ragtime_backend backend,
                                                      const ragtime_masked_loss_desc* desc,
                                                      ragtime_masked_loss* loss);
RAGTIME_API ragtime_status ragtime_masked_loss_destroy(ragtime_masked_loss loss); /**< or null */
RAGTIME_API ragtime_status ragtime_masked_loss_workspace_bytes(ragtime_masked_loss loss,
                                                               size_t* bytes); /**< of a run */

/** Queues loss and gradient, in one pass; errors as ragtime_lstm_forward. */
RAGTIME_API ragtime_status ragtime_masked_loss_run(ragtime_masked_loss loss,
                                                   const ragtime_masked_loss_args* args,
                                                   ragtime_stream stream);

/* ---- Layouts ---- */

/** How rows stand. */
typedef enum ragtime_layout_kind RAGTIME_ENUM_BASE {
  RAGTIME_RAGGED = 0, /**< [N, W], row = visit_offsets[b] + t */
  RAGTIME_PACKED = 1, /**< [N, W], PyTorch's PackedSequence.data */
  RAGTIME_PADDED = 2  /**< [B, T_pad, W] */
} ragtime_layout_kind;

/** A conversion between two of them. */
typedef struct ragtime_layout_desc {
  size_t struct_size;        /**< sizeof(ragtime_layout_desc) */
  ragtime_dtype dtype;       /**< of both sides */
  ragtime_layout_kind from;  /**< other than to */
  ragtime_layout_kind to;    /**< other than from */
  int64_t width;             /**< W, at least 1 */
  int64_t padded_steps;      /**< T_pad, when one side is padded; at least capacity.steps */
  double padding_value;      /**< written to padding; padding is never read */
  ragtime_capacity capacity; /**< sequences, rows, steps */
} ragtime_layout_desc;

/** A described conversion. */
typedef struct ragtime_layout_s* ragtime_layout;

/** RAGTIME_INVALID_ARGUMENT on a description that cannot be right, RAGTIME_UNSUPPORTED on a dtype. */
RAGTIME_API ragtime_status ragtime_layout_create(ragtime_backend backend, const ragtime_layout_desc* desc,
                                                 ragtime_layout* layout);
RAGTIME_API ragtime_status ragtime_layout_destroy(ragtime_layout layout); /**< or null */

/** from -> to, shaped as the description says; not the same memory. faults: or null. */
RAGTIME_API ragtime_status ragtime_layout_forward(ragtime_layout layout, ragtime_batch batch,
                                                  const ragtime_tensor* from, const ragtime_tensor* to,
                                                  ragtime_faults faults, ragtime_stream stream);
/** d_to -> d_from: gradients at padding are dropped, padding of d_from is 0. faults: or null. */
RAGTIME_API ragtime_status ragtime_layout_backward(ragtime_layout layout, ragtime_batch batch,
                                                   const ragtime_tensor* d_to, const ragtime_tensor* d_from,
                                                   ragtime_faults faults, ragtime_stream stream);

/* ---- Final state ---- */

/** h of each patient's last visit, gathered from outputs [N, D*P]; the LSTM writes its own without this. */
typedef struct ragtime_final_state_desc {
  size_t struct_size;        /**< sizeof(ragtime_final_state_desc) */
  ragtime_dtype dtype;       /**< of all tensors */
  int32_t bidirectional;     /**< 1: D = 2 */
  int64_t width;             /**< P, of one direction */
  ragtime_capacity capacity; /**< sequences, rows */
} ragtime_final_state_desc;

/** A described gather. */
typedef struct ragtime_final_state_s* ragtime_final_state;

/** RAGTIME_INVALID_ARGUMENT on a description that cannot be right, RAGTIME_UNSUPPORTED on a dtype. */
RAGTIME_API ragtime_status ragtime_final_state_create(ragtime_backend backend,
                                                      const ragtime_final_state_desc* desc,
                                                      ragtime_final_state* final_state);
RAGTIME_API ragtime_status ragtime_final_state_destroy(ragtime_final_state final_state); /**< or null */

/** y [N, D*P] -> out [B, D*P]; a sequence without rows gets 0. faults: or null. */
RAGTIME_API ragtime_status ragtime_final_state_forward(ragtime_final_state final_state, ragtime_batch batch,
                                                       const ragtime_tensor* y, const ragtime_tensor* out,
                                                       ragtime_faults faults, ragtime_stream stream);
/** d_out [B, D*P] -> d_y [N, D*P]: 0 where nothing was gathered, or with accumulate 1 added to what is there.
 * faults: or null. */
RAGTIME_API ragtime_status ragtime_final_state_backward(ragtime_final_state final_state, ragtime_batch batch,
                                                        const ragtime_tensor* d_out,
                                                        const ragtime_tensor* d_y, int32_t accumulate,
                                                        ragtime_faults faults, ragtime_stream stream);

#ifdef __cplusplus
}
#endif

#endif /* RAGTIME_RAGTIME_H */
