// The pixels of one bin in all frames of a batch, and sums over those that are kept.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

inline constexpr size_t L = ROBUST_LANES;

// What quantiles are taken of: keys that compare as intensities do, rows [entry][lane], and weights by entry.
struct Keys {
    size_t n;
    int32_t *key, *weight;
};

// The entries of a bin; rows are [entry][lane].
struct Ring {
    size_t n;
    double* signal;           // rows: raw - dark, NaN where a pixel is invalid
    double* spread;           // rows: variance of the raw value, or null
    double *coef, *weight;    // by entry: c, and c * norm; that is 0 where the norm is not above zero
    double* inverse;          // 1 / norm
    double* dark_variance;    // by entry, or null
    Keys keys;                // room for them

    Ring(const RobustArgs& args, uint8_t* memory) {
        const size_t longest = args.rings.longest;
        signal = reinterpret_cast<double*>(memory);
        spread = signal + longest * L;
        coef = spread + longest * L;
        weight = coef + longest;
        inverse = weight + longest;
        dark_variance = inverse + longest;
        keys.key = reinterpret_cast<int32_t*>(dark_variance + longest);
        keys.weight = keys.key + longest * L;
        if (args.variance == NONE || args.variance == SCATTER) spread = nullptr;
        if (!args.rings.dark_variance) dark_variance = nullptr;
    }

    AUREOLE_INLINE f64v value(size_t k, size_t lane) const { return load<f64v>(signal + k * L + lane) * inverse[k]; }
};

AUREOLE_INLINE f64v only(i64v mask, f64v x) { return (f64v)((i64v)x & mask); }

// Sums of a bin: c * s, c * n, (c * n)^2, c^2 * u, c^2 * variance of the dark, and how many pixels.
struct Totals {
    static constexpr size_t N = 6;
    double sums[N][L];
};

// The same of as many lanes as a vector has.
struct Total {
    f64v signal, norm, norm2, variance, dark, count;

    // Share and weight of entry k, squares of them; and in which lanes it is kept.
    AUREOLE_INLINE void add(const Ring& ring, size_t k, size_t lane, f64v c, f64v c2, f64v weight, f64v weight2, i64v kept) {
        const auto add_to = [kept](f64v& sum, f64v x) { sum = kept ? sum + x : sum; };
        add_to(signal, c * load<f64v>(ring.signal + k * L + lane));
        add_to(norm, weight);
        add_to(norm2, weight2);
        if (ring.spread) add_to(variance, c2 * load<f64v>(ring.spread + k * L + lane));
        if (ring.dark_variance) add_to(dark, c2 * ring.dark_variance[k]);
        add_to(count, splat(1.0));
    }

    void give(Totals& totals, size_t lane) const {
        const f64v sums[Totals::N] = {signal, norm, norm2, variance, dark, count};
        for (size_t i = 0; i < Totals::N; ++i) store(totals.sums[i] + lane, sums[i]);
    }
};

}  // namespace aureole::AUREOLE_ISA
