// Pixels that stand out above the clipped mean of their radius, and the peaks that they make. Frames are the lanes; what
// was decoded for clipping is looked at once more.
#pragma once

#include "robust.hpp"

namespace aureole::AUREOLE_ISA {

template <class T> inline bool push(Grown<T>& list, const T& one) {
    if (list.n == list.capacity) {
        const size_t capacity = list.capacity ? 2 * list.capacity : 256;
        T* const data = static_cast<T*>(realloc(list.data, capacity * sizeof(T)));
        if (!data) return false;
        list.data = data;
        list.capacity = capacity;
    }
    list.data[list.n++] = one;
    return true;
}

// A bit for each lane of a comparison.
AUREOLE_INLINE uint32_t bits(i64v mask) {
#if defined(__AVX512VBMI2__)
    return _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX2__)
    return uint32_t(_mm256_movemask_pd((__m256d)mask));
#elif defined(__SSE2__)
    return uint32_t(_mm_movemask_pd((__m128d)mask));
#else
    uint32_t found = 0;
    for (size_t i = 0; i < WIDTH; ++i) found |= (mask[i] & 1u) << i;
    return found;
#endif
}

// Mean and standard deviation of a pixel in each bin; those of bins without any are put between their neighbours.
inline void background_of(const RobustArgs& args, size_t frame, double* mean, double* deviation) {
    const size_t n = args.rings.n_bins, first = frame * n;
    size_t last = n;    // bin before that has pixels
    for (size_t b = 0; b < n; ++b) {
        const size_t k = first + b;
        mean[b] = args.signal[k] / args.normalization[k];
        deviation[b] = __builtin_sqrt((args.variance_out[k] + args.dark_out[k]) / args.normalization2[k]);
        if (!(args.count[k] > 0.0) || !__builtin_isfinite(mean[b]) || !__builtin_isfinite(deviation[b])) continue;
        for (size_t gap = last == n ? 0 : last + 1; gap < b; ++gap) {
            const double part = last == n ? 1.0 : double(gap - last) / double(b - last);
            const size_t from = last == n ? b : last;
            mean[gap] = mean[from] + part * (mean[b] - mean[from]);
            deviation[gap] = deviation[from] + part * (deviation[b] - deviation[from]);
        }
        last = b;
    }
    for (size_t gap = last == n ? 0 : last + 1; gap < n; ++gap) {
        mean[gap] = last == n ? __builtin_nan("") : mean[last];
        deviation[gap] = last == n ? __builtin_nan("") : deviation[last];
    }
}

