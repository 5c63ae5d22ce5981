#!/usr/bin/env bash
# source_archive_test.sh BUILD_DIR: the source archive that is packed there holds what git tracks, byte for byte and mode for
# mode, and nothing else, whatever else lies about; and it configures.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:?usage: source_archive_test.sh BUILD_DIR}" && pwd)
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
scratch=$build/source_archive
stray=$source_dir/stray-$$.txt
trap 'rm -f "$stray"' EXIT

rm -rf "$scratch"
mkdir "$scratch"
echo "not tracked" >"$stray"
cpack --config "$build/CPackSourceConfig.cmake" -B "$scratch/packed" >"$scratch/cpack.log" || { cat "$scratch/cpack.log"; exit 1; }
tar -xzf "$scratch/packed/ragtime-$version.tar.gz" -C "$scratch"  # into the folder that its entries name

# sums FOLDER: mode, digest and path of each of the files, NUL-terminated, on stdin.
sums() { (cd "$1" && LC_ALL=C sort -z | xargs -0 bash -c 'paste -d " " <(stat -c "%A" -- "$@") <(sha256sum -- "$@")' sums); }
git -C "$source_dir" ls-files -z | sums "$source_dir" >"$scratch/tracked"
(cd "$scratch/ragtime-$version" && find . ! -type d -printf '%P\0') | sums "$scratch/ragtime-$version" >"$scratch/archived"
diff "$scratch/tracked" "$scratch/archived" || { echo "error: the archive (>) differs from what git tracks (<)" >&2; exit 1; }
[ -s "$scratch/tracked" ] || { echo "error: git tracks nothing" >&2; exit 1; }
cmake -S "$scratch/ragtime-$version" -B "$scratch/build" -DRAGTIME_CUDA=OFF >"$scratch/configure.log" || exit 1
echo "ragtime-$version.tar.gz: the $(wc -l <"$scratch/tracked") files that git tracks"
