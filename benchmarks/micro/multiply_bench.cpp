// The CPU backend's matrix product beside a CBLAS, where there was one to build with, on one thread and at
// the shapes of the recurrence: a few sequences by W_hh [4H, H]. Ours multiplies by weights that were packed
// once; a CBLAS packs them at every call, as a step of the LSTM would have to let it. `same_bits_alone` says
// whether a row comes out with the same bits alone and among the others: the batch invariance that the
// library promises.

#include <benchmark/benchmark.h>
#ifdef RAGTIME_HAS_CBLAS
#include <cblas.h>
#endif

#include <cstring>
#include <vector>

#include "benchmarks/cases/workloads.hpp"
#include "host/cpu/kernels.hpp"

namespace ragtime {
namespace {

// multiply(x, y, rows): y [rows, n] = x [rows, k] W^T.
template <class Multiply>
void measure(benchmark::State& state, const std::vector<float>& x, std::int64_t k, std::int64_t n,
             std::int64_t rows, const Multiply& multiply) {
  std::vector<float> y(static_cast<std::size_t>(rows * n)), alone(static_cast<std::size_t>(n));
  multiply(x.data(), y.data(), rows);
  bool same = true;
  for (std::int64_t row = 0; row < rows; ++row) {
    multiply(x.data() + row * k, alone.data(), 1);
    same = same && std::memcmp(alone.data(), y.data() + row * n, alone.size() * sizeof(float)) == 0;
  }
  for ([[maybe_unused]] auto iteration : state) {
    multiply(x.data(), y.data(), rows);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  state.counters["same_bits_alone"] = same ? 1 : 0;
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * static_cast<double>(rows * n * k),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void ours(benchmark::State& state) {
  const std::int64_t hidden = state.range(0), rows = state.range(1), n = 4 * hidden;
  const auto x = benchmarks::random_values(rows * hidden, 1),
             weight = benchmarks::random_values(n * hidden, 2);
  std::vector<float> packed(static_cast<std::size_t>(cpu::packed_size<float>(hidden, n)));
  cpu::pack_weight(weight.data(), n, hidden, packed.data());
  measure(state, x, hidden, n, rows, [&](const float* from, float* to, std::int64_t count) {
    cpu::kernels<float>().multiply(from, hidden, packed.data(), nullptr, hidden, n, to, n, count, false);
  });
}

#ifdef RAGTIME_HAS_CBLAS
extern "C" void openblas_set_num_threads(int) __attribute__((weak));

void cblas(benchmark::State& state) {
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
  const std::int64_t hidden = state.range(0), rows = state.range(1), n = 4 * hidden;
  const auto x = benchmarks::random_values(rows * hidden, 1),
             weight = benchmarks::random_values(n * hidden, 2);
  measure(state, x, hidden, n, rows, [&](const float* from, float* to, std::int64_t count) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(count), static_cast<int>(n),
                static_cast<int>(hidden), 1, from, static_cast<int>(hidden), weight.data(),
                static_cast<int>(hidden), 0, to, static_cast<int>(n));
  });
}
#endif

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"H", "rows"})
      ->ArgsProduct({{128, 256, 512}, {4, 16, 64, 1024}})
      ->Unit(benchmark::kMicrosecond);
}

BENCHMARK(ours)->Name("multiply/ragtime")->Apply(shapes);
#ifdef RAGTIME_HAS_CBLAS
BENCHMARK(cblas)->Name("multiply/cblas")->Apply(shapes);
#endif

}  // namespace
}  // namespace ragtime
