#!/usr/bin/env bash
# From a fresh clone to trained models and predictions, in a few minutes on two cores.
# Everything it makes lies in build/demo (the tool) and demo/ (cohort, models, predictions).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
  printf '$ %s\n' "${*//$PWD\//}"
  "$@"
}

need_build_packages

cuda=OFF
if command -v nvcc >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then cuda=ON; fi

say "1/5  Build the ragtime tool (CUDA: $cuda)"
cmake -S . -B build/demo -DCMAKE_BUILD_TYPE=Release -DRAGTIME_TESTS=OFF -DRAGTIME_CUDA=$cuda >/dev/null
cmake --build build/demo --target ragtime_tool --parallel "$(nproc)"
tool=build/demo/ragtime

rm -rf demo
mkdir demo
say "2/5  A synthetic cohort"
run $tool synth --patients 2000 --out demo/cohort --seed 1
run $tool info --data demo/cohort

say "3/5  At each visit: will diabetes (44054006) begin within a year? Trained, validated and tested on different patients"
run $tool train --data demo/cohort --task visit_binary --label-code 44054006 --horizon-days 365 --split 0.7,0.15,0.15 \
  --epochs 4 --seed 1 --embedding-dim 64 --hidden-dim 128 --out demo/diabetes

say "4/5  A visit-level model: the codes of the next visit"
run $tool train --data demo/cohort --task next_visit --epochs 4 --seed 1 \
  --embedding-dim 64 --hidden-dim 128 --out demo/next_visit

say "5/5  Predict, from what was known at the end of 2022"
run $tool predict --model demo/diabetes --data demo/cohort --at 2022-12-31 --out demo/diabetes.csv
run $tool predict --model demo/next_visit --data demo/cohort --out demo/next_visit.csv

say "The first predictions"
head -n 4 demo/diabetes.csv
echo ...
head -n 3 demo/next_visit.csv | cut -c 1-110
say "What is where"
cat <<TEXT
  demo/cohort            the cohort, CSV files in Synthea's format
  demo/diabetes          a model directory: config.json, model.safetensors (loads in PyTorch), vocabulary.txt
  demo/diabetes/history.svg    its loss and AUROC by epoch, to look at
  demo/diabetes/splits.csv     which patients trained, validated and tested
  demo/diabetes.csv      patient_id,prediction_time,part,visit,p0: one line per visit; take the tested patients to evaluate
  demo/next_visit        the model of the next visit's codes
  demo/next_visit.csv    patient_id,visit,p0,...: one line per visit, one column per code of demo/next_visit/vocabulary.txt
TEXT
