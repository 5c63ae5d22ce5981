#!/usr/bin/env bash
# Everything a GPU is needed for, in one command that fits ten minutes on a machine without network: build, tests, sanitizers,
# graph capture, training, measurements. Results go to benchmarks/results/<gpu>/, a table to the screen.
#
#   scripts/gpu_check.sh [--deps DIR] [--from STAGE | --only STAGE] [--with STAGE]... [--list] [--tests "NAME ..."] [--rehearse]
#
# A stage that is done for these sources is not repeated, so a run that was cut off goes on where it was; --from does STAGE and all
# behind it again, --only STAGE alone. Optional stages, which are beyond the ten minutes, run when --with or --only names them. --deps: a folder that scripts/gpu_deps.sh filled, where packages are not installed. --tests:
# build and run these test programs only. --rehearse: the CUDA backend on the CPU emulation, to try this script without a GPU, with
# the benchmarks where Google Benchmark is installed; its results stay in the build folder and its times mean nothing. BUILD_DIR chooses that (build/gpu, build/rehearsal), RESULTS_DIR where <gpu>/ goes.
#
# Ends with 0 when no stage failed, 1 when one did, 2 without a GPU.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source scripts/gpu.sh

stages=(build conformance memcheck racecheck graph training probe costs benchmarks tune profile)
optional=" tune profile "
declare -A about=(
  [build]="the library with CUDA, the tool, tests and benchmarks"
  [conformance]="every test of an operation, on the device; one that finds no device has failed"
  [memcheck]="quick tests under compute-sanitizer: accesses out of bounds or misaligned"
  [racecheck]="the same: races in shared memory"
  [graph]="a training step captured as a CUDA graph, and the example of a pipeline in one"
  [training]="the demo on the device, its history held against the CPU's"
  [probe]="what the device gives: bandwidth, exchange, matrix rates, cuDNN"
  [costs]="what steps of the LSTM cost, measured for the choice of its algorithm"
  [benchmarks]="every program of benchmarks/gpu, and the aims that they meet or miss"
  [tune]="optional: every cut of the persistent LSTM, predicted and measured"
  [profile]="optional: the persistent kernels of two cases under ncu")
# Quick ones that between them run every kind of kernel, as GoogleTest's patterns; the others take minutes under a sanitizer. Of the
# persistent LSTM: every path of its kernels at its smallest, blocks that are no cluster, and no host.
sanitized="FinalState.* BatchBuilder.* LayoutTest.* DropoutTest.* AdamWOnBackend.* Linear.* SegmentPool.* LstmStep.* MaskedLoss.*"
sanitized+=" LstmPersistent.EveryPathAtItsSmallest LstmPersistentBatch.WhetherTheHostKnowsItChangesNoBit LstmGrid.FewSequences*"

command="scripts/gpu_check.sh $*"
backend=cuda device=cuda rehearse='' deps='' first='' only='' list='' tests=''
with=''
usage() { sed -n '5p' "$0" | cut -c 5- >&2; exit 1; }
while [ $# -gt 0 ]; do
  case "$1" in
    --deps) deps=${2:?--deps needs a folder}; shift ;;
    --from) first=${2:?--from needs a stage}; shift ;;
    --only) only=${2:?--only needs a stage}; shift ;;
    --with) with+=" ${2:?--with needs a stage}"; shift ;;
    --tests) tests=${2:?--tests needs names}; shift ;;
    --list) list=yes ;;
    --rehearse) rehearse=yes backend=cuda_on_simt device=cpu ;;
    *) usage ;;
  esac
  shift
done
build=${BUILD_DIR:-build/$([ -n "$rehearse" ] && echo rehearsal || echo gpu)}
for stage in $first $only $with; do
  [ -n "${about[$stage]:-}" ] || { echo "error: no stage $stage; there are: ${stages[*]}" >&2; exit 1; }
done

# --- what stages have in common

