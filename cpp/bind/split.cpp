// Shares of pixels in bins: checks shapes, releases the GIL, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "aureole/split.hpp"

namespace nb = nanobind;
using namespace nb::literals;
namespace split = aureole::split;

namespace {

using Array = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Mask = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Vector = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

template <class T>
Vector<T> give(std::vector<T>&& values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return Vector<T>(kept->data(), {kept->size()}, owner);
}

// One coordinate of a block as Python gives it.
struct Field {
  std::optional<Array> centre, vertex;
};

const double* checked(const std::optional<Array>& array, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  if (!array) return nullptr;
  if (array->shape(0) != static_cast<std::size_t>(rows) || array->shape(1) != static_cast<std::size_t>(columns))
    throw nb::value_error("split: the arrays of a block must agree in shape");
  return array->data();
}

split::Mode mode_of(int mode) {
  if (mode < 0 || mode > 3) throw nb::value_error("split: mode must be 0 (no), 1 (bbox), 2 (pseudo) or 3 (full)");
  return static_cast<split::Mode>(mode);
}

// A block of pixels as Python gives it.
struct Block {
  Field radial, azimuthal;
  std::optional<Mask> mask;
  std::ptrdiff_t rows, columns;
  double period;
  bool radius;
};

// Checks that the arrays that a mode needs are there, so that no kernel meets a null pointer.
split::Block checked(split::Mode mode, const Block& given, bool radial, bool azimuthal) {
  split::Block block;
  block.rows = given.rows;
  block.columns = given.columns;
  block.period = given.period;
  block.radius = given.radius;
  const auto view = [&given](const Field& field) {
    return split::Field{checked(field.centre, given.rows, given.columns),
                        checked(field.vertex, given.rows + 1, given.columns + 1)};
  };
  block.radial = view(given.radial);
  block.azimuthal = view(given.azimuthal);
  if (given.mask) {
    if (given.mask->shape(0) != static_cast<std::size_t>(given.rows) ||
        given.mask->shape(1) != static_cast<std::size_t>(given.columns))
      throw nb::value_error("split: the mask must have the shape of the block");
    block.mask = given.mask->data();
  }
  const bool centres = mode == split::Mode::no || mode == split::Mode::bbox;
  if (centres && (radial != (block.radial.centre != nullptr) || azimuthal != (block.azimuthal.centre != nullptr)))
    throw nb::value_error("split: this mode needs the centres of the axes, and of no others");
  if (mode != split::Mode::no && !block.radial.vertex)
    throw nb::value_error("split: this mode needs the radial vertices");
  if ((!centres || (mode == split::Mode::bbox && azimuthal)) && !block.azimuthal.vertex)
    throw nb::value_error("split: this mode needs the azimuthal vertices");
  return block;
}

std::tuple<Vector<std::int64_t>, Vector<std::int32_t>, Vector<float>> split_block(
    int mode, const Block& given, std::optional<split::Axis> radial, std::optional<split::Axis> azimuthal) {
  if (!radial && !azimuthal) throw nb::value_error("split: at least one axis is needed");
  const std::int64_t bins = (radial ? radial->bins : 1) * (azimuthal ? azimuthal->bins : 1);
  if (bins > std::numeric_limits<std::int32_t>::max()) throw nb::value_error("split: more than 2^31 - 1 bins");
  const split::Block block = checked(mode_of(mode), given, radial.has_value(), azimuthal.has_value());
  split::Entries entries;
  {
    nb::gil_scoped_release release;
    entries = split::split_block(mode_of(mode), block, radial ? &*radial : nullptr,
                                 azimuthal ? &*azimuthal : nullptr);
  }
  return {give(std::move(entries.pixel_ptr)), give(std::move(entries.bins)), give(std::move(entries.coefs))};
}

std::array<double, 4> extent(int mode, const Block& given, double turn) {
  const bool radial = given.radial.centre.has_value(), azimuthal = given.azimuthal.centre.has_value();
  const split::Block block = checked(mode_of(mode), given, radial, azimuthal);
  nb::gil_scoped_release release;
  return split::extent_of(mode_of(mode), block, turn);
}

split::Axis make_axis(double lo, double hi, std::int64_t bins, double period, double lowest) {
  if (!(std::isfinite(lo) && std::isfinite(hi) && hi > lo) || bins < 1 || !(period >= 0.0))
    throw nb::value_error("split: an axis needs a finite, rising range and at least one bin");
  if (bins > std::numeric_limits<std::int32_t>::max()) throw nb::value_error("split: more than 2^31 - 1 bins");
  return {lo, hi, bins, period, lowest};
}

}  // namespace

void register_split(nb::module_& m) {
  nb::class_<split::Axis>(m, "SplitAxis", "A binned coordinate: [lo, hi) in `bins` bins, closed after `period`.")
      .def("__init__",
           [](split::Axis* self, double lo, double hi, std::int64_t bins, double period, double lowest) {
             new (self) split::Axis(make_axis(lo, hi, bins, period, lowest));
           },
           "lo"_a, "hi"_a, "bins"_a = 1, "period"_a = 0.0,
           "lowest"_a = -std::numeric_limits<double>::infinity())
      .def_ro("lo", &split::Axis::lo)
      .def_ro("hi", &split::Axis::hi)
      .def_ro("bins", &split::Axis::bins)
      .def_ro("period", &split::Axis::period)
      .def_ro("lowest", &split::Axis::lowest);
  nb::class_<Field>(m, "PixelField",
                    "One coordinate of a block of pixels: at their centres (rows, columns) and at the points\n"
                    "between them (rows + 1, columns + 1).")
      .def(
          "__init__",
          [](Field* self, std::optional<Array> centre, std::optional<Array> vertex) {
            new (self) Field{std::move(centre), std::move(vertex)};
          },
          "centre"_a.none() = nb::none(), "vertex"_a.none() = nb::none());
  nb::class_<Block>(m, "PixelBlock", "Coordinates and mask (non-zero: no entries) of a block of pixels.")
      .def(
          "__init__",
          [](Block* self, std::pair<std::ptrdiff_t, std::ptrdiff_t> shape, Field radial, Field azimuthal,
             std::optional<Mask> mask, double period, bool radius) {
            if (shape.first < 0 || shape.second < 0) throw nb::value_error("split: a negative shape");
            new (self) Block{std::move(radial), std::move(azimuthal), std::move(mask), shape.first, shape.second,
                             period, radius};
          },
          "shape"_a, "radial"_a, "azimuthal"_a, "mask"_a.none() = nb::none(),
          "period"_a = 0.0, "radius"_a = true);
  m.def("split_block", &split_block, "mode"_a, "block"_a, "radial"_a.none() = nb::none(),
        "azimuthal"_a.none() = nb::none(),
        "Entries of a block: pixel_ptr (pixels + 1, from 0), bins (azimuthal * n_radial + radial), coefs.");
  m.def("extent", &extent, "mode"_a, "block"_a, "turn"_a,
        "(radial low, high, azimuthal low, high) of the pixels of a block; the azimuth starts at `turn`.");
}
