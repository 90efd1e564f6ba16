// Deals pixels out to the bins of one axis or of two: the fraction in a bin is the area that both share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "shape.hpp"

namespace aureole {

// Corners of an outline that has been cut twice.
inline constexpr size_t CUT = 2 * OUTLINE + 4;
// A share below this (2^-30 of a pixel) is rounding, not area.
inline constexpr double NEGLIGIBLE = 1.0 / (1 << 30);

// A binned coordinate, or one that only restricts (bins = 1).
struct Axis {
    double lo = 0.0, hi = 1.0;
    int64_t bins = 1;
    double period = 0.0;                                         // length of a turn; 0: the axis does not close
    double lowest = -std::numeric_limits<double>::infinity();    // no pixel reaches below (0 for a radius)
};

// An axis in units of its bins. A turn may end inside the last bin (the upper edge is moved outwards by one
// part in 2^23): what would lie beyond `top` belongs to the first bins again.
struct Scale {
    bool present = false;
    double lo = 0.0, width = 1.0, per_width = 1.0, period = 0.0, top = 1.0;
    double lowest = -std::numeric_limits<double>::infinity();
    int64_t bins = 1;

    Scale() = default;
    explicit Scale(const Axis& a)
        : present(true), lo(a.lo), width((a.hi - a.lo) / double(a.bins)), per_width(1.0 / width),
          period(a.period / width), top(double(a.bins)), lowest(a.lowest), bins(a.bins) {
        if (period > 0.0) top = least(top, period);
    }
    double at(double value) const { return (value - lo) * per_width; }
    int64_t bin(double position) const {    // -1 below, `bins` above
        if (!(position >= 0.0)) return -1;
        return position < double(bins) ? int64_t(position) : bins;
    }
    int64_t first(double low) const { return std::max<int64_t>(bin(low), 0); }
    int64_t last(double high) const { return std::min(bin(high), bins - 1); }
    bool holds(double low, double high) const { return low >= 0.0 && high <= top && bin(low) == bin(high); }
};

// A growing list of entries: `reserve` first, then `put` without further checks.
class Entries {
  public:
    explicit Entries(size_t room) { reserve(room); }

    void reserve(size_t more) {
        if (count_ + more <= room_) return;
        const size_t room = std::max(count_ + more, room_ + room_ / 2);
        std::unique_ptr<int32_t[]> bins(new int32_t[room]);
        std::unique_ptr<float[]> coefs(new float[room]);
        std::copy_n(bins_.get(), count_, bins.get());
        std::copy_n(coefs_.get(), count_, coefs.get());
        bins_.swap(bins);
        coefs_.swap(coefs);
        room_ = room;
    }
    void put(int64_t bin, double part) {
        bins_[count_] = int32_t(bin);
        coefs_[count_] = float(part);
        count_ += part >= NEGLIGIBLE;
    }
    void clear() { count_ = 0; }
    size_t size() const { return count_; }
    const int32_t* bins() const { return bins_.get(); }
    const float* coefs() const { return coefs_.get(); }

  private:
    std::unique_ptr<int32_t[]> bins_;
    std::unique_ptr<float[]> coefs_;
    size_t count_ = 0, room_ = 0;
};

// Not shared between threads: it has scratch space.
class Splitter {
  public:
    Splitter(const Scale& radial, const Scale& azimuthal, size_t room)
        : entries(room), radial_(radial), azimuthal_(azimuthal) {}

    Entries entries;

    // A pixel as a whole. Divided, not multiplied: a centre on an edge must be judged as the edge is computed.
    void add_point(double x, double y) {
        const double u = (x - radial_.lo) / radial_.width;
        double v = y - azimuthal_.lo;
        if (azimuthal_.present) {
            const double period = azimuthal_.period * azimuthal_.width;
            if (period > 0.0) v -= std::floor(v / period) * period;
            v /= azimuthal_.width;
            if (azimuthal_.period > 0.0 && v >= azimuthal_.period) v = 0.0;
        }
        const int64_t i = radial_.present ? radial_.bin(u) : 0, j = azimuthal_.present ? azimuthal_.bin(v) : 0;
        if (i < 0 || i >= radial_.bins || j < 0 || j >= azimuthal_.bins) return;
        put(j * radial_.bins + i, 1.0);
    }

