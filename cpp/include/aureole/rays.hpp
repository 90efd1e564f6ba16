// Line integrals through slices of many channels, and the adjoint: a ray takes from each line of pixels that it crosses
// the value between the two nearest (P. M. Joseph, IEEE Trans. Med. Imaging 1 (1982) 192). Channels are the lanes. Each
// ray adds up its lines in order, each pixel its rays, so that the bits depend on nothing else.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// One angle: rays cross lines of pixels, those along which they advance by less than a pixel a line.
struct Crossing {
    size_t size;
    double first;              // where ray 0 crosses line 0, in pixels along the line
    double per_ray, per_line;  // by how much further on others do
    float length;              // of a ray within a line
    bool rows;                 // whether the lines are rows

    Crossing(const RayArgs& args, size_t angle) {
        const double c = args.cosine[angle], s = args.sine[angle], middle = double(args.size - 1) / 2;
        size = args.size;
        rows = __builtin_fabs(c) >= __builtin_fabs(s);
        const double along = rows ? c : s, across = rows ? s : c;
        per_ray = 1 / along;
        per_line = -across / along;
        first = middle - args.center[angle] * per_ray - middle * per_line;
        length = float(__builtin_fabs(per_ray));
    }

    // Which of n steps from a start may end between `low` - 1 and `high`; those just outside get nothing there.
    static void range(double start, double step, double low, double high, size_t n, size_t& begin, size_t& end) {
        double a = (low - 1 - start) / step, b = (high - start) / step;    // infinite where there is hardly any step
        if (a > b) {
            const double other = a;
            a = b;
            b = other;
        }
        const double last = double(n);
        begin = !(a > 1) ? 0 : a < last ? size_t(a) - 1 : n;
        end = b < 0 ? 0 : b < last ? min(size_t(b) + 2, n) : n;
        if (!(a == a && b == b)) begin = 0, end = n;    // none at all, and on the border
        if (begin > end) begin = end;
    }
};

// Channels of one pixel or ray.
struct Lanes {
    static constexpr size_t N = RAY_LANES / (2 * WIDTH);
    f32v v[N];

    AUREOLE_INLINE explicit Lanes(const float* from) {
        for (size_t i = 0; i < N; ++i) v[i] = load<f32v>(from + 2 * WIDTH * i);
    }
    AUREOLE_INLINE void put(float* to) const {
        for (size_t i = 0; i < N; ++i) store(to + 2 * WIDTH * i, v[i]);
    }
};

// sinogram[ray] += A volume, or volume += A^T sinogram, for one angle and the rows of the volume from `first` to `last`.
template <bool ADJOINT> void one_angle(const RayArgs& args, const Crossing& x, float* sinogram) {
    float* const volume = args.volume;
    // along a line, the pixels that count; others have the weight zero and the offset of one that does
    const int64_t low = x.rows ? 0 : int64_t(args.first_row), high = int64_t(x.rows ? x.size : args.last_row);
    const double below = double(low) - 1.0, above = double(high);
    const size_t pixel = x.rows ? 1 : x.size, next_line = x.rows ? x.size : 1;
    const auto visit = [&](size_t line, size_t ray, Lanes& sum) {
        const double at = x.first + double(line) * x.per_line + double(ray) * x.per_ray;
        if (!(at > below) || !(at < above)) return;
        const int64_t i = int64_t(at + 1.0) - 1;
        const float second = float(at - double(i)) * x.length, first = x.length - second;
        const bool inside0 = i >= low, inside1 = i + 1 < high;
        const float w0 = inside0 ? first : 0.0f, w1 = inside1 ? second : 0.0f;
        float* const to0 = volume + (line * next_line + size_t(inside0 ? i : low) * pixel) * RAY_LANES;
        float* const to1 = volume + (line * next_line + size_t(inside1 ? i + 1 : low) * pixel) * RAY_LANES;
        Lanes a(to0);
        if constexpr (ADJOINT) {
            for (size_t n = 0; n < Lanes::N; ++n) a.v[n] += w0 * sum.v[n];
            a.put(to0);
            Lanes b(to1);
            for (size_t n = 0; n < Lanes::N; ++n) b.v[n] += w1 * sum.v[n];
            b.put(to1);
        } else {
            const Lanes b(to1);
            for (size_t n = 0; n < Lanes::N; ++n) sum.v[n] += w0 * a.v[n] + w1 * b.v[n];
        }
    };
    size_t begin, end;
    if (x.rows) {    // neighbouring rays cross a row at pixels that are neighbours in memory
        for (size_t line = args.first_row; line < args.last_row; ++line) {
            Crossing::range(x.first + double(line) * x.per_line, x.per_ray, 0.0, above, args.n_translations, begin, end);
            for (size_t ray = begin; ray < end; ++ray) {
                Lanes sum(sinogram + ray * RAY_LANES);
                visit(line, ray, sum);
                if constexpr (!ADJOINT) sum.put(sinogram + ray * RAY_LANES);
            }
        }
    } else {         // a ray crosses neighbouring columns there
        for (size_t ray = 0; ray < args.n_translations; ++ray) {
            Crossing::range(x.first + double(ray) * x.per_ray, x.per_line, double(low), above, x.size, begin, end);
            Lanes sum(sinogram + ray * RAY_LANES);
            for (size_t line = begin; line < end; ++line) visit(line, ray, sum);
            if constexpr (!ADJOINT) sum.put(sinogram + ray * RAY_LANES);
        }
    }
}

