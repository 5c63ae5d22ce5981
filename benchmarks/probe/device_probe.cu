// What a GPU gives the kernels of this library: bandwidth, matrix rates, the latency of every way to wait,
// how many clusters fit at once, what cuDNN's RNN accepts; and whether the lane maps the kernels rely on are
// those of the device. One file, JSON out.
//
//   scripts/device_probe.sh            builds it with nvcc and runs it
//   device_probe [--out FILE] [--only SECTION,...]
//
// Each figure is a median over repeats after a warm-up, with the smallest and the 90th percentile beside it.
// On-chip latencies are counted in SM cycles inside the kernel. Every kernel that waits gives up after a
// while and says so.

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#ifdef RAGTIME_HAS_CUDNN
#include <cudnn.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// ----------------------------------------------------------------------------------------------------------------
// JSON

class Json {
 public:
  Json& open(const std::string& key, char bracket) {
    name(key);
    text_ << bracket;
    closing_.push_back(bracket == '{' ? '}' : ']');
    first_ = true;
    return *this;
  }
  Json& close() {
    text_ << '\n' << std::string(2 * (closing_.size() - 1), ' ') << closing_.back();
    closing_.pop_back();
    first_ = false;
    return *this;
  }
  Json& put(const std::string& key, const std::string& value) {
    return name(key), text_ << quoted(value), *this;
  }
  Json& put(const std::string& key, const char* value) { return put(key, std::string(value)); }
  Json& put(const std::string& key, bool value) {
    return name(key), text_ << (value ? "true" : "false"), *this;
  }
  Json& put(const std::string& key, double value) { return name(key), text_ << value, *this; }
  Json& put(const std::string& key, int value) { return name(key), text_ << value, *this; }
  size_t depth() const { return closing_.size(); }
  std::string str() const { return text_.str() + "\n"; }

 private:
  static std::string quoted(const std::string& value) {
    std::string out = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + "\"";
  }
  void name(const std::string& key) {
    if (!closing_.empty()) text_ << (first_ ? "\n" : ",\n") << std::string(2 * closing_.size(), ' ');
    if (!key.empty()) text_ << quoted(key) << ": ";
    first_ = false;
  }
  std::ostringstream text_;
  std::vector<char> closing_;
  bool first_ = true;
};

// ---------------------------------------------------------------------------------------------------------
// measurement

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    check(cudaMalloc(&data_, count * sizeof(T)), "cudaMalloc");
    check(cudaMemset(data_, 0xFF, count * sizeof(T)), "cudaMemset");  // NaN until written
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  T* get() const { return data_; }
  void zero() { check(cudaMemset(data_, 0, count_ * sizeof(T)), "cudaMemset"); }
  void upload(const std::vector<T>& from) {
    check(cudaMemcpy(data_, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice), "upload");
  }
  std::vector<T> download() const {
    std::vector<T> to(count_);
    check(cudaMemcpy(to.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "download");
    return to;
  }

 private:
  size_t count_;
  T* data_ = nullptr;
};

struct Spread {
  double median, smallest, p90;
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values[values.size() * 9 / 10]};
}

// Milliseconds of `body` on the default stream.
Spread time_ms(const std::function<void()>& body, int repeats = 15, int warmup = 3) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "event");
  check(cudaEventCreate(&end), "event");
  std::vector<double> times;
  for (int i = -warmup; i < repeats; ++i) {
    check(cudaEventRecord(begin), "record");
    body();
    check(cudaEventRecord(end), "record");
    check(cudaEventSynchronize(end), "kernel");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "elapsed");
    if (i >= 0) times.push_back(ms);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return spread(times);
}

void put(Json& json, const std::string& key, const Spread& s) {
  json.open(key, '{').put("median", s.median).put("min", s.smallest).put("p90", s.p90).close();
}

// --------------------------------------------------------------------------------------------------- device
// primitives

constexpr long long patience = 1LL << 31;  // cycles, about a second: no wait below is longer

// What a waiting kernel reports: cycles of its loop, nanoseconds by the global timer, and whether something
// went wrong.
struct Report {
  long long cycles;
  long long nanoseconds;
  unsigned timeouts;
  unsigned mismatches;
};

__device__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

__device__ long long nanoseconds() {
  long long now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

__device__ unsigned cluster_rank() {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ void cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n barrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
}

__device__ void mbarrier_init(uint64_t* barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
               : "memory");
}

__device__ void mbarrier_expect(uint64_t* barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}

// False when it gave up.
__device__ bool mbarrier_wait(uint64_t* barrier, unsigned parity) {
  const long long start = clock64();
  for (;;) {
    unsigned done;
    asm volatile(
        "{\n .reg .pred p;\n mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
        " selp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
    if (done) return true;
    if (clock64() - start > patience) return false;
  }
}

// 16 bytes into the same place of block `rank`, counted on the same barrier there.
__device__ void send16(void* place, uint4 v, uint64_t* barrier, unsigned rank) {
  asm volatile(
      "{\n .reg .b32 to, bar;\n mapa.shared::cluster.u32 to, %0, %6;\n mapa.shared::cluster.u32 bar, %5, "
      "%6;\n"
      " st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [to], {%1, %2, %3, %4}, "
      "[bar];\n}" ::"r"(shared_address(place)),
      "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w), "r"(shared_address(barrier)), "r"(rank)
      : "memory");
}

__device__ unsigned load_acquire(const unsigned* p) {
  unsigned v;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}

__device__ void store_release(unsigned* p, unsigned v) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}