    void add(Shape& s) {
        s.x0 = radial_.at(most(s.x0, radial_.lowest));
        s.x1 = radial_.at(most(s.x1, radial_.lowest));
        s.y0 = azimuthal_.at(s.y0);
        s.y1 = azimuthal_.at(s.y1);
        if (s.polygon)
            add_polygon(s);
        else
            add_box(s.x0, s.x1, s.y0, s.y1);
    }

  private:
    struct Share {
        int64_t bin;
        double part;
    };

    void put(int64_t bin, double part) {
        entries.reserve(1);
        entries.put(bin, part);
    }

    void add_box(double x0, double x1, double y0, double y1) {
        list_interval(x0, x1, radial_, along_x_);
        list_interval(y0, y1, azimuthal_, along_y_);
        entries.reserve(along_x_.size() * along_y_.size());
        for (const Share& a : along_y_)
            for (const Share& r : along_x_) entries.put(a.bin * radial_.bins + r.bin, a.part * r.part);
    }

    // The interval [a, b] over the bins of an axis, which it may meet on several turns.
    static void list_interval(double a, double b, const Scale& axis, std::vector<Share>& list) {
        list.clear();
        if (!axis.present) return list.push_back({0, 1.0});
        if (!(b - a > POINT)) {    // in one place even on the edge between two turns
            double at = a;
            if (axis.period > 0.0) {
                at -= std::floor(a / axis.period) * axis.period;
                if (!(at < axis.period)) at = 0.0;
            }
            if (at >= 0.0 && at < axis.top) list.push_back({axis.bin(at), 1.0});
            return;
        }
        const double per_length = 1.0 / (b - a);
        const int met = turns(a, b, axis, [&](double shift) {
            const double low = a + shift, high = b + shift;
            deal(low, high, axis, most(low, 0.0), high, [&](double level) { return level; },
                 [&](int64_t bin, double length) { if (length > 0.0) list.push_back({bin, length * per_length}); });
        });
        if (met > 1) merge(list);
    }

    // What lies from `low` to `high` over the bins it meets: f(bin, how much of it). `below(level)` is how much lies
    // below a level between them; at the ends that is `none` and `all`.
    template <class Below, class F>
    static void deal(double low, double high, const Scale& axis, double none, double all, Below&& below, F&& f) {
        if (!(high >= 0.0 && low < axis.top)) return;
        const int64_t first = axis.first(low), last = axis.last(high);
        double previous = low >= double(first) ? none : below(double(first));
        for (int64_t k = first; k <= last; ++k) {
            const double edge = least(double(k + 1), axis.top), next = high <= edge ? all : below(edge);
            f(k, next - previous);
            previous = next;
        }
    }

    // f(shift) for each whole number of turns that brings something of [a, b] into the window; how many.
    template <class F> static int turns(double a, double b, const Scale& axis, F&& f) {
        if (!(axis.period > 0.0) || (a >= 0.0 && b < axis.top && b > axis.top - axis.period)) {
            f(0.0);
            return 1;
        }
        // Azimuths of a pixel that are not within a turn of each other, or are beyond counting, are no azimuths.
        if (!(b - a < 1.5 * axis.period && std::fabs(a) < 1e6 * axis.period)) return 0;
        int count = 0;
        const double from = std::ceil(-b / axis.period), to = std::floor((axis.top - a) / axis.period);
        for (double turn = from; turn <= to; turn += 1.0, ++count) f(turn * axis.period);
        return count;
    }

    // Sorts by bin and adds up what fell into one bin on different turns.
    static void merge(std::vector<Share>& list) {
        std::stable_sort(list.begin(), list.end(), [](const Share& p, const Share& q) { return p.bin < q.bin; });
        size_t n = 0;
        for (const Share& entry : list) {
            if (n > 0 && list[n - 1].bin == entry.bin)
                list[n - 1].part += entry.part;
            else
                list[n++] = entry;
        }
        list.resize(n);
    }

