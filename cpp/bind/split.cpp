// Coordinates of pixels and their shares in bins: checks shapes, releases the GIL, calls.
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <utility>

#include "aureole/extent.hpp"
#include "aureole/frame_sums.hpp"
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

// Where the corners of pixels are that form no grid, with the arrays that `view` points into.
struct BoundPlaces {
    Places view;
    std::optional<In3<double>> of_row, of_column;
    std::optional<In4<float>> single;
    std::optional<In4<double>> array;
};

BoundPlaces make_places(std::optional<In3<double>> of_row, std::optional<In3<double>> of_column,
                        std::optional<In4<float>> single, std::optional<In4<double>> array,
                        std::array<bool, 2> flipped, std::array<double, 3> origin) {
    require((of_row && of_column && !single && !array) || (!of_row && !of_column && bool(single) != bool(array)),
            "Places: rows and columns are needed, or one array");
    Places p;
    size_t axes = 3;
    const auto take = [&](size_t rows, size_t columns, size_t corners, size_t n) {
        p.rows = rows;
        p.columns = columns;
        p.corners = corners;
        axes = n;
    };
    if (of_row) {
        require(of_row->shape(1) == of_column->shape(1) && of_column->shape(2) == 3,
                "Places: rows and columns must have as many corners, of three numbers each");
        take(of_row->shape(0), of_column->shape(0), of_row->shape(1), of_row->shape(2));
        p.of_row = of_row->data();
        p.of_column = of_column->data();
    } else if (single) {
        take(single->shape(0), single->shape(1), single->shape(2), single->shape(3));
        p.single = single->data();
    } else {
        take(array->shape(0), array->shape(1), array->shape(2), array->shape(3));
        p.array = array->data();
    }
    require((p.corners == 4 || p.corners == MOST_CORNERS) && axes == 3,
            "Places: a pixel has four or six corners, of three numbers each");
    p.flip_rows = flipped[0];
    p.flip_columns = flipped[1];
    std::copy(origin.begin(), origin.end(), p.origin);
    return {p, std::move(of_row), std::move(of_column), std::move(single), std::move(array)};
}

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
    std::optional<BoundPlaces> places;
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
        if (places) p.places = &places->view;
        return p;
    }
};

void check_coordinate(const BoundCoordinate& c, size_t rows, size_t columns, bool placed, bool grid) {
    const auto fits = [](const std::optional<In2<double>>& array, size_t n1, size_t n2) {
        return !array || (array->shape(0) == n1 && array->shape(1) == n2);
    };
    require(fits(c.centre, rows, columns) && fits(c.vertex, rows + 1, columns + 1),
            "split: the arrays of the pixels must agree in shape");
    require(!c.field || placed, "split: a field needs a grid of pixels or their places");
    require(grid || (!c.centre && !c.vertex), "split: places of pixels go with fields");
}

