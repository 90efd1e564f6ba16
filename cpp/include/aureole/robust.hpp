// Averages of the pixels of a bin that do not stand out: trimmed by quantiles, or clipped about the mean. All frames of
// a batch are decoded first; then one bin after the other is looked at, with frames as the lanes. Each lane adds up the
// entries of a bin in the order of the pixels.
#pragma once

#include "clip.hpp"
#include "integrate.hpp"
#include "trim.hpp"

namespace aureole::AUREOLE_ISA {

// The frames of a batch, [pixel][lane], and which of their pixels are invalid.
template <class T> struct Images {
    Cell<T>* cells;
    double* variances;
    uint8_t* bad;        // by pixel the lanes in which it is invalid
    uint8_t* any_bad;    // by block of pixels whether one of them is: these stay in the cache

    int32_t decode(const RobustArgs& args) {
        const RobustMemory at(args.rings, sizeof(Cell<T>), args.variance == FRAMES);
        cells = reinterpret_cast<Cell<T>*>(args.memory + at.image);
        variances = reinterpret_cast<double*>(args.memory + at.variance);
        bad = args.memory + at.bad;
        any_bad = args.memory + at.any_bad;
        Batch<T> batch = {};
        Batch<double> other = {};
        bool good = batch.open(args.frames, args.n_frames, args.rings.n_pixels, args.invalid);
        if (args.variance == FRAMES)
            good = good && other.open(args.variance_frames, args.n_frames, args.rings.n_pixels, {2, NO_VARIANCE});
        for (size_t first = 0; first < args.rings.n_pixels && good; first += TILE) {
            const size_t n = min(TILE, args.rings.n_pixels - first);
            const uint16_t* used = args.rings.used + first / 16;
            batch.template next<L>(n, used, cells + first * L);
            if (args.variance == FRAMES) {
                other.template next<L>(n, used, variances + first * L);
                if (other.n_bad) batch.join_bad(other.bad, n);
            }
            for (size_t i = 0; i < n; ++i) bad[first + i] = uint8_t(batch.bad[i]);
            memset(any_bad + first / RobustMemory::BLOCK, 0, TILE / RobustMemory::BLOCK);
            for (size_t i = 0; i < batch.n_bad; ++i) any_bad[(first + batch.bad_pixels[i]) / RobustMemory::BLOCK] = 1;
        }
        for (size_t f = 0; f < args.n_frames && good; ++f) {
            args.status[f] = batch.streams[f].status;
            args.blames_variance[f] = args.status[f] == OK && args.variance == FRAMES;
            if (args.blames_variance[f]) args.status[f] = other.streams[f].status;
            if (args.status[f] == NO_MEMORY) good = false;
        }
        batch.close();
        other.close();
        return good ? OK : NO_MEMORY;
    }
};

// Gather the entries of a bin.
template <class T> inline void gather(const RobustArgs& args, const Images<T>& images, size_t bin, Ring& ring) {
    constexpr size_t AHEAD = 16;
    const RingsView& t = args.rings;
    const size_t first = size_t(t.ptr[bin]);
    ring.n = size_t(t.ptr[bin + 1]) - first;
    const uint32_t* const pixel = t.pixel + first;
    for (size_t k = 0; k < ring.n; ++k) {
        if (k + AHEAD < ring.n) __builtin_prefetch(images.cells + size_t(pixel[k + AHEAD]) * L);
        const size_t p = pixel[k];
        const double norm = t.norm[first + k], dark = t.dark ? t.dark[first + k] : 0.0;
        const double coef = double(t.coef[first + k]);
        ring.coef[k] = coef;
        ring.weight[k] = norm > 0.0 ? coef * norm : 0.0;
        ring.inverse[k] = norm > 0.0 ? 1.0 / norm : __builtin_nan("");
        if (ring.dark_variance) ring.dark_variance[k] = t.dark_variance[first + k];
        const uint32_t bad = !(norm > 0.0) ? 0xff : images.any_bad[p / RobustMemory::BLOCK] ? images.bad[p] : 0;
        for (size_t g = 0; g < L; g += WIDTH) {
            const f64v raw = load_doubles(images.cells + p * L + g);
            f64v signal = raw - dark;
            if (__builtin_expect(bad != 0, 0)) signal = lane_mask(bad >> g) ? __builtin_nan("") + f64v{} : signal;
            store(ring.signal + k * L + g, signal);
            if (args.variance == SAME)
                store(ring.spread + k * L + g, raw);
            else if (args.variance == FLOOR)
                store(ring.spread + k * L + g, raw > 1.0 ? raw : 1.0 + f64v{});
            else if (args.variance == FRAMES)
                store(ring.spread + k * L + g, load<f64v>(images.variances + p * L + g));
        }
    }
}

template <class T> inline void average(const RobustArgs& args, const Images<T>& images) {
    Ring ring(args, args.memory + RobustMemory(args.rings, sizeof(Cell<T>), args.variance == FRAMES).rows);
    Quantiles guess = {};
    double* const out[] = {args.signal, args.normalization, args.normalization2, args.variance_out, args.dark_out,
                           args.count};
    for (size_t bin = 0; bin < args.rings.n_bins; ++bin) {
        gather(args, images, bin, ring);
        Totals totals;
        args.trims ? trim(args, ring, guess, totals) : clip(args, ring, guess, totals);
        for (size_t i = 0; i < Totals::N; ++i)
            for (size_t f = 0; f < args.n_frames; ++f)
                out[i][f * args.rings.n_bins + bin] = args.status[f] == OK ? totals.sums[i][f] : 0.0;
    }
}

template <class T> inline int32_t robust_as(const RobustArgs& args) {
    Images<T> images;
    if (images.decode(args) != OK) return NO_MEMORY;
    average(args, images);
    return OK;
}

inline int32_t robust(const RobustArgs& args) {
    return with_pixel_type(args.n_frames ? args.frames[0].dtype : I32,
                           [&](auto zero) { return robust_as<decltype(zero)>(args); });
}

}  // namespace aureole::AUREOLE_ISA