__device__ bool wait_for(const unsigned* p, unsigned at_least) {
  const long long start = clock64();
  while (static_cast<int>(load_acquire(p) - at_least) < 0)
    if (clock64() - start > patience) return false;
  return true;
}

__device__ void mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Keeps a kernel's parameter types from being deduced from the arguments.
template <class T>
struct Same {
  using type = T;
};

template <class... Args>
void launch(void (*kernel)(Args...), int blocks, int threads, int cluster, bool cooperative, size_t shared,
            typename Same<Args>::type... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared;
  cudaLaunchAttribute attributes[2];
  int count = 0;
  if (cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
    ++count;
    if (cluster > 8)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
            "non-portable cluster");
  }
  if (cooperative) {
    attributes[count].id = cudaLaunchAttributeCooperative;
    attributes[count].val.cooperative = 1;
    ++count;
  }
  config.attrs = attributes;
  config.numAttrs = count;
  check(cudaLaunchKernelEx(&config, kernel, args...), "launch");
}

// Runs a kernel that fills a Report for `iterations` steps; puts cycles and nanoseconds a step.
void put_latency(Json& json, int iterations, DeviceArray<Report>& report, const std::function<void()>& run) {
  std::vector<double> cycles, times;
  unsigned timeouts = 0, mismatches = 0;
  for (int i = -3; i < 15; ++i) {
    report.zero();
    run();
    check(cudaDeviceSynchronize(), "latency kernel");
    const Report got = report.download()[0];
    timeouts += got.timeouts;
    mismatches += got.mismatches;
    if (i < 0) continue;
    cycles.push_back(static_cast<double>(got.cycles) / iterations);
    times.push_back(static_cast<double>(got.nanoseconds) / iterations);
  }
  put(json, "cycles", spread(cycles));
  put(json, "ns", spread(times));
  json.put("timeouts", static_cast<int>(timeouts)).put("data_intact", mismatches == 0 && timeouts == 0);
}

// ------------------------------------------------------------------------------------------------------------
// sections

__global__ void copy_kernel(const uint4* from, uint4* to, size_t count) {
  const size_t stride = size_t{gridDim.x} * blockDim.x;
  size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (; i + 3 * stride < count; i += 4 * stride) {
    const uint4 a = from[i], b = from[i + stride], c = from[i + 2 * stride], d = from[i + 3 * stride];
    to[i] = a;
    to[i + stride] = b;
    to[i + 2 * stride] = c;
    to[i + 3 * stride] = d;
  }
  for (; i < count; i += stride) to[i] = from[i];
}

__global__ void fill_kernel(uint4* to, size_t count) {
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count;
       i += size_t{gridDim.x} * blockDim.x) {
    const unsigned v = static_cast<unsigned>(i) * 2654435761u;
    to[i] = {v, v ^ 1, v ^ 2, v ^ 3};
  }
}

__global__ void compare_kernel(const uint4* a, const uint4* b, size_t count, unsigned* differences) {
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count;
       i += size_t{gridDim.x} * blockDim.x)
    if (a[i].x != b[i].x || a[i].y != b[i].y || a[i].z != b[i].z || a[i].w != b[i].w)
      atomicAdd(differences, 1u);
}

void bandwidth(Json& json, const cudaDeviceProp& device) {
  const size_t count =
      (size_t{1} << 30) / sizeof(uint4);  // 1 GiB each way, far beyond the second-level cache
  DeviceArray<uint4> from(count), to(count);
  DeviceArray<unsigned> differences(1);
  const int blocks = device.multiProcessorCount * 8;
  fill_kernel<<<blocks, 512>>>(from.get(), count);
  const double gigabytes = 2.0 * static_cast<double>(count * sizeof(uint4)) / 1e9;
  const auto put_rate = [&](const char* key, const std::function<void()>& body) {
    const Spread ms = time_ms(body);
    differences.zero();
    compare_kernel<<<blocks, 512>>>(from.get(), to.get(), count, differences.get());
    json.open(key, '{').put("gb_per_s", gigabytes / ms.median * 1e3);
    put(json, "ms", ms);
    json.put("verified", differences.download()[0] == 0).close();
    check(cudaMemset(to.get(), 0xFF, count * sizeof(uint4)), "poison");
  };
  put_rate("kernel", [&] { copy_kernel<<<blocks, 512>>>(from.get(), to.get(), count); });
  put_rate("memcpy", [&] {
    check(cudaMemcpyAsync(to.get(), from.get(), count * sizeof(uint4), cudaMemcpyDeviceToDevice), "memcpy");
  });
}

