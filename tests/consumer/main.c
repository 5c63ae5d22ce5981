/* An installed libragtime at work: a batch of three lengths, and the order in which they are taken. */

#include <stdio.h>

#include "ragtime/ragtime.h"

int main(void) {
  const int32_t lengths[3] = {1, 4, 2};
  ragtime_backend backend = NULL;
  ragtime_batch batch = NULL;
  ragtime_managed_tensor* order = NULL;
  const int32_t* first;
  int right;
  if (ragtime_backend_open("cpu", NULL, &backend) != RAGTIME_OK ||
      ragtime_batch_create(backend, &batch) != RAGTIME_OK ||
      ragtime_batch_load_lengths(batch, lengths, 3, 0, NULL) != RAGTIME_OK ||
      ragtime_batch_export(batch, RAGTIME_ORDER, &order) != RAGTIME_OK) {
    fprintf(stderr, "%s\n", ragtime_last_error());
    return 1;
  }
  first = (const int32_t*)order->dl_tensor.data;
  printf("ragtime %s, order %d %d %d\n", ragtime_version(), first[0], first[1], first[2]);
  right = first[0] == 1 && first[1] == 2 && first[2] == 0;
  order->deleter(order);
  ragtime_batch_destroy(batch);
  ragtime_backend_close(backend);
  return right ? 0 : 1;
}
