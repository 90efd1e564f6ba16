#include "dispatch.hpp"

#include <cstdlib>
#include <stdexcept>

namespace aureole {

namespace baseline {
extern const Kernels kernels;
}
#ifdef AUREOLE_HAVE_AVX2
namespace avx2 {
extern const Kernels kernels;
}
#endif
#ifdef AUREOLE_HAVE_AVX512
namespace avx512 {
extern const Kernels kernels;
}
#endif

namespace {

std::vector<const Kernels*> available() {
    std::vector<const Kernels*> rows = {&baseline::kernels};
#ifdef AUREOLE_HAVE_AVX2
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                      __builtin_cpu_supports("popcnt");
    if (avx2) rows.push_back(&avx2::kernels);
    // VBMI2 and GFNI came with Ice Lake and Zen 4; machines with less of AVX-512 run AVX2
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("gfni"))
        rows.push_back(&avx512::kernels);
#endif
    return rows;
}

}  // namespace

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const Kernels* row : available()) names.push_back(row->name);
    return names;
}

const Kernels& kernels_for(const std::string& isa) {
    if (isa.empty()) return kernels();
    std::string names;
    for (const Kernels* row : available()) {
        if (isa == row->name) return *row;
        names += std::string(names.empty() ? "" : ", ") + row->name;
    }
    throw std::invalid_argument("AUREOLE_ISA=" + isa + " is not available here; there are: " + names);
}

std::string selected_isa() {
    try {
        return kernels().name;
    } catch (const std::invalid_argument&) {
        return {};
    }
}

const Kernels& kernels() {
    static const Kernels& chosen = [] () -> const Kernels& {
        const char* forced = std::getenv("AUREOLE_ISA");
        return forced && *forced ? kernels_for(forced) : *available().back();
    }();
    return chosen;
}

}  // namespace aureole