__global__ void random_bf16(__nv_bfloat16* to, size_t count) {
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count;
       i += size_t{gridDim.x} * blockDim.x) {
    unsigned v = static_cast<unsigned>(i) * 747796405u + 2891336453u;
    v = ((v >> ((v >> 28) + 4)) ^ v) * 277803737u;
    to[i] = __float2bfloat16(static_cast<float>(v >> 8) * 0x1p-23f - 1.0f);
  }
}

void check_blas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string(what) + ": " + cublasLtGetStatusString(status));
}

void cublaslt(Json& json, const cudaDeviceProp&) {
  cublasLtHandle_t handle;
  check_blas(cublasLtCreate(&handle), "cublasLtCreate");
  const size_t workspace_bytes = size_t{64} << 20;
  DeviceArray<char> workspace(workspace_bytes);
  json.open("sizes", '[');
  struct Size {
    int m, n, k;
  };
  for (const Size s :
       {Size{8192, 8192, 8192}, {4096, 1024, 256}, {4096, 2048, 512}, {40960, 4096, 1024}, {64, 1024, 256}}) {
    // Column-major C [m, n] = A [m, k] B [k, n]; A transposed, which is a row-major weight.
    DeviceArray<__nv_bfloat16> a(size_t(s.m) * s.k), b(size_t(s.k) * s.n), c(size_t(s.m) * s.n);
    random_bf16<<<1024, 256>>>(a.get(), size_t(s.m) * s.k);
    random_bf16<<<1024, 256>>>(b.get(), size_t(s.k) * s.n);
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t la, lb, lc;
    cublasLtMatmulPreference_t preference;
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check_blas(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "desc");
    check_blas(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                              sizeof(transposed)),
               "desc");
    check_blas(cublasLtMatrixLayoutCreate(&la, CUDA_R_16BF, s.k, s.m, s.k), "layout");
    check_blas(cublasLtMatrixLayoutCreate(&lb, CUDA_R_16BF, s.k, s.n, s.k), "layout");
    check_blas(cublasLtMatrixLayoutCreate(&lc, CUDA_R_16BF, s.m, s.n, s.m), "layout");
    check_blas(cublasLtMatmulPreferenceCreate(&preference), "preference");
    check_blas(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &workspace_bytes, sizeof(workspace_bytes)),
               "preference");
    cublasLtMatmulHeuristicResult_t choice;
    int found = 0;
    check_blas(
        cublasLtMatmulAlgoGetHeuristic(handle, operation, la, lb, lc, lc, preference, 1, &choice, &found),
        "heuristic");
    if (found == 0) throw std::runtime_error("cublasLt found no algorithm");
    const float one = 1, zero = 0;
    const Spread ms = time_ms([&] {
      check_blas(cublasLtMatmul(handle, operation, &one, a.get(), la, b.get(), lb, &zero, c.get(), lc,
                                c.get(), lc, &choice.algo, workspace.get(), workspace_bytes, nullptr),
                 "matmul");
    });
    // One element against a plain dot product.
    const auto ha = a.download(), hb = b.download(), hc = c.download();
    const int i = s.m - 3, j = s.n / 2;
    double expected = 0;
    for (int k = 0; k < s.k; ++k)
      expected += double(__bfloat162float(ha[size_t(i) * s.k + k])) *
                  double(__bfloat162float(hb[size_t(j) * s.k + k]));
    const double got = __bfloat162float(hc[size_t(j) * s.m + i]);
    json.open("", '{').put("m", s.m).put("n", s.n).put("k", s.k);
    json.put("tflops", 2.0 * s.m * s.n * s.k / ms.median * 1e-9);
    put(json, "ms", ms);
    json.put("verified", std::abs(got - expected) <= 0.02 * std::abs(expected) + 0.05).close();
    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtMatrixLayoutDestroy(la);
    cublasLtMatrixLayoutDestroy(lb);
    cublasLtMatrixLayoutDestroy(lc);
    cublasLtMatmulDescDestroy(operation);
  }
  json.close();
  cublasLtDestroy(handle);
}

__global__ void __launch_bounds__(256) mma_rate_kernel(int iterations, float* out) {
  float c[8][4] = {};
  unsigned a[4], b[2];
  for (unsigned& r : a) r = 0x3F803F80u ^ (threadIdx.x & 7);  // pairs of values near 1
  for (unsigned& r : b) r = 0x3C003C00u ^ (threadIdx.x & 3);
  for (int i = 0; i < iterations; ++i)
#pragma unroll
    for (auto& sum : c) mma(sum, a, b);
  float total = 0;
  for (const auto& sum : c) total += sum[0] + sum[1] + sum[2] + sum[3];
  out[blockIdx.x * blockDim.x + threadIdx.x] = total;
}

