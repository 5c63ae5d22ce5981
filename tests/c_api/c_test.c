/* The C API driven from C99: a bidirectional LSTM over ragged lengths, forward and backward, against plain
 * double loops written here, and the gradient of one weight against finite differences of them. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ragtime/ragtime.h"

enum { B = 4, N = 9, T = 5, INPUT = 3, HIDDEN = 5, D = 2, GATES = 4 * HIDDEN };

static const int32_t lengths[B] = {2, 5, 1, 1};

static void stop(const char* what) {
  fprintf(stderr, "%s: %s\n", what, ragtime_last_error());
  exit(1);
}
#define TRY(call) \
  if ((call) != RAGTIME_OK) stop(#call)

/* Numbers in [-1, 1), the same everywhere. */
static double number(void) {
  static uint32_t state = 12345;
  state = state * 1664525u + 1013904223u;
  return (double)(state >> 8) / 8388608.0 - 1.0;
}

static ragtime_managed_tensor* tensor(ragtime_backend backend, int32_t ndim, const int64_t* shape) {
  ragtime_managed_tensor* made = NULL;
  TRY(ragtime_tensor_create(backend, RAGTIME_F64, ndim, shape, &made));
  return made;
}
static ragtime_managed_tensor* matrix(ragtime_backend backend, int64_t rows, int64_t columns) {
  const int64_t shape[2] = {rows, columns};
  return tensor(backend, 2, shape);
}
static ragtime_managed_tensor* vector(ragtime_backend backend, int64_t size) {
  return tensor(backend, 1, &size);
}
/* On the CPU device memory is the host's. */
static double* values(const ragtime_managed_tensor* made) {
  return (double*)made->dl_tensor.data;
}
static void fill(const ragtime_managed_tensor* made) {
  int64_t count = 1, i;
  for (i = 0; i < made->dl_tensor.ndim; ++i) count *= made->dl_tensor.shape[i];
  for (i = 0; i < count; ++i) values(made)[i] = number();
}

typedef struct direction {
  ragtime_managed_tensor *weight_ih, *weight_hh, *bias_ih, *bias_hh;
} direction;

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

/* y [N, D*H], and the sum of its elements weighted by d_y. */
static double reference(const double* x, const direction* weights, const double* d_y, double* y) {
  double loss = 0;
  int d, b, begin = 0;
  for (b = 0; b < B; begin += lengths[b], ++b)
    for (d = 0; d < D; ++d) {
      double h[HIDDEN] = {0}, c[HIDDEN] = {0};
      int step;
      for (step = 0; step < lengths[b]; ++step) {
        const int row = begin + (d == 0 ? step : lengths[b] - 1 - step);
        double gates[GATES];
        int k, j;
        for (k = 0; k < GATES; ++k) {
          gates[k] = values(weights[d].bias_ih)[k] + values(weights[d].bias_hh)[k];
          for (j = 0; j < INPUT; ++j)
            gates[k] += values(weights[d].weight_ih)[k * INPUT + j] * x[row * INPUT + j];
          for (j = 0; j < HIDDEN; ++j) gates[k] += values(weights[d].weight_hh)[k * HIDDEN + j] * h[j];
        }
        for (j = 0; j < HIDDEN; ++j) {
          c[j] = sigmoid(gates[HIDDEN + j]) * c[j] + sigmoid(gates[j]) * tanh(gates[2 * HIDDEN + j]);
          h[j] = sigmoid(gates[3 * HIDDEN + j]) * tanh(c[j]);
          y[row * D * HIDDEN + d * HIDDEN + j] = h[j];
          loss += h[j] * d_y[row * D * HIDDEN + d * HIDDEN + j];
        }
      }
    }
  return loss;
}

static double largest_difference(const double* a, const double* b, int count) {
  double largest = 0;
  int i;
  for (i = 0; i < count; ++i) {
    const double difference = fabs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference; /* NaN is the largest */
  }
  return largest;
}

