// What a single pixel covers in the plane of a radial and an azimuthal coordinate, near the beam too.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "outline.hpp"

namespace aureole {

enum class Mode { no = 0, bbox = 1, pseudo = 2, full = 3 };

struct Point {
    double x, y;    // radial, azimuthal
};

// Corners of an outline that has been closed around the beam or along it.
inline constexpr size_t OUTLINE = MOST_CORNERS + 4;

// A box, or a polygon with its bounding box.
struct Shape {
    bool polygon = false;
    size_t corners = 0;
    std::array<Point, OUTLINE> point;
    double x0 = 0.0, x1 = 0.0, y0 = 0.0, y1 = 0.0;
};

// Area of a polygon, positive where it turns from x to y; relative to its first point, against cancellation.
inline double signed_area(const Point* p, size_t n) {
    double twice = 0.0;
    for (size_t i = 1; i + 1 < n; ++i)
        twice += (p[i].x - p[0].x) * (p[i + 1].y - p[0].y) - (p[i + 1].x - p[0].x) * (p[i].y - p[0].y);
    return 0.5 * twice;
}

// The area of a shape's polygon, or 0 where it has none to share out: because the sides of a quadrilateral cross (at
// two corners it turns left, at two right), or it is next to nothing.
inline double usable_area(const Shape& s) {
    const auto& p = s.point;
    const double least_area = NO_AREA * ((s.x1 - s.x0) * (s.y1 - s.y0));
    if (s.corners != 4) {
        const double area = signed_area(p.data(), s.corners);
        return std::fabs(area) > least_area ? area : 0.0;
    }
    const double x[4] = {p[0].x, p[1].x, p[2].x, p[3].x}, y[4] = {p[0].y, p[1].y, p[2].y, p[3].y};
    const Sides sides(x, y);
    if (!(std::fabs(sides.area) > least_area)) return 0.0;
    if (sides.convexity() > 0.0) return sides.area;
    int left = 0, right = 0;
    for (const double turn : sides.turn) {
        left += turn > least_area;
        right += turn < -least_area;
    }
    return left == 2 && right == 2 ? 0.0 : sides.area;
}

inline void bound(Shape& s) {
    s.x0 = s.x1 = s.point[0].x;
    s.y0 = s.y1 = s.point[0].y;
    for (size_t i = 1; i < s.corners; ++i) {
        s.x0 = least(s.x0, s.point[i].x);
        s.x1 = most(s.x1, s.point[i].x);
        s.y0 = least(s.y0, s.point[i].y);
        s.y1 = most(s.y1, s.point[i].y);
    }
}

// The short way round, for a difference of two angles that are less than a turn apart.
inline double nearest_turn(double difference, double period) {
    if (difference >= 0.5 * period) return difference - period;
    return difference < -0.5 * period ? difference + period : difference;
}

// The corners as a polygon in (radial, azimuthal), with continuous azimuth. Three cases are special. A pixel
// that contains the beam covers the whole turn from the beam outwards: its outline is closed along r = 0. A
// corner on the beam has no azimuth: it becomes the segment of r = 0 between its neighbours' azimuths, and so
// does a side that passes through the beam. Where the radial coordinate is not a radius, a pixel around the
// beam covers its bounding box. Returns whether the pixel contains the beam.
inline bool unwrap(const Point* corner, size_t corners, double period, bool radius, Shape& s) {
    std::array<Point, MOST_CORNERS> p;
    int n = 0, gap = -1;    // gap: the side (from p[gap] on) along which the polygon touches the beam
    double near = 0.0;
    for (size_t i = 0; i < corners; ++i) near = most(near, ON_BEAM * corner[i].x);
    bool touched = false;
    for (size_t i = 0; i < corners; ++i) {
        if (radius && !touched && corner[i].x <= near) {
            touched = true;
            gap = n - 1;
        } else {
            p[n++] = corner[i];
        }
    }
    if (touched && gap < 0) gap = n - 1;
    std::array<double, MOST_CORNERS> step;
    double total = 0.0;
    for (int i = 0; i < n; ++i) {
        step[i] = nearest_turn(p[i + 1 < n ? i + 1 : 0].y - p[i].y, period);
        if (!touched && gap < 0 && std::fabs(step[i]) >= 0.5 * period * (1.0 - 1e-9)) gap = i;
        total += step[i];
    }
    if (gap >= 0) step[gap] -= total;
    const bool around = gap < 0 && std::fabs(total) > 0.5 * period;
    s.corners = 0;
    double y = p[0].y;
    const auto add = [&s](double px, double py) { s.point[s.corners++] = {px, py}; };
    for (int i = 0; i < n; ++i) {
        add(p[i].x, y);
        const double next = y + step[i];
        if (i == gap && radius) {
            add(0.0, y);
            add(0.0, next);
        }
        y = next;
    }
    if (around) {
        const double last = p[0].y + std::copysign(period, total);
        add(p[0].x, last);
        if (radius) {
            add(0.0, last);
            add(0.0, p[0].y);
        }
    }
    bound(s);
    s.polygon = !around || radius;
    return around;
}

// The corners of pixel j, in this order everywhere: above, below, below on the right, above on the right; those of a
// hexagon one after the other.
inline void corners_of(const PixelRow& row, size_t j, Point* p) {
    const auto &x = row.radial, &y = row.azimuthal;
    for (size_t k = 0; k < row.corners; ++k) p[k] = {x.corner[k][j], y.corner[0] ? y.corner[k][j] : 0.0};
}

// A special pixel in bbox mode; the box of a pixel around the beam starts at 0 and goes all the way round.
inline void special_box(const BoundArgs& b, size_t j, Shape& s) {
    Point p[MOST_CORNERS];
    const Point* end = p + b.row.corners;
    corners_of(b.row, j, p);
    const bool around = unwrap(p, b.row.corners, b.period, b.radius, s);
    s.polygon = false;
    s.x0 = s.x1 = s.y0 = s.y1 = 0.0;
    double outer = 0.0;
    for (const Point* q = p; q < end; ++q) outer = most(outer, q->x);
    if (b.row.radial.centre) {
        const double centre = b.row.radial.centre[j];
        double delta = 0.0;
        for (const Point* q = p; q < end; ++q) delta = most(delta, std::fabs(q->x - centre));
        s.x0 = around && b.radius ? 0.0 : centre - delta;
        s.x1 = centre + delta;
    }
    if (b.row.azimuthal.centre) {
        const double centre = b.row.azimuthal.centre[j];
        double delta = 0.0;
        for (const Point* q = p; q < end; ++q)
            if (!b.radius || q->x > ON_BEAM * outer)
                delta = most(delta, std::fabs(nearest_turn(q->y - centre, b.period)));
        if (around) delta = 0.5 * b.period;
        s.y0 = centre - delta;
        s.y1 = centre + delta;
    }
}

// The polygon's bounding box, shrunk about its middle to the polygon's area.
inline void shrink(Shape& s) {
    const double area = s.polygon ? std::fabs(usable_area(s)) : 0.0;
    if (area > 0.0) {
        const double half = 0.5 * std::sqrt(area / ((s.x1 - s.x0) * (s.y1 - s.y0)));
        const double x = 0.5 * (s.x0 + s.x1), y = 0.5 * (s.y0 + s.y1);
        const double dx = half * (s.x1 - s.x0), dy = half * (s.y1 - s.y0);
        s.x0 = x - dx;
        s.x1 = x + dx;
        s.y0 = y - dy;
        s.y1 = y + dy;
    }
    s.polygon = false;
}

// Pixel j of a row whose bounds are known, not to be dropped.
inline void shape_of(Mode mode, const BoundArgs& b, size_t j, Shape& s) {
    if (b.care[j] == SPECIAL && mode == Mode::bbox) return special_box(b, j, s);
    if (b.care[j] == SPECIAL) {
        Point p[MOST_CORNERS];
        corners_of(b.row, j, p);
        unwrap(p, b.row.corners, b.period, b.radius, s);
    } else {
        s.x0 = b.x0[j];
        s.x1 = b.x1[j];
        s.y0 = b.y0[j];
        s.y1 = b.y1[j];
        s.polygon = mode != Mode::bbox;
        s.corners = b.row.corners;
        if (s.polygon) corners_of(b.row, j, s.point.data());
    }
    if (mode == Mode::pseudo) shrink(s);
}

}  // namespace aureole
