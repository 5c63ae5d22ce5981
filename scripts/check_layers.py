#!/usr/bin/env python3
"""Fails when code reaches past its layer:

    scripts/check_layers.py [FOLDER]       # the root of the tree to check (the repository)
    scripts/check_layers.py --self-test    # that every rule finds what it must, and only that

1. A folder includes only from itself and from the layers below it (MAY_INCLUDE). Nothing that is built for users includes
   from tests/.
2. A library of others is included only where it is wrapped (LIBRARIES).
3. What only a GPU has (PTX, builtins, launches) is used in cuda/arch alone, where the emulation has a counterpart; calls of
   CUDA's libraries are in cuda/runtime/gpu. Programs that measure other libraries beside ours, or the device itself, are
   excepted.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Public headers below the operations.
VALUES = ["ragtime/error.hpp", "ragtime/types.hpp"]
BATCHES = VALUES + ["ragtime/backend.hpp", "ragtime/ragged_batch.hpp", "ragtime/status.hpp"]

# folder: what its files may include besides their own folder and what is below it. The longest folder that fits counts.
MAY_INCLUDE = {
    "include/": ["ragtime/"],
    "host/": ["ragtime/", "host/"],  # the files of host/ itself: what a build is put together from
    "host/base/": VALUES,
    "host/runtime/": BATCHES + ["host/base/"],
    "host/ops/": ["ragtime/", "host/base/", "host/runtime/"],
    "host/cpu/": ["ragtime/", "host/base/", "host/runtime/", "host/ops/"],
    "host/model/": ["ragtime/", "host/base/", "host/runtime/", "host/ops/validate.hpp"],
    "host/c_api/": ["ragtime/", "host/base/", "host/runtime/"],
    "host/tool/data/": ["ragtime/", "host/base/"],
    "host/tool/train/": ["ragtime/", "host/base/", "host/runtime/", "host/model/", "host/tool/data/"],
    "host/tool/cli/": ["ragtime/", "host/base/", "host/ops/lstm_choice_text.hpp", "host/tool/"],
    "cuda/": ["ragtime/", "cuda/", "host/base/", "host/runtime/", "host/ops/"],
    "cuda/arch/": [],
    "cuda/runtime/": BATCHES + ["cuda/arch/", "host/base/"],
    # The emulation's stand-in for cuDNN runs the cpu backend, and the emulated backend registers itself.
    "cuda/runtime/simt/": ["ragtime/", "cuda/arch/", "cuda/runtime/", "cuda/support/", "cuda/backend.hpp", "host/base/",
                           "host/runtime/backend_registry.hpp"],
    "cuda/support/": BATCHES + ["cuda/arch/", "cuda/runtime/", "host/base/"],
    "benchmarks/": ["ragtime/", "benchmarks/", "host/"],
    "benchmarks/peers/": ["ragtime/", "benchmarks/", "host/base/", "cuda/"],
    "benchmarks/probe/": [],
    "docs/examples/": ["ragtime/"],
}
# An operation of the CUDA backend: what operations share, and the kernels of dropout and of the layouts.
CUDA_OPERATION = ["ragtime/", "cuda/arch/", "cuda/runtime/", "cuda/support/", "cuda/operations.hpp", "cuda/backend.hpp",
                  "cuda/dropout/dropout.cuh", "cuda/layout/layout.cuh", "host/base/", "host/runtime/", "host/ops/"]
NOT_OPERATIONS = {"arch", "runtime", "support"}

# Headers of others: where they may be included. Those of the standard library and of POSIX are free.
LIBRARIES = [
    (r"nlohmann/", ["host/", "benchmarks/"]),
    (r"CLI/", ["host/tool/cli/", "benchmarks/tool/"]),
    (r"zlib\.h", ["host/tool/data/"]),
    (r"cuda_(bf16|fp16)\.h", ["cuda/arch/", "benchmarks/probe/"]),
    (r"(cuda_runtime|cublas|cudnn|cub/)", ["cuda/arch/gpu/", "cuda/runtime/gpu/", "benchmarks/measure/", "benchmarks/peers/",
                                           "benchmarks/probe/"]),
    (r"(gtest|gmock)/", []),
]

END = r"([^A-Za-z0-9_]|$)"
START = r"(^|[^A-Za-z0-9_])"
DEVICE_ONLY = re.compile("|".join([
    START + r"(asm|__asm__|__asm)" + END,
    r"<<<",
    START + r"(threadIdx|blockIdx|blockDim|gridDim|warpSize)" + END,
    START + r"__(syncthreads|syncwarp|shfl|ballot|any|all|activemask|match|reduce|threadfence|nanosleep|trap|cvta|isShared|"
            r"cluster|pipeline)\w*",
    START + r"__(expf|logf|log2f|sinf|cosf|powf|tanhf|fdividef|fmaf?_r[a-z]|f(add|mul|div|sqrt|rcp)_r[a-z]|"
            r"ld(g|ca|cg|cs|cv|lu)|st(cg|cs|wb|wt)|popc|clz|ffs|brev|byte_perm|(float|int|uint)_as_[a-z]+|"
            r"h(fma|add|mul|exp|tanh)2?)" + END,
    START + r"(__(global|device|host|shared|constant|managed|launch_bounds|forceinline|noinline|grid_constant)__)",
    START + r"atomic(Add|Sub|Min|Max|CAS|Exch|And|Or|Xor|Inc|Dec)\w*",
    START + r"(rsqrtf|clock64|cooperative_groups|nvcuda|cudaLaunch[A-Za-z]*)" + END,
]))
DEVICE_ONLY_IN = ["cuda/arch/", "benchmarks/probe/", "docs/examples/"]
CUDA_CALLS = re.compile(START + r"(cuda(Malloc|Free|Mem|Stream|Event|Get|Set|Device|Graph|Func|Occupancy|Host)\w*|"
                        r"cublas[A-Z]\w*|cudnn[A-Z]\w*|cub::\w*|dlopen|dlsym)" + END)
CUDA_CALLS_IN = DEVICE_ONLY_IN + ["cuda/runtime/gpu/", "benchmarks/measure/", "benchmarks/peers/"]


def without_comments(text):
    """The same lines, without what comments say. Strings that hold // lose their end, which no rule looks for."""
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n"), text, flags=re.S)
    return [re.sub(r"//.*", "", line) for line in text.split("\n")]


