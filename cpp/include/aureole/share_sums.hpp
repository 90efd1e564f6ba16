// Sums over shares of pixels that are used once and not kept: all that is known of a pixel in one go.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

typedef double f64x8 __attribute__((vector_size(64)));
static_assert(sizeof(f64x8) == SHARE_LANES * sizeof(double));

// Each bin adds up its shares in the order of the pixels.
template <bool AROUND> inline void sum_shares_as(const ShareSumArgs& args) {
    constexpr f64x8 ONE = {1.0}, LINEAR = {0.0, 1.0, 1.0, 1.0}, SQUARED = {0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0};
    int64_t k = 0;
    for (size_t j = 0; j < args.n; ++j) {
        const double* x = args.x + j * SHARE_LANES;
        f64x8 value = load<f64x8>(x);
        for (const int64_t end = args.ends[j]; k < end; ++k) {
            const double c = double(args.coef[k]);    // of which the square is exact
            double* sum = args.sums + size_t(args.bin[k]) * SHARE_LANES;
            if (AROUND) {
                const double deviation = x[1] - x[2] * args.mean[args.bin[k]];
                value[4] = deviation * deviation;
            }
            store(sum, load<f64x8>(sum) + (ONE + c * LINEAR + (c * c) * SQUARED) * value);
        }
    }
}

inline void sum_shares(const ShareSumArgs& args) {
    args.mean ? sum_shares_as<true>(args) : sum_shares_as<false>(args);
}

}  // namespace aureole::AUREOLE_ISA