# The line of JSON that a stage left when it was last run, if ever.
record_of() { cat "$build/stages/$1.json" 2>/dev/null; }
field() { sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p"; }
# Stands for what a stage's result depends on: the sources, what they run on, and which tests were asked for.
find_key() {
  key=$(find CMakeLists.txt benchmarks cmake cuda docs/examples host include scripts tests -type f ! -path 'benchmarks/results/*' ! -name '*.pyc' \
    -print0 | sort -z | xargs -0 sha1sum | cat - <(echo "$backend $tests") | sha1sum | cut -c 1-12)
}
is_current() { [ "$(record_of "$1" | field key)" = "$key" ]; }
is_done() { is_current "$1" && [ "$(record_of "$1" | field result)" != failed ]; }

# limited SECONDS PROGRAM ...: 124 when it had to be ended.
limited() {
  local seconds=$1 status=0
  shift
  printf '\n$ %s\n' "$*"
  timeout -k 5 "$seconds" "$@" || status=$?
  [ $status -ne 124 ] || echo "cut off after $seconds seconds"
  return $status
}
fail() { detail=$*; return 1; }
skip() { detail=$*; return 77; }

# Test programs with cases on the device, or those asked for.
# test_programs [FILTER]: of those, the ones in which the filter finds a case.
test_programs() {
  local program filter=${1:-"*/$backend"}
  for program in "$build"/tests/*_test; do
    [ -z "$tests" ] || [[ " $tests " == *" $(basename "$program") "* ]] || continue
    [ -x "$program" ] && "$program" --gtest_list_tests --gtest_filter="$filter" 2>/dev/null | grep -q '^  ' && echo "$program"
  done
}

# --- the stages: each sets detail, and returns 0, 77 for skipped, or anything else

stage_build() {
  local options=(-DCMAKE_BUILD_TYPE=Release -DRAGTIME_TESTS=ON) targets=()
  if [ -n "$rehearse" ]; then options+=(-DRAGTIME_CUDA=OFF "-DRAGTIME_BENCHMARKS=$(has_google_benchmark && echo ON || echo OFF)"); else options+=(-DRAGTIME_CUDA=ON -DRAGTIME_BENCHMARKS=ON -DCMAKE_CUDA_ARCHITECTURES=native); fi
  [ -z "$pip_cudnn" ] || options+=("-DRAGTIME_CUDNN_INCLUDE=$pip_cudnn/include")
  [ -z "$deps" ] || options+=("-DCMAKE_PREFIX_PATH=$(cd "$deps" && pwd)/usr")
  # shellcheck disable=SC2206  # words
  [ -n "$tests" ] && targets=(--target ragtime_tool $tests)
  cmake -S . -B "$build" "${options[@]}" || fail "cmake found something missing" || return
  cmake --build "$build" --parallel "$(nproc)" "${targets[@]}" || fail "a source does not compile"
}

has_google_benchmark() { echo '#include <benchmark/benchmark.h>' | "${CXX:-c++}" -x c++ -E - >/dev/null 2>&1; }

stage_conformance() {
  local program passed=0 skipped=0 failed='' programs=0 log=$build/stages/test.log
  for program in $(test_programs); do
    limited 400 "$program" --gtest_filter="*/$backend" >"$log" 2>&1 || failed+=" $(basename "$program")"
    grep -q "^no $backend here" "$log" && failed+=" $(basename "$program"):no-device"
    cat "$log"
    programs=$((programs + 1))
    passed=$((passed + $(count PASSED "$log")))
    skipped=$((skipped + $(count SKIPPED "$log")))
  done
  detail="$passed tests of $programs programs passed, $skipped skipped"
  [ -z "$failed" ] || fail "$detail; failed:$failed" || return
  [ $passed -gt 0 ] || fail "no test runs on $backend"
}
# From the lines with which GoogleTest ends.
count() { sed -n "s/^\[  $1 *\] \([0-9]*\) tests\{0,1\}[.,].*/\1/p" "$2" | tail -n 1 | grep . || echo 0; }

# Errors that the runtime returns are the backend's to handle, and tests provoke some.
stage_memcheck() { sanitize memcheck --report-api-errors no; }
stage_racecheck() { sanitize racecheck; }
# A machine that does not let the sanitizer near its device shows in that not one program gets to a summary.
sanitize() {
  local program name pattern filter='' status left clean='' bad='' cut='' log=$build/stages/sanitizer.log until=$((SECONDS + 130))
  command -v compute-sanitizer >/dev/null || skip "there is no compute-sanitizer" || return
  set -f
  for pattern in $sanitized; do filter+="*/$pattern/$backend:"; done
  set +f
  for program in $(test_programs "$filter"); do
    name=$(basename "$program")
    left=$((until - SECONDS))
    [ $left -gt 0 ] || { cut+=" $name"; continue; }
    status=0
    limited $((left < 60 ? left : 60)) compute-sanitizer --tool "$@" --error-exitcode 99 "$program" --gtest_filter="$filter" --gtest_brief=1 >"$log" 2>&1 || status=$?
    cat "$log"
    if [ $status -eq 124 ]; then cut+=" $name"
    elif ! grep -q 'SUMMARY' "$log" || grep -qi 'device not supported' "$log"; then
      [ -n "$clean$bad$cut" ] || skip "compute-sanitizer does not run here: $(grep -v '^\$' "$log" | grep -m 1 -i 'not supported\|error')" || return
      bad+=" $name"
    elif [ $status -ne 0 ]; then bad+=" $name"
    else clean+=" $name"; fi
  done
  detail="clean:${clean:- none}${cut:+; not to the end, for time:$cut}"
  [ -z "$bad" ] || fail "failed:$bad; $detail" || return
  [ -n "$clean" ] || fail "no test got to its end; $detail"
}

stage_graph() {
  local log=$build/stages/graph_test.log
  [ -n "$(test_programs 'CudaGraph.*')" ] || skip "this build has no test of CUDA graphs" || return
  limited 120 "$build/tests/cuda_test" --gtest_filter='CudaGraph.*' >"$log" 2>&1 || { cat "$log"; fail "the test of CUDA graphs failed"; return; }
  cat "$log"
  ! grep -q SKIPPED "$log" || fail "the test of CUDA graphs found no device" || return
  limited 60 "$build/tests/example_graph_pipeline" >"$log" 2>&1 || { cat "$log"; fail "example_graph_pipeline failed"; return; }
  cat "$log"
  grep -q '^as one graph' "$log" || fail "example_graph_pipeline found no device"
}

stage_training() {
  local work=$build/training at tool=$build/ragtime
  rm -rf "$work"
  mkdir -p "$work"
  limited 60 "$tool" synth --patients 600 --seed 1 --out "$work/cohort" || fail "ragtime synth failed" || return
  for at in cpu "$device"; do
    rm -rf "${work:?}/$at"
    limited 180 "$tool" train --device "$at" --data "$work/cohort" --task next_visit --epochs 3 --seed 1 --embedding-dim 64 --hidden-dim 128 \
      --out "$work/$at" || fail "ragtime train --device $at failed" || return
  done
  detail=$(scripts/compare_histories.py "$work/cpu/history.json" "$work/$device/history.json") || fail "other than on the CPU: $detail"
}

stage_probe() {
  [ -z "$rehearse" ] || skip "a rehearsal has no device" || return
  case "$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1)" in
    [0-8].*) skip "the probe is for compute capability 9.0 and later" || return ;;
  esac
  limited 240 scripts/device_probe.sh || fail "scripts/device_probe.sh failed"
}