def allowed_includes(file):
    folder = max((f for f in MAY_INCLUDE if file.startswith(f)), key=len)
    own = folder
    allowed = MAY_INCLUDE[folder]
    parts = file.split("/")
    if folder == "cuda/" and len(parts) > 2 and parts[1] not in NOT_OPERATIONS:
        own, allowed = f"cuda/{parts[1]}/", CUDA_OPERATION
    elif folder in ("host/", "cuda/") and len(parts) == 2:
        own = file  # a file beside the folders
    return [own, *allowed]


def faults_of(file, text, exists):
    """The lines of a file that break a rule: (line number, line, rule)."""
    found = []
    for number, line in enumerate(without_comments(text), 1):
        if include := re.match(r'\s*#\s*include "([^"]+)"', line):
            target = include[1]
            if "/" not in target or not exists(target):
                beside = f"{file.rsplit('/', 1)[0]}/{target}"
                target = beside if exists(beside) else target
            if not target.startswith(tuple(allowed_includes(file))):
                found.append((number, line, f"may include from {', '.join(allowed_includes(file))} only"))
        elif include := re.match(r"\s*#\s*include <([^>]+)>", line):
            for library, folders in LIBRARIES:
                if re.match(library, include[1]) and not file.startswith(tuple(folders + ["docs/examples/"])):
                    found.append((number, line, f"is included in {', '.join(folders) or 'tests'} only"))
        if DEVICE_ONLY.search(line) and not file.startswith(tuple(DEVICE_ONLY_IN)):
            found.append((number, line, "only a GPU has it: it belongs to cuda/arch"))
        if CUDA_CALLS.search(line) and not file.startswith(tuple(CUDA_CALLS_IN)):
            found.append((number, line, "a call of CUDA's libraries: it belongs to cuda/runtime/gpu"))
    return found


def check(root):
    exists = lambda name: (root / name).exists() or (root / "include" / name).exists()
    failed = False
    for folder in ("include", "host", "cuda", "benchmarks", "docs/examples"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".cu", ".cuh", ".cpp", ".hpp", ".c", ".h"):
                continue
            file = path.relative_to(root).as_posix()
            for number, line, rule in faults_of(file, path.read_text(), exists):
                print(f"{file}:{number}: {line.strip()}\n    {rule}", file=sys.stderr)
                failed = True
    return not failed


DEVICE_ONLY_EXAMPLES = """asm volatile("bar.sync 0;");
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
cudaLaunchKernelEx(&c, k);""".split("\n")
CUDA_CALL_EXAMPLES = """cudaMalloc(&p, 1);
#include <cuda_runtime.h>
#include <cublasLt.h>
cub::DeviceScan::InclusiveSum(p);
cudnnCreate(&h);
cudaStreamSynchronize(s);""".split("\n")
HARMLESS = ["int asmara = small;", "arch::block_sync();", "std::cout << x << y;", "a.threadIdxes();", "arch::atomic_add(p, 1);",
            "#include <vector>"]
