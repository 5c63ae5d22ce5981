#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ragtime/ragtime.h"

/* Three patients with 2, 1 and 3 visits of 0 to 3 codes; which codes belong to a visit is to be told from its
 * state. */
enum { B = 3, N = 6, M = 9, T = 3, V = 4, E = 3, H = V };
static const int32_t lengths[B] = {2, 1, 3};
static const int32_t code_offsets[N + 1] = {0, 2, 3, 3, 6, 8, 9};
static const int32_t codes[M] = {1, 2, 3, 0, 1, 2, 3, 1, 0};

static void* done(ragtime_status status) {
  if (status == RAGTIME_OK) return NULL;
  fprintf(stderr, "%s\n", ragtime_last_error());
  exit(1);
}

/* Tensors of the library's; on the CPU their memory is the host's. They are given back in the end. */
static ragtime_backend backend;
static ragtime_managed_tensor* owned[32];
static int owned_count = 0;
static const ragtime_tensor* keep(ragtime_managed_tensor* made) {
  owned[owned_count++] = made;
  return &made->dl_tensor;
}
static const ragtime_tensor* zeros(int64_t rows, int64_t columns) {
  const int64_t shape[2] = {rows, columns};
  ragtime_managed_tensor* made;
  done(columns == 0 ? ragtime_tensor_create(backend, RAGTIME_F64, 1, shape, &made)
                    : ragtime_tensor_create(backend, RAGTIME_F64, 2, shape, &made));
  return keep(made);
}
static const ragtime_tensor* some(int64_t rows, int64_t columns) {
  static double angle = 0;
  const ragtime_tensor* made = zeros(rows, columns);
  const int64_t count = rows * (columns == 0 ? 1 : columns);
  int64_t i;
  for (i = 0; i < count; ++i) ((double*)made->data)[i] = 0.8 * sin(angle += 1.3);
  return made;
}
static const double* values(const ragtime_tensor* tensor) {
  return (const double*)tensor->data;
}
static void* memory(size_t bytes) {
  return zeros((int64_t)(bytes / sizeof(double)) + 1, 0)->data;
}
static const ragtime_tensor* array(ragtime_batch batch, ragtime_batch_array which) {
  ragtime_managed_tensor* made;
  done(ragtime_batch_export(batch, which, &made));
  return keep(made);
}

static double loss_in_double(const double* table, const ragtime_lstm_weights* w);

