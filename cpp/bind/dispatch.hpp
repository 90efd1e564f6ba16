// Which instruction set this process runs: the best of the machine, or what AUREOLE_ISA names.
#pragma once

#include <string>
#include <vector>

#include "aureole/api.hpp"

namespace aureole {

// Names of the instruction sets that this build has and this machine can run, the best last.
std::vector<std::string> available_isas();

// The kernels of one instruction set, or those of `kernels()` without a name; throws std::invalid_argument where it is
// not available.
const Kernels& kernels_for(const std::string& isa);

// The name of `kernels()`; empty where AUREOLE_ISA names none that is available.
std::string selected_isa();

// The kernels that were selected when the module was loaded.
const Kernels& kernels();

}  // namespace aureole
