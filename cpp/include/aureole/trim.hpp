// Trimming: of each bin the mean between two quantiles. Pixels that equal a quantile count by the same fraction, so
// that the result does not depend on the order of equal pixels, nor on the way in which quantiles are found. Where both
// quantiles are one, the pixels that equal it count.
#pragma once

#include "quantiles.hpp"

namespace aureole::AUREOLE_ISA {

// What fraction of the pixels at each quantile is in the window.
struct Window {
    double low[L], high[L];

    Window(const RobustArgs& args, const Quantiles& q) {
        for (size_t lane = 0; lane < L; ++lane) {
            const double all = q.all[lane];
            if (args.low == args.high) {
                low[lane] = high[lane] = 1.0;
                continue;
            }
            low[lane] = 1.0 - (args.low * all - double(q.below[0][lane])) / double(q.at[0][lane]);
            high[lane] = (args.high * all - double(q.below[1][lane])) / double(q.at[1][lane]);
        }
    }
};

AUREOLE_INLINE i64v widened(i32h mask) { return __builtin_convertvector(mask, i64v); }

// Sum of (c * n)^2 * (v - mean)^2 with values beyond the quantiles moved to them, about their own mean: what the
// scatter of the trimmed mean follows from.
inline f64v winsorised_scatter(const Ring& ring, size_t lane, f64v low, f64v high) {
    f64v sum = {}, norm = {};
    const auto value = [&](size_t k) {
        const f64v v = ring.value(k, lane), above = v < low ? low : v;
        return above > high ? high : above;
    };
    const auto valid = [&](size_t k) { return load<i32h>(ring.keys.key + k * L + lane) != NO_KEY; };
    for (size_t k = 0; k < ring.n; ++k) {
        const f64v weight = splat(ring.weight[k]);
        const i64v mask = widened(valid(k));
        sum += only(mask, weight * value(k));
        norm += only(mask, weight);
    }
    const f64v mean = sum / norm;
    f64v square = {};
    for (size_t k = 0; k < ring.n; ++k) {
        const f64v deviation = ring.weight[k] * (value(k) - mean);
        square += only(widened(valid(k)), deviation * deviation);
    }
    return square;
}

inline void trim(const RobustArgs& args, Ring& ring, Quantiles& q, Totals& totals) {
    make_keys(ring, 1);
    find_quantiles(2, args.low, args.high, ring.keys, q);
    const Window window(args, q);
    for (size_t lane = 0; lane < L; lane += WIDTH) {
        const i32h low = load<i32h>(q.key[0] + lane), high = load<i32h>(q.key[1] + lane);
        const f64v low_part = load<f64v>(window.low + lane), high_part = load<f64v>(window.high + lane);
        Total total = {};
        for (size_t k = 0; k < ring.n; ++k) {
            const i32h key = load<i32h>(ring.keys.key + k * L + lane);
            f64v part = widened(key == low) ? low_part : splat(1.0);
            part = widened(key == high) ? part - 1.0 + high_part : part;
            const i64v kept = widened((key >= low) & (key <= high) & (key != NO_KEY)) & (part > 0.0);
            const f64v c = part * ring.coef[k], weight = part * ring.weight[k];
            total.add(ring, k, lane, c, c * c, weight, weight * weight, kept);
        }
        if (args.variance == SCATTER) {
            f64v least, most;
            for (size_t j = 0; j < WIDTH; ++j) {
                least[j] = double(value_of(low[j]));
                most[j] = double(value_of(high[j]));
            }
            total.variance = winsorised_scatter(ring, lane, least, most);
        }
        total.give(totals, lane);
    }
}

}  // namespace aureole::AUREOLE_ISA
