// Sums of whole arrays over the table: each bin adds up its entries one by one in the order of the pixels, as in the
// integrator.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// sums[row][bin] += c * x or, if SQUARED, c * (c * x), for N rows at once: their chains of additions overlap.
template <size_t N, bool SQUARED> inline void project_rows(const ProjectArgs& args) {
    static constexpr double one = 1.0;
    const TableView& t = args.table;
    for (size_t tile = 0; tile < t.n_tiles; ++tile) {
        const uint16_t* pixel = t.entry_pixel + t.tile_entry[tile];
        const float* coef = t.entry_coef + t.tile_entry[tile];
        const double* x[N];
        size_t mask[N];    // every pixel of a row of ones is the first
        for (size_t r = 0; r < N; ++r) {
            x[r] = args.rows[r] ? args.rows[r] + tile * TILE : &one;
            mask[r] = args.rows[r] ? TILE - 1 : 0;
        }
        size_t k = 0;
        for (size_t s = t.tile_segment[GROUPS * tile]; s < t.tile_segment[GROUPS * (tile + 1)]; ++s) {
            double* const to = args.sums + t.segment_bin[s];
            double sum[N];
            for (size_t r = 0; r < N; ++r) sum[r] = to[r * t.n_bins];
            for (const size_t end = t.segment_end[s]; k < end; ++k) {
                const double c = double(coef[k]);
                for (size_t r = 0; r < N; ++r) {
                    const double share = c * x[r][pixel[k] & mask[r]];
                    sum[r] += SQUARED ? c * share : share;
                }
            }
            for (size_t r = 0; r < N; ++r) to[r * t.n_bins] = sum[r];
        }
    }
}

inline void project(const ProjectArgs& args) {
    if (args.n_rows == 1)
        args.squared ? project_rows<1, true>(args) : project_rows<1, false>(args);
    else
        args.squared ? project_rows<2, true>(args) : project_rows<2, false>(args);
}

}  // namespace aureole::AUREOLE_ISA
