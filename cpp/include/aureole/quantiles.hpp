// Quantiles of the pixels of a bin, in all lanes at once. They do not depend on the way in which they are found.
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

// Of the first quantile the upper key where there are two, of the second the lower one.
inline void find_quantiles(double first, double second, const Ring& ring, const int32_t* weight, Quantiles& found) {
    int32_t least[L], most[L];
    survey(ring, weight, least, most, found.all);
    Search search[2][L];
    bool open = false;
    for (size_t lane = 0; lane < L; ++lane) {
        const int32_t all = found.all[lane];
        const double bounds[2] = {__builtin_floor(first * double(all)), __builtin_ceil(second * double(all)) - 1.0};
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

// Keys and weights of a ring, and two of its quantiles; `found` begins with those of another.
inline void quantiles(double first, double second, const Ring& ring, Quantiles& found) {
    make_keys(ring);
    make_weights(ring, ring.weight);
    find_quantiles(first, second, ring, ring.weight, found);
}

}  // namespace aureole::AUREOLE_ISA
