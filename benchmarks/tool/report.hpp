#pragma once

// What a person or a program reads of measurements, line by line as they come.

#include <cstdio>
#include <string>
#include <vector>

#include "benchmarks/measure/measure.hpp"

namespace ragtime::benchmarks {

struct Report {
  Origin origin;
  Ceilings ceilings;
  bool json = false;  // a row a line, as the programs of Google Benchmark write them; else a table
};

// The table's line of a measurement; `name_width`: of its first column.
std::string table_line(const Measurement& measurement, const Ceilings& ceilings, std::size_t name_width);

struct Timing {
  int repetitions = 5;
  double seconds = 0.05;  // of each
};

// Measures one after the other, and writes what comes of each. A result that is wrong has no time: it is an
// error, on `errors`. Returns whether all were right that could be; and at least one could.
bool measure_all(std::vector<Measurement>& measurements, const std::shared_ptr<Backend>& backend,
                 const Timing& timing, const Report& report, std::FILE* out, std::FILE* errors);

}  // namespace ragtime::benchmarks