# Kept beside the results, where the benchmarks and whoever reads them find what the choice was made by.
stage_costs() {
  [ -z "$rehearse" ] || skip "a rehearsal has no device" || return
  timeout 20 "$build/ragtime" info --help 2>/dev/null | grep -q -- --measure || skip "this version's info has no --measure" || return
  limited 120 "$build/ragtime" info --measure || fail "ragtime info --measure failed" || return
  detail="kept in $RAGTIME_CACHE_DIR"
}

# measure PROGRAM OPTION ...: one of benchmarks/gpu, on the device; a rehearsal takes the four short sequences.
measure() {
  local seconds=$1 program=$2 on=()
  shift 2
  if [ -n "$rehearse" ]; then
    on=(--device cpu)
    [[ $program != *_lstm_bench && $program != *_train_step_bench ]] || on=(--device "$backend")
    on+=(--benchmark_min_time=0.001 --benchmark_repetitions=2 --benchmark_filter=/tiny/)
  elif [ -s "$results/device_probe.json" ]; then on=(--probe "$results/device_probe.json"); fi
  limited "$seconds" "$program" --quick --commit "$commit" --driver "$driver" "$@" "${on[@]}"
}

stage_benchmarks() {
  local program failed='' programs=0 missing='' status=0 part name seconds filter
  for program in "$build"/benchmarks/gpu/*_bench; do
    [ -x "$program" ] || continue
    programs=$((programs + 1))
    measure 240 "$program" --out "$results/$(basename "$program").jsonl" || failed+=" $(basename "$program")"
  done
  [ $programs -gt 0 ] || skip "this version has no benchmarks/gpu" || return
  detail="$programs programs"
  # The peers in PyTorch, where there is one: those of the aims. Compiling takes PyTorch long.
  if [ -x "$build/benchmarks/gpu/gpu_workloads" ]; then
    "$build/benchmarks/gpu/gpu_workloads" >"$build/workloads.json"
    for part in 'torch 150 /bf16/torch_(packed|padded|eager.*)/(forward_backward|train_step)' \
      'rollout 60 /bf16/torch_rl_.*/forward_backward' 'compile 90 train_step/synthea/small/bf16/torch_compile'; do
      read -r name seconds filter <<<"$part"
      status=0
      RAGTIME_COMMIT=$commit limited "$seconds" scripts/gpu_torch.py --workloads "$build/workloads.json" --seconds 0.1 \
        --filter "$filter" --out "$results/gpu_torch_$name.jsonl" || status=$?
      case $status in 0) ;; 77) missing="no PyTorch here"; break ;; 124) missing+=" $name not to its end" ;; *) failed+=" gpu_torch_$name" ;; esac
    done
    detail+=${missing:+, but of PyTorch: $missing}
  fi
  # What of these is not there says so itself. A missed aim is a result, no failure.
  [ -n "$rehearse" ] || { scripts/check_aims.py "$results" | tee "$build/stages/aims.txt" && detail+="; aims: $(tail -n 1 "$build/stages/aims.txt")"; }
  [ -z "$failed" ] || fail "failed:$failed; $detail"
}

