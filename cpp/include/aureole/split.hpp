// Which share of each pixel falls into which bin. Everything is float64, made of operations that IEEE 754 rounds
// exactly, without contraction, and each pixel stands for itself: the same bits come out whatever the instruction set
// and however the rows are dealt out to threads.
#pragma once

#include "joined.hpp"
#include "splitter.hpp"
#include "workers.hpp"

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
    double period = 0.0;              // of the azimuth
    bool radius = true;               // whether the radial coordinate is 0 on the beam and rises from there
    // for fields: where centres and borders of the pixels are, in metres from the point of normal incidence
    const double *row_centre = nullptr, *column_centre = nullptr, *row_edge = nullptr, *column_edge = nullptr;
};

// What a way of splitting looks at. Near the beam the azimuth makes no sense without a radius.
struct Needs {
    struct {
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
        : kernels_(kernels), pixels_(pixels), radial_(pixels, pixels.radial, needs.radial.centre, needs.radial.vertex),
          azimuthal_(pixels, pixels.azimuthal, needs.azimuthal.centre, needs.azimuthal.vertex),
          bounds_(4 * pixels.columns), care_(pixels.columns, PLAIN), bounded_(mode != Mode::no) {
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
    }

    BoundArgs now;    // the row at hand, with its bounds

    static size_t parts(const Pixels& pixels) { return (pixels.rows + height(pixels) - 1) / height(pixels); }
    static size_t pixels(const Pixels& pixels) { return height(pixels) * pixels.columns; }
    static size_t begin(const Pixels& pixels, size_t part) { return std::min(part * height(pixels), pixels.rows); }

    // Of a part the rows are to be read one after the other.
    void read(size_t i, bool first) {
        now.row.mask = pixels_.mask ? pixels_.mask + i * pixels_.columns : nullptr;
        now.row.radial = radial_.row(i, first, kernels_);
        now.row.azimuthal = azimuthal_.row(i, first, kernels_);
        if (bounded_)
            kernels_.bound(now);
        else
            for (size_t j = 0; j < now.row.n; ++j) care_[j] = now.row.mask && now.row.mask[j] ? DROP : PLAIN;
    }

  private:
    static size_t height(const Pixels& pixels) { return std::max<size_t>(1, PART / std::max<size_t>(1, pixels.columns)); }

    // The rows of one coordinate.
    class Source {
      public:
        Source(const Pixels& pixels, const Coordinate& from, bool centre, bool vertex)
            : pixels_(pixels), from_(from), centre_(centre), vertex_(vertex) {
            if (from.field) memory_.resize(3 * (pixels.columns + 1));
        }

        PixelRow::Coordinate row(size_t i, bool first, const Kernels& kernels) {
            const size_t n = pixels_.columns, step = n + 1;
            if (!from_.field)
                return {centre_ ? from_.centre + i * n : nullptr, vertex_ ? from_.vertex + i * step : nullptr,
                        vertex_ ? from_.vertex + (i + 1) * step : nullptr};
            double *centre = memory_.data(), *above = centre + step * (1 + i % 2), *below = centre + step * (2 - i % 2);
            const auto compute = [&](const double* rows, const double* columns, size_t k, size_t count, double* out) {
                kernels.field(*from_.field, {rows[k], count, columns, out});
            };
            if (centre_) compute(pixels_.row_centre, pixels_.column_centre, i, n, centre);
            if (vertex_ && first) compute(pixels_.row_edge, pixels_.column_edge, i, step, above);
            if (vertex_) compute(pixels_.row_edge, pixels_.column_edge, i + 1, step, below);
            return {centre_ ? centre : nullptr, vertex_ ? above : nullptr, vertex_ ? below : nullptr};
        }

      private:
        const Pixels& pixels_;
        const Coordinate& from_;
        const bool centre_, vertex_;
        std::vector<double> memory_;
    };

