// The pixels of a detector, row by row: their coordinates, computed or given, and their bounds.
#pragma once

#include <algorithm>
#include <vector>

#include "places.hpp"
#include "shape.hpp"

namespace aureole {

// A coordinate of all pixels: a field, or arrays of it at the centres (rows, columns) and at the points between the
// pixels (rows + 1, columns + 1).
struct Coordinate {
    const Field* field = nullptr;
    const double *centre = nullptr, *vertex = nullptr;
};

struct Pixels {
    size_t rows = 0, columns = 0;
    const uint8_t* mask = nullptr;    // non-zero: no entries
    Coordinate radial, azimuthal;
    double period = 0.0;              // of the azimuth; infinite where that is no angle around the beam
    bool radius = true;               // whether the radial coordinate is 0 on the beam and rises from there
    // for fields: where centres and borders of the pixels are, in metres from the point of normal incidence
    const double *row_centre = nullptr, *column_centre = nullptr, *row_edge = nullptr, *column_edge = nullptr;
    const Places* places = nullptr;    // or where their corners are, if they form no grid

    size_t corners() const { return places ? places->corners : 4; }
};

// What a way of splitting looks at. Near the beam the azimuth makes no sense without a radius.
struct Needs {
    struct Of {
        bool centre, vertex;
    } radial, azimuthal;

    Needs(Mode mode, bool has_radial, bool has_azimuthal) {
        const bool centres = mode == Mode::no || mode == Mode::bbox, vertices = mode != Mode::no;
        radial = {centres && has_radial, vertices};
        azimuthal = {centres && has_azimuthal, vertices && (has_azimuthal || !centres)};
    }
};

// Pixels of a part of the work: enough to make the vertices that two parts share negligible.
inline constexpr size_t PART = size_t(1) << 15;

// Reads the pixels of a part, row by row; fields are computed here. Each thread has its own.
class Rows {
  public:
    Rows(const Pixels& pixels, Mode mode, const Needs& needs, const Kernels& kernels)
        : kernels_(kernels), pixels_(pixels), radial_(pixels, pixels.radial, needs.radial),
          azimuthal_(pixels, pixels.azimuthal, needs.azimuthal),
          places_(pixels.places ? pixels.columns * 3 * (1 + pixels.places->corners) : 0), bounds_(4 * pixels.columns),
          care_(pixels.columns, PLAIN), centred_(radial_.centred() || azimuthal_.centred()),
          bounded_(mode != Mode::no) {
        double* b = bounds_.data();
        now.centred = mode == Mode::bbox;
        now.period = pixels.period;
        now.radius = pixels.radius;
        now.x0 = b;
        now.x1 = b + pixels.columns;
        now.y0 = b + 2 * pixels.columns;
        now.y1 = b + 3 * pixels.columns;
        now.care = care_.data();
        now.row.n = pixels.columns;
        now.row.corners = pixels.corners();
        now.row.grid = !pixels.places && !radial_.sided() && !azimuthal_.sided();
    }

    BoundArgs now;    // the row at hand, with its bounds; points into the vectors below, which keep their place

    static size_t parts(const Pixels& pixels) { return (pixels.rows + height(pixels) - 1) / height(pixels); }
    static size_t pixels(const Pixels& pixels) { return height(pixels) * pixels.columns; }
    static size_t begin(const Pixels& pixels, size_t part) { return std::min(part * height(pixels), pixels.rows); }

    // Of a part the rows are to be read one after the other.
    void read(size_t i, bool first) {
        now.row.mask = pixels_.mask ? pixels_.mask + i * pixels_.columns : nullptr;
        if (pixels_.places) {
            find_places(i);
            now.row.radial = radial_.row(places_.data(), kernels_);
            now.row.azimuthal = azimuthal_.row(places_.data(), kernels_);
        } else {
            now.row.radial = radial_.row(i, first, kernels_);
            now.row.azimuthal = azimuthal_.row(i, first, kernels_);
        }
        if (bounded_)
            kernels_.bound(now);
        else
            for (size_t j = 0; j < now.row.n; ++j) care_[j] = now.row.mask && now.row.mask[j] ? DROP : PLAIN;
    }

