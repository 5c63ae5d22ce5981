#!/usr/bin/env bash
# scripts/gpu_check.sh without a GPU: every program it calls is a stand-in, so that what it makes of their results can be tried.
# Arguments: none. Prints what does not hold; ends with 1 then.
set -uo pipefail
check=$(cd "$(dirname "$0")/../.." && pwd)/scripts/gpu_check.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/build/tests" "$work/build/benchmarks/gpu"
export BUILD_DIR=$work/build RESULTS_DIR=$work/results RAGTIME_COMMIT=abc123
results=$work/results/nvidia-h200/gpu_check.json
failures=0

stand_in() { # stand_in FILE, its body from stdin
  { echo '#!/usr/bin/env bash'; cat; } >"$1"
  chmod +x "$1"
}
run() { # run EXPECTED_STATUS ARGUMENT ...: output in $output
  local expected=$1 status=0
  shift
  output=$(PATH="$work/bin:$PATH" "$check" "$@" 2>&1) || status=$?
  [ "$status" -eq "$expected" ] || { echo "gpu_check.sh $* ended with $status, expected $expected:"; echo "$output"; failures=$((failures + 1)); }
}
shows() { # every argument is a pattern that the output has
  local pattern
  for pattern in "$@"; do
    grep -qE -- "$pattern" <<<"$output" || { echo "expected \"$pattern\" in:"; echo "$output"; failures=$((failures + 1)); }
  done
}
hides() {
  ! grep -qE -- "$1" <<<"$output" || { echo "did not expect \"$1\" in:"; echo "$output"; failures=$((failures + 1)); }
}

history() { echo "{\"epochs\": [{\"epoch\": 1, \"train_loss\": $1, \"validation_loss\": 0.5, \"metrics\": {\"auroc\": 0.7}}]}"; }
test_program() { # test_program NAME SUMMARY STATUS: a GoogleTest program with one case on the device
  stand_in "$work/build/tests/$1" <<BODY
case "\$*" in
  *--gtest_list_tests*'*/cuda'*) printf 'Backends/X.\n  Case/cuda\n' ;;
  *--gtest_list_tests*) ;;
  *) printf '%b\n' "$2"; exit $3 ;;
esac
BODY
}

# A machine without a GPU: said before anything is built.
stand_in "$work/bin/nvidia-smi" <<<'exit 9'
stand_in "$work/bin/cmake" <<<"echo \"cmake \$*\" >>$work/cmake_calls"
run 2
shows 'no GPU on this machine'
[ ! -e "$work/cmake_calls" ] || { echo "it built without a GPU"; failures=$((failures + 1)); }
run 0 --list
shows '^build ' '^conformance ' '^benchmarks '
shows '^tune +optional' '^profile +optional'
hides ' done '
run 1 --only nonsense
shows 'no stage nonsense'
run 1 --nonsense
shows '--deps DIR'

# All is well.
stand_in "$work/bin/nvidia-smi" <<<'case "$*" in *name*) echo "NVIDIA H200" ;; *) echo 580.1 ;; esac'
# shellcheck disable=SC2016  # for the stand-in to expand
stand_in "$work/bin/nvcc" <<<'[ "$1" = --version ] && echo "Cuda compilation tools, release 13.0, V13.0.48"; exit 3'
stand_in "$work/bin/compute-sanitizer" <<'BODY'
[ "$2" = racecheck ] && { echo "RACECHECK SUMMARY: 0 hazards displayed"; exit 0; }
echo "ERROR SUMMARY: 0 errors"
BODY
test_program layout_test '[  PASSED  ] 3 tests.\n[  SKIPPED ] 1 test, listed below:' 0
test_program other_test '[  PASSED  ] 1 test.' 0
stand_in "$work/build/tests/host_test" <<<'case "$*" in *list*) ;; *) echo ran >&2; exit 1 ;; esac'
stand_in "$work/build/ragtime" <<BODY
[ "\$1" = synth ] && exit
[ "\$*" = "info --help" ] && exec echo "--data  --plan"
[ "\$1" = info ] && exit 4
while [ "\$1" != --out ]; do shift; done
mkdir -p "\$2"
cp $work/history.json "\$2/history.json"
BODY
history 0.7 >"$work/history.json"
row='{"operation": "lstm", "workload": "skew", "size": "small", "dtype": "bf16", "pass": "forward_backward", "launch": "graph",
  "device": "A made-up device", "ms_min": 1, "ms_max": 1,'