    const Kernels& kernels_;
    const Pixels& pixels_;
    Source radial_, azimuthal_;
    std::vector<double> bounds_;
    std::vector<uint8_t> care_;
    const bool bounded_;
};

// The entries of rows of pixels, in order.
class RowSplitter {
  public:
    RowSplitter(const Pixels& pixels, Mode mode, const Scale& radial, const Scale& azimuthal, const Kernels& kernels)
        : splitter(radial, azimuthal, 3 * Rows::pixels(pixels)), rows_(pixels, mode, {mode, radial.present, azimuthal.present}, kernels),
          kernels_(kernels), mode_(mode), radial_(radial),
          in_bulk_(!azimuthal.present && (mode == Mode::bbox || mode == Mode::full)), bin_(pixels.columns, -1),
          part_(3 * pixels.columns) {}

    Splitter splitter;

    // Puts the number of entries up to the end of each pixel of the row, since `splitter` was cleared, to `ends`.
    void split(size_t i, bool first, int64_t* ends) {
        rows_.read(i, first);
        const BoundArgs& b = rows_.now;
        const size_t n = b.row.n;
        double* part[3] = {part_.data(), part_.data() + n, part_.data() + 2 * n};
        if (in_bulk_)
            kernels_.share({b, mode_ == Mode::full, radial_.lo, radial_.per_width, radial_.top, radial_.lowest,
                            bin_.data(), {part[0], part[1], part[2]}});
        Entries& entries = splitter.entries;
        entries.reserve(3 * n);
        for (size_t j = 0; j < n; ++j) {
            if (b.care[j] == PLAIN && bin_[j] >= 0) {
                for (int k = 0; k < 3; ++k) entries.put(bin_[j] + k, part[k][j]);
            } else if (b.care[j] != DROP) {
                split_one(j);
                entries.reserve(3 * (n - j));
            }
            ends[j] = int64_t(entries.size());
        }
    }

  private:
    void split_one(size_t j) {
        const BoundArgs& b = rows_.now;
        if (mode_ == Mode::no) {
            const PixelRow::Coordinate &x = b.row.radial, &y = b.row.azimuthal;
            return splitter.add_point(x.centre ? x.centre[j] : 0.0, y.centre ? y.centre[j] : 0.0);
        }
        shape_of(mode_, b, j, shape_);
        splitter.add(shape_);
    }

    Rows rows_;
    const Kernels& kernels_;
    const Mode mode_;
    const Scale radial_;
    const bool in_bulk_;    // nearly all pixels are shared out a row at a time
    std::vector<int32_t> bin_;
    std::vector<double> part_;
    Shape shape_;
};

// The entries of all pixels. `pixel_ptr` has an element more than there are pixels.
inline void split(const Pixels& pixels, Mode mode, const Scale& radial, const Scale& azimuthal, const Kernels& kernels,
                  size_t n_threads, int64_t* pixel_ptr, Joined& out) {
    pixel_ptr[0] = 0;
    const auto make = [&] { return RowSplitter(pixels, mode, radial, azimuthal, kernels); };
    on_threads(n_threads, Rows::parts(pixels), make, [&](RowSplitter& rows, Parts& parts) {
        try {
            Entries& entries = rows.splitter.entries;
            for (size_t part; parts.take(part);) {
                const size_t begin = Rows::begin(pixels, part), end = Rows::begin(pixels, part + 1);
                int64_t* ends = pixel_ptr + begin * pixels.columns + 1;
                const size_t n = (end - begin) * pixels.columns;
                entries.clear();
                for (size_t i = begin; i < end; ++i) rows.split(i, i == begin, ends + (i - begin) * pixels.columns);
                const auto at = int64_t(out.append(part, entries.size(), entries.bins(), entries.coefs()));
                for (size_t j = 0; j < n; ++j) ends[j] += at;
            }
        } catch (...) {
            out.abandon();
            throw;
        }
    });
    out.finish();
}

}  // namespace aureole
