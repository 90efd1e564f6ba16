// Where the pixels of a detector are that form no grid.
#pragma once

#include <algorithm>
#include <cstddef>

namespace aureole {

// The corners of all pixels, along the axes of the detector (slow, fast, away) in metres: each is the sum of what its row
// and what its column says, or stands in an array.
struct Places {
    size_t rows = 0, columns = 0, corners = 4;
    const double *of_row = nullptr, *of_column = nullptr;    // (rows, corners, 3) and (columns, corners, 3); or
    const float* single = nullptr;                           // (rows, columns, corners, 3); or
    const double* array = nullptr;                           // the same
    bool flip_rows = false, flip_columns = false;            // the first stored pixel stands last
    double origin[3] = {0.0, 0.0, 0.0};                      // of the places below: the sample

    // Corner k of the pixels of a row: places of all slow, all fast, all away.
    void corner(size_t i, size_t k, double* out) const {
        double shift[3];
        start(i, k, shift);
        std::fill_n(out, 3 * columns, 0.0);
        add(i, k, out);
        for (size_t a = 0; a < 3; ++a)
            for (size_t j = 0; j < columns; ++j) out[a * columns + j] += shift[a] - origin[a];
    }

    // The means of their corners.
    void centre(size_t i, double* out) const {
        double shift[3] = {0.0, 0.0, 0.0};
        std::fill_n(out, 3 * columns, 0.0);
        for (size_t k = 0; k < corners; ++k) {
            double one[3];
            start(i, k, one);
            add(i, k, out);
            for (size_t a = 0; a < 3; ++a) shift[a] += one[a];
        }
        const double n = double(corners);
        for (size_t a = 0; a < 3; ++a)
            for (size_t j = 0; j < columns; ++j)
                out[a * columns + j] = (out[a * columns + j] + shift[a]) / n - origin[a];
    }

  private:
    size_t stored(size_t i) const { return flip_rows ? rows - 1 - i : i; }

    // What the row says.
    void start(size_t i, size_t k, double* shift) const {
        for (size_t a = 0; a < 3; ++a) shift[a] = of_row ? of_row[(stored(i) * corners + k) * 3 + a] : 0.0;
    }

    void add(size_t i, size_t k, double* out) const {
        const size_t first = stored(i) * columns * corners * 3;
        if (of_column) return add_from(of_column, k, out);
        if (single) return add_from(single + first, k, out);
        add_from(array + first, k, out);
    }

    template <class T> void add_from(const T* row, size_t k, double* out) const {
        for (size_t j = 0; j < columns; ++j) {
            const T* at = row + ((flip_columns ? columns - 1 - j : j) * corners + k) * 3;
            for (size_t a = 0; a < 3; ++a) out[a * columns + j] += double(at[a]);
        }
    }
};

}  // namespace aureole