// Fragments by the maps the kernels assume, with g = lane / 4 and t = lane % 4.
__global__ void mma_map_kernel(const float* a, const float* b, float* c) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const auto pair = [](float low, float high) {
    const __nv_bfloat162 v = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const unsigned*>(&v);
  };
  unsigned fa[4], fb[2];
  for (int r = 0; r < 4; ++r) {
    const int row = g + (r % 2) * 8, k = 2 * t + (r / 2) * 8;
    fa[r] = pair(a[row * 16 + k], a[row * 16 + k + 1]);
  }
  for (int r = 0; r < 2; ++r) fb[r] = pair(b[(2 * t + r * 8) * 8 + g], b[(2 * t + r * 8 + 1) * 8 + g]);
  float sum[4] = {};
  mma(sum, fa, fb);
  for (int r = 0; r < 4; ++r) c[(g + (r / 2) * 8) * 8 + 2 * t + r % 2] = sum[r];
}

template <int N, bool Transposed>
__device__ void ldmatrix(unsigned (&r)[4], unsigned address) {
  if constexpr (N == 1 && !Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(address));
  if constexpr (N == 2 && !Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(address));
  if constexpr (N == 4 && !Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address));
  if constexpr (N == 1 && Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(address));
  if constexpr (N == 2 && Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(address));
  if constexpr (N == 4 && Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address));
}

// Element (row, column) of matrix m holds 64 m + 8 row + column. Lane l gives the address of row l % 8 of
// matrix l / 8.
template <int N, bool Transposed>
__global__ void ldmatrix_kernel(unsigned* out) {
  __shared__ __align__(16) uint16_t tile[4 * 64];
  for (int i = threadIdx.x; i < 256; i += 32) tile[i] = static_cast<uint16_t>(i);
  __syncwarp();
  unsigned r[4] = {};
  ldmatrix<N, Transposed>(r, shared_address(tile + threadIdx.x % (8 * N) * 8));
  for (int m = 0; m < 4; ++m) out[m * 32 + threadIdx.x] = r[m];
}

// Expected: lane l holds row l / 4, columns 2 (l % 4) and + 1 of matrix m in register m; transposed, of the
// transposed matrix.
template <int N, bool Transposed>
void put_ldmatrix(Json& json, const std::string& key) {
  DeviceArray<unsigned> out(4 * 32);
  ldmatrix_kernel<N, Transposed><<<1, 32>>>(out.get());
  const auto got = out.download();
  std::string wrong;
  for (int m = 0; m < N && wrong.empty(); ++m)
    for (int lane = 0; lane < 32 && wrong.empty(); ++lane) {
      const int row = lane / 4, column = 2 * (lane % 4);
      const auto element = [&](int i, int j) {
        return static_cast<unsigned>(64 * m + (Transposed ? 8 * j + i : 8 * i + j));
      };
      const unsigned expected = element(row, column) | element(row, column + 1) << 16;
      if (got[m * 32 + lane] != expected)
        wrong = "matrix " + std::to_string(m) + " lane " + std::to_string(lane) + " got " +
                std::to_string(got[m * 32 + lane]) + " expected " + std::to_string(expected);
    }
  json.put(key, wrong.empty());
  if (!wrong.empty()) json.put(key + "_mismatch", wrong);
}

void matrix_units(Json& json, const cudaDeviceProp& device) {
  const int blocks = device.multiProcessorCount * 4, threads = 256, iterations = 4096;
  DeviceArray<float> out(size_t(blocks) * threads);
  const Spread ms = time_ms([&] { mma_rate_kernel<<<blocks, threads>>>(iterations, out.get()); });
  const double flops = 2.0 * 16 * 8 * 16 * 8 * iterations * (threads / 32) * blocks;
  json.put("mma_m16n8k16_bf16_tflops", flops / ms.median * 1e-9);
  put(json, "mma_ms", ms);

  std::vector<float> a(16 * 16), b(16 * 8);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 53 % 97) - 48);
  DeviceArray<float> da(a.size()), db(b.size()), dc(16 * 8);
  da.upload(a);
  db.upload(b);
  mma_map_kernel<<<1, 32>>>(da.get(), db.get(), dc.get());
  const auto c = dc.download();
  std::string wrong;
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8 && wrong.empty(); ++j) {
      float expected = 0;  // small integers: exact
      for (int k = 0; k < 16; ++k) expected += a[i * 16 + k] * b[k * 8 + j];
      if (!(c[i * 8 + j] == expected)) wrong = "c[" + std::to_string(i) + ", " + std::to_string(j) + "]";
    }
  json.put("mma_lane_map", wrong.empty());
  if (!wrong.empty()) json.put("mma_lane_map_mismatch", wrong);
  put_ldmatrix<1, false>(json, "ldmatrix_x1");
  put_ldmatrix<2, false>(json, "ldmatrix_x2");
  put_ldmatrix<4, false>(json, "ldmatrix_x4");
  put_ldmatrix<1, true>(json, "ldmatrix_x1_trans");
  put_ldmatrix<2, true>(json, "ldmatrix_x2_trans");
  put_ldmatrix<4, true>(json, "ldmatrix_x4_trans");
}

constexpr int steps = 2000;

__global__ void block_barrier_kernel(Report* report) {
  __syncthreads();
  const long long cycles = clock64(), time = nanoseconds();
  for (int i = 0; i < steps; ++i) __syncthreads();
  if (threadIdx.x == 0) *report = {clock64() - cycles, nanoseconds() - time, 0, 0};
}

