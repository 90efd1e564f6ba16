// Coordinates of pixels and their shares in bins: checks shapes, releases the GIL, calls.
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <utility>

#include "aureole/extent.hpp"
#include "aureole/split.hpp"
#include "arrays.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {
namespace {

template <class T> nb::object give(Array<T>& array, std::initializer_list<size_t> shape) {
    return owned(array.release(), shape);
}

// Where centres and borders of the pixels are, in metres from the point of normal incidence.
struct Grid {
    In<double> row_centre, column_centre, row_edge, column_edge;
};

// One coordinate of all pixels as Python gives it.
struct BoundCoordinate {
    std::optional<Field> field;
    std::optional<In2<double>> centre, vertex;
};

// The pixels as Python gives them, with the arrays that `view` points into.
struct BoundPixels {
    size_t rows, columns;
    BoundCoordinate radial, azimuthal;
    std::optional<In2<uint8_t>> mask;
    std::optional<Grid> grid;
    double period;
    bool radius;

    Coordinate view(const BoundCoordinate& from) const {
        return {from.field ? &*from.field : nullptr, from.centre ? from.centre->data() : nullptr,
                from.vertex ? from.vertex->data() : nullptr};
    }
    Pixels view() const {
        Pixels p;
        p.rows = rows;
        p.columns = columns;
        p.mask = mask ? mask->data() : nullptr;
        p.radial = view(radial);
        p.azimuthal = view(azimuthal);
        p.period = period;
        p.radius = radius;
        if (grid) {
            p.row_centre = grid->row_centre.data();
            p.column_centre = grid->column_centre.data();
            p.row_edge = grid->row_edge.data();
            p.column_edge = grid->column_edge.data();
        }
        return p;
    }
};

void check_coordinate(const BoundCoordinate& c, size_t rows, size_t columns, bool grid) {
    const auto fits = [](const std::optional<In2<double>>& array, size_t n1, size_t n2) {
        return !array || (array->shape(0) == n1 && array->shape(1) == n2);
    };
    require(fits(c.centre, rows, columns) && fits(c.vertex, rows + 1, columns + 1),
            "split: the arrays of the pixels must agree in shape");
    require(!c.field || grid, "split: a field needs a grid of pixels");
}

BoundPixels make_pixels(std::pair<size_t, size_t> shape, BoundCoordinate radial, BoundCoordinate azimuthal,
                        std::optional<In2<uint8_t>> mask, std::optional<Grid> grid, double period, bool radius) {
    const auto [rows, columns] = shape;
    check_coordinate(radial, rows, columns, grid.has_value());
    check_coordinate(azimuthal, rows, columns, grid.has_value());
    require(!mask || (mask->shape(0) == rows && mask->shape(1) == columns),
            "split: the mask must have the shape of the pixels");
    require(!grid || (grid->row_centre.size() == rows && grid->column_centre.size() == columns &&
                      grid->row_edge.size() == rows + 1 && grid->column_edge.size() == columns + 1),
            "split: the grid must have the shape of the pixels");
    return {rows, columns, std::move(radial), std::move(azimuthal), std::move(mask), std::move(grid), period, radius};
}

Mode mode_of(int mode) {
    require(mode >= 0 && mode <= 3, "split: mode must be 0 (no), 1 (bbox), 2 (pseudo) or 3 (full)");
    return Mode(mode);
}

// Checks that what a mode needs is there, so that no kernel meets a null pointer.
void check_needs(const Needs& needs, const BoundPixels& pixels) {
    const BoundCoordinate &x = pixels.radial, &y = pixels.azimuthal;
    require((!needs.radial.centre || x.field || x.centre) && (!needs.azimuthal.centre || y.field || y.centre),
            "split: this mode needs the centres of the axes");
    require(!needs.radial.vertex || x.field || x.vertex, "split: this mode needs the radial vertices");
    require(!needs.azimuthal.vertex || y.field || y.vertex, "split: this mode needs the azimuthal vertices");
}

const Kernels& kernels_of(const std::string& isa) { return kernels_for(isa); }

nb::tuple bound_split(int mode, const BoundPixels& pixels, std::optional<Axis> radial, std::optional<Axis> azimuthal,
                      size_t threads, const std::string& isa) {
    require(radial || azimuthal, "split: at least one axis is needed");
    const int64_t bins = (radial ? radial->bins : 1) * (azimuthal ? azimuthal->bins : 1);
    require(bins <= INT32_MAX, "split: more than 2^31 - 1 bins");
    check_needs({mode_of(mode), radial.has_value(), azimuthal.has_value()}, pixels);
    const Kernels& k = kernels_of(isa);
    const size_t n = pixels.rows * pixels.columns;
    Array<int64_t> pixel_ptr(n + 1);
    Joined entries(2 * n);
    {
        nb::gil_scoped_release release;
        split(pixels.view(), mode_of(mode), radial ? Scale(*radial) : Scale(), azimuthal ? Scale(*azimuthal) : Scale(),
              k, threads, pixel_ptr.data(), entries);
    }
    const size_t count = entries.bins.size();
    return nb::make_tuple(give(pixel_ptr, {n + 1}), give(entries.bins, {count}), give(entries.coefs, {count}));
}

std::array<double, 4> bound_extent(int mode, const BoundPixels& pixels, bool radial, bool azimuthal, double turn,
                                   size_t threads, const std::string& isa) {
    check_needs({mode_of(mode), radial, azimuthal}, pixels);
    const Kernels& k = kernels_of(isa);
    nb::gil_scoped_release release;
    const Extent e = extent(pixels.view(), mode_of(mode), radial, azimuthal, turn, k, threads);
    return {e.x0, e.x1, e.y0, e.y1};
}

nb::object bound_field(const Field& field, In<double> rows, In<double> columns, size_t threads,
                       const std::string& isa) {
    const Kernels& k = kernels_of(isa);
    const size_t n = columns.size();
    Array<double> out(rows.size() * n);
    {
        nb::gil_scoped_release release;
        constexpr size_t HEIGHT = 16;
        const auto nothing = [] { return 0; };
        on_threads(threads, (rows.size() + HEIGHT - 1) / HEIGHT, nothing, [&](int, Parts& parts) {
            for (size_t part; parts.take(part);)
                for (size_t i = part * HEIGHT; i < std::min(rows.size(), (part + 1) * HEIGHT); ++i)
                    k.field(field, {rows.data()[i], n, columns.data(), out.data() + i * n});
        });
    }
    return give(out, {rows.size(), n});
}

Axis make_axis(double lo, double hi, int64_t bins, double period, double lowest) {
    require(std::isfinite(lo) && std::isfinite(hi) && hi > lo && bins >= 1 && period >= 0.0,
            "split: an axis needs a finite, rising range and at least one bin");
    require(bins <= INT32_MAX, "split: more than 2^31 - 1 bins");
    return {lo, hi, bins, period, lowest};
}

}  // namespace

