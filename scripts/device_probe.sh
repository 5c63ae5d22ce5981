#!/usr/bin/env bash
# Builds benchmarks/probe/device_probe.cu with nvcc alone and runs it on the GPU of this machine; no network, no CMake.
# The result goes to benchmarks/results/<gpu>/device_probe.json. Arguments are passed on (--only SECTION,...).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/gpu.sh

command -v nvcc >/dev/null || { echo "error: nvcc is not on PATH: install the CUDA Toolkit" >&2; exit 1; }
find_gpu
find_versions

# cuDNN from the toolkit or the system, or from a pip package; without it that section is left out.
flags=()
find_pip_cudnn
if [ -n "$pip_cudnn" ]; then
  flags=(-DRAGTIME_HAS_CUDNN "-I$pip_cudnn/include" -Xlinker "$pip_cudnn/lib/libcudnn.so.9" -Xlinker -rpath -Xlinker "$pip_cudnn/lib")
elif echo '#include <cudnn.h>' | nvcc -x cu -E - >/dev/null 2>&1; then
  flags=(-DRAGTIME_HAS_CUDNN -lcudnn)
else
  echo "cuDNN was not found: its section is left out" >&2
fi

mkdir -p build
nvcc -std=c++17 -O3 -gencode arch=compute_90,code=sm_90 benchmarks/probe/device_probe.cu -o build/device_probe -lcublasLt "${flags[@]}"

mkdir -p "$results"
status=0
build/device_probe --out build/device_probe.json "$@" || status=$?
[ -s build/device_probe.json ] || exit 1
# The first line of the object is "{"; what a reader needs to repeat the run goes behind it.
{
  echo '{'
  printf '  "commit": "%s",\n  "driver": "%s",\n  "repeat": "scripts/device_probe.sh %s",\n' "$commit" "$driver" "$*"
  tail -n +2 build/device_probe.json
} >"$results/device_probe.json"
echo "$results/device_probe.json"
exit "$status"