template <class T> class Picker {
  public:
    Picker(const PickArgs& args, const Images<T>& images, const double* rows)
        : a(args), images_(images), rows_(rows), noise2_(args.noise * args.noise), cutoff2_(args.cutoff * args.cutoff),
          peak2_(args.peak_cutoff * args.peak_cutoff) {}
    Picker(const Picker&) = delete;
    Picker& operator=(const Picker&) = delete;
    ~Picker() { free(tops_.data); }

    // Rows of the background, [bin][mean, deviation][lane], with the last bin twice.
    static constexpr size_t ROW = 2 * L;

    bool pick() {
        const RingsView& t = a.clip.rings;
        uint32_t live = 0;
        for (size_t f = 0; f < a.clip.n_frames; ++f) live |= uint32_t(a.clip.status[f] == OK) << f;
        bool good = true;
        for (size_t p0 = 0; p0 < t.n_pixels && good; p0 += 16)
            for (uint32_t used = t.used[p0 / 16]; used; used &= used - 1) {
                const size_t p = p0 + size_t(__builtin_ctz(used));
                const uint32_t bad = images_.any_bad[p / RobustMemory::BLOCK] ? images_.bad[p] & live : 0;
                uint32_t found = 0, tops = 0;
                for (size_t lane = 0; lane < L; lane += WIDTH) {
                    const Excess e = excess(p, lane);
                    const f64v square = e.value * e.value;
                    const i64v above = e.value > a.noise;
                    found |= bits(above & (square > cutoff2_ * e.variance)) << lane;
                    tops |= bits(above & (square > peak2_ * e.variance)) << lane;
                }
                if (__builtin_expect((found | tops | bad) == 0, 1)) continue;
                good = note(p, found & live & ~bad, &Picked::pixels) && note(p, bad, &Picked::invalid);
                if (tops & live & ~bad) good = good && push(tops_, {uint32_t(p), tops & live & ~bad});
                if (!good) break;
            }
        for (size_t f = 0; f < a.clip.n_frames && good; ++f) good = copy_values(f);
        for (size_t i = 0; i < tops_.n && good; ++i)
            for (uint32_t lanes = tops_.data[i].lanes; lanes && good; lanes &= lanes - 1)
                good = find_peak(tops_.data[i].pixel, size_t(__builtin_ctz(lanes)));
        return good;
    }

  private:
    struct Top {
        uint32_t pixel, lanes;
    };

    template <class V> struct ExcessOf {
        V value, variance;    // above the mean; that of a pixel, with the noise
    };
    typedef ExcessOf<f64v> Excess;

    Excess excess(size_t p, size_t lane) const {
        const float place = a.place[p];
        const size_t bin = size_t(place);
        const double part = double(place) - double(bin);
        const double* const row = rows_ + bin * ROW + lane;
        const f64v mean = load<f64v>(row), deviation = load<f64v>(row + L);
        const f64v s = deviation + part * (load<f64v>(row + ROW + L) - deviation);
        const f64v v = load_doubles(images_.cells + p * L + lane) * a.inverse[p];
        return {v - (mean + part * (load<f64v>(row + ROW) - mean)), s * s + noise2_};
    }

    // The same of one lane; NaN where there is no such pixel.
    ExcessOf<double> excess_of(size_t p, size_t lane) const {
        const bool used = a.clip.rings.used[p / 16] >> (p % 16) & 1;
        if (!used || images_.bad[p] >> lane & 1) return {__builtin_nan(""), 0.0};
        const size_t bin = size_t(a.place[p]);
        const double part = double(a.place[p]) - double(bin);
        const double* const row = rows_ + bin * ROW + lane;
        const double mean = row[0], deviation = row[L], s = deviation + part * (row[ROW + L] - deviation);
        const double v = double(images_.cells[p * L + lane]) * a.inverse[p];
        return {v - (mean + part * (row[ROW] - mean)), s * s + noise2_};
    }

    bool note(size_t p, uint32_t found, Grown<uint32_t> Picked::*list) {
        for (; found; found &= found - 1)
            if (!push(a.picked[__builtin_ctz(found)].*list, uint32_t(p))) return false;
        return true;
    }

    bool copy_values(size_t frame) {
        Picked& picked = a.picked[frame];
        Cell<T>* const values = static_cast<Cell<T>*>(malloc(picked.pixels.n * sizeof(Cell<T>) + 1));
        picked.values = values;
        for (size_t i = 0; i < picked.pixels.n && values; ++i)
            values[i] = images_.cells[size_t(picked.pixels.data[i]) * L + frame];
        return values != nullptr;
    }

    // A peak is where no pixel around is higher; of equal ones the first counts.
    bool find_peak(size_t top, size_t frame) {
        const size_t row = top / a.columns, column = top % a.columns, reach = a.reach;
        const size_t n_rows = a.clip.rings.n_pixels / a.columns;
        const size_t row_end = min(n_rows, row + reach + 1), column_end = min(a.columns, column + reach + 1);
        const double highest = excess_of(top, frame).value;
        double sum = 0.0, variance = 0.0, rows = 0.0, columns = 0.0;
        size_t connected = 0;
        for (size_t r = row < reach ? 0 : row - reach; r < row_end; ++r)
            for (size_t c = column < reach ? 0 : column - reach; c < column_end; ++c) {
                const size_t p = r * a.columns + c;
                const ExcessOf<double> e = excess_of(p, frame);
                if (e.value > highest || (e.value == highest && p < top)) return true;
                if (!(e.value > 0.0)) continue;
                connected += e.value > a.noise && e.value * e.value > peak2_ * e.variance;
                sum += e.value;
                variance += e.variance;
                rows += e.value * (double(r) - double(row));
                columns += e.value * (double(c) - double(column));
            }
        if (connected < a.connected) return true;
        return push(a.picked[frame].peaks, {double(top), double(row) + rows / sum, double(column) + columns / sum, sum,
                                            __builtin_sqrt(variance)});
    }

    const PickArgs& a;
    const Images<T>& images_;
    const double* rows_;
    double noise2_, cutoff2_, peak2_;
    Grown<Top> tops_ = {};    // pixels that may be the highest of a peak
};

template <class T> inline int32_t pick_as(const PickArgs& args) {
    const RobustArgs& clip = args.clip;
    Images<T> images;
    if (images.decode(clip) != OK) return NO_MEMORY;
    average(clip, images);
    constexpr size_t ROW = Picker<T>::ROW;
    const size_t n = clip.rings.n_bins;
    double* const rows = static_cast<double*>(calloc((n + 1) * ROW, sizeof(double)));
    if (!rows) return NO_MEMORY;
    for (size_t f = 0; f < clip.n_frames; ++f) {
        double *const mean = args.mean + f * n, *const deviation = args.deviation + f * n;
        background_of(clip, f, mean, deviation);
        for (size_t b = 0; b <= n; ++b) {
            rows[b * ROW + f] = mean[min(b, n - 1)];
            rows[b * ROW + L + f] = deviation[min(b, n - 1)];
        }
    }
    const bool good = Picker<T>(args, images, rows).pick();
    free(rows);
    return good ? OK : NO_MEMORY;
}

inline int32_t pick(const PickArgs& args) {
    return with_pixel_type(args.clip.n_frames ? args.clip.frames[0].dtype : I32,
                           [&](auto zero) { return pick_as<decltype(zero)>(args); });
}

}  // namespace aureole::AUREOLE_ISA
