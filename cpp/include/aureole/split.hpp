// Which share of each pixel falls into which bin. Arrays in, arrays out. Everything is float64, made of
// operations that IEEE 754 rounds exactly, without contraction, and each pixel stands for itself: the same
// bits come out whatever the compiler's instruction set and however the rows are dealt out to threads.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace aureole::split {

// A share below this (2^-30 of a pixel) is rounding, not area.
inline constexpr double kNegligible = 1.0 / (1 << 30);
// A corner is on the beam when its radius is below this part of the pixel's largest.
inline constexpr double kOnBeam = 1e-9;

// An interval shorter than this, in bins, is a point: it is in one place.
inline constexpr double kPoint = 1e-12;
// A polygon smaller than this part of its bounding box has no area to share out.
inline constexpr double kNoArea = 1e-9;

enum class Mode { no = 0, bbox = 1, pseudo = 2, full = 3 };

// A binned coordinate, or one that only restricts (bins = 1).
struct Axis {
  double lo = 0.0, hi = 1.0;
  std::int64_t bins = 1;
  double period = 0.0;                                       // length of a turn; 0: the axis does not close
  double lowest = -std::numeric_limits<double>::infinity();  // no pixel reaches below (0 for a radius)
};

// One coordinate of a block of pixels: at their centres (rows, columns) and at the points between them
// (rows + 1, columns + 1). What is absent is null.
struct Field {
  const double* centre = nullptr;
  const double* vertex = nullptr;
};

// bbox needs centres and vertices of the axes that are used, pseudo and full the vertices of both
// coordinates; whoever needs azimuthal vertices needs the radial ones, because of the beam.
struct Block {
  std::ptrdiff_t rows = 0, columns = 0;
  const std::uint8_t* mask = nullptr;  // non-zero: no entries
  Field radial, azimuthal;
  double period = 0.0;  // of the azimuth
  bool radius = true;   // whether the radial coordinate is 0 on the beam and rises from there
};

struct Point {
  double x, y;  // radial, azimuthal
};

// What a pixel covers: a box, or a polygon with its bounding box.
struct Shape {
  bool polygon = false;
  int corners = 0;
  std::array<Point, 8> point;
  double x0 = 0.0, x1 = 0.0, y0 = 0.0, y1 = 0.0;
};

// ---------------------------------------------------------------------------------------------------------
// Pixels as shapes

inline double least(double a, double b) { return a < b ? a : b; }
inline double most(double a, double b) { return a > b ? a : b; }