row=$(tr -d '\n' <<<"$row")
stand_in "$work/build/benchmarks/gpu/pool_bench" <<BODY
echo "\$*" >>"$work/bench_calls"
while [ "\$1" != --out ]; do shift; done
echo '$row "algorithm": "persistent", "ms": 2, "floor_ms": 0.5, "floor_from": "steps", "share_of_floor": 0.25}' >"\$2"
BODY
mkdir "$work/deps"
run 1 --deps "$work/deps" # for the probe alone: this nvcc compiles nothing
shows 'NVIDIA H200, driver 580.1, CUDA 13.0.48, commit abc123' '^build +passed' \
  '^conformance +passed: 4 tests of 2 programs passed, 1 skipped' '^memcheck +passed: clean: layout_test other_test' \
  '^racecheck +passed' '^graph +skipped' '^training +passed: 1 epochs, losses within 0' '^probe +failed' \
  "^costs +skipped: this version's info has no --measure" '^benchmarks +passed: 1 programs; aims: 0 met, 1 missed'
hides '^(tune|profile) '
grep -q "DCMAKE_PREFIX_PATH=$work/deps/usr" "$work/cmake_calls" || { echo "cmake did not hear of --deps"; failures=$((failures + 1)); }
grep -q -- "--quick.* --commit abc123 --driver 580.1 --out $work/results/nvidia-h200/pool_bench.jsonl" "$work/bench_calls" \
  || { echo "the benchmark does not know what it runs on"; failures=$((failures + 1)); }
