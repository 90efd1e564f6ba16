// Projections of many channels, filtered and added up in slices. Each is filtered to samples that lie closer than the rays
// do, by a product with a small matrix; a pixel takes the samples about its place, weighted by a window (of Kaiser and
// Bessel, say) that is a polynomial for each of them: band-limited interpolation. Channels are the lanes, and angles add
// up in order, so that the bits depend on nothing else.
#pragma once

#include <stdlib.h>

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

struct Back {
    static constexpr size_t VECTOR = 2 * WIDTH, N = BACK_LANES / VECTOR;
    static constexpr size_t TILE_EDGE = 8, PIXELS = TILE_EDGE * TILE_EDGE, ANGLES = 4;
    static constexpr size_t ROWS = N <= 2 ? BACK_ROWS : 2;    // of the matrix, as registers allow

    struct Weights {
        int32_t first[ANGLES][PIXELS];              // sample
        float weight[ANGLES][BACK_TAPS][PIXELS];    // of it and those after it
    };

    const BackArgs& args;
    const size_t edge = (args.size + TILE_EDGE - 1) / TILE_EDGE, volume_size = edge * edge * PIXELS * BACK_LANES,
                 samples_size = args.n_samples * BACK_LANES, rays_size = args.n_translations * BACK_LANES,
                 bytes = (volume_size + ANGLES * samples_size + rays_size) * sizeof(float);
    float* const volume = static_cast<float*>(aligned_alloc(64, (bytes + 63) / 64 * 64));    // tile after tile
    float *const samples = volume + volume_size, *const rays = samples + ANGLES * samples_size;
    Weights at;

    explicit Back(const BackArgs& given) : args(given) {}
    ~Back() { free(volume); }
    Back(const Back&) = delete;

    bool seen(size_t tile) const {
        const size_t y0 = tile / edge * TILE_EDGE, x0 = tile % edge * TILE_EDGE;
        for (size_t y = y0; y < min(y0 + TILE_EDGE, args.size); ++y)
            for (size_t x = x0; x < min(x0 + TILE_EDGE, args.size); ++x)
                if (args.seen[y * args.size + x]) return true;
        return false;
    }

    void fetch(size_t angle, size_t channel, size_t n) {
        const BackArgs::Cube<const float>& in = args.sinograms;
        const float* from = in.data + channel * in.channel + angle * in.slow;
        memset(rays, 0, rays_size * sizeof(float));
        for (size_t t = 0; t < args.n_translations; ++t, from += in.fast) {
            float* const to = rays + t * BACK_LANES;
            if (in.channel == 1)
                memcpy(to, from, n * sizeof(float));
            else
                for (size_t l = 0; l < n; ++l) to[l] = from[ptrdiff_t(l) * in.channel];
        }
    }

    // Samples of one projection: matrix times rays, times what the angle counts.
    void filter(float weight, float* out) const {
        for (size_t block = 0; block < args.n_samples; block += ROWS, out += ROWS * BACK_LANES) {
            const float* m = args.matrix + block / BACK_ROWS * BACK_ROWS * args.n_translations + block % BACK_ROWS;
            f32v sum[ROWS][N] = {};
            for (size_t t = 0; t < args.n_translations; ++t, m += BACK_ROWS)
                for (size_t i = 0; i < N; ++i) {
                    const f32v x = load<f32v>(rays + t * BACK_LANES + i * VECTOR);
                    for (size_t r = 0; r < ROWS; ++r) sum[r][i] += m[r] * x;
                }
            for (size_t r = 0; r < ROWS; ++r)
                for (size_t i = 0; i < N; ++i) store(out + r * BACK_LANES + i * VECTOR, weight * sum[r][i]);
        }
    }

