#pragma once

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

std::shared_ptr<Backend> make_cpu_backend();

}  // namespace ragtime
