#!/usr/bin/env bash
# Fails when code that is also compiled for the CPU uses what only a GPU has: such things live in cuda/arch alone, where each
# has an emulation beside it, and calls of CUDA's libraries in cuda/runtime. The device probe is a program of its own and
# excepted; benchmarks/measure and benchmarks/peers measure other libraries beside ours, and so may call them.
# check_arch.sh [FOLDER]: the root of the tree to check (the repository).   check_arch.sh --self-test: that it finds each.
set -euo pipefail

# Extended regular expressions, one a line.
patterns=$(cat <<'PATTERNS'
(^|[^A-Za-z0-9_])(asm|__asm__|__asm)([^A-Za-z0-9_]|$)
<<<
(^|[^A-Za-z0-9_])(threadIdx|blockIdx|blockDim|gridDim|warpSize)([^A-Za-z0-9_]|$)
(^|[^A-Za-z0-9_])__(syncthreads|syncwarp|shfl|ballot|any|all|activemask|match|reduce|threadfence|nanosleep|trap|cvta|isShared|cluster|pipeline)[A-Za-z0-9_]*
(^|[^A-Za-z0-9_])__(expf|logf|log2f|sinf|cosf|powf|tanhf|fdividef|fmaf?_r[a-z]|f(add|mul|div|sqrt|rcp)_r[a-z]|ld(g|ca|cg|cs|cv|lu)|st(cg|cs|wb|wt)|popc|clz|ffs|brev|byte_perm|(float|int|uint)_as_[a-z]+|h(fma|add|mul|exp|tanh)2?)([^A-Za-z0-9_]|$)
(^|[^A-Za-z0-9_])(__(global|device|host|shared|constant|managed|launch_bounds|forceinline|noinline|grid_constant)__)
(^|[^A-Za-z0-9_])atomic(Add|Sub|Min|Max|CAS|Exch|And|Or|Xor|Inc|Dec)[A-Za-z0-9_]*
(^|[^A-Za-z0-9_])(rsqrtf|clock64|cooperative_groups|nvcuda|cudaLaunch[A-Za-z]*)([^A-Za-z0-9_]|$)
PATTERNS
)
# What CUDA's libraries offer is reached through cuda/runtime alone, which has a stand-in for the emulation too.
libraries='(^|[^A-Za-z0-9_])(cuda(Malloc|Free|Mem|Stream|Event|Get|Set|Device|Graph|Func|Occupancy|Host)[A-Za-z0-9_]*|cublas[A-Z][A-Za-z0-9_]*|cudnn[A-Z][A-Za-z0-9_]*|cub::[A-Za-z0-9_]*|dlopen|dlsym)([^A-Za-z0-9_]|$)|#include <(cuda_runtime|cublas|cudnn|cub/)'

patterns_for() {
  printf '%s\n' "$patterns"
  case "$1" in cuda/runtime/* | benchmarks/measure/* | benchmarks/peers/*) ;; *) printf '%s\n' "$libraries" ;; esac
}

check() {
  local root=$1 folder found=0
  for folder in cuda host include benchmarks; do
    [ -d "$root/$folder" ] || continue
    # What a comment says does not count: after //, between /* and */, and on the lines of a long one, which begin with " *".
    while IFS= read -r file; do
      if sed -E -e 's:/\*([^*]|\*[^/])*\*/::g' -e 's:/\*.*$::' -e 's:^ *\*( .*)?$::' -e 's://.*$::' "$file" | grep -nE "$(patterns_for "${file#"$root"/}")" | sed "s:^:${file#"$root"/}\::"; then found=1; fi
    done < <(find "$root/$folder" -type f \( -name '*.cu' -o -name '*.cuh' -o -name '*.cpp' -o -name '*.hpp' -o -name '*.h' \) \
               -not -path "$root/cuda/arch/*" -not -path "$root/benchmarks/probe/*" | sort)
  done
  return $found
}

self_test() {
  local root line failed=0
  root=$(mktemp -d)
  trap 'rm -rf "$root"' RETURN
  mkdir -p "$root"/{cuda/arch,cuda/runtime,host,include,benchmarks/{peers,probe}}
  expect() {  # expect FILE RESULT LINE
    echo "$3" >"$root/$1"
    local result=clean
    check "$root" >/dev/null || result=found
    [ "$result" = "$2" ] || { echo "check_arch.sh: in $1, expected $2: $3" >&2; failed=1; }
    rm "$root/$1"
  }
  while IFS= read -r line; do
    for file in cuda/a.cuh cuda/b.cu host/c.cpp include/d.hpp benchmarks/e.cpp; do expect "$file" found "$line"; done
    expect cuda/arch/a.cuh clean "$line"
    expect benchmarks/probe/device_probe.cu clean "$line"
    expect cuda/a.cuh clean "// $line"
    expect include/d.h clean "int a; /** $line */"
    expect include/d.h clean "/** $line"$'\n'" * $line */"
    expect include/d.h found "/* said */ $line /* and done */"
    expect include/d.h found "  *p = f(); $line"
  done <<'LINES'
asm volatile("bar.sync 0;");
__asm__("nop");
kernel<<<1, 32>>>(x);
int i = threadIdx.x;
int i = blockIdx.y * blockDim.x + gridDim.z;
__syncthreads();
if (__syncthreads_or(x)) f();
__syncwarp();
x = __shfl_xor_sync(~0u, x, 1);
x = __shfl_sync(~0u, x, 1);
b = __ballot_sync(~0u, p);
b = __any_sync(~0u, p);
m = __activemask();
__threadfence();
y = __expf(x);
y = __ldg(p);
__stcs(p, x);
y = __fmaf_rn(a, b, c);
u = __float_as_uint(x);
__global__ void k();
__device__ int f();
__shared__ float s[32];
__launch_bounds__(128)
atomicAdd(p, 1);
atomicCAS(p, 1, 2);
y = rsqrtf(x);
namespace cg = cooperative_groups;
cudaLaunchKernelEx(&c, k);
LINES
  while IFS= read -r line; do
    for file in cuda/a.cuh cuda/b.cu host/c.cpp include/d.hpp benchmarks/e.cpp; do expect "$file" found "$line"; done
    expect cuda/runtime/a.cu clean "$line"
    expect benchmarks/peers/a.cpp clean "$line"
  done <<'LINES'
cudaMalloc(&p, 1);
#include <cuda_runtime.h>
#include <cublasLt.h>
cub::DeviceScan::InclusiveSum(p);
cudnnCreate(&h);
cudaStreamSynchronize(s);
LINES
  for line in 'int asmara = small;' 'arch::block_sync();' 'std::cout << x << y;' 'a.threadIdxes();' 'arch::atomic_add(p, 1);'; do
    expect cuda/a.cuh clean "$line"
  done
  [ $failed = 0 ] && echo "check_arch.sh finds what it must, and only that."
  return $failed
}

if [ "${1:-}" = --self-test ]; then
  self_test
else
  root=${1:-$(cd "$(dirname "$0")/.." && pwd)}
  check "$root" || { echo "error: builtins, PTX, launches or calls of CUDA outside of cuda/arch and cuda/runtime (above)" >&2; exit 1; }
fi
