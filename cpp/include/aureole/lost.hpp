// What frames lose to invalid pixels beyond the mask.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// All bits of the lanes whose bit is set, for as many lanes as a vector has.
AUREOLE_INLINE i64v lane_mask(uint32_t bits) {
    i64v mine;
    for (size_t i = 0; i < WIDTH; ++i) mine[i] = int64_t(1) << i;
    return ((i64v{} + int64_t(bits)) & mine) == mine;
}

// Sums over the entries of invalid pixels, [row][bin][lane]: how many they are, then the linear rows with c, then the
// quadratic ones with c * c. Each lane adds up its own pixels in their order. Most batches lose none, or all the same.
template <size_t L> struct LostSums {
    double* memory;       // made when the first invalid pixel comes
    uint32_t touched;     // lanes that have lost any

    // Add n pixels of a tile that begins at pixel `first`; `lanes` has by pixel of the tile the lanes that lose it.
    bool add(const IntegrateArgs& args, size_t first, const uint16_t* pixels, size_t n, const uint16_t* lanes) {
        const TableView& t = args.table;
        if (n && !memory)
            memory = static_cast<double*>(
                calloc((1 + args.n_linear + args.n_quadratic) * t.n_bins * L, sizeof(double)));
        if (n && !memory) return false;
        for (size_t i = 0; i < n; ++i) {
            if (i + AHEAD < n) {    // what the table says by pixel is nowhere near the cache
                __builtin_prefetch(t.pixel_ptr + first + pixels[i + AHEAD]);
                const int64_t k = t.pixel_ptr[first + pixels[i + AHEAD / 2]];
                __builtin_prefetch(t.bin + k);
                __builtin_prefetch(t.coef + k);
            }
            add_pixel(args, first + pixels[i], lanes[pixels[i]]);
        }
        return true;
    }

    // Give the frames that are sound their sums.
    bool give(const IntegrateArgs& args) const {
        const size_t n = args.table.n_bins;
        for (uint32_t lanes = touched; lanes; lanes &= lanes - 1) {
            const size_t f = size_t(__builtin_ctz(lanes));
            if (args.status[f] != OK) continue;
            Lost& lost = args.lost[f];
            lost.count = static_cast<int64_t*>(malloc(n * sizeof(int64_t)));
            lost.linear = static_cast<double*>(malloc(n * args.n_linear * sizeof(double) + 1));
            lost.quadratic = static_cast<double*>(malloc(n * args.n_quadratic * sizeof(double) + 1));
            if (!lost.count || !lost.linear || !lost.quadratic) return false;
            const double* sum = memory + f;
            for (size_t i = 0; i < n; ++i, sum += L) lost.count[i] = int64_t(*sum);
            for (size_t i = 0; i < n * args.n_linear; ++i, sum += L) lost.linear[i] = *sum;
            for (size_t i = 0; i < n * args.n_quadratic; ++i, sum += L) lost.quadratic[i] = *sum;
        }
        return true;
    }

    void close() { free(memory); }

  private:
    static constexpr size_t AHEAD = 16;

    void add_pixel(const IntegrateArgs& args, size_t pixel, uint32_t lanes) {
        constexpr size_t N = L / WIDTH;
        const TableView& t = args.table;
        touched |= lanes;
        i64v mask[N];
        for (size_t i = 0; i < N; ++i) mask[i] = lane_mask(lanes >> (WIDTH * i));
        for (int64_t k = t.pixel_ptr[pixel]; k < t.pixel_ptr[pixel + 1]; ++k) {
            const double c = double(t.coef[k]);
            double* sum = memory + size_t(t.bin[k]) * L;
            const auto add_row = [&](double x) {
                const i64v value = (i64v)splat(x);
                for (size_t i = 0; i < N; ++i)
                    store(sum + WIDTH * i, load<f64v>(sum + WIDTH * i) + (f64v)(value & mask[i]));
                sum += t.n_bins * L;
            };
            add_row(1.0);
            for (size_t r = 0; r < args.n_linear; ++r) add_row(c * args.linear[r * t.n_pixels + pixel]);
            for (size_t r = 0; r < args.n_quadratic; ++r) add_row(c * (c * args.quadratic[r * t.n_pixels + pixel]));
        }
    }
};

}  // namespace aureole::AUREOLE_ISA
