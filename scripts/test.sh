#!/usr/bin/env bash
# Builds everything and runs all tests. Arguments go to cmake, for example -DRAGTIME_CUDA=OFF.
# BUILD_DIR chooses the build folder (build/test).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

need_build_packages
need_packages libgtest-dev:gtest/gtest.h libgmock-dev:gmock/gmock.h

build=${BUILD_DIR:-build/test}
jobs=$(nproc)
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DRAGTIME_TESTS=ON "$@"
cmake --build "$build" --parallel "$jobs"
ctest --test-dir "$build" --parallel "$jobs" --output-on-failure
