#!/usr/bin/env bash
# scripts/gpu_deps.sh DIR: puts what a build needs beside CUDA, a compiler and CMake into DIR, for a machine without network:
# GoogleTest, Google Benchmark, nlohmann-json and CLI11, as Debian's packages hold them. There:
#   scripts/gpu_check.sh --deps DIR          or          cmake -DCMAKE_PREFIX_PATH=DIR/usr ...
# Needs apt-get and dpkg here, and for packages that are not in its cache a network; not root.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: scripts/gpu_deps.sh DIR" >&2; exit 1; }
packages="libgtest-dev libgmock-dev libbenchmark-dev libbenchmark1debian nlohmann-json3-dev libcli11-dev"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
debs=$(mktemp -d)
trap 'rm -rf "$debs"' EXIT

for package in $packages; do
  (cd "$debs" && apt-get download -qq "$package") \
    || { echo "error: apt-get has no $package; after apt-get update it may have" >&2; exit 1; }
done
for deb in "$debs"/*.deb; do dpkg -x "$deb" "$folder"; done
rm -rf "$folder/usr/share/doc" "$folder/usr/share/lintian"
du -sh "$folder"
