#!/usr/bin/env python3
"""What ptxas makes of every kernel of the persistent LSTM: registers, spills, and the shared memory a launch takes.

    scripts/lstm_tiles.py [--arch 90] [--nvcc nvcc]

Compiles cuda/lstm/persistent/instances/*.cu for one architecture (a minute or two) and writes a table in Markdown, the one of
docs/persistent-lstm.md. Needs nvcc, no GPU. Ends with 1 when a register is spilled.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Prints a line for each kernel: the tiling as in a mangled name, threads, bytes of shared memory.
LISTER = """
#include <cstdio>
#include "cuda/lstm/persistent/backward.cuh"
#include "cuda/lstm/persistent/forward.cuh"
#include "cuda/lstm/persistent/tiles.hpp"
using namespace ragtime::cuda;
template <class Shape>
void print(const char* pass, const char* type) {
  ragtime::arch::SharedSize shared;
  Shape::carve(shared);
  std::printf("%s %s %d %d %d %d %d %d %d %zu\\n", pass, type, Shape::tile.hidden, Shape::tile.cluster, Shape::tile.slots,
              Shape::tile.tiles_per_warp, Shape::tile.register_steps, Shape::tile.grid, Shape::threads, shared.bytes());
}
#define F16(...) print<LstmForwardShape<ragtime::arch::bf16, LstmTiling<__VA_ARGS__>>>("forward", "16");
#define B16(...) print<LstmBackwardShape<ragtime::arch::bf16, LstmTiling<__VA_ARGS__>>>("backward", "16");
#define F32(...) print<LstmForwardShape<float, LstmTiling<__VA_ARGS__>>>("forward", "32");
#define B32(...) print<LstmBackwardShape<float, LstmTiling<__VA_ARGS__>>>("backward", "32");
int main() {
  RAGTIME_LSTM_FORWARD_16(F16)
  RAGTIME_LSTM_BACKWARD_16(B16)
  RAGTIME_LSTM_FORWARD_32(F32)
  RAGTIME_LSTM_BACKWARD_32(B32)
}
"""


def compiler(options):
    return [options.nvcc, "-std=c++20", "--expt-relaxed-constexpr", f"-I{ROOT}", f"-I{ROOT / 'include'}",
            f"-gencode=arch=compute_{options.arch},code=sm_{options.arch}"]


def registers(options, folder):
    """(pass, type, hidden, cluster, slots, tiles, steps, group) -> (registers, bytes of spill stores and loads)"""
    found = {}
    for source in sorted((ROOT / "cuda/lstm/persistent/instances").glob("*.cu")):
        done = subprocess.run(compiler(options) + ["-Xptxas=-v", "-c", source, "-o", folder / "kernel.o"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"error: {source.name} does not compile\n{done.stderr}")
        way, type_name = re.fullmatch(r"(\w+)_(\w+)", source.stem).groups()
        type_name = "tf32" if type_name == "f32" else type_name
        key = spilled = None
        for line in done.stderr.splitlines():
            if name := re.search(r"Compiling entry function '.*LstmTiling(I\w*?)EEEEv", line):
                key = (way, type_name, *map(int, re.findall(r"L[ib](\d+)", name.group(1))))
            elif spill := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
                spilled = int(spill.group(1)) + int(spill.group(2))
            elif (used := re.search(r"Used (\d+) registers", line)) and key:
                found[key] = (int(used.group(1)), spilled)
                key = None
    return found


def shared_memory(options, folder):
    source = folder / "list.cu"
    source.write_text(LISTER)
    subprocess.run(compiler(options) + [source, "-o", folder / "list"], check=True, capture_output=True)
    found = {}
    for line in subprocess.run([folder / "list"], check=True, capture_output=True, text=True).stdout.splitlines():
        way, width, *numbers = line.split()
        *tile, threads, shared = map(int, numbers)
        for type_name in ("bf16", "f16") if width == "16" else ("tf32",):
            found[(way, type_name, *tile)] = (threads, shared)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="90")
    parser.add_argument("--nvcc", default="nvcc")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sizes, used = shared_memory(options, folder), registers(options, folder)
    if sizes.keys() != used.keys():
        sys.exit(f"error: kernels listed and compiled differ: {sorted(sizes.keys() ^ used.keys())}")
    print("| pass | dtype | H | C | S | tiles a warp | k steps in registers | threads | registers | spilled | shared KB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for key in sorted(sizes, key=lambda key: (key[0] == "backward", ("bf16", "f16", "tf32").index(key[1]), key[2:])):
        (threads, shared), (count, spilled) = sizes[key], used[key]
        *tile, group = key
        tile[3] = f"{tile[3]}, a group" if group else tile[3]
        cells = [*tile, threads, count, spilled, f"{shared / 1024:.1f}"]
        print("| " + " | ".join(map(str, cells)) + " |")
    return 1 if any(spilled for _, spilled in used.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
