#!/usr/bin/env bash
# Ragtime beside PyTorch on this machine's CPU, same threads and batches: prints rows/s and ratios, writes a JSON file.
#   scripts/compare_with_torch.sh COHORT [OUT.json] [options of scripts/compare_with_torch.py]
# PYTHON chooses the Python with PyTorch (python3). Wants a calm machine.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,4s/^# *//p' "$0" >&2; exit 2; }
data=$1
out=${2:-$here/out/compare_with_torch.json}
source "$here/scripts/packages.sh"
need_build_packages
need_packages libbenchmark-dev:benchmark/benchmark.h

build=$here/build/compare
cmake -S "$here" -B "$build" -DCMAKE_BUILD_TYPE=Release -DRAGTIME_TESTS=OFF -DRAGTIME_BENCHMARKS=ON -DRAGTIME_CUDA=OFF >/dev/null
cmake --build "$build" --parallel "$(nproc)" --target ragtime_tool lstm_bench >/dev/null
"${PYTHON:-python3}" "$here/scripts/compare_with_torch.py" --tool "$build/ragtime" \
  --lstm-bench "$build/benchmarks/lstm_bench" --data "$data" --out "$out" "${@:3}"
