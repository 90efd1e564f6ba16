// Outlines of pixels in the plane of two coordinates u and v: their area, and what of it lies below a level of u.
// Written once for whole rows of pixels and for single ones; always inlined, so that each instruction set has its own.
#pragma once

#include "api.hpp"

namespace aureole {

// An interval shorter than this, in bins, is a point: it is in one place.
inline constexpr double POINT = 1e-12;
// A polygon smaller than this part of its bounding box has no area to share out.
inline constexpr double NO_AREA = 1e-9;
// A corner is on the beam when its radius is below this part of the pixel's largest.
inline constexpr double ON_BEAM = 1e-9;

AUREOLE_INLINE double least(double a, double b) { return a < b ? a : b; }
AUREOLE_INLINE double most(double a, double b) { return a > b ? a : b; }

// The sides of a quadrilateral, and how it turns from each of them to the next.
struct Sides {
    double du[4], dv[4], turn[4];
    double area;    // positive where it turns from u to v

    AUREOLE_INLINE Sides(const double* u, const double* v) {
        for (int i = 0; i < 4; ++i) {
            du[i] = u[(i + 1) % 4] - u[i];
            dv[i] = v[(i + 1) % 4] - v[i];
        }
        for (int i = 0; i < 4; ++i) turn[i] = du[i] * dv[(i + 1) % 4] - du[(i + 1) % 4] * dv[i];
        area = 0.5 * (turn[0] + turn[2]);
    }
    // Above 0 where it turns one way at all corners.
    AUREOLE_INLINE double convexity() const {
        return most(least(least(turn[0], turn[1]), least(turn[2], turn[3])),
                    -most(most(turn[0], turn[1]), most(turn[2], turn[3])));
    }
};

AUREOLE_INLINE double slope(double du, double dv) { return dv / (du != 0.0 ? du : 1.0); }

// The area of a polygon of n corners below a level of u, as the integral of v du around what lies there; positive
// where the polygon turns from v to u. `to_u` is the u of the next corner; v is relative to the first one.
AUREOLE_INLINE double area_below(double level, const double* u, const double* to_u, const double* v,
                                 const double* slopes, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; ++i) {
        const double from = least(u[i], level), to = least(to_u[i], level);
        sum += (to - from) * (v[i] + slopes[i] * (0.5 * (from + to) - u[i]));
    }
    return sum;
}

}  // namespace aureole