void register_split(nb::module_& m) {
    nb::class_<Field>(m, "Field", "What geometry says at points of a flat detector: function(scale * base).")
        .def(
            "__init__",
            [](Field* self, const std::array<double, 9>& rotation, double dist, int base, int function, double scale,
               bool turn_at_zero, std::pair<double, double> polarized) {
                require(base >= RADIUS && base <= POLARIZATION && function >= IDENTITY && function <= ARCSINH,
                        "Field: unknown base or function");
                new (self) Field{{}, dist, base, function, scale, turn_at_zero, polarized.first, polarized.second};
                std::copy(rotation.begin(), rotation.end(), self->rotation);
            },
            "rotation"_a, "dist"_a, "base"_a, "function"_a, "scale"_a, "turn_at_zero"_a, "polarized"_a);
    nb::class_<Grid>(m, "Grid", "Centres and borders of the pixels, in metres from the point of normal incidence.")
        .def(nb::init<In<double>, In<double>, In<double>, In<double>>(), "rows"_a, "columns"_a, "row_edges"_a,
             "column_edges"_a);
    nb::class_<BoundCoordinate>(m, "Coordinate",
                                "A coordinate of all pixels: a field, or arrays of it at their centres (rows,\n"
                                "columns) and at the points between them (rows + 1, columns + 1).")
        .def(
            "__init__",
            [](BoundCoordinate* self, std::optional<Field> field, std::optional<In2<double>> centre,
               std::optional<In2<double>> vertex) {
                new (self) BoundCoordinate{std::move(field), std::move(centre), std::move(vertex)};
            },
            "field"_a.none() = nb::none(), "centre"_a.none() = nb::none(), "vertex"_a.none() = nb::none());
    nb::class_<BoundPixels>(m, "Pixels", "Coordinates and mask (non-zero: no entries) of all pixels.")
        .def(
            "__init__",
            [](BoundPixels* self, std::pair<size_t, size_t> shape, BoundCoordinate radial, BoundCoordinate azimuthal,
               std::optional<In2<uint8_t>> mask, std::optional<Grid> grid, double period, bool radius) {
                new (self) BoundPixels(make_pixels(shape, std::move(radial), std::move(azimuthal), std::move(mask),
                                                   std::move(grid), period, radius));
            },
            "shape"_a, "radial"_a, "azimuthal"_a, "mask"_a.none() = nb::none(), "grid"_a.none() = nb::none(),
            "period"_a = 0.0, "radius"_a = true);
    nb::class_<Axis>(m, "SplitAxis", "A binned coordinate: [lo, hi) in `bins` bins, closed after `period`.")
        .def(
            "__init__",
            [](Axis* self, double lo, double hi, int64_t bins, double period, double lowest) {
                new (self) Axis(make_axis(lo, hi, bins, period, lowest));
            },
            "lo"_a, "hi"_a, "bins"_a = 1, "period"_a = 0.0, "lowest"_a = -std::numeric_limits<double>::infinity());
    m.def("split", &bound_split, "mode"_a, "pixels"_a, "radial"_a.none() = nb::none(),
          "azimuthal"_a.none() = nb::none(), "threads"_a = 1, "isa"_a = "",
          "Entries of all pixels: pixel_ptr (pixels + 1), bins (azimuthal * n_radial + radial), coefs.");
    m.def("extent", &bound_extent, "mode"_a, "pixels"_a, "radial"_a, "azimuthal"_a, "turn"_a, "threads"_a = 1,
          "isa"_a = "", "(radial low, high, azimuthal low, high) of the pixels; the azimuth starts at `turn`.");
    m.def("field", &bound_field, "field"_a, "rows"_a, "columns"_a, "threads"_a = 1, "isa"_a = "",
          "A field at all rows and columns (m from the point of normal incidence), shape (rows, columns).");
}

}  // namespace aureole