# Apart from the other results, since a cut that was forced is not what anybody gets.
stage_tune() {
  local program=$build/benchmarks/gpu/gpu_lstm_bench out=$results/tune/gpu_lstm_bench.jsonl
  [ -x "$program" ] || skip "this version has no gpu_lstm_bench" || return
  mkdir -p "$results/tune"
  measure 570 "$program" --sweep --benchmark_filter='/bf16/(stepwise|persistent.*)/forward_backward/' --out "$out" || fail "gpu_lstm_bench --sweep failed" || return
  scripts/compare_cuts.py "$out" | tee "$results/tune/cuts.txt" || fail "$(tail -n 1 "$results/tune/cuts.txt")" || return
  detail=$(tail -n 1 "$results/tune/cuts.txt")
}

# One launch forward and one backward. Clocks are left as they are.
stage_profile() {
  local program=$build/benchmarks/gpu/gpu_lstm_bench case name file profiled=''
  [ -z "$rehearse" ] || skip "a rehearsal has no device" || return
  [ -x "$program" ] || skip "this version has no gpu_lstm_bench" || return
  command -v ncu >/dev/null || skip "there is no ncu" || return
  mkdir -p "$results/profile"
  for case in skew/small flashrnn/h768; do
    name=${case/\//-} file=$build/stages/profile.log
    limited 200 ncu --clock-control none --kernel-name 'regex:lstm_persistent_(forward|backward)' --launch-count 2 \
      --section SpeedOfLight --section LaunchStats --section Occupancy --section SchedulerStats --section WarpStateStats \
      --section MemoryWorkloadAnalysis --section ComputeWorkloadAnalysis "$program" --benchmark_min_time=0.001 --benchmark_repetitions=1 \
      --out /dev/null --benchmark_filter="^lstm/$case/bf16/persistent/forward_backward/stream" >"$file" 2>&1 || { cat "$file"; fail "ncu failed on $case: $(grep -m 1 '==ERROR==' "$file")"; return; }
    cat "$file"
    grep -q 'lstm_persistent_' "$file" || fail "ncu saw no persistent kernel in $case" || return
    # What ncu says of itself, and the benchmark's table, stay in the log.
    sed -n '/lstm_persistent_/,$p' "$file" | cut -c 1-160 | head -n 400 >"$results/profile/$name.txt"
    profiled+=" $results/profile/$name.txt"
  done
  detail=${profiled# }
}

# --- one after the other

plain() { tr -d '"\\\n' <<<"$1" | cut -c 1-300; }
run_stage() {
  local stage=$1 status=0 began=$SECONDS result=passed log=$build/stages/$1.log
  detail=''
  printf '%-12s ' "$stage"
  "stage_$stage" >"$log" 2>&1 || status=$?
  case $status in 0) ;; 77) result=skipped ;; *) result=failed ;; esac
  printf '{"stage": "%s", "result": "%s", "seconds": %d, "key": "%s", "date": "%s", "detail": "%s"}\n' "$stage" $result \
    $((SECONDS - began)) "$key" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(plain "$detail")" >"$build/stages/$stage.json"
  echo "$result${detail:+: $(plain "$detail")}"
  [ $result != failed ] || { tail -n 25 "$log" | sed 's/^/    /'; echo "    (all of it: $log)"; }
}

