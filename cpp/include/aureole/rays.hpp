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
        first = middle - args.rotation_center * per_ray - middle * per_line;
        length = float(__builtin_fabs(per_ray));
    }

    // Rays that may cross a line between its first pixel and its last; those just outside get nothing there.
    void range(size_t line, size_t n, size_t& begin, size_t& end) const {
        const double start = first + double(line) * per_line;
        double a = (-1.0 - start) / per_ray, b = (double(size) - start) / per_ray;
        if (a > b) {
            const double other = a;
            a = b;
            b = other;
        }
        begin = a < 1 ? 0 : size_t(a) - 1;
        end = b < 0 ? 0 : size_t(b) + 2;
        if (end > n) end = n;
        if (begin > end) begin = end;
    }
};

// Call use(first pixel's offset, its weight, second pixel's offset, its weight) where a ray crosses a line; a pixel
// outside has the weight zero and the offset of one inside.
template <class Use> AUREOLE_INLINE void cross(const Crossing& x, size_t line, size_t ray, Use&& use) {
    const double at = x.first + double(line) * x.per_line + double(ray) * x.per_ray;
    if (!(at > -1.0) || !(at < double(x.size))) return;
    const int64_t i = int64_t(at + 1.0) - 1;
    const float second = float(at - double(i)) * x.length, first = x.length - second;
    const size_t pixel = x.rows ? 1 : x.size, start = line * (x.rows ? x.size : 1);
    const bool inside0 = i >= 0, inside1 = i + 1 < int64_t(x.size);
    const size_t p0 = start + (inside0 ? size_t(i) : 0) * pixel, p1 = start + (inside1 ? size_t(i) + 1 : 0) * pixel;
    use(p0, inside0 ? first : 0.0f, p1, inside1 ? second : 0.0f);
}

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

// sinogram[ray] += A volume, or volume += A^T sinogram, for one angle.
template <bool ADJOINT> void one_angle(const RayArgs& args, const Crossing& x, float* sinogram) {
    float* const volume = args.volume;
    const auto visit = [&](size_t line, size_t ray, Lanes& sum) {
        cross(x, line, ray, [&](size_t p0, float w0, size_t p1, float w1) {
            float *const to0 = volume + p0 * RAY_LANES, *const to1 = volume + p1 * RAY_LANES;
            Lanes a(to0);
            if constexpr (ADJOINT) {
                for (size_t i = 0; i < Lanes::N; ++i) a.v[i] += w0 * sum.v[i];
                a.put(to0);
                Lanes b(to1);
                for (size_t i = 0; i < Lanes::N; ++i) b.v[i] += w1 * sum.v[i];
                b.put(to1);
            } else {
                const Lanes b(to1);
                for (size_t i = 0; i < Lanes::N; ++i) sum.v[i] += w0 * a.v[i] + w1 * b.v[i];
            }
        });
    };
    if (x.rows) {    // neighbouring rays cross a row at pixels that are neighbours in memory
        for (size_t line = 0; line < x.size; ++line) {
            size_t begin, end;
            x.range(line, args.n_translations, begin, end);
            for (size_t ray = begin; ray < end; ++ray) {
                Lanes sum(sinogram + ray * RAY_LANES);
                visit(line, ray, sum);
                if constexpr (!ADJOINT) sum.put(sinogram + ray * RAY_LANES);
            }
        }
    } else {         // a ray crosses neighbouring columns there
        for (size_t ray = 0; ray < args.n_translations; ++ray) {
            Lanes sum(sinogram + ray * RAY_LANES);
            for (size_t line = 0; line < x.size; ++line) visit(line, ray, sum);
            if constexpr (!ADJOINT) sum.put(sinogram + ray * RAY_LANES);
        }
    }
}

inline void project_rays(const RayArgs& args) {
    for (size_t angle = 0; angle < args.n_angles; ++angle) {
        const Crossing x(args, angle);
        float* const sinogram = args.sinogram + angle * args.n_translations * RAY_LANES;
        args.adjoint ? one_angle<true>(args, x, sinogram) : one_angle<false>(args, x, sinogram);
    }
}

}  // namespace aureole::AUREOLE_ISA
