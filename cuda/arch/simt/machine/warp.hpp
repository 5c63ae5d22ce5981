#pragma once

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {

// Waits until every lane of the mask has come with the same operation. The last one calls combine on their
// arguments, by lane. `whole_warp`: all lanes must come from one place in the source, as PTX's .aligned
// wants.
using Combine = void (*)(void** arguments, std::uint32_t lanes);
void meet(const char* operation, std::uint32_t mask, void* argument, Combine combine, bool whole_warp,
          Site site);

}  // namespace ragtime::simt