output=$(python3 -c '
import json, sys
check = json.load(open(sys.argv[1]))
print(check["gpu"], check["driver"], check["cuda"], check["commit"], check["command"])
for stage in check["stages"]: print(stage["stage"], stage["result"])' "$results")
shows 'NVIDIA H200 580.1 13.0.48 abc123 scripts/gpu_check.sh --deps' '^build passed' '^probe failed' '^graph skipped' '^benchmarks passed'

# What is done is not repeated, what failed is; --only and --from repeat.
run 1
shows '^build +done before' '^conformance +done before' '^graph +done before' '^probe +failed'
run 0 --list
shows '^build +done ' '^probe +what'
run 0 --only conformance
shows '^conformance +passed'
hides '^probe +failed:'
run 1 --from training
shows '^racecheck +done before' '^training +passed' '^benchmarks +passed'
run 0 --only conformance --tests layout_test
shows '^conformance +passed: 3 tests of 1 programs'
run 0 --list # some tests are not all of them
hides '^conformance +done '
shows '^racecheck +done '

# The optional stages. A sweep is kept apart from the results.
run 0 --only tune
shows '^tune +skipped: this version has no gpu_lstm_bench'
choice='{"cluster": 8, "slots": 8}'
stand_in "$work/build/benchmarks/gpu/gpu_lstm_bench" <<BODY
echo "\$*" >>"$work/bench_calls"
while [ \$# -gt 0 ] && [ "\$1" != --out ]; do shift; done
{ echo '$row "algorithm": "persistent", "ms": 3, "predicted_us": 1000, "forward_choice": $choice}'
  echo '$row "algorithm": "persistent_c4_s8", "ms": 2, "predicted_us": 1200, "forward_choice": $choice}'; } >"\$2"
BODY
run 0 --only tune
shows '^tune +passed: 1 cases: the model.s persistent takes 1.500 of the best' '^tune +passed +[0-9]'
grep -q -- "--quick --commit abc123 .*--sweep .*/bf16/.* --out $work/results/nvidia-h200/tune/gpu_lstm_bench.jsonl" "$work/bench_calls" \
  || { echo "the sweep was asked for otherwise:"; tail -n 1 "$work/bench_calls"; failures=$((failures + 1)); }
grep -q 'C  4 S  8 *predicted *1200.0 us' "$work/results/nvidia-h200/tune/cuts.txt" || { echo "no cut is in cuts.txt"; failures=$((failures + 1)); }
run 0 --list
shows '^tune +done '
stand_in "$work/bin/ncu" <<BODY
echo "\$*" >>"$work/ncu_calls"
printf '==PROF== Connected\n  lstm_persistent_forward<T> (1056, 1, 1)\n    Duration us 300\n'
BODY
run 0 --only profile
shows '^profile +passed: .*profile/skew-small.txt .*profile/flashrnn-h768.txt'
grep -q 'Duration us 300' "$work/results/nvidia-h200/profile/skew-small.txt" || { echo "the profile is not kept"; failures=$((failures + 1)); }
grep -q 'clock-control none.*lstm/skew/small/bf16/persistent/forward_backward/stream' "$work/ncu_calls" || { echo "ncu was called otherwise"; failures=$((failures + 1)); }
stand_in "$work/bin/ncu" <<<'echo "==ERROR== LibraryNotLoaded"; exit 1'
run 1 --only profile
shows '^profile +failed: ncu failed on skew/small: ==ERROR== LibraryNotLoaded'
rm "$work/build/benchmarks/gpu/gpu_lstm_bench" "$work/bin/ncu"

# Costs are measured where there is the option, and kept beside the results.
stand_in "$work/build/ragtime" <<BODY
[ "\$*" = "info --help" ] && exec echo "--plan --measure"
[ "\$*" = "info --measure" ] && mkdir -p "\$RAGTIME_CACHE_DIR" && touch "\$RAGTIME_CACHE_DIR/costs.json"
BODY
run 0 --only costs
shows '^costs +passed: kept in '
[ -e "$work/results/nvidia-h200/costs/costs.json" ] || { echo "the costs are not beside the results"; failures=$((failures + 1)); }

# What fails is named, and what does not depend on it still runs.
test_program other_test '/x.cpp:3: Skipped\nno cuda here: no device answers\n[  PASSED  ] 0 tests.' 0
run 1 --from conformance
shows '^conformance +failed: .*other_test:no-device' '^benchmarks +passed'
test_program other_test '[  FAILED  ] 1 test, listed below:' 1
run 1 --only conformance
shows '^conformance +failed: .*failed: other_test'
rm "$work/build/tests/other_test"
stand_in "$work/bin/compute-sanitizer" <<<'echo "ERROR SUMMARY: 2 errors"; exit 99'
run 1 --only memcheck
shows '^memcheck +failed: failed: layout_test'
stand_in "$work/bin/compute-sanitizer" <<<'echo "========= Error: Device not supported"; exit 1'
run 0 --only memcheck
shows '^memcheck +skipped: compute-sanitizer does not run here: .*not supported'
stand_in "$work/build/tests/cuda_test" <<'BODY'
case "$*" in *--gtest_list_tests*CudaGraph*) printf 'CudaGraph.\n  Case\n' ;; *--gtest_list_tests*) ;; *) exit 1 ;; esac
BODY
run 1 --only graph
shows '^graph +failed: the test of CUDA graphs failed'
stand_in "$work/build/ragtime" <<BODY
[ "\$1" = synth ] && exit
[ "\$3" = cuda ] && loss=0.8
while [ "\$1" != --out ]; do shift; done
mkdir -p "\$2"
sed "s/0.7,/\${loss:-0.7},/" $work/history.json >"\$2/history.json"
BODY
run 1 --only training
shows '^training +failed: other than on the CPU: 1 epochs, losses within 1.4e-01'
rm "$work/build/tests/layout_test" "$work/build/tests/cuda_test"
run 1 --only conformance
shows '^conformance +failed: no test runs on cuda'
stand_in "$work/bin/cmake" <<<'exit 1'
run 1 --from build
shows '^build +failed: cmake found something missing'
hides '^conformance +(passed|failed):'

[ $failures -eq 0 ] || { echo "$failures expectations do not hold"; exit 1; }