int main(void) {
  ragtime_backend backend = NULL;
  ragtime_batch batch = NULL;
  ragtime_lstm lstm = NULL;
  ragtime_lstm_desc desc = {0};
  ragtime_lstm_forward_args forward = {0};
  ragtime_lstm_backward_args backward = {0};
  ragtime_lstm_weights weights[D], gradients[D];
  direction own[D], gradient[D];
  ragtime_managed_tensor *x, *y, *d_y, *d_x, *final_state, *workspace, *reserve, *order;
  const ragtime_capacity capacity = {B, N, 0, T};
  double expected[N * D * HIDDEN], other[N * D * HIDDEN], error;
  int64_t bytes;
  size_t workspace_bytes = 0, reserve_bytes = 0;
  int d, i, failed = 0;

  TRY(ragtime_backend_open("cpu", NULL, &backend));
  TRY(ragtime_batch_create(backend, &batch));
  TRY(ragtime_batch_load_lengths(batch, lengths, B, 0, NULL));

  desc.struct_size = sizeof desc;
  desc.dtype = RAGTIME_F64;
  desc.input_size = INPUT;
  desc.hidden_size = HIDDEN;
  desc.bidirectional = 1;
  desc.capacity = capacity;
  TRY(ragtime_lstm_create(backend, &desc, &lstm));
  TRY(ragtime_lstm_workspace_bytes(lstm, &workspace_bytes));
  TRY(ragtime_lstm_reserve_bytes(lstm, &reserve_bytes));

  x = matrix(backend, N, INPUT);
  y = matrix(backend, N, D * HIDDEN);
  d_y = matrix(backend, N, D * HIDDEN);
  d_x = matrix(backend, N, INPUT);
  final_state = matrix(backend, B, D * HIDDEN);
  bytes = (int64_t)(workspace_bytes / 8 + 1);
  workspace = vector(backend, bytes);
  bytes = (int64_t)(reserve_bytes / 8 + 1);
  reserve = vector(backend, bytes);
  fill(x);
  fill(d_y);
  for (d = 0; d < D; ++d) {
    direction* both[2];
    both[0] = &own[d];
    both[1] = &gradient[d];
    for (i = 0; i < 2; ++i) {
      both[i]->weight_ih = matrix(backend, GATES, INPUT);
      both[i]->weight_hh = matrix(backend, GATES, HIDDEN);
      both[i]->bias_ih = vector(backend, GATES);
      both[i]->bias_hh = vector(backend, GATES);
    }
    fill(own[d].weight_ih);
    fill(own[d].weight_hh);
    fill(own[d].bias_ih);
    fill(own[d].bias_hh);
    for (i = 0; i < 2; ++i) {
      ragtime_lstm_weights* given = i == 0 ? &weights[d] : &gradients[d];
      given->weight_ih = &both[i]->weight_ih->dl_tensor;
      given->weight_hh = &both[i]->weight_hh->dl_tensor;
      given->bias_ih = &both[i]->bias_ih->dl_tensor;
      given->bias_hh = &both[i]->bias_hh->dl_tensor;
      given->weight_hr = NULL;
    }
  }

  forward.struct_size = sizeof forward;
  forward.batch = batch;
  forward.x = &x->dl_tensor;
  forward.weights = weights;
  forward.y = &y->dl_tensor;
  forward.final_state = &final_state->dl_tensor;
  forward.workspace = workspace->dl_tensor.data;
  forward.workspace_bytes = workspace_bytes;
  forward.reserve = reserve->dl_tensor.data;
  forward.reserve_bytes = reserve_bytes;
  TRY(ragtime_lstm_forward(lstm, &forward, NULL));

  backward.struct_size = sizeof backward;
  backward.batch = batch;
  backward.x = &x->dl_tensor;
  backward.weights = weights;
  backward.y = &y->dl_tensor;
  backward.d_y = &d_y->dl_tensor;
  backward.d_x = &d_x->dl_tensor;
  backward.gradients = gradients;
  backward.workspace = workspace->dl_tensor.data;
  backward.workspace_bytes = workspace_bytes;
  backward.reserve = reserve->dl_tensor.data;
  backward.reserve_bytes = reserve_bytes;
  TRY(ragtime_lstm_backward(lstm, &backward, NULL));
  TRY(ragtime_backend_synchronize(backend, NULL));

  reference(values(x), own, values(d_y), expected);
  error = largest_difference(values(y), expected, N * D * HIDDEN);
  printf("y against double loops: off by at most %.1e\n", error);
  failed = failed || !(error < 1e-12);

  /* The second patient ends at row 6 and, backwards, at row 2. */
  for (i = 0, error = 0; i < HIDDEN; ++i) {
    const double* state = values(final_state) + D * HIDDEN;
    if (state[i] != values(y)[6 * D * HIDDEN + i]) failed = 1;
    if (state[HIDDEN + i] != values(y)[2 * D * HIDDEN + HIDDEN + i]) failed = 1;
  }

  /* Every weight's gradient, and that of x, by central differences. */
  for (d = 0; d < D; ++d) {
    ragtime_managed_tensor *of[5], *got[5];
    const int counts[5] = {GATES * INPUT, GATES * HIDDEN, GATES, GATES, N * INPUT};
    int which;
    of[0] = own[d].weight_ih, of[1] = own[d].weight_hh, of[2] = own[d].bias_ih, of[3] = own[d].bias_hh,
    of[4] = x;
    got[0] = gradient[d].weight_ih, got[1] = gradient[d].weight_hh, got[2] = gradient[d].bias_ih;
    got[3] = gradient[d].bias_hh, got[4] = d_x;
    for (which = 0; which < 5; ++which) {
      for (i = 0, error = 0; i < counts[which]; ++i) {
        const double step = 1e-5, kept = values(of[which])[i];
        double slope, difference;
        values(of[which])[i] = kept + step;
        slope = reference(values(x), own, values(d_y), other);
        values(of[which])[i] = kept - step;
        slope = (slope - reference(values(x), own, values(d_y), other)) / (2 * step);
        values(of[which])[i] = kept;
        difference = fabs(slope - values(got[which])[i]);
        if (!(difference <= error)) error = difference;
      }
      printf("gradient %d of direction %d against differences: off by at most %.1e\n", which, d, error);
      failed = failed || !(error < 1e-8);
    }
  }

  /* The batch's arrays come out as tensors that outlive its handle. */
  TRY(ragtime_batch_export(batch, RAGTIME_ORDER, &order));
  TRY(ragtime_batch_destroy(batch));
  if (memcmp(order->dl_tensor.data, (const int32_t[]){1, 0, 2, 3}, B * sizeof(int32_t)) != 0) failed = 1;
  order->deleter(order);

  /* What is wrong is said. */
  if (ragtime_lstm_forward(lstm, &forward, NULL) != RAGTIME_INVALID_ARGUMENT) failed = 1;
  printf("after the batch has gone: %s\n", ragtime_last_error());
  if (strstr(ragtime_last_error(), "args.batch") == NULL) failed = 1;

  for (d = 0; d < D; ++d) {
    direction* both[2];
    both[0] = &own[d];
    both[1] = &gradient[d];
    for (i = 0; i < 2; ++i) {
      both[i]->weight_ih->deleter(both[i]->weight_ih);
      both[i]->weight_hh->deleter(both[i]->weight_hh);
      both[i]->bias_ih->deleter(both[i]->bias_ih);
      both[i]->bias_hh->deleter(both[i]->bias_hh);
    }
  }
  x->deleter(x);
  y->deleter(y);
  d_y->deleter(d_y);
  d_x->deleter(d_x);
  final_state->deleter(final_state);
  workspace->deleter(workspace);
  reserve->deleter(reserve);
  TRY(ragtime_lstm_destroy(lstm));
  TRY(ragtime_backend_close(backend));
  printf(failed ? "FAILED\n" : "passed, ragtime %s\n", ragtime_version());
  return failed;
}
