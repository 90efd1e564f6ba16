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

typedef float f32h __attribute__((vector_size(4 * WIDTH)));

// Keys and weights of every so many entries of a ring. Keys are whole numbers that compare as the intensities do in
// single precision; weights are whole numbers whose sum is below 2^31: sums of them are exact.
inline void make_keys(Ring& ring, size_t stride) {
    Keys& keys = ring.keys;
    keys.n = (ring.n + stride - 1) / stride;
    double total = 0.0;
    for (size_t i = 0; i < keys.n; ++i) {
        const size_t k = i * stride;
        total += ring.weight[k];
        for (size_t lane = 0; lane < L; lane += WIDTH) {
            const f64v v = ring.value(k, lane) + 0.0;    // -0 is 0
            const i32h bits = (i32h)__builtin_convertvector(v, f32h);
            const i32h key = bits ^ ((bits >> 31) & INT32_MAX), missing = __builtin_convertvector(v != v, i32h);
            store(keys.key + i * L + lane, missing ? NO_KEY + i32h{} : key);
        }
    }
    const double scale = double(INT32_MAX - int64_t(keys.n)) / total;
    for (size_t i = 0; i < keys.n; ++i) {
        const double w = ring.weight[i * stride] * scale;
        keys.weight[i] = w >= 1.0 ? int32_t(w) : 1;
    }
}

inline float value_of(int32_t key) {
    const int32_t bits = key ^ ((key >> 31) & INT32_MAX);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Where a quantile is: the smallest key below or at which lies more than `target` of the weight is in [low, high].
// Both are keys of pixels.
struct Search {
    int32_t low, high, target;
    int32_t below, above;    // weight below `low`, and up to `high`

    bool open() const { return low < high; }

    // A key of [low, high) to look at next: along the line between both, or at times halfway.
    int32_t middle(size_t step) const {
        const uint32_t width = uint32_t(high) - uint32_t(low);
        if (step % 3 == 2) return int32_t(uint32_t(low) + width / 2);
        const double part = (double(target - below) + 0.5) / double(above - below);
        const uint32_t along = uint32_t(double(width) * part);
        return int32_t(uint32_t(low) + (along < width ? along : width - 1));
    }

    // The weight up to a key is known, and the pixels' keys next to it: the last up to it and the first above.
    void narrow(int32_t weight, int32_t last, int32_t next) {
        if (weight > target) {
            high = last;
            above = weight;
        } else {
            low = next;
            below = weight;
        }
    }
};

// Smallest and largest key of the valid pixels, and the weight of them all.
inline void survey(const Keys& keys, int32_t* least, int32_t* most, int32_t* all) {
    for (size_t lane = 0; lane < L; lane += KEYS) {
        i32k low = i32k{} + NO_KEY, high = i32k{} + INT32_MIN, sum = {};
        for (size_t k = 0; k < keys.n; ++k) {
            const i32k key = load<i32k>(keys.key + k * L + lane), valid = key != NO_KEY;
            low = key < low ? key : low;
            high = (key > high) & valid ? key : high;
            sum += valid & (keys.weight[k] + i32k{});
        }
        store(least + lane, low);
        store(most + lane, high);
        store(all + lane, sum);
    }
}

// What lies up to a key: the weight, the last key, and the first one above.
struct Upto {
    int32_t weight[L], last[L], next[L];
};

inline void look(const Keys& keys, const int32_t* middle, Upto& upto) {
    for (size_t lane = 0; lane < L; lane += KEYS) {
        const i32k at = load<i32k>(middle + lane);
        i32k sum = {}, last = i32k{} + INT32_MIN, next = i32k{} + NO_KEY;
        for (size_t k = 0; k < keys.n; ++k) {
            const i32k key = load<i32k>(keys.key + k * L + lane), within = key <= at;
            sum += within & (keys.weight[k] + i32k{});
            const i32k here = within ? key : INT32_MIN + i32k{}, there = within ? NO_KEY + i32k{} : key;
            last = here > last ? here : last;
            next = there < next ? there : next;
        }
        store(upto.weight + lane, sum);
        store(upto.last + lane, last);
        store(upto.next + lane, next);
    }
}

// The first quantile or both: the lower key where there are two. `found` begins with those of another ring.
inline void find_quantiles(size_t n, double first, double second, const Keys& keys, Quantiles& found) {
    int32_t least[L], most[L];
    survey(keys, least, most, found.all);
    Search search[2][L];
    bool open = false;
    for (size_t lane = 0; lane < L; ++lane) {
        const int32_t all = found.all[lane];
        for (size_t q = 0; q < n; ++q) {
            Search& s = search[q][lane];
            const double part = __builtin_ceil((q == 0 ? first : second) * double(all));
            s = all ? Search{least[lane], most[lane], part > 1.0 ? int32_t(part) - 1 : 0, 0, all} : Search{};
            open |= s.open();
        }
    }
    for (size_t step = 0; open; ++step) {
        open = false;
        for (size_t q = 0; q < n; ++q) {
            int32_t middle[L];
            bool any = false;
            for (size_t lane = 0; lane < L; ++lane) {
                const Search& s = search[q][lane];
                const int32_t guess = found.key[q][lane];    // of the bin before
                middle[lane] = !s.open() ? s.low : step == 0 && guess > s.low && guess < s.high ? guess : s.middle(step);
                any |= s.open();
            }
            if (!any) continue;
            Upto upto;
            look(keys, middle, upto);
            for (size_t lane = 0; lane < L; ++lane) {
                Search& s = search[q][lane];
                if (s.open()) s.narrow(upto.weight[lane], upto.last[lane], upto.next[lane]);
                open |= s.open();
            }
        }
    }
    for (size_t q = 0; q < n; ++q)
        for (size_t lane = 0; lane < L; ++lane) {
            const Search& s = search[q][lane];
            found.key[q][lane] = s.low;
            found.below[q][lane] = s.below;
            found.at[q][lane] = s.above - s.below;
        }
}

}  // namespace aureole::AUREOLE_ISA
