#!/usr/bin/env bash
# run.sh BUILD_DIR: installs what is built there, moves it elsewhere, and builds and runs projects that know ragtime only from
# there, by CMake and by make; then holds what is installed against what it should be.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIR}" && pwd)
consumers=$source_dir/tests/consumer
scratch=$build/packaging
prefix=$scratch/moved
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
series=${version%.*}
say() { printf -- '-- %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The user's environment names no ragtime.
unset PKG_CONFIG_PATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH ragtime_DIR ragtime_ROOT

rm -rf "$scratch"
mkdir "$scratch"
cmake --install "$build" --prefix "$scratch/prefix" >/dev/null
mv "$scratch/prefix" "$prefix"
libdir=$(dirname "$(find "$prefix" -name libragtime.a)")
export PKG_CONFIG_PATH="$libdir/pkgconfig"
read -ra components <<<"$(pkg-config --variable=components ragtime)"
cuda=no
[[ " ${components[*]} " == *" cuda "* ]] && cuda=yes
say "ragtime $version, components ${components[*]}"

# configure PROJECT FOLDER [ARGUMENT ...]
configure() {
  cmake -S "$consumers/$1" -B "$scratch/$2" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" "${@:3}"
}

# consumer PROJECT FOLDER [ARGUMENT ...]: configured and built.
consumer() {
  say "CMake project $1 ${*:3}"
  configure "$@" >"$scratch/$2.log" 2>&1 && cmake --build "$scratch/$2" >>"$scratch/$2.log" 2>&1 || {
    cat "$scratch/$2.log"
    fail "tests/consumer/$1 did not build"
  }
}

consumer cxx cxx
"$scratch/cxx/consumer"
consumer c c
"$scratch/c/consumer"
for language in CXX CUDA; do
  grep -q "CMAKE_${language}_COMPILER" "$scratch/c/CMakeCache.txt" && fail "the C project has $language enabled"
done

if [ $cuda = yes ]; then
  consumer c c_without_toolkit -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
  "$scratch/c_without_toolkit/consumer"
  grep -q "only ragtime::shared; ragtime::ragtime needs the CUDA Toolkit" "$scratch/c_without_toolkit.log" ||
    fail "nothing said that the archive misses the CUDA Toolkit"
  if command -v nvcc >/dev/null; then
    consumer cuda cuda
    if nvidia-smi -L >/dev/null 2>&1; then
      "$scratch/cuda/consumer"
    else
      say "built only: no GPU answers"
    fi
  else
    say "CMake project cuda: not built, there is no nvcc"
  fi
else
  say "CMake project cuda: not built, ragtime was built without CUDA"
fi

say "make with pkg-config"
make -s -C "$scratch" -f "$consumers/make/Makefile" "sources=$consumers"
for program in "$scratch"/consumer_*; do "$program"; done
shown=$(nm --dynamic --defined-only "$scratch/libown.so" | cut -d ' ' -f 3)
[ "$shown" = own_main ] || fail "libown.so shows more than own_main: $shown"
pkg-config --exists "ragtime = $version" "ragtime-static = $version" || fail "pkg-config gives another version than $version"

# find_package TEXT [PART ...]: what find_package(ragtime PART ...) prints has the text.
find_package() {
  local output request
  printf -v request '%s;' "${@:2}"
  output=$(configure find "find" --fresh "-DREQUEST=${request%;}" 2>&1 | tr -s ' \n' ' ') || true
  [[ $output == *"$1"* ]] || fail "find_package(ragtime ${*:2}) did not print \"$1\", but: $output"
  say "find_package(ragtime ${*:2}): $1"
}

say "Components and versions, asked for as a project does"
IFS=. read -r major minor patch <<<"$version"
none="targets []"
both="targets [shared;ragtime]"
find_package "found 1, cpu , cuda , tpu , $both" "$version" EXACT REQUIRED
find_package "found 1, cpu , cuda , tpu , $both" "$series"
find_package "found 1, cpu TRUE, cuda , tpu , $both" "$series" REQUIRED COMPONENTS cpu
find_package "found 1, cpu TRUE, cuda , tpu FALSE, $both" REQUIRED COMPONENTS cpu OPTIONAL_COMPONENTS tpu
find_package "found 0, cpu TRUE, cuda , tpu FALSE, $none" COMPONENTS cpu tpu
find_package 'Reason given by package: ragtime has no component "tpu": expected cpu or cuda' REQUIRED COMPONENTS tpu
if [ $cuda = yes ]; then
  find_package "found 1, cpu TRUE, cuda TRUE, tpu , $both" REQUIRED COMPONENTS cpu cuda
else
  find_package "found 0, cpu , cuda FALSE, tpu , $none" COMPONENTS cuda
  find_package "found 1, cpu , cuda FALSE, tpu , $both" OPTIONAL_COMPONENTS cuda
  find_package "was built without the component cuda" REQUIRED COMPONENTS cuda
fi
for wrong in "$major.$((minor + 1))" "$((major + 1)).0" "$series.$((patch + 1))"; do
  find_package "considered but not accepted: $libdir/cmake/ragtime/ragtime-config.cmake, version: $version" "$wrong" REQUIRED
  find_package "found 0, cpu , cuda , tpu , $none" "$wrong"
done

say "Symbols, and what libragtime.so needs"
cmake -DHEADER="$prefix/include/ragtime/ragtime.h" -DLIBRARY="$libdir/libragtime.so" -DNM=nm -DVERSION="$series" \
  -P "$source_dir/tests/c_api/symbols.cmake"
dynamic=$(readelf --dynamic --wide "$libdir/libragtime.so")
grep -q "(SONAME).*\[libragtime\.so\.${series//./\\.}\]" <<<"$dynamic" || fail "the SONAME is not libragtime.so.$series"
# CUDA's runtime is inside, its other libraries are opened when they are needed.
strangers=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" |
  grep -vE '^(lib(stdc\+\+|c\+\+|gcc_s|c|m|pthread|dl|rt)\.so\.[0-9]+|ld-linux.*)$') || true
[ -z "$strangers" ] || fail "libragtime.so needs $strangers"
if grep -E '\((RPATH|RUNPATH)\)' <<<"$dynamic"; then fail "libragtime.so looks in folders of the machine it was built on"; fi
if grep -rlF -e "$source_dir" -e "$scratch/prefix" "$libdir/cmake" "$libdir/pkgconfig"; then
  fail "these name folders of this build"
fi
for tool in ragtime ragtime-bench; do
  [ ! -x "$prefix/bin/$tool" ] || [ "$("$prefix/bin/$tool" --version)" = "$tool $version" ] || fail "$tool has another version than $version"
done
