#pragma once

// The cases of an operation, measured by Google Benchmark: prepared, verified and timed as measure.hpp says.
// One line of JSON a case, in a file (--out) or on standard output.
//
//   PROGRAM [--device cuda|cpu] [--probe device_probe.json] [--out FILE] [--commit TEXT] [--driver TEXT]
//           [--quick] [--sweep] [--benchmark_filter=REGEX] ...
//
// Names are operation/workload/size/type/algorithm/pass/launch. --quick: the cases that the aims speak of, in
// a shorter time each. --sweep, where the program has choices to make: each of them besides. The end is 1
// when a case of ragtime's own failed or was wrong, other than by not being offered; a peer's failure is a
// line like any other.
//
// In a build without CUDA "--device cuda_on_simt" runs the CUDA backend on the emulation: to try a program,
// its times mean nothing.

#include "benchmarks/cases/operations.hpp"

namespace ragtime::benchmarks {

// The program.
int run_benchmarks(int argc, char** argv, const Operation& operation);

}  // namespace ragtime::benchmarks