    // Where the pixels of a tile lie among the samples of an angle. In float64: the place is large, its fraction small.
    void place(size_t tile, size_t angle, size_t slot) {
        const double c = args.cosine[angle] * args.per_step, s = args.sine[angle] * args.per_step;
        const double middle = double(args.size - 1) / 2, last = double(args.n_samples - BACK_TAPS);
        const double x0 = double(tile % edge * TILE_EDGE) - middle, y0 = double(tile / edge * TILE_EDGE) - middle;
        const double start = args.middle[angle] + c * x0 + s * y0;
        float fraction[PIXELS];
        for (size_t p = 0; p < PIXELS; ++p) {
            double place = start + (c * double(int32_t(p % TILE_EDGE)) + s * double(int32_t(p / TILE_EDGE)));
            place = place > 0 ? place : 0;    // of pixels that are not seen
            place = place < last ? place : last;
            const int32_t i = int32_t(place);
            at.first[slot][p] = i;
            fraction[p] = float(place - double(i)) - 0.5f;
        }
        for (size_t k = 0; k < BACK_TAPS; ++k) {
            const float* const power = args.taps + k * BACK_POWERS;
            for (size_t p = 0; p < PIXELS; ++p) {
                float w = power[0];
                for (size_t d = 1; d < BACK_POWERS; ++d) w = w * fraction[p] + power[d];
                at.weight[slot][k][p] = w;
            }
        }
    }

    void add(float* to, size_t angles) const {
        for (size_t p = 0; p < PIXELS; ++p, to += BACK_LANES) {
            f32v total[N];
            for (size_t i = 0; i < N; ++i) total[i] = load<f32v>(to + i * VECTOR);
            for (size_t a = 0; a < angles; ++a) {
                const float* from = samples + a * samples_size + size_t(at.first[a][p]) * BACK_LANES;
                f32v sum[N] = {};
                for (size_t k = 0; k < BACK_TAPS; ++k, from += BACK_LANES)
                    for (size_t i = 0; i < N; ++i) sum[i] += at.weight[a][k][p] * load<f32v>(from + i * VECTOR);
                for (size_t i = 0; i < N; ++i) total[i] += sum[i];
            }
            for (size_t i = 0; i < N; ++i) store(to + i * VECTOR, total[i]);
        }
    }

    void give(size_t tile, size_t channel, size_t n) {
        const BackArgs::Cube<float>& out = args.slices;
        const size_t y0 = tile / edge * TILE_EDGE, x0 = tile % edge * TILE_EDGE;
        for (size_t y = 0; y < min(TILE_EDGE, args.size - y0); ++y)
            for (size_t x = 0; x < min(TILE_EDGE, args.size - x0); ++x) {
                float* const from = volume + (tile * PIXELS + y * TILE_EDGE + x) * BACK_LANES;
                float* const to = out.data + channel * out.channel + (y0 + y) * out.slow + (x0 + x) * out.fast;
                const bool is_seen = args.seen[(y0 + y) * args.size + x0 + x];
                for (size_t l = 0; l < BACK_LANES; ++l)
                    from[l] = !is_seen ? 0.0f : from[l] < args.lowest ? args.lowest : from[l];
                if (out.channel == 1)
                    memcpy(to, from, n * sizeof(float));
                else
                    for (size_t l = 0; l < n; ++l) to[ptrdiff_t(l) * out.channel] = from[l];
            }
    }

    void channels(size_t channel, size_t n) {
        memset(volume, 0, volume_size * sizeof(float));
        for (size_t first = 0; first < args.n_angles; first += ANGLES) {
            const size_t angles = min(ANGLES, args.n_angles - first);
            for (size_t a = 0; a < angles; ++a) {
                fetch(first + a, channel, n);
                filter(args.weights[first + a], samples + a * samples_size);
            }
            for (size_t tile = 0; tile < edge * edge; ++tile) {
                if (!seen(tile)) continue;
                for (size_t a = 0; a < angles; ++a) place(tile, first + a, a);
                add(volume + tile * PIXELS * BACK_LANES, angles);
            }
        }
        for (size_t tile = 0; tile < edge * edge; ++tile) give(tile, channel, n);
    }
};

inline bool backproject(const BackArgs& args) {
    Back back(args);
    if (!back.volume) return false;
    for (size_t channel = 0; channel < args.n_channels; channel += BACK_LANES)
        back.channels(channel, min(BACK_LANES, args.n_channels - channel));
    return true;
}

}  // namespace aureole::AUREOLE_ISA