  private:
    static size_t height(const Pixels& pixels) {
        return std::max<size_t>(1, PART / std::max<size_t>(1, pixels.columns));
    }

    // Centres, then each of the corners.
    void find_places(size_t i) {
        const Places& from = *pixels_.places;
        double* out = places_.data();
        if (centred_) from.centre(i, out);
        for (size_t k = 0; bounded_ && k < from.corners; ++k) from.corner(i, k, out + 3 * (k + 1) * pixels_.columns);
    }

    // The rows of one coordinate.
    class Source {
      public:
        Source(const Pixels& pixels, const Coordinate& from, const Needs::Of& needs)
            : pixels_(pixels), from_(from), vertex_(needs.vertex),
              sided_(vertex_ && from.field && has_sides(from.field->base)), centre_(needs.centre || sided_) {
            if (from.field) memory_.resize((pixels.places ? 1 + pixels.places->corners : 3) * (pixels.columns + 1));
            if (sided_) on_one_side_.resize(pixels.corners() * pixels.columns);
        }

        bool centred() const { return centre_; }
        bool sided() const { return sided_; }

        PixelRow::Coordinate row(size_t i, bool first, const Kernels& kernels) {
            const size_t n = pixels_.columns, step = n + 1;
            if (!from_.field)
                return on_grid(centre_ ? from_.centre + i * n : nullptr, vertex_ ? from_.vertex + i * step : nullptr,
                               vertex_ ? from_.vertex + (i + 1) * step : nullptr);
            // the vertices below a row are those above the next one
            double *centre = memory_.data(), *above = centre + step * (1 + i % 2), *below = centre + step * (2 - i % 2);
            const double* edge = pixels_.row_edge + i;
            if (centre_) kernels.field(*from_.field, {pixels_.row_centre[i], n, pixels_.column_centre, centre});
            if (vertex_ && first) kernels.field(*from_.field, {edge[0], step, pixels_.column_edge, above});
            if (vertex_) kernels.field(*from_.field, {edge[1], step, pixels_.column_edge, below});
            return one_side(on_grid(centre_ ? centre : nullptr, vertex_ ? above : nullptr, vertex_ ? below : nullptr));
        }

        // At centres and corners that are known, one after the other.
        PixelRow::Coordinate row(const double* places, const Kernels& kernels) {
            const size_t n = pixels_.columns;
            PixelRow::Coordinate found = {};
            double* out = memory_.data();
            if (centre_) {
                kernels.field(*from_.field, {0.0, n, nullptr, out, places});
                found.centre = out;
            }
            for (size_t k = 0; vertex_ && k < pixels_.places->corners; ++k) {
                out += n;
                places += 3 * n;
                kernels.field(*from_.field, {0.0, n, nullptr, out, places});
                found.corner[k] = out;
            }
            return one_side(found);
        }

      private:
        // A pixel where the sign jumps is all on the side that its centre is on, and not in between.
        PixelRow::Coordinate one_side(PixelRow::Coordinate found) {
            const size_t n = pixels_.columns;
            for (size_t k = 0; sided_ && k < pixels_.corners(); ++k) {
                double* out = on_one_side_.data() + k * n;
                for (size_t j = 0; j < n; ++j) out[j] = std::copysign(found.corner[k][j], found.centre[j]);
                found.corner[k] = out;
            }
            return found;
        }

        static PixelRow::Coordinate on_grid(const double* centre, const double* above, const double* below) {
            if (!above) return {centre, {}};
            return {centre, {above, below, below + 1, above + 1}};
        }

        const Pixels& pixels_;
        const Coordinate& from_;
        const bool vertex_, sided_, centre_;
        std::vector<double> memory_, on_one_side_;
    };

    const Kernels& kernels_;
    const Pixels& pixels_;
    Source radial_, azimuthal_;
    std::vector<double> places_;
    std::vector<double> bounds_;
    std::vector<uint8_t> care_;
    const bool centred_, bounded_;
};

}  // namespace aureole