// The same for one channel alone, to the same bits: places and weights of many rays at once.
template <bool ADJOINT> void one_channel(const RayArgs& args, const Crossing& x, float* sinogram) {
    static constexpr size_t SOME = 64;
    float* const volume = args.volume;
    const int32_t low = x.rows ? 0 : int32_t(args.first_row), high = int32_t(x.rows ? x.size : args.last_row);
    const double below = double(low) - 1.0, above = double(high);
    const int32_t pixel = x.rows ? 1 : int32_t(x.size);
    const double per_ray = x.per_ray;
    const float length = x.length;
    const size_t first_line = x.rows ? args.first_row : 0, last_line = x.rows ? args.last_row : x.size;
    for (size_t line = first_line; line < last_line; ++line) {
        size_t begin, end;
        const double start = x.first + double(line) * x.per_line;
        Crossing::range(start, x.per_ray, double(low), above, args.n_translations, begin, end);
        float* const values = volume + line * (x.rows ? x.size : 1);
        for (; begin < end; begin += SOME) {
            const int32_t first_ray = int32_t(begin);
            int32_t p0[SOME], p1[SOME];
            float w0[SOME], w1[SOME];
            for (size_t k = 0; k < SOME; ++k) {
                const double at = start + double(first_ray + int32_t(k)) * per_ray;
                const bool inside = at > below && at < above;
                const int32_t i = int32_t((inside ? at : double(low)) + 1.0) - 1;
                const float second = float(at - double(i)) * length, first = length - second;
                const bool inside0 = inside && i >= low, inside1 = inside && i + 1 < high;
                w0[k] = inside0 ? first : 0.0f;
                w1[k] = inside1 ? second : 0.0f;
                p0[k] = (inside0 ? i : low) * pixel;
                p1[k] = (inside1 ? i + 1 : low) * pixel;
            }
            float* const sums = sinogram + begin;
            const size_t n = min(SOME, end - begin);
            if constexpr (ADJOINT) {
                for (size_t k = 0; k < n; ++k) {
                    values[p0[k]] += w0[k] * sums[k];
                    values[p1[k]] += w1[k] * sums[k];
                }
            } else {
                for (size_t k = 0; k < n; ++k) sums[k] += w0[k] * values[p0[k]] + w1[k] * values[p1[k]];
            }
        }
    }
}

inline void project_rays(const RayArgs& args) {
    for (size_t angle = 0; angle < args.n_angles; ++angle) {
        const Crossing x(args, angle);
        float* const sinogram = args.sinogram + angle * args.n_translations * args.lanes;
        if (args.lanes == 1)
            args.adjoint ? one_channel<true>(args, x, sinogram) : one_channel<false>(args, x, sinogram);
        else
            args.adjoint ? one_angle<true>(args, x, sinogram) : one_angle<false>(args, x, sinogram);
    }
}

}  // namespace aureole::AUREOLE_ISA