BoundPixels make_pixels(std::pair<size_t, size_t> shape, BoundCoordinate radial, BoundCoordinate azimuthal,
                        std::optional<In2<uint8_t>> mask, std::optional<Grid> grid, double period, bool radius,
                        std::optional<BoundPlaces> places) {
    const auto [rows, columns] = shape;
    const bool placed = grid.has_value() || places.has_value();
    check_coordinate(radial, rows, columns, placed, !places.has_value());
    check_coordinate(azimuthal, rows, columns, placed, !places.has_value());
    require(!mask || (mask->shape(0) == rows && mask->shape(1) == columns),
            "split: the mask must have the shape of the pixels");
    require(!grid || (grid->row_centre.size() == rows && grid->column_centre.size() == columns &&
                      grid->row_edge.size() == rows + 1 && grid->column_edge.size() == columns + 1),
            "split: the grid must have the shape of the pixels");
    require(!places || (!grid && places->view.rows == rows && places->view.columns == columns),
            "split: the places must be those of the pixels, and in the stead of a grid");
    return {rows,   columns, std::move(radial), std::move(azimuthal), std::move(mask), std::move(grid), std::move(places),
            period, radius};
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

// Decoded pixels of a type, with the array that has their bytes.
struct BoundImage {
    In<uint8_t> bytes;
    int dtype;

    Image view(size_t n_pixels) const {
        require(dtype >= I8 && dtype <= F64 && bytes.size() == n_pixels * ITEMSIZE[dtype],
                "sum_frame: an image must have the bytes of all pixels");
        return {bytes.data(), dtype};
    }
};

void bound_sum_frame(int mode, const BoundPixels& pixels, std::optional<Axis> radial, std::optional<Axis> azimuthal,
                     const BoundImage& raw, int rule, std::optional<BoundImage> variance, In2<double> norm,
                     std::optional<In2<double>> dark, std::optional<In2<double>> dark_variance,
                     std::optional<In<double>> mean, Out2<double> sums, const std::string& isa) {
    require(radial || azimuthal, "sum_frame: at least one axis is needed");
    const size_t bins = size_t((radial ? radial->bins : 1) * (azimuthal ? azimuthal->bins : 1)), n = norm.size();
    require(bins <= INT32_MAX && sums.shape(0) == bins && sums.shape(1) == SHARE_LANES,
            "sum_frame: the sums must have eight numbers for each bin");
    require(!mean || mean->size() == bins, "sum_frame: a mean is needed for each bin");
    require(n == pixels.rows * pixels.columns && (!dark || dark->size() == n) &&
                (!dark_variance || dark_variance->size() == n),
            "sum_frame: norm and dark must have the shape of the pixels");
    require(rule >= NONE && rule <= FRAMES && (rule == FRAMES) == variance.has_value(),
            "sum_frame: unknown rule, or one without its image");
    check_needs({mode_of(mode), radial.has_value(), azimuthal.has_value()}, pixels);
    const FrameView frame = {raw.view(n), variance ? variance->view(n) : Image(), rule, norm.data(),
                             dark ? dark->data() : nullptr, dark_variance ? dark_variance->data() : nullptr};
    const Kernels& k = kernels_of(isa);
    nb::gil_scoped_release release;
    sum_frame(pixels.view(), mode_of(mode), radial ? Scale(*radial) : Scale(), azimuthal ? Scale(*azimuthal) : Scale(),
              k, frame, mean ? mean->data() : nullptr, sums.data());
}

std::array<double, 4> bound_extent(int mode, const BoundPixels& pixels, bool radial, bool azimuthal, double turn,
                                   size_t threads, const std::string& isa) {
    check_needs({mode_of(mode), radial, azimuthal}, pixels);
    const Kernels& k = kernels_of(isa);
    nb::gil_scoped_release release;
    const Extent e = extent(pixels.view(), mode_of(mode), radial, azimuthal, turn, k, threads);
    return {e.x0, e.x1, e.y0, e.y1};
}

// f(scratch space of a thread, i) for each row.
template <class F> void for_rows(size_t rows, size_t scratch, size_t threads, F&& f) {
    constexpr size_t HEIGHT = 16;
    const auto make = [&] { return std::vector<double>(scratch); };
    on_threads(threads, (rows + HEIGHT - 1) / HEIGHT, make, [&](std::vector<double>& memory, Parts& parts) {
        for (size_t part; parts.take(part);)
            for (size_t i = part * HEIGHT; i < std::min(rows, (part + 1) * HEIGHT); ++i) f(memory.data(), i);
    });
}

nb::object bound_field(const Field& field, In<double> rows, In<double> columns, size_t threads,
                       const std::string& isa) {
    const Kernels& k = kernels_of(isa);
    const size_t n = columns.size();
    Array<double> out(rows.size() * n);
    {
        nb::gil_scoped_release release;
        for_rows(rows.size(), 0, threads, [&](double*, size_t i) {
            k.field(field, {rows.data()[i], n, columns.data(), out.data() + i * n});
        });
    }
    return give(out, {rows.size(), n});
}

// At the centres, or at one of the corners.
nb::object bound_field_at(const Field& field, const BoundPlaces& bound, std::optional<size_t> corner, size_t threads,
                          const std::string& isa) {
    const Places& places = bound.view;
    require(!corner || *corner < places.corners, "field_at: pixels do not have this corner");
    const Kernels& k = kernels_of(isa);
    const size_t n = places.columns;
    Array<double> out(places.rows * n);
    {
        nb::gil_scoped_release release;
        for_rows(places.rows, 3 * n, threads, [&](double* at, size_t i) {
            if (corner)
                places.corner(i, *corner, at);
            else
                places.centre(i, at);
            k.field(field, {0.0, n, nullptr, out.data() + i * n, at});
        });
    }
    return give(out, {places.rows, n});
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
               bool turn_at_zero, const std::array<double, 3>& constants, std::optional<In<double>> factors) {
                require(base >= RADIUS && base <= FAST && function >= IDENTITY && function <= ARCSINH,
                        "Field: unknown base or function");
                require(!factors || factors->size() == FACTORS, "Field: another number of factors of parallax");
                new (self) Field{{}, dist, base, function, scale, turn_at_zero, {}, factors.has_value(), {}};
                if (factors) std::copy_n(factors->data(), FACTORS, self->factor);
                std::copy(rotation.begin(), rotation.end(), self->rotation);
                std::copy(constants.begin(), constants.end(), self->constant);
            },
            "rotation"_a, "dist"_a, "base"_a, "function"_a, "scale"_a, "turn_at_zero"_a, "constants"_a,
            "factors"_a.none() = nb::none());
    nb::class_<Grid>(m, "Grid", "Centres and borders of the pixels, in metres from the point of normal incidence.")
        .def(nb::init<In<double>, In<double>, In<double>, In<double>>(), "rows"_a, "columns"_a, "row_edges"_a,
             "column_edges"_a);
    nb::class_<BoundPlaces>(m, "Places",
                            "Where the corners of pixels are that form no grid, (slow, fast, away) in metres: sums of\n"
                            "rows (n1, corners, 3) and columns (n2, corners, 3), or an array (n1, n2, corners, 3).\n"
                            "They are taken relative to the origin, the sample.")
        .def(
            "__init__",
            [](BoundPlaces* self, std::optional<In3<double>> rows, std::optional<In3<double>> columns,
               std::optional<In4<float>> single, std::optional<In4<double>> array, std::array<bool, 2> flipped,
               std::array<double, 3> origin) {
                new (self) BoundPlaces(make_places(std::move(rows), std::move(columns), std::move(single),
                                                   std::move(array), flipped, origin));
            },
            "rows"_a.none() = nb::none(), "columns"_a.none() = nb::none(), "single"_a.none() = nb::none(),
            "array"_a.none() = nb::none(), "flipped"_a = std::array<bool, 2>{}, "origin"_a = std::array<double, 3>{});
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
               std::optional<In2<uint8_t>> mask, std::optional<Grid> grid, double period, bool radius,
               std::optional<BoundPlaces> places) {
                new (self) BoundPixels(make_pixels(shape, std::move(radial), std::move(azimuthal), std::move(mask),
                                                   std::move(grid), period, radius, std::move(places)));
            },
            "shape"_a, "radial"_a, "azimuthal"_a, "mask"_a.none() = nb::none(), "grid"_a.none() = nb::none(),
            "period"_a = 0.0, "radius"_a = true, "places"_a.none() = nb::none());
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
    nb::class_<BoundImage>(m, "Image", "The bytes of decoded pixels, and their type.")
        .def(nb::init<In<uint8_t>, int>(), "bytes"_a, "dtype"_a);
    m.def("sum_frame", &bound_sum_frame, "mode"_a, "pixels"_a, "radial"_a.none(), "azimuthal"_a.none(), "raw"_a,
          "rule"_a, "variance"_a.none(), "norm"_a, "dark"_a.none(), "dark_variance"_a.none(), "mean"_a.none(),
          "sums"_a, "isa"_a = "",
          "Adds the shares c of all pixels to sums (bins, 8) of 1, c s, c n, c, c^2 n^2, c^2 u, c^2 d, c^2: signal s,\n"
          "norm n, variance u, that of the dark d. With a mean for each bin, (s - mean * n)^2 takes the place of n^2\n"
          "and s n that of u.");
    m.def("extent", &bound_extent, "mode"_a, "pixels"_a, "radial"_a, "azimuthal"_a, "turn"_a, "threads"_a = 1,
          "isa"_a = "", "(radial low, high, azimuthal low, high) of the pixels; the azimuth starts at `turn`.");
    m.def("field", &bound_field, "field"_a, "rows"_a, "columns"_a, "threads"_a = 1, "isa"_a = "",
          "A field at all rows and columns (m from the point of normal incidence), shape (rows, columns).");
    m.def("field_at", &bound_field_at, "field"_a, "places"_a, "corner"_a.none() = nb::none(), "threads"_a = 1,
          "isa"_a = "", "A field at the centres of pixels, or at one of their corners, shape (rows, columns).");
}

}  // namespace aureole
