// The CPU backend's matrix product beside a CBLAS, where there was one to build with, on one thread and at
// the shapes of the recurrence: a few sequences by W_hh [4H, H]. Ours multiplies by weights that were packed
// once; a CBLAS packs them at every call, as a step of the LSTM would have to let it. `same bits` says
// whether a row has the same bits alone and among the others: the batch invariance that the library promises.

#ifdef RAGTIME_HAS_CBLAS
#include <cblas.h>
#endif

#include <cstdio>
#include <cstring>
#include <vector>

#include "benchmarks/cases/workloads.hpp"
#include "benchmarks/micro/timing.hpp"
#include "host/cpu/kernels.hpp"

namespace ragtime {
namespace {

// multiply(x, y, rows): y [rows, n] = x [rows, k] W^T.
template <class Multiply>
void measure(const char* name, std::int64_t hidden, std::int64_t rows, const Multiply& multiply) {
  const std::int64_t k = hidden, n = 4 * hidden;
  const std::vector<float> x = benchmarks::random_values(rows * k, 1);
  std::vector<float> y(static_cast<std::size_t>(rows * n)), alone(static_cast<std::size_t>(n));
  multiply(x.data(), y.data(), rows);
  bool same = true;
  for (std::int64_t row = 0; row < rows; ++row) {
    multiply(x.data() + row * k, alone.data(), 1);
    same = same && std::memcmp(alone.data(), y.data() + row * n, alone.size() * sizeof(float)) == 0;
  }
  const double seconds = benchmarks::median_seconds([&] { multiply(x.data(), y.data(), rows); });
  std::printf("%-8s  %5d  %5d  %10.2f  %8.1f  %s\n", name, static_cast<int>(hidden), static_cast<int>(rows), 1e6 * seconds,
              2e-9 * static_cast<double>(rows * n * k) / seconds, same ? "yes" : "no");
}

#ifdef RAGTIME_HAS_CBLAS
extern "C" void openblas_set_num_threads(int) __attribute__((weak));
#endif

void run() {
  std::printf("%-8s  %5s  %5s  %10s  %8s  %s\n", "product", "H", "rows", "us", "GFLOP/s", "same bits");
  for (const std::int64_t hidden : {128, 256, 512}) {
    const std::int64_t n = 4 * hidden;
    const auto weight = benchmarks::random_values(n * hidden, 2);
    std::vector<float> packed(static_cast<std::size_t>(cpu::packed_size<float>(hidden, n)));
    cpu::pack_weight(weight.data(), n, hidden, packed.data());
    for (const std::int64_t rows : {4, 16, 64, 1024}) {
      measure("ragtime", hidden, rows, [&](const float* from, float* to, std::int64_t count) {
        cpu::kernels<float>().multiply(from, hidden, packed.data(), nullptr, hidden, n, to, n, count, false);
      });
#ifdef RAGTIME_HAS_CBLAS
      if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
      measure("cblas", hidden, rows, [&](const float* from, float* to, std::int64_t count) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(count), static_cast<int>(n),
                    static_cast<int>(hidden), 1, from, static_cast<int>(hidden), weight.data(),
                    static_cast<int>(hidden), 0, to, static_cast<int>(n));
      });
#endif
    }
  }
}

}  // namespace
}  // namespace ragtime

int main() {
  ragtime::run();
}