int main(void) {
  /* Handles and descriptions; what is not set is the default. */
  ragtime_batch batch;
  ragtime_segment_pool pool;
  ragtime_lstm lstm;
  ragtime_masked_loss bce;
  const ragtime_capacity most = {B, N, M, T};
  ragtime_batch_codes loaded = {.struct_size = sizeof loaded};
  ragtime_segment_pool_desc pool_desc = {.struct_size = sizeof pool_desc};
  ragtime_lstm_desc lstm_desc = {.struct_size = sizeof lstm_desc};
  ragtime_masked_loss_desc loss_desc = {.struct_size = sizeof loss_desc};
  ragtime_segment_pool_forward_args pool_forward = {.struct_size = sizeof pool_forward};
  ragtime_segment_pool_backward_args pool_backward = {.struct_size = sizeof pool_backward};
  ragtime_lstm_forward_args lstm_forward = {.struct_size = sizeof lstm_forward};
  ragtime_lstm_backward_args lstm_backward = {.struct_size = sizeof lstm_backward};
  ragtime_masked_loss_args loss_args = {.struct_size = sizeof loss_args};
  ragtime_lstm_weights weights = {0};
  const ragtime_tensor *table, *x, *y, *d_y, *d_x, *d_table, *loss;
  double expected, kept, slope, *entry;
  int right;

  done(ragtime_backend_open("cpu", NULL, &backend));
  done(ragtime_batch_create(backend, &batch));
  loaded.sequences = B;
  loaded.lengths = lengths;
  loaded.code_offsets = code_offsets;
  loaded.codes = codes;
  done(ragtime_batch_load_codes(batch, &loaded, NULL));

  pool_desc.dtype = lstm_desc.dtype = loss_desc.dtype = RAGTIME_F64;
  pool_desc.mode = RAGTIME_POOL_MEAN;
  pool_desc.width = E;
  pool_desc.segments = N;
  pool_desc.items = M;
  pool_desc.vocab_size = V;
  done(ragtime_segment_pool_create(backend, &pool_desc, &pool));
  lstm_desc.input_size = E;
  lstm_desc.hidden_size = H;
  lstm_desc.capacity = most;
  done(ragtime_lstm_create(backend, &lstm_desc, &lstm));
  loss_desc.kind = RAGTIME_LOSS_BCE_WITH_LOGITS;
  loss_desc.reduction = RAGTIME_REDUCTION_MEAN;
  loss_desc.outputs = V;
  loss_desc.capacity = most;
  done(ragtime_masked_loss_create(backend, &loss_desc, &bce));

  table = some(V, E);
  weights.weight_ih = some(4 * H, E);
  weights.weight_hh = some(4 * H, H);
  weights.bias_ih = some(4 * H, 0);
  weights.bias_hh = some(4 * H, 0);
  x = zeros(N, E), y = zeros(N, H), d_y = zeros(N, H), d_x = zeros(N, E), d_table = zeros(V, E),
  loss = zeros(1, 0);

  /* The codes of every visit, averaged: [M] -> [N, E]. */
  pool_forward.segments = pool_backward.segments = array(batch, RAGTIME_ROW_COUNT);
  pool_forward.offsets = pool_backward.offsets = array(batch, RAGTIME_CODE_OFFSETS);
  pool_forward.codes = pool_backward.codes = array(batch, RAGTIME_CODES);
  pool_forward.values = pool_backward.values = table;
  pool_forward.out = x;
  done(ragtime_segment_pool_workspace_bytes(pool, &pool_forward.workspace_bytes));
  done(ragtime_segment_pool_reserve_bytes(pool, &pool_forward.reserve_bytes));
  pool_forward.workspace = memory(pool_forward.workspace_bytes);
  pool_forward.reserve = memory(pool_forward.reserve_bytes);
  done(ragtime_segment_pool_forward(pool, &pool_forward, NULL));

  /* The visits of every patient, in turn: [N, E] -> [N, H]. */
  lstm_forward.batch = lstm_backward.batch = batch;
  lstm_forward.x = lstm_backward.x = x;
  lstm_forward.weights = lstm_backward.weights = &weights;
  lstm_forward.y = lstm_backward.y = y;
  done(ragtime_lstm_workspace_bytes(lstm, &lstm_forward.workspace_bytes));
  done(ragtime_lstm_reserve_bytes(lstm, &lstm_forward.reserve_bytes));
  lstm_forward.workspace = memory(lstm_forward.workspace_bytes);
  lstm_forward.reserve = memory(lstm_forward.reserve_bytes);
  done(ragtime_lstm_forward(lstm, &lstm_forward, NULL));

  /* What is 1 are the codes of the visit, as offsets and ids: loss and gradient in one pass. */
  loss_args.batch = batch;
  loss_args.logits = y;
  loss_args.target_offsets = pool_forward.offsets;
  loss_args.target_ids = pool_forward.codes;
  loss_args.loss = loss;
  loss_args.d_logits = d_y;
  done(ragtime_masked_loss_workspace_bytes(bce, &loss_args.workspace_bytes));
  loss_args.workspace = memory(loss_args.workspace_bytes);
  done(ragtime_masked_loss_run(bce, &loss_args, NULL));

  /* And back, to the table. */
  lstm_backward.d_y = d_y;
  lstm_backward.d_x = d_x;
  lstm_backward.workspace = lstm_forward.workspace;
  lstm_backward.workspace_bytes = lstm_forward.workspace_bytes;
  lstm_backward.reserve = lstm_forward.reserve;
  lstm_backward.reserve_bytes = lstm_forward.reserve_bytes;
  done(ragtime_lstm_backward(lstm, &lstm_backward, NULL));
  pool_backward.d_out = d_x;
  pool_backward.d_values = d_table;
  pool_backward.workspace = pool_forward.workspace;
  pool_backward.workspace_bytes = pool_forward.workspace_bytes;
  pool_backward.reserve = pool_forward.reserve;
  pool_backward.reserve_bytes = pool_forward.reserve_bytes;
  done(ragtime_segment_pool_backward(pool, &pool_backward, NULL));

  /* Held against plain loops, and the gradient of one entry of the table against their slope. */
  expected = loss_in_double(values(table), &weights);
  entry = (double*)table->data + 2 * E + 1;
  kept = *entry;
  *entry = kept + 1e-5;
  slope = loss_in_double(values(table), &weights);
  *entry = kept - 1e-5;
  slope = (slope - loss_in_double(values(table), &weights)) / 2e-5;
  *entry = kept;
  right = fabs(values(loss)[0] - expected) < 1e-12 && fabs(values(d_table)[2 * E + 1] - slope) < 1e-9;
  printf("loss %.6f, its gradient by one embedding %.6f: %s double loops\n", values(loss)[0],
         values(d_table)[2 * E + 1], right ? "as" : "NOT as");

  done(ragtime_masked_loss_destroy(bce));
  done(ragtime_lstm_destroy(lstm));
  done(ragtime_segment_pool_destroy(pool));
  done(ragtime_batch_destroy(batch));
  /* A handle that is gone is an error, not a crash. */
  if (ragtime_batch_destroy(batch) != RAGTIME_INVALID_ARGUMENT) right = 0;
  while (owned_count > 0) --owned_count, owned[owned_count]->deleter(owned[owned_count]);
  done(ragtime_backend_close(backend));
  return !right;
}

static double sigmoid(double z) {
  return 1 / (1 + exp(-z));
}

static double loss_in_double(const double* table, const ragtime_lstm_weights* w) {
  double sum = 0;
  int b, t, n = 0, g, k, m;
  for (b = 0; b < B; ++b) {
    double h[H] = {0}, c[H] = {0};
    for (t = 0; t < lengths[b]; ++t, ++n) {
      const int begin = code_offsets[n], end = code_offsets[n + 1];
      double gates[4 * H], is_there[V] = {0};
      for (g = 0; g < 4 * H; ++g) {
        gates[g] = values(w->bias_ih)[g] + values(w->bias_hh)[g];
        for (m = begin; m < end; ++m)
          for (k = 0; k < E; ++k)
            gates[g] += values(w->weight_ih)[g * E + k] * table[codes[m] * E + k] / (end - begin);
        for (k = 0; k < H; ++k) gates[g] += values(w->weight_hh)[g * H + k] * h[k];
      }
      for (m = begin; m < end; ++m) is_there[codes[m]] = 1;
      for (k = 0; k < H; ++k) {
        c[k] = sigmoid(gates[H + k]) * c[k] + sigmoid(gates[k]) * tanh(gates[2 * H + k]);
        h[k] = sigmoid(gates[3 * H + k]) * tanh(c[k]);
      }
      for (k = 0; k < V; ++k) sum -= is_there[k] ? log(sigmoid(h[k])) : log(1 - sigmoid(h[k]));
    }
  }
  return sum / (N * V);
}