__global__ void cluster_barrier_kernel(Report* report) {
  cluster_barrier();
  const long long cycles = clock64(), time = nanoseconds();
  for (int i = 0; i < steps; ++i) cluster_barrier();
  if (threadIdx.x == 0 && cluster_rank() == 0) *report = {clock64() - cycles, nanoseconds() - time, 0, 0};
}

// One step of the LSTM's exchange: every block sends its slice to all blocks (itself too) and waits for all
// slices. The words of a step are those received in the step before plus one, so that neither compiler nor
// hardware can run ahead. Two buffers suffice: who has received every slice of step s knows that every peer
// has finished reading step s - 1.
__global__ void exchange_kernel(int blocks, int slice_vectors, Report* report) {
  extern __shared__ __align__(16) uint4 received[];  // [2][blocks][slice_vectors]
  __shared__ uint64_t barriers[2];
  const int rank = static_cast<int>(cluster_rank()), all = blocks * slice_vectors,
            thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    mbarrier_init(&barriers[0], 1);
    mbarrier_init(&barriers[1], 1);
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  cluster_barrier();
  unsigned value = 0, timeouts = 0, mismatches = 0;
  const long long cycles = clock64(), time = nanoseconds();
  for (int s = 0; s < steps && timeouts == 0; ++s) {
    uint64_t* barrier = &barriers[s % 2];
    uint4* buffer = received + (s % 2) * all;
    if (thread == 0) mbarrier_expect(barrier, static_cast<unsigned>(all * 16));
    // Vector v of the slice goes to block `to`; threads share the pairs.
    for (int i = thread; i < all; i += static_cast<int>(blockDim.x)) {
      const int to = i / slice_vectors, v = i % slice_vectors;
      const unsigned word = value + static_cast<unsigned>(v);
      send16(buffer + rank * slice_vectors + v, {word, word + 1, word + 2, word + 3}, barrier,
             static_cast<unsigned>(to));
    }
    if (!mbarrier_wait(barrier, static_cast<unsigned>(s / 2) & 1)) ++timeouts;
    const int mine = thread % all;
    const uint4 got = buffer[mine];
    const unsigned expected = static_cast<unsigned>(s + mine % slice_vectors);
    mismatches += got.x != expected || got.w != expected + 3;
    value = got.x - static_cast<unsigned>(mine % slice_vectors) + 1;
    __syncthreads();  // the next step's value is every thread's; the LSTM has such a barrier around its cell
                      // update
  }
  const long long cycles_after = clock64(), time_after = nanoseconds();
  atomicAdd(&report->timeouts, timeouts);
  atomicAdd(&report->mismatches, mismatches);
  if (thread == 0 && rank == 0) {
    report->cycles = cycles_after - cycles;
    report->nanoseconds = time_after - time;
  }
  cluster_barrier();  // nobody leaves while its shared memory may still be written
}

// Two blocks on two SMs pass a number back and forth through memory: a step is one way.
__global__ void flag_kernel(unsigned* flags, Report* report) {
  if (threadIdx.x != 0) return;
  unsigned* mine = flags + blockIdx.x * 64;
  const unsigned* other = flags + (1 - blockIdx.x) * 64;
  unsigned timeouts = 0;
  const long long cycles = clock64(), time = nanoseconds();
  for (unsigned i = 1; i <= steps / 2 && timeouts == 0; ++i) {
    if (blockIdx.x == 0) store_release(mine, i);
    if (!wait_for(other, i)) ++timeouts;
    if (blockIdx.x == 1) store_release(mine, i);
  }
  atomicAdd(&report->timeouts, timeouts);
  if (blockIdx.x == 0) {
    report->cycles = clock64() - cycles;
    report->nanoseconds = nanoseconds() - time;
  }
}

__global__ void grid_barrier_kernel(unsigned* arrived, Report* report) {
  unsigned timeouts = 0;
  const long long cycles = clock64(), time = nanoseconds();
  for (unsigned i = 1; i <= steps && timeouts == 0; ++i) {
    __syncthreads();
    if (threadIdx.x == 0) {
      // Release makes this block's writes visible before the arrival, acquire in wait_for everybody's after
      // it.
      asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(arrived) : "memory");
      if (!wait_for(arrived, i * gridDim.x)) ++timeouts;
    }
    timeouts = __syncthreads_or(static_cast<int>(timeouts));
  }
  if (threadIdx.x == 0) atomicAdd(&report->timeouts, timeouts);
  if (threadIdx.x == 0 && blockIdx.x == 0) {
    report->cycles = clock64() - cycles;
    report->nanoseconds = nanoseconds() - time;
  }
}