# (file, what it includes, whether that is allowed)
INCLUDES = [
    ("host/base/a.cpp", "host/base/b.hpp", True),
    ("host/base/a.cpp", "ragtime/types.hpp", True),
    ("host/base/a.cpp", "ragtime/ragged_batch.hpp", False),
    ("host/base/a.cpp", "host/runtime/b.hpp", False),
    ("host/runtime/a.cpp", "host/cpu/cpu_backend.hpp", False),
    ("host/runtime/a.cpp", "ragtime/lstm.hpp", False),
    ("host/ops/a.cpp", "host/cpu/b.hpp", False),
    ("host/cpu/a.cpp", "host/model/b.hpp", False),
    ("host/model/a.cpp", "host/tool/data/b.hpp", False),
    ("host/c_api/a.cpp", "host/model/b.hpp", False),
    ("host/tool/data/a.cpp", "host/tool/train/b.hpp", False),
    ("host/tool/train/a.cpp", "host/tool/cli/b.hpp", False),
    ("host/tool/train/a.cpp", "host/tool/data/b.hpp", True),
    ("host/tool/cli/a.cpp", "host/tool/train/b.hpp", True),
    ("host/backends.cpp", "host/cpu/cpu_backend.hpp", True),
    ("host/backends.cpp", "tests/support/b.hpp", False),
    ("include/ragtime/a.hpp", "ragtime/b.hpp", True),
    ("include/ragtime/a.hpp", "host/base/b.hpp", False),
    ("cuda/arch/simt/a.cuh", "cuda/arch/types.cuh", True),
    ("cuda/arch/arch.cuh", "tests/simt/b.cuh", False),
    ("cuda/arch/a.cuh", "cuda/runtime/device.hpp", False),
    ("cuda/runtime/gpu/a.cu", "cuda/arch/arch.cuh", True),
    ("cuda/runtime/gpu/a.cu", "cuda/operations.hpp", False),
    ("cuda/runtime/simt/a.cpp", "ragtime/lstm.hpp", True),
    ("cuda/support/a.cuh", "cuda/linear/b.cuh", False),
    ("cuda/linear/a.cu", "cuda/support/b.cuh", True),
    ("cuda/linear/a.cu", "cuda/lstm/persistent/b.cuh", False),
    ("cuda/lstm/persistent/a.cu", "cuda/lstm/choice/b.hpp", True),
    ("cuda/linear/a.cu", "host/cpu/b.hpp", False),
    ("cuda/backend.cu", "cuda/linear/b.hpp", True),
    ("benchmarks/cases/a.cpp", "tests/support/b.hpp", False),
    ("benchmarks/cases/a.cpp", "benchmarks/measure/b.hpp", True),
    ("docs/examples/a.cpp", "host/base/b.hpp", False),
]
LIBRARY_INCLUDES = [
    ("host/base/a.cpp", "nlohmann/json.hpp", True), ("cuda/a.cu", "nlohmann/json.hpp", False),
    ("host/tool/cli/a.cpp", "CLI/CLI.hpp", True), ("host/tool/train/a.cpp", "CLI/CLI.hpp", False),
    ("host/tool/data/a.cpp", "zlib.h", True), ("host/base/a.cpp", "zlib.h", False),
    ("cuda/arch/types.cuh", "cuda_bf16.h", True), ("cuda/support/a.cuh", "cuda_bf16.h", False),
    ("host/base/a.cpp", "gtest/gtest.h", False),
]


def self_test():
    wrong = []

    def expect(file, clean, text):
        if (not faults_of(file, text, lambda name: False)) != clean:
            wrong.append(f"{file}: expected {'no fault' if clean else 'a fault'}: {text}")

    plain = ["cuda/linear/a.cuh", "cuda/b.cu", "host/ops/c.cpp", "include/ragtime/d.hpp", "benchmarks/cases/e.cpp"]
    for line in DEVICE_ONLY_EXAMPLES:
        for file in [*plain, "cuda/runtime/gpu/a.cu", "benchmarks/peers/a.cu"]:
            expect(file, False, line)
        for file in ("cuda/arch/gpu/a.cuh", "benchmarks/probe/device_probe.cu"):
            expect(file, True, line)
        expect("cuda/linear/a.cuh", True, f"// {line}")
        expect("include/ragtime/d.h", True, f"int a; /** {line} */")
        expect("include/ragtime/d.h", True, f"/** {line}\n * {line} */")
        expect("include/ragtime/d.h", False, f"/* said */ {line} /* and done */")
        expect("include/ragtime/d.h", False, f"  *p = f(); {line}")
    for line in CUDA_CALL_EXAMPLES:
        for file in [*plain, "cuda/runtime/simt/a.cpp", "cuda/arch/simt/a.cuh"] if line[0] == "#" else plain:
            expect(file, False, line)
        for file in ("cuda/runtime/gpu/a.cu", "benchmarks/peers/a.cpp"):
            expect(file, True, line)
    for line in HARMLESS:
        expect("cuda/linear/a.cuh", True, line)
    for file, target, clean in INCLUDES:
        expect(file, clean, f'#include "{target}"')
    for file, target, clean in LIBRARY_INCLUDES:
        expect(file, clean, f"#include <{target}>")
    for line in wrong:
        print(f"check_layers.py: {line}", file=sys.stderr)
    if not wrong:
        print("check_layers.py finds what it must, and only that.")
    return not wrong


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(0 if self_test() else 1)
    sys.exit(0 if check(pathlib.Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT) else 1)
