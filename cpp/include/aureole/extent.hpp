// How far pixels reach, for the ranges of axes that have none.
#pragma once

#include <limits>

#include "rows.hpp"
#include "workers.hpp"

namespace aureole {

// Low and high of both coordinates; infinite the wrong way round where there are no pixels.
struct Extent {
    static constexpr double INF = std::numeric_limits<double>::infinity();
    double x0 = INF, x1 = -INF, y0 = INF, y1 = -INF;

    void widen(const Extent& other) {
        x0 = least(other.x0, x0);
        x1 = most(other.x1, x1);
        y0 = least(other.y0, y0);
        y1 = most(other.y1, y1);
    }
};

// Takes in the azimuths of a pixel. The azimuth starts at `turn`; a pixel that reaches over its ends fills all of it.
inline void widen_azimuth(Extent& e, double y0, double y1, double turn, double period) {
    if (!std::isfinite(period)) {
        e.y0 = least(e.y0, y0);
        e.y1 = most(e.y1, y1);
        return;
    }
    const double end = turn + period, middle = 0.5 * (y0 + y1);
    const double shift = middle < turn ? period : (middle >= end ? -period : 0.0);
    const bool over = period > 0.0 && (y0 + shift < turn || y1 + shift > end);
    e.y0 = least(e.y0, over ? turn : y0 + shift);
    e.y1 = most(e.y1, over ? end : y1 + shift);
}

// Takes in the pixels of a row that are not dropped. A pixel around the beam reaches as far in as its corners: one
// pixel, which a beam stop hides as a rule, shall not move all bins.
inline void widen(Extent& e, Mode mode, const BoundArgs& b, bool azimuthal, double turn) {
    const PixelRow::Coordinate &x = b.row.radial, &y = b.row.azimuthal;
    Shape s;
    for (size_t j = 0; j < b.row.n; ++j) {
        if (b.care[j] == DROP) continue;
        if (mode == Mode::no) {
            const double at_x = x.centre ? x.centre[j] : 0.0, at_y = y.centre ? y.centre[j] : 0.0;
            if (!std::isfinite(at_x + at_y)) continue;
            e.x0 = least(at_x, e.x0);
            e.x1 = most(at_x, e.x1);
            if (azimuthal) widen_azimuth(e, at_y, at_y, turn, b.period);
            continue;
        }
        e.x0 = least(b.x0[j], e.x0);
        e.x1 = most(b.x1[j], e.x1);
        if (!azimuthal) continue;
        if (b.care[j] == SPECIAL) {
            shape_of(mode, b, j, s);
            widen_azimuth(e, s.y0, s.y1, turn, b.period);
        } else {
            widen_azimuth(e, b.y0[j], b.y1[j], turn, b.period);
        }
    }
}

// The extent of the axes that are asked for. pseudo reaches as far as full: its boxes are shrunk, the bins are not.
inline Extent extent(const Pixels& pixels, Mode mode, bool radial, bool azimuthal, double turn, const Kernels& kernels,
                     size_t n_threads) {
    if (mode == Mode::pseudo) mode = Mode::full;
    Needs needs(mode, radial, azimuthal);
    if (!azimuthal) needs.azimuthal = {false, false};
    Extent all;
    std::mutex mutex;
    const auto make = [&] { return Rows(pixels, mode, needs, kernels); };
    on_threads(n_threads, Rows::parts(pixels), make, [&](Rows& rows, Parts& parts) {
        Extent found;
        for (size_t part; parts.take(part);) {
            const size_t begin = Rows::begin(pixels, part), end = Rows::begin(pixels, part + 1);
            for (size_t i = begin; i < end; ++i) {
                rows.read(i, i == begin);
                widen(found, mode, rows.now, azimuthal, turn);
            }
        }
        const std::lock_guard lock(mutex);
        all.widen(found);
    });
    return all;
}

}  // namespace aureole
