// The fused integrator: a tile of every frame is decoded in cache and multiplied with the table for all frames of
// the batch at once. Each bin adds up its entries one by one in the order of the pixels, so that the bits of a sum
// depend on nothing else. Products and sums are never contracted into an FMA.
#pragma once

#include "lost.hpp"
#include "tile.hpp"

namespace aureole::AUREOLE_ISA {

// Sums of a batch, [bin][lane].
struct Sums {
    double* memory;
    size_t n_bins, lanes;

    bool open(size_t bins, size_t n_lanes) {
        n_bins = bins;
        lanes = n_lanes;
        memory = static_cast<double*>(aligned_alloc(64, bins * n_lanes * sizeof(double)));
        if (memory) memset(memory, 0, bins * n_lanes * sizeof(double));
        return memory != nullptr;
    }
    void close() { free(memory); }

    void give(size_t n_frames, const int32_t* status, double* out) const {
        for (size_t f = 0; f < n_frames; ++f)
            for (size_t b = 0; b < n_bins; ++b) out[f * n_bins + b] = status[f] == OK ? memory[b * lanes + f] : 0.0;
    }
};

// signal[bin] += c * v and, if VARIANCE, variance[bin] += c * (c * u). SAME: u is v.
template <size_t L, bool VARIANCE, bool SAME, class C> struct Product {
    static constexpr size_t G = L < 4 * WIDTH ? L : 4 * WIDTH, N = G / WIDTH;    // lanes whose sums fit into registers
    const C* v;
    const double* u;
    double *signal, *variance;
    const uint16_t* pixel;    // the entries that come next
    const float* coef;

    // One segment: as many times COUNT entries as there are until `end`.
    template <size_t COUNT> AUREOLE_INLINE void add(size_t bin, const uint16_t* end) {
        for (size_t g = 0; g < L; g += G) {
            double *const sum = signal + bin * L + g, *const sum2 = VARIANCE ? variance + bin * L + g : nullptr;
            f64v a[N], q[N];
            for (size_t i = 0; i < N; ++i) {
                a[i] = load<f64v>(sum + WIDTH * i);
                if constexpr (VARIANCE) q[i] = load<f64v>(sum2 + WIDTH * i);
            }
            const uint16_t* p = pixel;
            const float* c = coef;
            do {
                for (size_t k = 0; k < COUNT; ++k) {
                    const f64v weight = splat(c[k]);
                    for (size_t i = 0; i < N; ++i) {
                        const size_t at = p[k] * L + g + WIDTH * i;
                        const f64v share = weight * load_doubles(v + at);
                        a[i] += share;
                        if constexpr (VARIANCE) q[i] += weight * (SAME ? share : weight * load<f64v>(u + at));
                    }
                }
                p += COUNT;
                c += COUNT;
            } while (p != end);
            for (size_t i = 0; i < N; ++i) {
                store(sum + WIDTH * i, a[i]);
                if constexpr (VARIANCE) store(sum2 + WIDTH * i, q[i]);
            }
        }
        coef += end - pixel;
        pixel = end;
    }

    void tile(const TableView& t, size_t tile) {
        pixel = t.entry_pixel + t.tile_entry[tile];
        coef = t.entry_coef + t.tile_entry[tile];
        const uint16_t* const first = pixel;
        const size_t* group = t.tile_segment + GROUPS * tile;
        size_t s = group[0];
        for (; s < group[1]; ++s) add<4>(t.segment_bin[s], first + t.segment_end[s]);
        for (; s < group[2]; ++s) add<3>(t.segment_bin[s], pixel + 3);
        for (; s < group[3]; ++s) add<2>(t.segment_bin[s], pixel + 2);
        for (; s < group[4]; ++s) add<1>(t.segment_bin[s], pixel + 1);
    }
};

// A tile of a batch, [pixel][lane].
template <class C> struct Plane {
    C* memory;

    bool open(size_t lanes) {
        memory = static_cast<C*>(aligned_alloc(64, TILE * lanes * sizeof(C)));
        if (memory) memset(memory, 0, TILE * lanes * sizeof(C));    // pixels that nobody uses are never written
        return memory != nullptr;
    }
    void close() { free(memory); }
};

template <size_t L, class C, class T> inline void set_bad(C* plane, C value, const Batch<T>& batch) {
    for (size_t i = 0; i < batch.n_bad; ++i) {
        const size_t p = batch.bad_pixels[i];
        for (uint32_t lanes = batch.bad[p]; lanes; lanes &= lanes - 1)
            plane[p * L + size_t(__builtin_ctz(lanes))] = value;
    }
}

// Negative and infinite, as intervals. Subnormal numbers are no less than zero: a process may take them for it.
inline constexpr double NO_VARIANCE[] = {-__builtin_inf(), -2.2250738585072014e-308, __builtin_inf(), __builtin_inf()};

template <size_t L, class T> int32_t integrate_as(const IntegrateArgs& args) {
    const TableView& t = args.table;
    const bool own_plane = args.variance == FLOOR || args.variance == FRAMES;
    Batch<T> batch = {};
    Batch<double> other = {};
    Sums signal = {}, variance = {};
    Plane<Cell<T>> values = {};
    Plane<double> variances = {};
    LostSums<L> lost = {};
    bool good = batch.open(args.frames, args.n_frames, t.n_pixels, args.invalid) && signal.open(t.n_bins, L) &&
                values.open(L);
    if (args.variance != NONE) good = good && variance.open(t.n_bins, L);
    if (own_plane) good = good && variances.open(L);
    if (args.variance == FRAMES)
        good = good && other.open(args.variance_frames, args.n_frames, t.n_pixels, {2, NO_VARIANCE});
    Cell<T>* const v = values.memory;
    double* const u = variances.memory;
    for (size_t tile = 0; tile < t.n_tiles && good; ++tile) {
        const size_t first = tile * TILE, n = min(TILE, t.n_pixels - first);
        const uint16_t* used = t.used + first / 16;
        batch.template next<L>(n, used, v);
        if (args.variance == FRAMES) {
            other.template next<L>(n, used, u);
            if (other.n_bad) batch.join_bad(other.bad, n);
            set_bad<L>(v, Cell<T>(0), batch);
        } else if (args.variance == FLOOR) {
            for (size_t i = 0; i < n * L; ++i) u[i] = v[i] > 1 ? double(v[i]) : 1.0;
        }
        if (own_plane) set_bad<L>(u, 0.0, batch);
        if (args.variance == NONE)
            Product<L, false, false, Cell<T>>{v, u, signal.memory, nullptr, nullptr, nullptr}.tile(t, tile);
        else if (args.variance == SAME)
            Product<L, true, true, Cell<T>>{v, u, signal.memory, variance.memory, nullptr, nullptr}.tile(t, tile);
        else
            Product<L, true, false, Cell<T>>{v, u, signal.memory, variance.memory, nullptr, nullptr}.tile(t, tile);
        good = lost.add(args, first, batch.bad_pixels, batch.n_bad, batch.bad);
    }
    for (size_t f = 0; f < args.n_frames && good; ++f) {
        args.status[f] = batch.streams[f].status;
        args.blames_variance[f] = args.status[f] == OK && args.variance == FRAMES;
        if (args.blames_variance[f]) args.status[f] = other.streams[f].status;
        if (args.status[f] == NO_MEMORY) good = false;
    }
    if (good) signal.give(args.n_frames, args.status, args.signal);
    good = good && lost.give(args);
    if (good && args.variance != NONE) variance.give(args.n_frames, args.status, args.variance_out);
    batch.close();
    other.close();
    signal.close();
    variance.close();
    values.close();
    variances.close();
    lost.close();
    return good ? OK : NO_MEMORY;
}

// Batches of eight or fewer frames take half the memory.
inline int32_t integrate(const IntegrateArgs& args) {
    return with_pixel_type(args.n_frames ? args.frames[0].dtype : I32, [&](auto zero) {
        using T = decltype(zero);
        return args.n_frames <= 8 ? integrate_as<8, T>(args) : integrate_as<16, T>(args);
    });
}

// Second pass of the azimuthal error model: with the mean m of every bin known, square = sum of c*c*(s - n*m)^2 and
// weighted = sum of c*c*n*s, where s = raw - dark and n is the normalization of the pixel.
template <size_t L, class T> int32_t deviations_as(const DeviationArgs& args) {
    constexpr size_t N = L / WIDTH;
    const TableView& t = args.table;
    Batch<T> batch = {};
    Sums square = {}, weighted = {}, mean = {};
    Plane<Cell<T>> cells = {};
    Plane<double> values = {};
    bool good = batch.open(args.frames, args.n_frames, t.n_pixels, args.invalid) &&
                square.open(t.n_bins, L) && weighted.open(t.n_bins, L) && mean.open(t.n_bins, L) &&
                cells.open(L) && values.open(L);
    for (size_t f = 0; f < args.n_frames && good; ++f)
        for (size_t b = 0; b < t.n_bins; ++b) mean.memory[b * L + f] = args.mean[f * t.n_bins + b];
    for (size_t tile = 0; tile < t.n_tiles && good; ++tile) {
        const size_t first = tile * TILE, n = min(TILE, t.n_pixels - first);
        batch.template next<L>(n, t.used + first / 16, cells.memory);
        for (size_t i = 0; i < n * L; ++i) values.memory[i] = double(cells.memory[i]);
        set_bad<L>(values.memory, __builtin_nan(""), batch);
        const uint16_t* pixel = t.entry_pixel + t.tile_entry[tile];
        const float* coef = t.entry_coef + t.tile_entry[tile];
        size_t k = 0;
        for (size_t s = t.tile_segment[GROUPS * tile]; s < t.tile_segment[GROUPS * (tile + 1)]; ++s) {
            const size_t at = size_t(t.segment_bin[s]) * L;
            f64v sum[N], sum2[N], m[N];
            for (size_t i = 0; i < N; ++i) {
                sum[i] = load<f64v>(square.memory + at + WIDTH * i);
                sum2[i] = load<f64v>(weighted.memory + at + WIDTH * i);
                m[i] = load<f64v>(mean.memory + at + WIDTH * i);
            }
            for (const size_t end = t.segment_end[s]; k < end; ++k) {
                const f64v c = splat(double(coef[k])), c2 = c * c, norm = splat(args.norm[first + pixel[k]]);
                const f64v dark = splat(args.dark ? args.dark[first + pixel[k]] : 0.0);
                for (size_t i = 0; i < N; ++i) {
                    const f64v v = load<f64v>(values.memory + pixel[k] * L + WIDTH * i);
                    const i64v valid = v == v;    // bad pixels are NaN here
                    const f64v signal = v - dark, deviation = signal - norm * m[i];
                    sum[i] += (f64v)((i64v)(c2 * (deviation * deviation)) & valid);
                    sum2[i] += (f64v)((i64v)(c2 * (norm * signal)) & valid);
                }
            }
            for (size_t i = 0; i < N; ++i) {
                store(square.memory + at + WIDTH * i, sum[i]);
                store(weighted.memory + at + WIDTH * i, sum2[i]);
            }
        }
    }
    for (size_t f = 0; f < args.n_frames && good; ++f) {
        args.status[f] = batch.streams[f].status;
        if (args.status[f] == NO_MEMORY) good = false;
    }
    if (good) {
        square.give(args.n_frames, args.status, args.square);
        weighted.give(args.n_frames, args.status, args.weighted);
    }
    batch.close();
    square.close();
    weighted.close();
    mean.close();
    cells.close();
    values.close();
    return good ? OK : NO_MEMORY;
}

inline int32_t deviations(const DeviationArgs& args) {
    return with_pixel_type(args.n_frames ? args.frames[0].dtype : I32, [&](auto zero) {
        using T = decltype(zero);
        return args.n_frames <= 8 ? deviations_as<8, T>(args) : deviations_as<16, T>(args);
    });
}

}  // namespace aureole::AUREOLE_ISA
