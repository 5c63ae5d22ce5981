# shellcheck shell=bash disable=SC2034  # what is set here is used there
# Sourced by the scripts beside it that need a GPU: what this machine is, for whoever reads their results.

command -v nvcc >/dev/null || PATH+=:/usr/local/cuda/bin

# Sets gpu, driver and results, the folder that this GPU's results go to. Fails when there is none.
find_gpu() {
  gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1) || true
  [ -n "$gpu" ] || { echo "error: nvidia-smi shows no GPU on this machine" >&2; return 1; }
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)
  results=${RESULTS_DIR:-benchmarks/results}/$(echo "$gpu" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9]\+/-/g; s/^-//; s/-$//')
}

# Sets cuda, the toolkit's version ("none" without nvcc), and commit ("-changed" when sources differ from it). RAGTIME_COMMIT
# names it where there is no git.
find_versions() {
  cuda=$(nvcc --version 2>/dev/null | sed -n 's/.*release [^,]*, V\(.*\)/\1/p')
  cuda=${cuda:-none}
  commit=${RAGTIME_COMMIT:-}
  [ -z "$commit" ] || return 0
  commit=$(git rev-parse HEAD 2>/dev/null) || { commit=unknown; return 0; }
  [ -z "$(git status --porcelain -- . ':!benchmarks/results')" ] || commit+=-changed
}

# Sets pip_cudnn to the folder of a pip package with cuDNN, where the toolkit has none; libraries are then looked for there too.
find_pip_cudnn() {
  pip_cudnn=
  ! echo '#include <cudnn.h>' | nvcc -x cu -E - >/dev/null 2>&1 || return 0
  pip_cudnn=$(python3 -c 'import nvidia.cudnn as c; print(list(c.__path__)[0])' 2>/dev/null) || pip_cudnn=
  [ -z "$pip_cudnn" ] || export LD_LIBRARY_PATH="$pip_cudnn/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}