    void add_polygon(Shape& s) {
        const Scale &rx = radial_, &ay = azimuthal_;
        if (rx.present && !(s.x1 >= 0.0 && s.x0 < rx.top)) return;
        const int64_t column = rx.present ? rx.first(s.x0) : 0, row = ay.present ? ay.first(s.y0) : 0;
        const bool in_x = !rx.present || rx.holds(s.x0, s.x1), in_y = !ay.present || ay.holds(s.y0, s.y1);
        if (in_x && in_y) return put(row * rx.bins + column, 1.0);
        for (size_t i = 0; i < s.corners; ++i) s.point[i] = {rx.at(s.point[i].x), ay.at(s.point[i].y)};
        const double area = usable_area(s);
        if (area == 0.0) return add_box(s.x0, s.x1, s.y0, s.y1);
        if (in_y) {
            entries.reserve(size_t(rx.last(s.x1) - column + 1));
            return deal_polygon<&Point::x, &Point::y>(
                s.point.data(), s.corners, {s.x0, s.x1, -area}, rx,
                [&, first = row * rx.bins, per_area = -1.0 / area](int64_t k, double part) {
                    entries.put(first + k, part * per_area);
                });
        }
        cells_.clear();
        const int met = turns(s.y0, s.y1, ay, [&](double shift) { add_turned(s, shift, area, in_x, column); });
        if (met > 1) merge(cells_);
        entries.reserve(cells_.size());
        for (const Share& cell : cells_) entries.put(cell.bin, cell.part);
    }

    // A polygon on one of its turns, row of bins by row of bins.
    void add_turned(const Shape& s, double shift, double area, bool in_x, int64_t column) {
        const double y0 = s.y0 + shift, y1 = s.y1 + shift, per_area = 1.0 / area;
        if (!(y1 >= 0.0 && y0 < azimuthal_.top)) return;
        std::array<Point, OUTLINE> p;
        for (size_t i = 0; i < s.corners; ++i) p[i] = {s.point[i].x, s.point[i].y + shift};
        if (in_x)
            return deal_polygon<&Point::y, &Point::x>(
                p.data(), s.corners, {y0, y1, area}, azimuthal_, [&](int64_t k, double part) {
                    cells_.push_back({k * radial_.bins + column, part * per_area});
                });
        std::array<Point, CUT> below, row;
        const int64_t last = azimuthal_.last(y1);
        for (int64_t k = azimuthal_.first(y0); k <= last; ++k) {
            size_t n = clip(p.data(), s.corners, least(double(k + 1), azimuthal_.top), true, below.data());
            n = clip(below.data(), n, double(k), false, row.data());
            if (n < 3) continue;
            const Stretch of_row = {s.x0, s.x1, -signed_area(row.data(), n)};
            deal_polygon<&Point::x, &Point::y>(row.data(), n, of_row, radial_, [&](int64_t r, double part) {
                cells_.push_back({k * radial_.bins + r, -part * per_area});
            });
        }
    }

    // A polygon over the bins of U: f(bin, area in it), positive where it turns from V to U.
    struct Stretch {
        double low, high, area;    // all of it, from `low` to `high`
    };
    template <double Point::*U, double Point::*V, class F>
    static void deal_polygon(const Point* p, size_t n, const Stretch& all, const Scale& axis, F&& f) {
        if (n == 4) return deal_corners<4, U, V>(p, n, all, axis, f);    // most: unrolled
        deal_corners<CUT, U, V>(p, n, all, axis, f);
    }
    template <size_t MOST, double Point::*U, double Point::*V, class F>
    static void deal_corners(const Point* p, size_t corners, const Stretch& all, const Scale& axis, F&& f) {
        const size_t n = MOST == 4 ? 4 : corners;
        std::array<double, MOST> u, to_u, v, slopes;
        for (size_t i = 0; i < n; ++i) {
            const Point &a = p[i], &b = p[i + 1 < n ? i + 1 : 0];
            u[i] = a.*U;
            to_u[i] = b.*U;
            v[i] = a.*V - p[0].*V;
            slopes[i] = slope(b.*U - a.*U, b.*V - a.*V);
        }
        const auto below = [&](double level) {
            return area_below(level, u.data(), to_u.data(), v.data(), slopes.data(), n);
        };
        deal(all.low, all.high, axis, 0.0, all.area, below, f);
    }

    // The part of a polygon on one side of y = level.
    static size_t clip(const Point* p, size_t n, double level, bool keep_below, Point* out) {
        size_t m = 0;
        for (size_t i = 0; i < n; ++i) {
            const Point &a = p[i], &b = p[i + 1 < n ? i + 1 : 0];
            const bool in_a = keep_below ? a.y <= level : a.y >= level;
            const bool in_b = keep_below ? b.y <= level : b.y >= level;
            if (in_a) out[m++] = a;
            if (in_a != in_b) out[m++] = {a.x + (b.x - a.x) * ((level - a.y) / (b.y - a.y)), level};
        }
        return m;
    }

    const Scale radial_, azimuthal_;
    std::vector<Share> along_x_, along_y_, cells_;
};

}  // namespace aureole
