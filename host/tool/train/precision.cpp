#include "host/tool/train/precision.hpp"

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"

namespace ragtime {

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "?";
}

Precision precision_from_name(std::string_view name) {
  for (const Precision precision : all_precisions)
    if (name == name_of(precision)) return precision;
  fail(ErrorCode::invalid_argument, "precision is ", excerpt(name), ": expected f32, tf32 or bf16");
}

void check_supported(Precision precision, DeviceType device) {
  check(precision == Precision::f32 || device == DeviceType::cuda, ErrorCode::unsupported, "--precision is ",
        name_of(precision), ", which the ", name_of(device),
        " backend does not compute in: expected f32, or --device cuda");
}

}  // namespace ragtime
