// Sigma clipping: pixels far from the mean of their bin are taken out, until none is far.
#pragma once

#include "quantiles.hpp"

namespace aureole::AUREOLE_ISA {

// Pixels, about, whose median is near enough to that of all.
inline constexpr size_t SAMPLE = 512;

inline constexpr double INFINITE = __builtin_inf();

// Sums over the pixels in a closed interval.
inline Total total_between(const Ring& ring, size_t lane, f64v low, f64v high) {
    Total total = {};
    for (size_t k = 0; k < ring.n; ++k) {
        const f64v v = ring.value(k, lane);
        const double c = ring.coef[k], weight = ring.weight[k];
        total.add(ring, k, lane, splat(c), splat(c * c), splat(weight), splat(weight * weight), (v >= low) & (v <= high));
    }
    return total;
}

// Sum of (c * n)^2 * (v - mean)^2 over them.
inline f64v scatter_between(const Ring& ring, size_t lane, f64v low, f64v high, f64v mean) {
    f64v sum = {};
    for (size_t k = 0; k < ring.n; ++k) {
        const f64v v = ring.value(k, lane), deviation = ring.weight[k] * (v - mean);
        sum += only((v >= low) & (v <= high), deviation * deviation);
    }
    return sum;
}

// By how many standard deviations a pixel may be off. Rounded to float: logarithms differ in their last bits.
inline double cut_off(const RobustArgs& args, double count) {
    if (!args.chauvenet || !(count > 0.0)) return args.sigma;
    const double square = 2.0 * __builtin_log(count / 2.5066282746310002);
    const double chauvenet = square > 0.0 ? double(float(__builtin_sqrt(square))) : 0.0;
    return chauvenet > args.sigma ? chauvenet : args.sigma;
}

inline void clip(const RobustArgs& args, Ring& ring, Quantiles& q, Totals& totals) {
    // The scatter reaches as far as bright pixels move the mean; other standard deviations do not.
    const bool by_scatter = args.by_scatter || args.variance == SCATTER, about_median = !by_scatter;
    double median[L] = {};
    if (about_median) {
        make_keys(ring, ring.n < 2 * SAMPLE ? 1 : ring.n / SAMPLE);
        find_quantiles(1, 0.5, 0.5, ring.keys, q);
        for (size_t lane = 0; lane < L; ++lane)
            median[lane] = q.all[lane] ? double(value_of(q.key[0][lane])) : __builtin_nan("");
    }
    for (size_t lane = 0; lane < L; lane += WIDTH) {
        f64v low = splat(-INFINITE), high = splat(INFINITE);
        Total total = total_between(ring, lane, low, high);
        for (size_t i = 0;; ++i) {
            const f64v mean = total.signal / total.norm;
            f64v variance = total.variance + total.dark;
            if (by_scatter) variance = scatter_between(ring, lane, low, high, mean);
            if (args.variance == SCATTER) total.variance = variance;
            if (i == args.iterations) break;
            const bool first = about_median && i == 0;
            const f64v middle = load<f64v>(median + lane);
            const f64v centre = first && middle == middle ? middle : mean;
            f64v reach;
            for (size_t j = 0; j < WIDTH; ++j)
                reach[j] = variance[j] > 0.0
                    ? cut_off(args, total.count[j]) * __builtin_sqrt(variance[j] / total.norm2[j]) +
                          0x1p-40 * __builtin_fabs(centre[j])    // equal pixels differ by rounding
                    : INFINITE;
            const f64v new_low = centre - reach > low ? centre - reach : low;
            const f64v new_high = centre + reach < high ? centre + reach : high;
            const Total next = total_between(ring, lane, new_low, new_high);
            const i64v fewer = (next.count > 0.0) & (next.count < total.count);
            bool any = first;    // the mean comes next, whatever the median says
            for (size_t j = 0; j < WIDTH; ++j) any |= fewer[j] != 0;
            if (!any) break;
            low = fewer ? new_low : low;
            high = fewer ? new_high : high;
            total = {fewer ? next.signal : total.signal, fewer ? next.norm : total.norm,
                     fewer ? next.norm2 : total.norm2, fewer ? next.variance : total.variance,
                     fewer ? next.dark : total.dark, fewer ? next.count : total.count};
        }
        total.give(totals, lane);
    }
}

}  // namespace aureole::AUREOLE_ISA