void latencies(Json& json, const cudaDeviceProp& device) {
  DeviceArray<Report> report(1);
  json.open("block_barrier", '[');
  for (const int threads : {128, 256, 512, 1024}) {
    json.open("", '{').put("threads", threads);
    put_latency(json, steps, report,
                [&] { launch(block_barrier_kernel, 1, threads, 1, false, 0, report.get()); });
    json.close();
  }
  json.close();
  json.open("cluster_barrier", '[');
  for (const int blocks : {2, 4, 8, 16}) {
    json.open("", '{').put("blocks", blocks);
    put_latency(json, steps, report,
                [&] { launch(cluster_barrier_kernel, blocks, 256, blocks, false, 0, report.get()); });
    json.close();
  }
  json.close();
  // 16 bytes between two blocks is the round trip; the others are H x slots of bf16 spread over the cluster.
  json.open("exchange", '[');
  struct Exchange {
    int blocks, bytes;
  };
  for (const Exchange e : {Exchange{2, 32},
                           {2, 2048},
                           {4, 2048},
                           {2, 4096},
                           {4, 4096},
                           {8, 4096},
                           {16, 4096},
                           {8, 8192},
                           {16, 8192},
                           {16, 16384}}) {
    const int slice = e.bytes / 16 / e.blocks;
    json.open("", '{').put("blocks", e.blocks).put("bytes_received_a_block", e.bytes);
    put_latency(json, steps, report, [&] {
      launch(exchange_kernel, e.blocks, 256, e.blocks, false, size_t(2) * e.bytes, e.blocks, slice,
             report.get());
    });
    json.close();
  }
  json.close();
  DeviceArray<unsigned> flags(128);
  json.open("flag_through_l2", '{');
  put_latency(json, steps, report, [&] {
    flags.zero();
    launch(flag_kernel, 2, 32, 1, true, 0, flags.get(), report.get());
  });
  json.close();
  json.open("grid_barrier", '{').put("blocks", device.multiProcessorCount);
  put_latency(json, steps, report, [&] {
    flags.zero();
    launch(grid_barrier_kernel, device.multiProcessorCount, 256, 1, true, 0, flags.get(), report.get());
  });
  json.close();
}

__global__ void clusters_kernel() {
  extern __shared__ uint4 unused[];
}

void clusters(Json& json, const cudaDeviceProp&) {
  check(cudaFuncSetAttribute(clusters_kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
        "non-portable cluster");
  json.open("fit_at_once", '[');
  for (const int blocks : {1, 2, 4, 8, 16})
    for (const int kilobytes : {16, 64, 128, 200}) {
      check(cudaFuncSetAttribute(clusters_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 kilobytes * 1024),
            "shared memory");
      cudaLaunchConfig_t config{};
      config.gridDim = dim3(blocks * 256);
      config.blockDim = dim3(256);
      config.dynamicSmemBytes = size_t(kilobytes) * 1024;
      cudaLaunchAttribute attribute;
      attribute.id = cudaLaunchAttributeClusterDimension;
      attribute.val.clusterDim = {static_cast<unsigned>(blocks), 1, 1};
      config.attrs = &attribute;
      config.numAttrs = 1;
      int fit = 0;
      const cudaError_t status = cudaOccupancyMaxActiveClusters(&fit, clusters_kernel, &config);
      json.open("", '{').put("blocks", blocks).put("threads", 256).put("shared_kb", kilobytes);
      if (status == cudaSuccess)
        json.put("clusters", fit);
      else
        json.put("error", cudaGetErrorString(status));
      cudaGetLastError();
      json.close();
    }
  json.close();
}

#ifdef RAGTIME_HAS_CUDNN

struct CudnnFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check_dnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char last[512] = "";
  cudnnGetLastErrorString(last, sizeof(last));
  throw CudnnFailure(std::string(what) + ": " + cudnnGetErrorString(status) + " " + last);
}

struct RnnCase {
  cudnnRNNAlgo_t algorithm;
  cudnnRNNDataLayout_t layout;
  cudnnDataType_t type;
  cudnnMathType_t math;
  int hidden, batch;
};

constexpr int rnn_steps = 256;

