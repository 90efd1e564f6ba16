// Coordinates and corrections at the pixels of a detector, a row at a time. Where the pixels of a flat one form a grid,
// a place in the laboratory is a sum of one term a row and one a column. All operations are those that IEEE 754 rounds
// exactly, the arctangent included, but for logarithms, which are the system's: the same bits on all instruction sets.
#pragma once

#include "api.hpp"

namespace aureole::AUREOLE_ISA {

inline constexpr double PI = 0x1.921fb54442d18p+1;

// The angle of (x, y), to two units in the last place. The octant first, so that one division is enough; then the
// arctangent of z, |z| <= tan(pi/8), by the polynomial of degree 10 in z*z that errs least: by 1.3e-18 of the angle.
AUREOLE_INLINE double angle(double y, double x) {
    const double ax = __builtin_fabs(x), ay = __builtin_fabs(y);
    const double longer = ax < ay ? ay : ax, shorter = ax < ay ? ax : ay;
    const bool near_diagonal = shorter > 0.41421356237309503 * longer;
    const double above = near_diagonal ? shorter - longer : shorter;
    const double below = near_diagonal ? shorter + longer : longer;
    const double z = above / (below > 0.0 ? below : 1.0), w = z * z;
    double p = -0x1.259d38b2537d4p-6;
    p = p * w + 0x1.37ed3938d070ap-5;
    p = p * w - 0x1.9cdc243e7a521p-5;
    p = p * w + 0x1.df1166ef75688p-5;
    p = p * w - 0x1.10ebdd947016dp-4;
    p = p * w + 0x1.3b111c639d96dp-4;
    p = p * w - 0x1.745cf90b0bbb2p-4;
    p = p * w + 0x1.c71c70e7a1ab7p-4;
    p = p * w - 0x1.24924922b11eap-3;
    p = p * w + 0x1.99999999958ebp-3;
    p = p * w - 0x1.555555555553dp-2;
    const double small = z + z * (w * p);
    const double octant = near_diagonal ? 0.25 * PI + small : small;
    const double quadrant = ax < ay ? 0.5 * PI - octant : octant;
    return __builtin_copysign(x < 0.0 ? PI - quadrant : quadrant, y);
}

// sin^2 of half an angle, without loss of digits near the beam; from the squared distance to the beam, the distance to
// the sample and the component along the beam.
AUREOLE_INLINE double squared_sine(double squared, double length, double along) {
    const double forward = squared / ((__builtin_fabs(along) + length) * length);
    return 0.5 * (along >= 0.0 ? forward : (length - along) / length);
}

// By what the distance of a place from the point of normal incidence shrinks; linear between the factors.
AUREOLE_INLINE double shrinking(const Field& f, double cosine) {
    constexpr double LAST = double(FACTORS - 2);
    const double at = cosine * double(FACTORS - 1);
    const double whole = at > 0.0 && at < LAST ? __builtin_trunc(at) : LAST;    // NaN stays in the fraction
    const size_t k = size_t(whole);
    return f.factor[k] + (at - whole) * (f.factor[k + 1] - f.factor[k]);
}

// What loops over pixels has all that it calls inlined, else the compiler makes no vectors of it.
#define AUREOLE_LOOP __attribute__((flatten)) inline

// The same as `fill` where there is parallax.
template <class F> AUREOLE_LOOP void fill_shrunk(const Field& f, const FieldArgs& args, F&& value) {
    const double* r = f.rotation;
    for (size_t j = 0; j < args.n; ++j) {
        double a = args.places ? args.places[j] : args.row;
        double b = args.places ? args.places[args.n + j] : args.columns[j];
        const double c = args.places ? args.places[2 * args.n + j] : f.dist;
        const double factor = shrinking(f, c / __builtin_sqrt(a * a + b * b + c * c));
        a *= factor;
        b *= factor;
        args.out[j] = f.scale * value(r[0] * a + r[1] * b + r[2] * c, r[3] * a + r[4] * b + r[5] * c,
                                      r[6] * a + r[7] * b + r[8] * c, a * a + b * b + c * c);
    }
}

// out = scale * value(t1, t2, t3, squared distance to the sample)
template <class F> AUREOLE_LOOP void fill(const Field& f, const FieldArgs& args, F&& value) {
    if (f.parallax) return fill_shrunk(f, args, value);
    const double* r = f.rotation;
    if (args.places) {
        const double *p1 = args.places, *p2 = p1 + args.n, *p3 = p2 + args.n;
        for (size_t j = 0; j < args.n; ++j) {
            const double a = p1[j], b = p2[j], c = p3[j];
            args.out[j] = f.scale * value(r[0] * a + r[1] * b + r[2] * c, r[3] * a + r[4] * b + r[5] * c,
                                          r[6] * a + r[7] * b + r[8] * c, a * a + b * b + c * c);
        }
        return;
    }
    const double row1 = r[0] * args.row + r[2] * f.dist, row2 = r[3] * args.row + r[5] * f.dist;
    const double row3 = r[6] * args.row + r[8] * f.dist, row_squared = args.row * args.row + f.dist * f.dist;
    const double column1 = r[1], column2 = r[4], column3 = r[7], scale = f.scale;
    const double* columns = args.columns;
    double* out = args.out;
    for (size_t j = 0; j < args.n; ++j) {
        const double c = columns[j];
        out[j] = scale * value(row1 + column1 * c, row2 + column2 * c, row3 + column3 * c, row_squared + c * c);
    }
}

// Component in the plane of a sample, from those across the beam and along it.
AUREOLE_INLINE double in_plane(double across, double along) {
    return __builtin_copysign(__builtin_sqrt(across * across + along * along), across);
}

template <class F> AUREOLE_LOOP void apply(const FieldArgs& args, F&& function) {
    for (size_t j = 0; j < args.n; ++j) args.out[j] = function(args.out[j]);
}

inline void field(const Field& f, const FieldArgs& args) {
    switch (f.base) {
    case RADIUS:
        fill(f, args, [](double t1, double t2, double, double) { return __builtin_sqrt(t1 * t1 + t2 * t2); });
        break;
    case TWO_THETA:
        fill(f, args, [](double t1, double t2, double t3, double) {
            return angle(__builtin_sqrt(t1 * t1 + t2 * t2), t3);
        });
        break;
    case SIN_THETA:
        fill(f, args, [](double t1, double t2, double t3, double squared) {
            return __builtin_sqrt(squared_sine(t1 * t1 + t2 * t2, __builtin_sqrt(squared), t3));
        });
        break;
    case Q_X:
    case Q_Y: {
        const bool of_x = f.base == Q_X;
        fill(f, args, [of_x](double t1, double t2, double t3, double) {
            const double offset = of_x ? t2 : t1, squared = offset * offset;
            const double sine = __builtin_sqrt(squared_sine(squared, __builtin_sqrt(squared + t3 * t3), t3));
            return __builtin_copysign(sine, offset);
        });
        break;
    }
    case CHI: {
        if (!f.turn_at_zero) {
            fill(f, args, [](double t1, double t2, double, double) { return angle(t1, t2); });
            break;
        }
        fill(f, args, [](double t1, double t2, double, double) {
            const double chi = angle(t1, t2);
            return chi + double(chi < 0.0) * (2.0 * PI);
        });
        break;
    }
    case SOLID_ANGLE: {
        const double dist = f.dist;
        fill(f, args, [dist](double, double, double, double squared) {
            const double cosine = dist / __builtin_sqrt(squared);
            return cosine * (cosine * cosine);
        });
        break;
    }
    case OUT_OF_PLANE:
    case ACROSS:
    case ALONG: {
        const int which = f.base - OUT_OF_PLANE;
        const double beam = f.constant[which];
        fill(f, args, [which, beam](double t1, double t2, double t3, double squared) {
            return (which == 0 ? t1 : which == 1 ? t2 : t3) / __builtin_sqrt(squared) - beam;
        });
        break;
    }
    case IN_PLANE: {
        const double beam2 = f.constant[1], beam3 = f.constant[2];
        fill(f, args, [beam2, beam3](double, double t2, double t3, double squared) {
            const double length = __builtin_sqrt(squared);
            return in_plane(t2 / length - beam2, t3 / length - beam3);
        });
        break;
    }
    case POLAR: {
        const double beam1 = f.constant[0], beam2 = f.constant[1], beam3 = f.constant[2];
        fill(f, args, [beam1, beam2, beam3](double t1, double t2, double t3, double squared) {
            const double length = __builtin_sqrt(squared);
            return angle(in_plane(t2 / length - beam2, t3 / length - beam3), t1 / length - beam1);
        });
        break;
    }
    case ELEVATION:
        fill(f, args, [](double t1, double t2, double t3, double) {
            return angle(t1, __builtin_sqrt(t2 * t2 + t3 * t3));
        });
        break;
    case BEARING:
        fill(f, args, [](double, double t2, double t3, double) { return angle(t2, t3); });
        break;
    case SLOW:
        fill(f, args, [](double t1, double, double, double) { return t1; });
        break;
    case FAST:
        fill(f, args, [](double, double t2, double, double) { return t2; });
        break;
    default: {
        const double a = f.constant[0], b = f.constant[1];
        fill(f, args, [a, b](double t1, double t2, double t3, double squared) {
            const double polarized = a * (t2 * t2 - t1 * t1) - b * (2.0 * t1 * t2);
            return 0.5 * (1.0 + (t3 * t3 - polarized) / squared);
        });
    }
    }
    switch (f.function) {
    case RECIPROCAL: return apply(args, [](double x) { return 1.0 / x; });
    case SQUARE: return apply(args, [](double x) { return x * x; });
    case LOG: return apply(args, [](double x) { return __builtin_log(x); });
    case LOG10: return apply(args, [](double x) { return __builtin_log10(x); });
    case LOG1P: return apply(args, [](double x) { return __builtin_log1p(x); });
    case ARCSINH: return apply(args, [](double x) { return __builtin_asinh(x); });
    default: return;
    }
}

}  // namespace aureole::AUREOLE_ISA
