// Trimming: of each bin the mean between two quantiles. Pixels that equal a quantile count by the same fraction, so
// that the result does not depend on the order of equal pixels, nor on the way in which quantiles are found.
#pragma once

#include "ring.hpp"

namespace aureole::AUREOLE_ISA {

// Keys of as many lanes as a vector has; no more than there are.
inline constexpr size_t KEYS = 2 * WIDTH < L ? 2 * WIDTH : L;
typedef int32_t i32k __attribute__((vector_size(4 * KEYS)));

inline constexpr int32_t NO_KEY = INT32_MAX;    // of invalid pixels: above all others

// Keys of two quantiles in each lane, and the weight of the pixels below them, at them, and of all.
struct Quantiles {
    int32_t key[2][L];
    int32_t below[2][L], at[2][L];
    int32_t all[L];
};

// Whole numbers that compare as the values do in single precision.
inline void make_keys(const Ring& ring) {
    for (size_t k = 0; k < ring.n; ++k) {
        int32_t bits[L];
        for (size_t lane = 0; lane < L; ++lane) {
            const double v = ring.signal[k * L + lane] * ring.inverse[k];
            const float rounded = float(v + 0.0);    // -0 is 0
            memcpy(bits + lane, &rounded, sizeof rounded);
            bits[lane] ^= (bits[lane] >> 31) & INT32_MAX;
            if (v != v) bits[lane] = NO_KEY;
        }
        memcpy(ring.key + k * L, bits, sizeof bits);
    }
}

inline float value_of(int32_t key) {
    const int32_t bits = key ^ ((key >> 31) & INT32_MAX);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Weights as whole numbers whose sum is below 2^31: sums of them are exact.
inline void make_weights(const Ring& ring, int32_t* weight) {
    double total = 0.0;
    for (size_t k = 0; k < ring.n; ++k) total += ring.coef[k] * ring.norm[k];
    const double scale = double(INT32_MAX - int64_t(ring.n)) / total;
    for (size_t k = 0; k < ring.n; ++k) {
        const double w = ring.coef[k] * ring.norm[k] * scale;
        weight[k] = w >= 1.0 ? int32_t(w) : 1;
    }
}

// Where a quantile is: the smallest key below or at which lies more than `target` of the weight is in [low, high].
struct Search {
    int32_t low, high, target;
    int32_t below, above;    // weight below `low`, and up to `high`

    bool open() const { return low < high; }

    int32_t middle(size_t step) const {
        const uint32_t width = uint32_t(high) - uint32_t(low);
        if (step % 3 == 2) return int32_t(uint32_t(low) + width / 2);
        const double part = (double(target - below) + 0.5) / double(above - below);
        const uint32_t along = uint32_t(double(width) * part);
        return int32_t(uint32_t(low) + (along < width ? along : width - 1));
    }

    void narrow(int32_t key, int32_t weight) {
        if (weight > target) {
            high = key;
            above = weight;
        } else {
            low = key + 1;
            below = weight;
        }
    }
};

// Smallest and largest key of the valid pixels, and the weight of them all.
inline void survey(const Ring& ring, const int32_t* weight, int32_t* least, int32_t* most, int32_t* all) {
    for (size_t lane = 0; lane < L; lane += KEYS) {
        i32k low = i32k{} + NO_KEY, high = i32k{} + INT32_MIN, sum = {};
        for (size_t k = 0; k < ring.n; ++k) {
            const i32k key = load<i32k>(ring.key + k * L + lane), valid = key != NO_KEY;
            low = key < low ? key : low;
            high = (key > high) & valid ? key : high;
            sum += valid & (weight[k] + i32k{});
        }
        store(least + lane, low);
        store(most + lane, high);
        store(all + lane, sum);
    }
}

// Weight of the pixels up to two keys.
inline void weigh(const Ring& ring, const int32_t* weight, const int32_t (&keys)[2][L], int32_t (&sums)[2][L]) {
    for (size_t lane = 0; lane < L; lane += KEYS) {
        const i32k first = load<i32k>(keys[0] + lane), second = load<i32k>(keys[1] + lane);
        i32k to_first = {}, to_second = {};
        for (size_t k = 0; k < ring.n; ++k) {
            const i32k key = load<i32k>(ring.key + k * L + lane), w = weight[k] + i32k{};
            to_first += (key <= first) & w;
            to_second += (key <= second) & w;
        }
        store(sums[0] + lane, to_first);
        store(sums[1] + lane, to_second);
    }
}

inline void find_quantiles(const RobustArgs& args, const Ring& ring, const int32_t* weight, Quantiles& found) {
    int32_t least[L], most[L];
    survey(ring, weight, least, most, found.all);
    Search search[2][L];
    bool open = false;
    for (size_t lane = 0; lane < L; ++lane) {
        const int32_t all = found.all[lane];
        const double bounds[2] = {__builtin_floor(args.low * double(all)), __builtin_ceil(args.high * double(all)) - 1.0};
        for (size_t q = 0; q < 2; ++q) {
            Search& s = search[q][lane];
            s = all ? Search{least[lane], most[lane], int32_t(bounds[q]), 0, all} : Search{};
            open |= s.open();
        }
    }
    for (size_t step = 0; open; ++step) {
        int32_t middle[2][L], upto[2][L];
        for (size_t q = 0; q < 2; ++q)
            for (size_t lane = 0; lane < L; ++lane) {
                const Search& s = search[q][lane];
                const int32_t guess = found.key[q][lane];    // of the bin before
                middle[q][lane] = !s.open() ? s.low : step == 0 && guess > s.low && guess < s.high ? guess : s.middle(step);
            }
        weigh(ring, weight, middle, upto);
        open = false;
        for (size_t q = 0; q < 2; ++q)
            for (size_t lane = 0; lane < L; ++lane) {
                Search& s = search[q][lane];
                if (s.open()) s.narrow(middle[q][lane], upto[q][lane]);
                open |= s.open();
            }
    }
    int32_t before[2][L];
    for (size_t q = 0; q < 2; ++q)
        for (size_t lane = 0; lane < L; ++lane) {
            const Search& s = search[q][lane];
            found.key[q][lane] = s.low;
            before[q][lane] = s.low - 1;    // there is one: that of -inf is not the lowest
        }
    weigh(ring, weight, before, found.below);
    weigh(ring, weight, found.key, found.at);
    for (size_t q = 0; q < 2; ++q)
        for (size_t lane = 0; lane < L; ++lane) found.at[q][lane] -= found.below[q][lane];
}

// What fraction of the pixels at each quantile is in the window.
struct Window {
    double low[L], high[L];

    Window(const RobustArgs& args, const Quantiles& q) {
        for (size_t lane = 0; lane < L; ++lane) {
            const double all = q.all[lane];
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
    const auto valid = [&](size_t k) { return load<i32h>(ring.key + k * L + lane) != NO_KEY; };
    for (size_t k = 0; k < ring.n; ++k) {
        const f64v weight = splat(ring.coef[k] * ring.norm[k]);
        const i64v mask = widened(valid(k));
        sum += only(mask, weight * value(k));
        norm += only(mask, weight);
    }
    const f64v mean = sum / norm;
    f64v square = {};
    for (size_t k = 0; k < ring.n; ++k) {
        const f64v deviation = (ring.coef[k] * ring.norm[k]) * (value(k) - mean);
        square += only(widened(valid(k)), deviation * deviation);
    }
    return square;
}

inline void trim(const RobustArgs& args, const Ring& ring, Quantiles& q, Totals& totals) {
    int32_t* const weight = reinterpret_cast<int32_t*>(ring.weight);
    make_keys(ring);
    make_weights(ring, weight);
    find_quantiles(args, ring, weight, q);
    const Window window(args, q);
    for (size_t lane = 0; lane < L; lane += WIDTH) {
        const i32h low = load<i32h>(q.key[0] + lane), high = load<i32h>(q.key[1] + lane);
        const f64v low_part = load<f64v>(window.low + lane), high_part = load<f64v>(window.high + lane);
        Total total = {};
        for (size_t k = 0; k < ring.n; ++k) {
            const i32h key = load<i32h>(ring.key + k * L + lane);
            f64v part = widened(key == low) ? low_part : splat(1.0);
            part = widened(key == high) ? part - 1.0 + high_part : part;
            const i64v kept = widened((key >= low) & (key <= high) & (key != NO_KEY)) & (part > 0.0);
            total.add(ring, k, lane, part * ring.coef[k], kept);
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
