// What can be said of all pixels of a row at once: their bounds, which of them need care, and in patterns the shares
// of nearly all of them. Each pixel stands for itself.
#pragma once

#include "outline.hpp"

namespace aureole::AUREOLE_ISA {

// Pixels of a step: their scratch space stays in the first level of the cache.
inline constexpr size_t STRETCH = 512;

// Bounds of the corners of n pixels; NaN where one of them is not finite.
inline void span(const double* above, const double* below, size_t n, double* low, double* high) {
    double lower[STRETCH + 1], upper[STRETCH + 1], nothing[STRETCH + 1];
    for (size_t j = 0; j <= n; ++j) {
        lower[j] = least(above[j], below[j]);
        upper[j] = most(above[j], below[j]);
        nothing[j] = (above[j] - above[j]) + (below[j] - below[j]);    // 0, or NaN
    }
    for (size_t j = 0; j < n; ++j) {
        const double nowhere = nothing[j] + nothing[j + 1];
        low[j] = least(lower[j], lower[j + 1]) + nowhere;
        high[j] = most(upper[j], upper[j + 1]) + nowhere;
    }
}

// The same where pixels share no corners.
inline void span_apart(const double* const* corner, size_t n_corners, size_t begin, size_t n, double* low,
                       double* high) {
    for (size_t j = 0; j < n; ++j) {
        double lower = corner[0][begin + j], upper = lower, nowhere = lower - lower;
        for (size_t k = 1; k < n_corners; ++k) {
            const double at = corner[k][begin + j];
            lower = least(lower, at);
            upper = most(upper, at);
            nowhere += at - at;
        }
        low[j] = lower + nowhere;
        high[j] = upper + nowhere;
    }
}

inline void span(const PixelRow& row, const PixelRow::Coordinate& of, size_t begin, size_t n, double* low,
                 double* high) {
    if (row.grid)
        span(of.corner[0] + begin, of.corner[1] + begin, n, low, high);
    else
        span_apart(of.corner, row.corners, begin, n, low, high);
}

// From bounds to centre -+ the largest distance.
inline void around(const double* centre, size_t n, double* low, double* high) {
    for (size_t j = 0; j < n; ++j) {
        const double reach = most(high[j] - centre[j], centre[j] - low[j]);
        low[j] = centre[j] - reach;
        high[j] = centre[j] + reach;
    }
}

inline void bound_stretch(const BoundArgs& args, size_t begin, size_t n) {
    const PixelRow::Coordinate &x = args.row.radial, &y = args.row.azimuthal;
    double *x0 = args.x0 + begin, *x1 = args.x1 + begin, *y0 = args.y0 + begin, *y1 = args.y1 + begin;
    uint8_t* care = args.care + begin;
    double special[STRETCH];    // 0, 1 or, where a corner is not finite, NaN
    span(args.row, x, begin, n, x0, x1);
    for (size_t j = 0; j < n; ++j) special[j] = x1[j] - x1[j];
    if (y.corner[0]) {
        span(args.row, y, begin, n, y0, y1);
        const double half = 0.5 * args.period * (1.0 - 1e-9), on_beam = args.radius ? ON_BEAM : __builtin_nan("");
        for (size_t j = 0; j < n; ++j) {
            const bool needs_care = (y1[j] - y0[j] >= half) | (x0[j] <= on_beam * x1[j]);
            special[j] += (y1[j] - y1[j]) + (needs_care ? 1.0 : 0.0);
        }
    } else {
        for (size_t j = 0; j < n; ++j) y0[j] = y1[j] = 0.0;
    }
    for (size_t j = 0; j < n; ++j) care[j] = special[j] == 0.0 ? PLAIN : special[j] == 1.0 ? SPECIAL : DROP;
    if (args.centred && x.centre) around(x.centre + begin, n, x0, x1);
    if (args.centred && y.centre) around(y.centre + begin, n, y0, y1);
}

inline void bound(const BoundArgs& args) {
    const size_t n = args.row.n;
    for (size_t begin = 0; begin < n; begin += STRETCH)
        bound_stretch(args, begin, n - begin < STRETCH ? n - begin : STRETCH);
    const uint8_t* mask = args.row.mask;
    uint8_t* care = args.care;
    static_assert(DROP == 0);
    for (size_t j = 0; mask && j < n; ++j) care[j] = uint8_t(care[j] * (mask[j] == 0));
}

// Without branches, so that the compiler makes vectors of it. Areas of polygons that turn the other way are negative.
template <bool POLYGON>
inline void share_as(const ShareArgs& args, int32_t* __restrict bin, double* __restrict first,
                     double* __restrict second, double* __restrict third) {
    const PixelRow::Coordinate x = args.bounds.row.radial, y = args.bounds.row.azimuthal;
    const double *x0 = args.bounds.x0, *x1 = args.bounds.x1, *y0 = args.bounds.y0, *y1 = args.bounds.y1;
    const double lo = args.lo, per_width = args.per_width, top = args.top, lowest = args.lowest;
    const size_t n = args.bounds.row.n;
    const auto at = [=](double value) { return (value - lo) * per_width; };
    const auto unless = [](bool condition) { return condition ? 0.0 : 1.0; };
    const auto whole = [](double value) {    // the next whole number below one that is neither negative nor huge
        const double nearest = (value + 0x1p52) - 0x1p52;
        return nearest - (nearest > value ? 1.0 : 0.0);
    };
    for (size_t j = 0; j < n; ++j) {
        const double low = at(most(x0[j], lowest)), high = at(most(x1[j], lowest));
        const double k = whole(low), edge = k + 1.0;
        double against = unless(low >= 0.0) + unless(high < top) + unless(whole(high) - k <= 2.0) +
                         unless(high - low > POINT);
        double none, to_edge, to_next, all;    // areas below the edges of the bins
        if constexpr (POLYGON) {
            const double u[4] = {at(x.corner[0][j]), at(x.corner[1][j]), at(x.corner[2][j]), at(x.corner[3][j])};
            const double v[4] = {y.corner[0][j], y.corner[1][j], y.corner[2][j], y.corner[3][j]};
            const Sides sides(u, v);
            const double box = (high - low) * (y1[j] - y0[j]);
            against += unless(sides.convexity() > 0.0) + unless(__builtin_fabs(sides.area) > NO_AREA * box);
            const double to_u[4] = {u[1], u[2], u[3], u[0]}, from_v[4] = {0.0, v[1] - v[0], v[2] - v[0], v[3] - v[0]};
            const double slopes[4] = {slope(sides.du[0], sides.dv[0]), slope(sides.du[1], sides.dv[1]),
                                      slope(sides.du[2], sides.dv[2]), slope(sides.du[3], sides.dv[3])};
            none = 0.0;
            all = -sides.area;
            const double below_edge = area_below(edge, u, to_u, from_v, slopes, 4);
            const double below_next = area_below(edge + 1.0, u, to_u, from_v, slopes, 4);
            to_edge = high <= edge ? all : below_edge;
            to_next = high <= edge + 1.0 ? all : below_next;
        } else {
            none = low;
            to_edge = least(edge, high);
            to_next = least(edge + 1.0, high);
            all = high;
        }
        const double per_area = 1.0 / (all - none);
        bin[j] = int32_t(against == 0.0 ? k : -1.0);
        first[j] = (to_edge - none) * per_area;
        second[j] = (to_next - to_edge) * per_area;
        third[j] = (all - to_next) * per_area;
    }
}

inline void share(const ShareArgs& args) {
    const auto as = args.polygon ? share_as<true> : share_as<false>;
    as(args, args.bin, args.part[0], args.part[1], args.part[2]);
}

// The bins of points; -1 outside. Divided, not multiplied: a centre on an edge must be judged as the edge is computed.
inline void points(const PointArgs& args) {
    const double *x = args.x, lo = args.lo, width = args.width, bins = args.bins;
    int32_t* bin = args.bin;
    for (size_t j = 0; j < args.n; ++j) {
        const double at = (x[j] - lo) / width;
        const double inside = double(at >= 0.0) * double(at < bins);
        bin[j] = int32_t(inside > 0.0 ? at : -1.0);
    }
}

}  // namespace aureole::AUREOLE_ISA
