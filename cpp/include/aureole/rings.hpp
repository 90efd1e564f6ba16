// The sparse table by bin, for averages that look at all pixels of a bin at once.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "api.hpp"
#include "joined.hpp"

namespace aureole {

// What is known of each pixel; null where there is none.
struct PixelRows {
    const double *norm, *dark, *dark_variance;
};

class Rings {
  public:
    // Entries k of pixel p are pixel_ptr[p] <= k < pixel_ptr[p + 1]; throws std::invalid_argument where they do not
    // fit together.
    Rings(const int64_t* pixel_ptr, size_t n_pixels, const int32_t* bins, const float* coefs, size_t n_entries,
          size_t n_bins, const PixelRows& pixels)
        : n_pixels_(n_pixels), n_bins_(n_bins), ptr_(n_bins + 1, 0), pixel_(n_entries), coef_(n_entries),
          norm_(n_entries), dark_(pixels.dark ? n_entries : 0), dark_variance_(pixels.dark_variance ? n_entries : 0),
          has_dark_(pixels.dark), has_dark_variance_(pixels.dark_variance),
          used_((n_pixels + TILE - 1) / TILE * TILE / 16, 0) {
        if (n_pixels > UINT32_MAX) throw std::invalid_argument("more than 2^32 - 1 pixels");
        if (pixel_ptr[0] != 0 || size_t(pixel_ptr[n_pixels]) != n_entries)
            throw std::invalid_argument("pixel_ptr does not fit the number of entries");
        for (size_t k = 0; k < n_entries; ++k) {
            if (bins[k] < 0 || size_t(bins[k]) >= n_bins) throw std::invalid_argument("an entry has a bin that does not exist");
            ++ptr_[size_t(bins[k]) + 1];
        }
        for (size_t b = 0; b < n_bins; ++b) {
            longest_ = std::max(longest_, size_t(ptr_[b + 1]));
            ptr_[b + 1] += ptr_[b];
        }
        if (longest_ >= size_t(1) << 30) throw std::invalid_argument("a bin has 2^30 pixels or more");
        std::vector<int64_t> next(ptr_.begin(), ptr_.end() - 1);
        for (size_t p = 0; p < n_pixels; ++p) {
            if (pixel_ptr[p] > pixel_ptr[p + 1]) throw std::invalid_argument("pixel_ptr must not decrease");
            for (int64_t k = pixel_ptr[p]; k < pixel_ptr[p + 1]; ++k) {
                const size_t to = size_t(next[size_t(bins[k])]++);
                pixel_.data()[to] = uint32_t(p);
                coef_.data()[to] = coefs[k];
                norm_.data()[to] = pixels.norm[p];
                if (pixels.dark) dark_.data()[to] = pixels.dark[p];
                if (pixels.dark_variance) dark_variance_.data()[to] = pixels.dark_variance[p];
            }
            if (pixel_ptr[p + 1] > pixel_ptr[p]) used_[p / 16] = uint16_t(used_[p / 16] | 1u << (p % 16));
        }
    }

    RingsView view() const {
        return {n_pixels_, n_bins_, longest_, ptr_.data(), pixel_.data(), coef_.data(), norm_.data(),
                has_dark_ ? dark_.data() : nullptr, has_dark_variance_ ? dark_variance_.data() : nullptr, used_.data()};
    }

  private:
    size_t n_pixels_, n_bins_, longest_ = 0;
    std::vector<int64_t> ptr_;
    Array<uint32_t> pixel_;
    Array<float> coef_;
    Array<double> norm_, dark_, dark_variance_;
    bool has_dark_, has_dark_variance_;
    std::vector<uint16_t> used_;
};

}  // namespace aureole