// One layer, one direction, input as wide as hidden; lengths from T down to T / 4. Times forward (training)
// and backward (data + weights).
void run_rnn(Json& json, cudnnHandle_t handle, const RnnCase& c) {
  const int hidden = c.hidden, batch = c.batch;
  std::vector<int> lengths(batch);
  size_t rows = 0;
  for (int b = 0; b < batch; ++b) {
    lengths[b] = rnn_steps - b * (rnn_steps * 3 / 4) / std::max(batch - 1, 1);
    rows += static_cast<size_t>(lengths[b]);
  }
  if (c.layout != CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED) rows = size_t(rnn_steps) * batch;
  const size_t element = c.type == CUDNN_DATA_FLOAT ? 4 : 2;

  cudnnDropoutDescriptor_t dropout;
  cudnnRNNDescriptor_t rnn;
  cudnnRNNDataDescriptor_t data;
  cudnnTensorDescriptor_t state;
  check_dnn(cudnnCreateDropoutDescriptor(&dropout), "dropout");
  check_dnn(cudnnSetDropoutDescriptor(dropout, handle, 0, nullptr, 0, 0), "dropout");
  check_dnn(cudnnCreateRNNDescriptor(&rnn), "rnn");
  check_dnn(cudnnCreateRNNDataDescriptor(&data), "data");
  check_dnn(cudnnCreateTensorDescriptor(&state), "state");
  struct Cleanup {
    std::function<void()> run;
    ~Cleanup() { run(); }
  } cleanup{[&] {
    cudnnDestroyTensorDescriptor(state);
    cudnnDestroyRNNDataDescriptor(data);
    cudnnDestroyRNNDescriptor(rnn);
    cudnnDestroyDropoutDescriptor(dropout);
  }};
  check_dnn(cudnnSetRNNDescriptor_v8(rnn, c.algorithm, CUDNN_LSTM, CUDNN_RNN_DOUBLE_BIAS,
                                     CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT, c.type, CUDNN_DATA_FLOAT,
                                     c.math, hidden, hidden, hidden, 1, dropout, CUDNN_RNN_PADDED_IO_ENABLED),
            "cudnnSetRNNDescriptor_v8");
  float fill = 0;
  check_dnn(
      cudnnSetRNNDataDescriptor(data, c.type, c.layout, rnn_steps, batch, hidden, lengths.data(), &fill),
      "cudnnSetRNNDataDescriptor");
  const int dims[3] = {1, batch, hidden}, strides[3] = {batch * hidden, hidden, 1};
  check_dnn(cudnnSetTensorNdDescriptor(state, c.type, 3, dims, strides), "state");
  if (c.algorithm == CUDNN_RNN_ALGO_PERSIST_DYNAMIC)
    check_dnn(cudnnBuildRNNDynamic(handle, rnn, batch), "cudnnBuildRNNDynamic");
  size_t weight_bytes = 0, work_bytes = 0, reserve_bytes = 0;
  check_dnn(cudnnGetRNNWeightSpaceSize(handle, rnn, &weight_bytes), "cudnnGetRNNWeightSpaceSize");
  check_dnn(
      cudnnGetRNNTempSpaceSizes(handle, rnn, CUDNN_FWD_MODE_TRAINING, data, &work_bytes, &reserve_bytes),
      "cudnnGetRNNTempSpaceSizes");

  DeviceArray<int> device_lengths(batch);
  device_lengths.upload(lengths);
  DeviceArray<char> weights(weight_bytes), d_weights(weight_bytes), work(work_bytes + 16),
      reserve(reserve_bytes + 16);
  DeviceArray<char> x(rows * hidden * element), y(rows * hidden * element), dx(rows * hidden * element),
      dy(rows * hidden * element);
  weights.zero();
  d_weights.zero();
  dy.zero();
  x.zero();
  const auto forward = [&] {
    check_dnn(cudnnRNNForward(handle, rnn, CUDNN_FWD_MODE_TRAINING, device_lengths.get(), data, x.get(), data,
                              y.get(), state, nullptr, nullptr, state, nullptr, nullptr, weight_bytes,
                              weights.get(), work_bytes, work.get(), reserve_bytes, reserve.get()),
              "cudnnRNNForward");
  };
  const auto backward = [&] {
    check_dnn(cudnnRNNBackwardData_v8(handle, rnn, device_lengths.get(), data, y.get(), dy.get(), data,
                                      dx.get(), state, nullptr, nullptr, nullptr, state, nullptr, nullptr,
                                      nullptr, weight_bytes, weights.get(), work_bytes, work.get(),
                                      reserve_bytes, reserve.get()),
              "cudnnRNNBackwardData_v8");
    check_dnn(
        cudnnRNNBackwardWeights_v8(handle, rnn, CUDNN_WGRAD_MODE_ADD, device_lengths.get(), data, x.get(),
                                   state, nullptr, data, y.get(), weight_bytes, d_weights.get(), work_bytes,
                                   work.get(), reserve_bytes, reserve.get()),
        "cudnnRNNBackwardWeights_v8");
  };
  const Spread ahead = time_ms(forward, 7, 2);
  const Spread back = time_ms(
      [&] {
        forward();
        backward();
      },
      7, 2);
  json.put("forward_us_a_step", ahead.median * 1e3 / rnn_steps);
  json.put("forward_backward_us_a_step", back.median * 1e3 / rnn_steps);
}