inline double cross(const Point& a, const Point& b, const Point& c) {
  return (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
}

// Area of a polygon, positive where it turns from x to y; relative to its first point, against cancellation.
inline double signed_area(const Point* p, int n) {
  double twice = 0.0;
  for (int i = 1; i + 1 < n; ++i) twice += cross(p[0], p[i], p[i + 1]);
  return 0.5 * twice;
}

// The same of a quadrilateral with these sides, in a box of this area; 0 where it has no area to share out,
// because its sides cross (at two corners the outline turns left, at two right) or it is next to nothing.
inline double quad_area(const double* dx, const double* dy, double box) {
  const double a = dx[0] * dy[1] - dx[1] * dy[0], b = dx[1] * dy[2] - dx[2] * dy[1],
               c = dx[2] * dy[3] - dx[3] * dy[2], d = dx[3] * dy[0] - dx[0] * dy[3];
  const double area = 0.5 * (a + c), least_turn = kNoArea * box;
  if (!(std::fabs(area) > least_turn)) return 0.0;
  if (least(least(a, b), least(c, d)) > 0.0 || most(most(a, b), most(c, d)) < 0.0) return area;
  const int left = (a > least_turn) + (b > least_turn) + (c > least_turn) + (d > least_turn);
  const int right = (a < -least_turn) + (b < -least_turn) + (c < -least_turn) + (d < -least_turn);
  return left == 2 && right == 2 ? 0.0 : area;
}

// The area of a shape's polygon, or 0 where it has none to speak of.
inline double usable_area(const Shape& s) {
  const auto& p = s.point;
  const double box = (s.x1 - s.x0) * (s.y1 - s.y0);
  if (s.corners == 4) {
    const double dx[4] = {p[1].x - p[0].x, p[2].x - p[1].x, p[3].x - p[2].x, p[0].x - p[3].x};
    const double dy[4] = {p[1].y - p[0].y, p[2].y - p[1].y, p[3].y - p[2].y, p[0].y - p[3].y};
    return quad_area(dx, dy, box);
  }
  const double area = signed_area(p.data(), s.corners);
  return std::fabs(area) > kNoArea * box ? area : 0.0;
}

inline void bound(Shape& s) {
  s.x0 = s.x1 = s.point[0].x;
  s.y0 = s.y1 = s.point[0].y;
  for (int i = 1; i < s.corners; ++i) {
    s.x0 = least(s.x0, s.point[i].x);
    s.x1 = most(s.x1, s.point[i].x);
    s.y0 = least(s.y0, s.point[i].y);
    s.y1 = most(s.y1, s.point[i].y);
  }
}

inline double nearest_turn(double difference, double period) {
  if (difference >= 0.5 * period) return difference - period;
  return difference < -0.5 * period ? difference + period : difference;
}

// The corners as a polygon in (radial, azimuthal), with continuous azimuth. Three cases are special. A pixel
// that contains the beam covers the whole turn from the beam outwards: its outline is closed along r = 0. A
// corner on the beam has no azimuth: it becomes the segment of r = 0 between its neighbours' azimuths, and so
// does a side that passes through the beam. Where the radial coordinate is not a radius, a pixel around the
// beam covers its bounding box. Returns whether the pixel contains the beam.
inline bool unwrap(const Point* corner, double period, bool radius, Shape& s) {
  std::array<Point, 4> p;
  int n = 0, gap = -1;  // gap: the side (from p[gap] on) along which the polygon touches the beam
  const double near = kOnBeam * most(most(corner[0].x, corner[1].x), most(corner[2].x, corner[3].x));
  bool touched = false;
  for (int i = 0; i < 4; ++i) {
    if (radius && !touched && corner[i].x <= near) {
      touched = true;
      gap = n - 1;
    } else {
      p[n++] = corner[i];
    }
  }
  if (touched && gap < 0) gap = n - 1;
  std::array<double, 4> step;
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

inline void corners_of(const Block& b, std::ptrdiff_t i, std::ptrdiff_t j, Point* p) {
  const std::ptrdiff_t step = b.columns + 1, k = i * step + j;
  const std::ptrdiff_t at[4] = {k, k + step, k + step + 1, k + 1};
  const double* y = b.azimuthal.vertex;
  for (int c = 0; c < 4; ++c) p[c] = {b.radial.vertex[at[c]], y ? y[at[c]] : 0.0};
}

// Pixels that need care are few, so rows are looked through in bulk.
enum class Care : std::uint8_t { drop, plain, special };

// Bounds of the corners of one row of pixels, or, with `boxes`, centre -+ the largest distance to a corner.
class Row {
 public:
  explicit Row(const Block& block)
      : x0(size(block)), x1(size(block)), y0(size(block)), y1(size(block)), care(size(block)), b_(block),
        low_(size(block) + 1), high_(size(block) + 1), sum_(size(block) + 1) {}

  std::vector<double> x0, x1, y0, y1;
  std::vector<Care> care;

  void load(std::ptrdiff_t i, bool boxes) {
    std::fill(care.begin(), care.end(), Care::plain);
    if (b_.radial.vertex) span(b_.radial.vertex + i * (b_.columns + 1), x0.data(), x1.data());
    if (b_.azimuthal.vertex) {
      span(b_.azimuthal.vertex + i * (b_.columns + 1), y0.data(), y1.data());
      const double half = 0.5 * b_.period * (1.0 - 1e-9);
      for (std::ptrdiff_t j = 0; j < b_.columns; ++j) {
        const bool special = y1[j] - y0[j] >= half || (b_.radius && x0[j] <= kOnBeam * x1[j]);
        if (special && care[j] == Care::plain) care[j] = Care::special;
      }
    }
    if (b_.mask)
      for (std::ptrdiff_t j = 0; j < b_.columns; ++j)
        if (b_.mask[i * b_.columns + j]) care[j] = Care::drop;
    if (!boxes) return;
    if (b_.radial.centre) around(b_.radial.centre + i * b_.columns, x0.data(), x1.data());
    if (b_.azimuthal.centre) around(b_.azimuthal.centre + i * b_.columns, y0.data(), y1.data());
  }

 private:
  static std::size_t size(const Block& block) { return static_cast<std::size_t>(block.columns); }

  void span(const double* vertex, double* low, double* high) {
    const double* next = vertex + b_.columns + 1;
    for (std::ptrdiff_t j = 0; j <= b_.columns; ++j) {
      low_[j] = least(vertex[j], next[j]);
      high_[j] = most(vertex[j], next[j]);
      sum_[j] = vertex[j] + next[j];
    }
    for (std::ptrdiff_t j = 0; j < b_.columns; ++j) {
      low[j] = least(low_[j], low_[j + 1]);
      high[j] = most(high_[j], high_[j + 1]);
    }
    for (std::ptrdiff_t j = 0; j < b_.columns; ++j)
      if (!std::isfinite(sum_[j] + sum_[j + 1])) care[j] = Care::drop;
  }

  void around(const double* centre, double* low, double* high) {
    for (std::ptrdiff_t j = 0; j < b_.columns; ++j) {
      const double delta = most(high[j] - centre[j], centre[j] - low[j]);
      low[j] = centre[j] - delta;
      high[j] = centre[j] + delta;
    }
  }

  const Block& b_;
  std::vector<double> low_, high_, sum_;
};

// A special pixel in bbox mode; the box of a pixel around the beam starts at 0 and goes all the way round.
inline void special_box(const Block& b, std::ptrdiff_t i, std::ptrdiff_t j, Shape& s) {
  Point p[4];
  corners_of(b, i, j, p);
  const bool around = unwrap(p, b.period, b.radius, s);
  s.polygon = false;
  s.x0 = s.x1 = s.y0 = s.y1 = 0.0;
  const std::ptrdiff_t at = i * b.columns + j;
  double outer = 0.0;
  for (const Point& q : p) outer = most(outer, q.x);
  if (b.radial.centre) {
    const double centre = b.radial.centre[at];
    double delta = 0.0;
    for (const Point& q : p) delta = most(delta, std::fabs(q.x - centre));
    s.x0 = around && b.radius ? 0.0 : centre - delta;
    s.x1 = centre + delta;
  }
  if (b.azimuthal.centre) {
    const double centre = b.azimuthal.centre[at];
    double delta = 0.0;
    for (const Point& q : p)
      if (!b.radius || q.x > kOnBeam * outer)
        delta = most(delta, std::fabs(nearest_turn(q.y - centre, b.period)));
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

// A pixel that is split and not dropped; `row` is loaded with its row. (The corners of plain ones in mode
// full are left to `Splitter::add_quad`.)
inline void shape_of(Mode mode, const Block& b, const Row& row, std::ptrdiff_t i, std::ptrdiff_t j,
                     Shape& s) {
  if (row.care[j] == Care::special) {
    if (mode == Mode::bbox) return special_box(b, i, j, s);
    Point p[4];
    corners_of(b, i, j, p);
    unwrap(p, b.period, b.radius, s);
  } else {
    s.x0 = row.x0[j];
    s.x1 = row.x1[j];
    s.y0 = row.y0[j];
    s.y1 = row.y1[j];
    s.polygon = mode != Mode::bbox;
    s.corners = 4;
    if (mode == Mode::pseudo) corners_of(b, i, j, s.point.data());
  }
  if (mode == Mode::pseudo) shrink(s);
}

// ---------------------------------------------------------------------------------------------------------
// Shares

// Growing lists of entries: `reserve` first, then `put` without further checks.
class Entries {
 public:
  std::vector<std::int64_t> pixel_ptr{0};
  std::vector<std::int32_t> bins;
  std::vector<float> coefs;

  void reserve(std::size_t more) {
    if (count_ + more <= bins.size()) return;
    const std::size_t room = std::max(count_ + more, bins.size() + bins.size() / 2);
    bins.resize(room);
    coefs.resize(room);
  }
  void put(std::int64_t bin, double part) {
    bins[count_] = static_cast<std::int32_t>(bin);
    coefs[count_] = static_cast<float>(part);
    count_ += part >= kNegligible;
  }
  void end_pixel() { pixel_ptr.push_back(static_cast<std::int64_t>(count_)); }
  void finish() {
    bins.resize(count_);
    coefs.resize(count_);
  }

 private:
  std::size_t count_ = 0;
};

// An axis in units of its bins. A turn may end inside the last bin (the upper edge is moved outwards by one
// part in 2^23): what would lie beyond `top` belongs to the first bins again.
struct Scale {
  bool present = false;
  double lo = 0.0, width = 1.0, per_width = 1.0, period = 0.0, top = 1.0;
  double lowest = -std::numeric_limits<double>::infinity();
  std::int64_t bins = 1;

  Scale() = default;
  explicit Scale(const Axis& a)
      : present(true), lo(a.lo), width((a.hi - a.lo) / static_cast<double>(a.bins)), per_width(1.0 / width),
        lowest(a.lowest), bins(a.bins) {
    period = a.period / width;
    top = static_cast<double>(bins);
    if (period > 0.0) top = least(top, period);
  }
  double at(double value) const { return (value - lo) * per_width; }
  std::int64_t bin(double position) const {  // -1 below, `bins` above
    if (!(position >= 0.0)) return -1;
    return position < static_cast<double>(bins) ? static_cast<std::int64_t>(position) : bins;
  }
};

// Deals shapes out to the bins of one axis or of two. Not shared between threads: it has scratch space.
class Splitter {
 public:
  Splitter(const Axis* radial, const Axis* azimuthal, Entries& out)
      : radial_(radial ? Scale(*radial) : Scale()),
        azimuthal_(azimuthal ? Scale(*azimuthal) : Scale()),
        out_(out) {}

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
    const std::int64_t i = radial_.present ? radial_.bin(u) : 0;
    const std::int64_t j = azimuthal_.present ? azimuthal_.bin(v) : 0;
    if (i < 0 || i >= radial_.bins || j < 0 || j >= azimuthal_.bins) return;
    out_.reserve(1);
    out_.put(j * radial_.bins + i, 1.0);
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

  // A plain quadrilateral: its bounds in `s`, its corners at x[0], x[step], x[step + 1], x[1]. Where it lies in
  // one bin of one of the axes, as most do, it goes through registers only; otherwise it is a polygon like
  // others.
  void add_quad(const double* x, const double* y, std::ptrdiff_t step, Shape& s) {
    const double *next_x = x + step, *next_y = y + step;
    const Scale &rx = radial_, &ay = azimuthal_;
    const double x0 = rx.at(s.x0), x1 = rx.at(s.x1), y0 = ay.at(s.y0), y1 = ay.at(s.y1);
    const std::int64_t column = rx.present ? rx.bin(x0) : 0, row = ay.present ? ay.bin(y0) : 0;
    const bool in_x = !rx.present || (x0 >= 0.0 && x1 <= rx.top && rx.bin(x1) == column);
    const bool in_y = !ay.present || (y0 >= 0.0 && y1 <= ay.top && ay.bin(y1) == row);
    const bool turned = ay.period > 0.0 && (y0 < 0.0 || y1 > ay.top);
    if (!in_y && (!in_x || turned)) {
      s.point[0] = {x[0], y[0]};
      s.point[1] = {next_x[0], next_y[0]};
      s.point[2] = {next_x[1], next_y[1]};
      s.point[3] = {x[1], y[1]};
      s.corners = 4;
      return add(s);
    }
    if (in_x && in_y) {
      out_.reserve(1);
      return out_.put(row * rx.bins + column, 1.0);
    }
    const double u[4] = {rx.at(x[0]), rx.at(next_x[0]), rx.at(next_x[1]), rx.at(x[1])};
    const double v[4] = {ay.at(y[0]), ay.at(next_y[0]), ay.at(next_y[1]), ay.at(y[1])};
    if (in_y)
      add_strips(u, v, {x0, x1, y1 - y0}, rx, {row * rx.bins, 1});
    else
      add_strips(v, u, {y0, y1, x1 - x0}, ay, {column, rx.bins});
  }

 private:
  struct Share {
    std::int64_t bin;
    double part;
  };

  void add_box(double x0, double x1, double y0, double y1) {
    if (!azimuthal_.present) return add_interval(x0, x1);
    list_shares(y0, y1, azimuthal_, along_y_);
    if (radial_.present)
      list_shares(x0, x1, radial_, along_x_);
    else
      along_x_.assign(1, {0, 1.0});
    out_.reserve(along_y_.size() * along_x_.size());
    for (const Share& a : along_y_)
      for (const Share& r : along_x_) out_.put(a.bin * radial_.bins + r.bin, a.part * r.part);
  }

  // An interval of the radial axis, in bins. Up to three bins, wholly inside, is what nearly all pixels are:
  // they go without branches that the processor would have to guess.
  void add_interval(double a, double b) {
    if (a >= 0.0 && b < radial_.top && b - a > kPoint) {
      const std::int64_t k = static_cast<std::int64_t>(a), last = static_cast<std::int64_t>(b);
      if (last - k <= 2) {
        const double per_length = 1.0 / (b - a), edge = static_cast<double>(k + 1);
        out_.reserve(3);
        out_.put(k, last == k ? 1.0 : (least(b, edge) - a) * per_length);
        out_.put(k + 1, most(least(b - edge, 1.0), 0.0) * per_length);
        out_.put(k + 2, most(b - edge - 1.0, 0.0) * per_length);
        return;
      }
    }
    out_.reserve(reach(a, b, radial_));
    deal(a, b, radial_, [this](std::int64_t bin, double part) { out_.put(bin, part); });
  }

  // How many bins [a, b] can meet, at most.
  static std::size_t reach(double a, double b, const Scale& axis) {
    const std::int64_t first = std::max<std::int64_t>(axis.bin(a), 0);
    const std::int64_t last = std::min(axis.bin(b), axis.bins - 1);
    return last < first ? 0 : static_cast<std::size_t>(last - first + 1);
  }

  // The interval [a, b] over the bins it meets; f(bin, part of the interval).
  template <class F>
  static void deal(double a, double b, const Scale& axis, F&& f) {
    if (!(b >= 0.0) || !(a < axis.top)) return;
    const std::int64_t last = std::min(axis.bin(b), axis.bins - 1);
    std::int64_t k = axis.bin(a);
    if (!(b - a > kPoint)) {
      if (k >= 0) f(k, 1.0);
      return;
    }
    k = std::max<std::int64_t>(k, 0);
    if (k == last && a >= 0.0 && b <= axis.top) return f(k, 1.0);
    const double per_length = 1.0 / (b - a);
    for (; k <= last; ++k) {
      const double left = most(a, static_cast<double>(k));
      const double right = least(least(b, static_cast<double>(k + 1)), axis.top);
      if (right > left) f(k, (right - left) * per_length);
    }
  }

  // f(shift) for each whole number of turns that brings something of [a, b] into the window; how many.
  template <class F>
  static int turns(double a, double b, const Scale& axis, F&& f) {
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
    std::size_t n = 0;
    for (const Share& entry : list) {
      if (n > 0 && list[n - 1].bin == entry.bin)
        list[n - 1].part += entry.part;
      else
        list[n++] = entry;
    }
    list.resize(n);
  }

  static void list_shares(double a, double b, const Scale& axis, std::vector<Share>& list) {
    list.clear();
    const auto add = [&](std::int64_t bin, double part) { list.push_back({bin, part}); };
    if (!(b - a > kPoint) && axis.period > 0.0) {  // in one place even on the edge between two turns
      const double at = a - std::floor(a / axis.period) * axis.period;
      return deal(at < axis.period ? at : 0.0, at < axis.period ? at : 0.0, axis, add);
    }
    if (turns(a, b, axis, [&](double shift) { deal(a + shift, b + shift, axis, add); }) > 1) merge(list);
  }

  struct Span {
    double low, high, height;  // along u, and across
  };
  struct Stride {
    std::int64_t first, step;  // from bins of one axis to bins of the table
  };

  // The quadrilateral (u, v), within one bin of v, over the bins of u; see `strips` for how.
  void add_strips(const double (&u)[4], const double (&v)[4], const Span& span, const Scale& axis,
                  const Stride& at) {
    if (!(span.high >= 0.0 && span.low < axis.top)) return;
    out_.reserve(reach(span.low, span.high, axis));
    double run[4], rise[4], slope[4], from_v[4];
    for (int i = 0; i < 4; ++i) {
      const int next = (i + 1) & 3;
      run[i] = u[next] - u[i];
      rise[i] = v[next] - v[i];
      from_v[i] = v[i] - v[0];
    }
    const double area = quad_area(run, rise, (span.high - span.low) * span.height);
    if (area == 0.0)
      return deal(span.low, span.high, axis,
                  [&](std::int64_t bin, double part) { out_.put(at.first + bin * at.step, part); });
    for (int i = 0; i < 4; ++i) slope[i] = rise[i] / (run[i] != 0.0 ? run[i] : 1.0);
    const auto below = [&](double level) {
      double sum = 0.0;
      for (int i = 0; i < 4; ++i) {
        const double from = least(u[i], level), to = least(u[(i + 1) & 3], level);
        sum += (to - from) * (from_v[i] + slope[i] * (0.5 * (from + to) - u[i]));
      }
      return sum;
    };
    const std::int64_t first = std::max<std::int64_t>(axis.bin(span.low), 0);
    const std::int64_t last = std::min(axis.bin(span.high), axis.bins - 1);
    const double per_area = -1.0 / area;
    double previous = span.low >= static_cast<double>(first) ? 0.0 : below(static_cast<double>(first));
    for (std::int64_t k = first; k <= last; ++k) {
      const double edge = least(static_cast<double>(k + 1), axis.top);
      const double next = span.high <= edge ? -area : below(edge);
      out_.put(at.first + k * at.step, (next - previous) * per_area);
      previous = next;
    }
  }

  // The area of a polygon in the bins [first, last] of u: the area below each upper edge, as the integral of v
  // du around what lies there, with v relative to the first point; then differences. Positive where the polygon
  // turns from v to u; `area` is all of it, with this sign, from `low` to `high`.
  template <double Point::*U, double Point::*V>
  void strips(const Point* p, int n, std::int64_t first, std::int64_t last, double low, double high,
              double area, double top) {
    std::array<double, 16> from_u, to_u, from_v, slope;
    for (int i = 0; i < n; ++i) {
      const Point &a = p[i], &b = p[i + 1 < n ? i + 1 : 0];
      const double run = b.*U - a.*U;
      from_u[i] = a.*U;
      to_u[i] = b.*U;
      from_v[i] = a.*V - p[0].*V;
      slope[i] = (b.*V - a.*V) / (run != 0.0 ? run : 1.0);
    }
    const auto below = [&](double level) {
      double sum = 0.0;
      for (int i = 0; i < n; ++i) {
        const double from = least(from_u[i], level), to = least(to_u[i], level);
        sum += (to - from) * (from_v[i] + slope[i] * (0.5 * (from + to) - from_u[i]));
      }
      return sum;
    };
    strip_.resize(static_cast<std::size_t>(last - first + 1));
    double previous = low >= static_cast<double>(first) ? 0.0 : below(static_cast<double>(first));
    for (std::int64_t k = first; k <= last; ++k) {
      const double edge = least(static_cast<double>(k + 1), top);
      const double next = high <= edge ? area : below(edge);
      strip_[static_cast<std::size_t>(k - first)] = next - previous;
      previous = next;
    }
  }

  // The part of a polygon on one side of y = level.
  static int clip(const Point* p, int n, double level, bool keep_below, Point* out) {
    int m = 0;
    for (int i = 0; i < n; ++i) {
      const Point &a = p[i], &b = p[i + 1 < n ? i + 1 : 0];
      const bool in_a = keep_below ? a.y <= level : a.y >= level;
      const bool in_b = keep_below ? b.y <= level : b.y >= level;
      if (in_a) out[m++] = a;
      if (in_a != in_b) out[m++] = {a.x + (b.x - a.x) * ((level - a.y) / (b.y - a.y)), level};
    }
    return m;
  }

  void add_polygon(Shape& s) {
    const Scale &rx = radial_, &ay = azimuthal_;
    if (rx.present && !(s.x1 >= 0.0 && s.x0 < rx.top)) return;
    const std::int64_t left = std::max<std::int64_t>(rx.bin(s.x0), 0);
    const std::int64_t right = std::min(rx.bin(s.x1), rx.bins - 1);
    const bool in_x = !rx.present || (left == right && s.x0 >= 0.0 && s.x1 <= rx.top);
    const std::int64_t row = ay.present ? ay.bin(s.y0) * rx.bins : 0;
    const bool in_y = !ay.present || (s.y0 >= 0.0 && s.y1 <= ay.top && ay.bin(s.y0) == ay.bin(s.y1));
    if (in_x && in_y) {
      out_.reserve(1);
      return out_.put(row + (rx.present ? left : 0), 1.0);
    }
    for (int i = 0; i < s.corners; ++i) s.point[i] = {rx.at(s.point[i].x), ay.at(s.point[i].y)};
    const double area = usable_area(s);
    if (area == 0.0) return add_box(s.x0, s.x1, s.y0, s.y1);
    if (in_y) {
      strips<&Point::x, &Point::y>(s.point.data(), s.corners, left, right, s.x0, s.x1, -area, rx.top);
      const double per_area = -1.0 / area;
      out_.reserve(strip_.size());
      for (std::int64_t k = left; k <= right; ++k)
        out_.put(row + k, strip_[static_cast<std::size_t>(k - left)] * per_area);
      return;
    }
    cells_.clear();
    const auto turned = [&](double shift) { add_turned(s, shift, area, left, right); };
    if (turns(s.y0, s.y1, ay, turned) > 1) merge(cells_);
    out_.reserve(cells_.size());
    for (const Share& cell : cells_) out_.put(cell.bin, cell.part);
  }

  void add_turned(const Shape& s, double shift, double area, std::int64_t left, std::int64_t right) {
    const double y0 = s.y0 + shift, y1 = s.y1 + shift, per_area = 1.0 / area;
    if (!(y1 >= 0.0) || !(y0 < azimuthal_.top)) return;
    std::array<Point, 8> p;
    for (int i = 0; i < s.corners; ++i) p[i] = {s.point[i].x, s.point[i].y + shift};
    const std::int64_t first = std::max<std::int64_t>(azimuthal_.bin(y0), 0);
    const std::int64_t last = std::min(azimuthal_.bin(y1), azimuthal_.bins - 1);
    if (!radial_.present || (left == right && s.x0 >= 0.0 && s.x1 <= radial_.top)) {
      strips<&Point::y, &Point::x>(p.data(), s.corners, first, last, y0, y1, area, azimuthal_.top);
      const std::int64_t column = radial_.present ? left : 0;
      for (std::int64_t k = first; k <= last; ++k)
        cells_.push_back({k * radial_.bins + column, strip_[static_cast<std::size_t>(k - first)] * per_area});
      return;
    }
    std::array<Point, 16> below, row;
    for (std::int64_t k = first; k <= last; ++k) {
      const double upper = least(static_cast<double>(k + 1), azimuthal_.top);
      int n = clip(p.data(), s.corners, upper, true, below.data());
      n = clip(below.data(), n, static_cast<double>(k), false, row.data());
      if (n < 3) continue;
      const double part = -signed_area(row.data(), n);
      strips<&Point::x, &Point::y>(row.data(), n, left, right, s.x0, s.x1, part, radial_.top);
      for (std::int64_t r = left; r <= right; ++r)
        cells_.push_back({k * radial_.bins + r, -strip_[static_cast<std::size_t>(r - left)] * per_area});
    }
  }

  Scale radial_, azimuthal_;
  Entries& out_;
  std::vector<Share> along_x_, along_y_, cells_;
  std::vector<double> strip_;
};

// ---------------------------------------------------------------------------------------------------------
// Blocks of pixels

// The entries of a block; pixel_ptr starts at 0.
inline Entries split_block(Mode mode, const Block& block, const Axis* radial, const Axis* azimuthal) {
  Entries out;
  const auto pixels = static_cast<std::size_t>(block.rows * block.columns);
  out.pixel_ptr.reserve(pixels + 1);
  out.reserve(2 * pixels);
  Splitter splitter(radial, azimuthal, out);
  Row row(block);
  Shape shape;
  for (std::ptrdiff_t i = 0; i < block.rows; ++i) {
    row.load(i, mode == Mode::bbox);
    const std::ptrdiff_t step = block.columns + 1;
    const double* x = block.radial.vertex ? block.radial.vertex + i * step : nullptr;
    const double* y = block.azimuthal.vertex ? block.azimuthal.vertex + i * step : nullptr;
    for (std::ptrdiff_t j = 0; j < block.columns; ++j) {
      if (row.care[j] != Care::drop) {
        if (mode == Mode::no) {
          const std::ptrdiff_t at = i * block.columns + j;
          splitter.add_point(radial ? block.radial.centre[at] : 0.0,
                             azimuthal ? block.azimuthal.centre[at] : 0.0);
        } else {
          shape_of(mode, block, row, i, j, shape);
          if (mode == Mode::full && row.care[j] == Care::plain)
            splitter.add_quad(x + j, y + j, step, shape);
          else
            splitter.add(shape);
        }
      }
      out.end_pixel();
    }
  }
  out.finish();
  return out;
}

// How far the pixels of a block reach, or their centres in mode no: radial low and high, azimuthal low and
// high; infinite the wrong way round where there are none. The azimuth starts at `turn`; a pixel that reaches
// over its ends fills all of it. pseudo reaches as far as full: its boxes are shrunk, the bins are not. A pixel
// around the beam reaches as far in as its corners: one pixel, which a beam stop hides as a rule, shall not
// move all bins.
inline std::array<double, 4> extent_of(Mode mode, const Block& block, double turn) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  std::array<double, 4> e{inf, -inf, inf, -inf};
  const double end = turn + block.period;
  const auto widen = [&](double x0, double x1, double y0, double y1) {
    e[0] = least(e[0], x0);
    e[1] = most(e[1], x1);
    const double middle = 0.5 * (y0 + y1);
    const double shift = middle < turn ? block.period : (middle >= end ? -block.period : 0.0);
    const bool over = block.period > 0.0 && (y0 + shift < turn || y1 + shift > end);
    e[2] = least(e[2], over ? turn : y0 + shift);
    e[3] = most(e[3], over ? end : y1 + shift);
  };
  if (mode == Mode::pseudo) mode = Mode::full;
  Row row(block);
  Shape s;
  for (std::ptrdiff_t i = 0; i < block.rows; ++i) {
    row.load(i, mode == Mode::bbox);
    for (std::ptrdiff_t j = 0; j < block.columns; ++j) {
      if (row.care[j] == Care::drop) continue;
      if (mode == Mode::no) {
        const std::ptrdiff_t at = i * block.columns + j;
        const double x = block.radial.centre ? block.radial.centre[at] : 0.0;
        const double y = block.azimuthal.centre ? block.azimuthal.centre[at] : 0.0;
        if (std::isfinite(x + y)) widen(x, x, y, y);
      } else if (row.care[j] == Care::plain) {
        widen(row.x0[j], row.x1[j], row.y0[j], row.y1[j]);
      } else {
        shape_of(mode, block, row, i, j, s);
        widen(row.x0[j], row.x1[j], s.y0, s.y1);
      }
    }
  }
  return e;
}

}  // namespace aureole::split
