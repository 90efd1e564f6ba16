// Which share of each pixel falls into which bin. Everything is float64, made of operations that IEEE 754 rounds
// exactly, without contraction, and each pixel stands for itself: the same bits come out whatever the instruction set
// and however the rows are dealt out to threads.
#pragma once

#include "joined.hpp"
#include "rows.hpp"
#include "splitter.hpp"
#include "workers.hpp"

namespace aureole {

// The entries of rows of pixels, in order.
class RowSplitter {
  public:
    RowSplitter(const Pixels& pixels, Mode mode, const Scale& radial, const Scale& azimuthal, const Kernels& kernels)
        : splitter(radial, azimuthal, 3 * Rows::pixels(pixels)),
          rows_(pixels, mode, {mode, radial.present, azimuthal.present}, kernels), kernels_(kernels),
          mode_(mode), radial_(radial),
          points_(mode == Mode::no && !azimuthal.present && radial.period == 0.0),
          in_bulk_(!azimuthal.present && (mode == Mode::bbox || (mode == Mode::full && pixels.corners() == 4))),
          bin_(pixels.columns, -1), part_(3 * pixels.columns) {}

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
        if (points_) return put_points(n, ends);
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
    void put_points(size_t n, int64_t* ends) {
        const BoundArgs& b = rows_.now;
        kernels_.points({n, b.row.radial.centre, radial_.lo, radial_.width, double(radial_.bins), bin_.data()});
        Entries& entries = splitter.entries;
        for (size_t j = 0; j < n; ++j) {
            entries.put(bin_[j], bin_[j] >= 0 && b.care[j] != DROP ? 1.0 : 0.0);
            ends[j] = int64_t(entries.size());
        }
    }

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
    const bool points_;     // all pixels are points on the radial axis
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