void cudnn(Json& json, const cudaDeviceProp&) {
  cudnnHandle_t handle;
  check_dnn(cudnnCreate(&handle), "cudnnCreate");
  struct Named {
    const char* name;
    int value;
  };
  const Named algorithms[] = {{"STANDARD", CUDNN_RNN_ALGO_STANDARD},
                              {"PERSIST_STATIC", CUDNN_RNN_ALGO_PERSIST_STATIC},
                              {"PERSIST_DYNAMIC", CUDNN_RNN_ALGO_PERSIST_DYNAMIC},
                              {"PERSIST_STATIC_SMALL_H", CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H}};
  const Named layouts[] = {{"packed", CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED},
                           {"padded", CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED}};
  struct Type {
    const char* name;
    cudnnDataType_t type;
    cudnnMathType_t math;
  };
  const Type types[] = {{"f32", CUDNN_DATA_FLOAT, CUDNN_FMA_MATH},
                        {"tf32", CUDNN_DATA_FLOAT, CUDNN_DEFAULT_MATH},
                        {"f16", CUDNN_DATA_HALF, CUDNN_TENSOR_OP_MATH},
                        {"bf16", CUDNN_DATA_BFLOAT16, CUDNN_TENSOR_OP_MATH}};
  json.put("version", static_cast<int>(cudnnGetVersion())).put("steps", rnn_steps);
  json.open("ragged_lengths", '[');
  for (const Named& algorithm : algorithms)
    for (const Named& layout : layouts)
      for (const Type& type : types)
        for (const int hidden : {128, 256, 512, 768})
          for (const int batch : {16, 64}) {
            json.open("", '{')
                .put("algorithm", algorithm.name)
                .put("layout", layout.name)
                .put("dtype", type.name);
            json.put("hidden", hidden).put("batch", batch);
            try {
              run_rnn(json, handle,
                      {static_cast<cudnnRNNAlgo_t>(algorithm.value),
                       static_cast<cudnnRNNDataLayout_t>(layout.value), type.type, type.math, hidden, batch});
              json.put("supported", true);
            } catch (const CudnnFailure& refusal) {
              json.put("supported", false).put("status", refusal.what());
            }
            json.close();
            check(cudaDeviceSynchronize(), "after cuDNN");
          }
  json.close();
  cudnnDestroy(handle);
}

#endif

struct Section {
  const char* name;
  void (*run)(Json&, const cudaDeviceProp&);
};

constexpr Section sections[] = {
    {"bandwidth", bandwidth}, {"cublaslt", cublaslt}, {"matrix_units", matrix_units},
    {"latencies", latencies}, {"clusters", clusters},
#ifdef RAGTIME_HAS_CUDNN
    {"cudnn", cudnn},
#endif
};

int usage(const std::string& problem) {
  std::cerr << "device_probe: error: " << problem
            << "\nusage: device_probe [--out FILE] [--only SECTION,...]\nsections:";
  for (const Section& section : sections) std::cerr << ' ' << section.name;
  std::cerr << '\n';
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  std::string out, only, command = arguments[0];
  for (int i = 1; i < count; ++i) {
    command += std::string(" ") + arguments[i];
    const std::string argument = arguments[i];
    if ((argument != "--out" && argument != "--only") || i + 1 >= count)
      return usage("unexpected argument " + argument);
    (argument == "--out" ? out : only) = arguments[++i];
    command += std::string(" ") + arguments[i];
  }
  std::stringstream names(only);
  for (std::string name; std::getline(names, name, ',');)
    if (std::none_of(std::begin(sections), std::end(sections),
                     [&](const Section& s) { return name == s.name; }))
      return usage("unknown section " + name);

  int devices = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&devices); status != cudaSuccess || devices == 0) {
    std::cerr << "device_probe: error: no CUDA device: " << cudaGetErrorString(status) << '\n';
    return 1;
  }
  cudaDeviceProp device;
  int driver = 0, runtime = 0, clock_khz = 0;
  check(cudaGetDeviceProperties(&device, 0), "properties");
  check(cudaDriverGetVersion(&driver), "driver");
  check(cudaRuntimeGetVersion(&runtime), "runtime");
  check(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, 0), "clock");
  if (device.major < 9) {
    std::cerr << "device_probe: error: " << device.name << " has compute capability " << device.major << "."
              << device.minor << ": clusters need 9.0\n";
    return 1;
  }

  Json json;
  json.open("", '{').put("device", device.name).put("compute_capability", device.major * 10 + device.minor);
  json.put("multiprocessors", device.multiProcessorCount).put("clock_mhz", clock_khz / 1e3);
  json.put("l2_mb", device.l2CacheSize / 1048576.0)
      .put("memory_gb", static_cast<double>(device.totalGlobalMem) / 1e9);
  json.put("cuda_driver", driver)
      .put("cuda_runtime", runtime)
      .put("cublaslt", static_cast<int>(cublasLtGetVersion()));
  json.put("command", command);
  int failures = 0;
  for (const Section& section : sections) {
    if (!only.empty() && ("," + only + ",").find(std::string(",") + section.name + ",") == std::string::npos)
      continue;
    std::cerr << section.name << "...\n";
    json.open(section.name, '{');
    const size_t depth = json.depth();
    try {
      section.run(json, device);
    } catch (const std::exception& problem) {
      std::cerr << section.name << ": error: " << problem.what() << '\n';
      while (json.depth() > depth) json.close();  // what the section had opened
      json.put("error", problem.what());
      ++failures;
    }
    json.close();
    if (const cudaError_t sticky = cudaDeviceSynchronize(); sticky != cudaSuccess) {
      json.put("stopped", std::string("the device no longer answers: ") + cudaGetErrorString(sticky));
      ++failures;
      break;
    }
    cudaGetLastError();
  }
  json.close();

  if (out.empty()) {
    std::cout << json.str();
  } else {
    std::ofstream file(out);
    file << json.str() << std::flush;
    if (!file) {
      std::cerr << "device_probe: error: writing " << out << " failed\n";
      return 1;
    }
  }
  return failures == 0 ? 0 : 1;
}