# Every stage's last record for these sources, in one file.
write_results() {
  local stage records=''
  for stage in "${stages[@]}"; do
    is_current "$stage" && records+="${records:+,}"$'\n    '$(record_of "$stage")
  done
  printf '{\n  "gpu": "%s",\n  "driver": "%s",\n  "cuda": "%s",\n  "commit": "%s",\n  "date": "%s",\n  "command": "%s",\n  "stages": [%s\n  ]\n}\n' \
    "$(plain "$gpu")" "$driver" "$cuda" "$commit" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(plain "$command")" "$records" >"$results/gpu_check.json"
}

print_table() {
  local stage
  printf '\n%-12s %-8s %s\n' stage result seconds
  for stage in "${stages[@]}"; do
    is_current "$stage" || continue
    printf '%-12s %-8s %7s\n' "$stage" "$(record_of "$stage" | field result)" "$(record_of "$stage" | field seconds)"
  done
  echo "$results/gpu_check.json"
}

find_versions
pip_cudnn=
[ -n "$rehearse" ] || find_pip_cudnn
find_key
if [ -n "$list" ]; then
  for stage in "${stages[@]}"; do printf '%-12s %-5s %s\n' "$stage" "$(is_done "$stage" && echo "done")" "${about[$stage]}"; done
  exit 0
fi
if [ -n "$rehearse" ]; then
  gpu="none, a rehearsal" driver=none results=$build/results
else
  find_gpu || exit 2
fi
mkdir -p "$build/stages" "$results"
RAGTIME_CACHE_DIR=$(cd "$results" && pwd)/costs
export RAGTIME_CACHE_DIR
echo "$gpu, driver $driver, CUDA $cuda, commit $commit"

failures=0 again=''
for stage in "${stages[@]}"; do
  [ "$stage" = "$first" ] && again=yes
  [ -z "$only" ] || [ "$stage" = "$only" ] || continue
  [[ $optional != *" $stage "* ]] || [ "$stage" = "$only" ] || [[ " $with " == *" $stage "* ]] || continue
  if [ "$stage" != "$only" ] && [ -z "$again" ] && is_done "$stage"; then
    printf '%-12s done before\n' "$stage"
    continue
  fi
  run_stage "$stage"
  [ "$(record_of "$stage" | field result)" != failed ] || failures=$((failures + 1))
  # Without a build there is nothing that the others could run.
  [ "$stage" != build ] || [ $failures -eq 0 ] || break
done
write_results
print_table
[ $failures -eq 0 ]
