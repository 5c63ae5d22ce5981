// The program of one operation, RAGTIME_OPERATION.

#include "benchmarks/gpu/harness.hpp"

int main(int argc, char** argv) {
  using namespace ragtime::benchmarks;
  return run_benchmarks(argc, argv, operation_named(RAGTIME_OPERATION));
}
