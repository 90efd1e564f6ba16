// One frame, summed while its pixels are dealt out to bins; their shares are not kept.
#pragma once

#include "split.hpp"

namespace aureole {

// Decoded pixels of any type.
struct Image {
    const uint8_t* data = nullptr;
    int32_t dtype = F64;

    // Pixels from `first` on, as doubles.
    void read(size_t first, size_t n, double* out) const {
        switch (dtype) {
        case I8: return widen<int8_t>(first, n, out);
        case U8: return widen<uint8_t>(first, n, out);
        case I16: return widen<int16_t>(first, n, out);
        case U16: return widen<uint16_t>(first, n, out);
        case I32: return widen<int32_t>(first, n, out);
        case U32: return widen<uint32_t>(first, n, out);
        case I64: return widen<int64_t>(first, n, out);
        case U64: return widen<uint64_t>(first, n, out);
        case F32: return widen<float>(first, n, out);
        default: return widen<double>(first, n, out);
        }
    }

  private:
    template <class T> void widen(size_t first, size_t n, double* out) const {
        const T* from = reinterpret_cast<const T*>(data) + first;
        for (size_t j = 0; j < n; ++j) out[j] = double(from[j]);
    }
};

// A frame and what is known of its pixels; what masked ones have does not count.
struct FrameView {
    Image raw, variance;               // the latter for FRAMES alone
    int32_t rule = NONE;        // a Variance
    const double* norm = nullptr;
    const double* dark = nullptr;             // or null
    const double* dark_variance = nullptr;    // or null
};

// See ShareSumArgs for what is added to the sums.
inline void sum_frame(const Pixels& pixels, Mode mode, const Scale& radial, const Scale& azimuthal,
                      const Kernels& kernels, const FrameView& frame, const double* mean, double* sums) {
    const size_t n = pixels.columns;
    RowSplitter rows(pixels, mode, radial, azimuthal, kernels);
    Entries& entries = rows.splitter.entries;
    std::vector<int64_t> ends(n);
    std::vector<double> x(n * SHARE_LANES), raw(n), u(n);
    for (size_t i = 0; i < pixels.rows; ++i) {
        entries.clear();
        rows.split(i, i == 0, ends.data());
        const double *norm = frame.norm + i * n, *dark = frame.dark ? frame.dark + i * n : nullptr;
        const double* of_dark = frame.dark_variance ? frame.dark_variance + i * n : nullptr;
        frame.raw.read(i * n, n, raw.data());
        if (frame.rule == FRAMES) frame.variance.read(i * n, n, u.data());
        if (frame.rule == SAME) u = raw;
        if (frame.rule == FLOOR)
            for (size_t j = 0; j < n; ++j) u[j] = raw[j] > 1.0 ? raw[j] : 1.0;
        for (size_t j = 0; j < n; ++j) {
            const double s = dark ? raw[j] - dark[j] : raw[j];
            double* to = x.data() + j * SHARE_LANES;
            to[0] = to[3] = to[7] = 1.0;
            to[1] = s;
            to[2] = norm[j];
            to[4] = norm[j] * norm[j];
            to[5] = mean ? s * norm[j] : u[j];
            to[6] = of_dark ? of_dark[j] : 0.0;
        }
        kernels.sum_shares({n, ends.data(), entries.bins(), entries.coefs(), x.data(), mean, sums});
    }
}

}  // namespace aureole
