// A tile of all frames of a batch: decoded, cleared of invalid pixels, and turned so that frames are the lanes.
#pragma once

#include "difference_row.hpp"

namespace aureole::AUREOLE_ISA {

#if defined(__AVX512VBMI2__)

// Transpose 16 x 16 words: twice by interleaving within quarters of a vector, twice by exchanging quarters.
AUREOLE_INLINE void transpose16(i32x16 r[16]) {
    i32x16 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    for (int i = 0; i < 16; i += 4)    // r[i + j]: column j of four rows, of every quarter
        for (int j = 0; j < 2; ++j) {
            const i32x16 a = t[i + j], b = t[i + 2 + j];
            r[i + 2 * j] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
            r[i + 2 * j + 1] = __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        }
    for (int j = 0; j < 4; ++j) {
        const i32x16 a = r[j], b = r[4 + j], c = r[8 + j], d = r[12 + j];
        const i32x16 ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        const i32x16 cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        const i32x16 ef = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        const i32x16 gh = __builtin_shufflevector(c, d, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        t[j] = __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        t[8 + j] = __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        t[4 + j] = __builtin_shufflevector(ef, gh, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        t[12 + j] = __builtin_shufflevector(ef, gh, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
    for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// Words of 16 rows, 16 pixels each, as [pixel][row].
template <class Row> AUREOLE_INLINE void turn16(Row&& row, u32v out[16]) {
    i32x16 r[16];
    for (size_t f = 0; f < 16; ++f) r[f] = load<i32x16>(row(f));
    transpose16(r);
    for (size_t i = 0; i < 16; ++i) out[i] = (u32v)r[i];
}

// 32 differences of 16 rows, turned: a vector of 16 bits has all rows of a pixel in each of its halves.
struct Turned {
    i32x16 v[16];

    template <class Row> AUREOLE_INLINE explicit Turned(Row&& row) {
        __m512i a[16], b[16];
        for (size_t f = 0; f < 16; ++f) a[f] = load<__m512i>(row(f));
        for (size_t f = 0; f < 16; f += 2) {    // b[f], b[f + 1]: first and last half of the pixels of two rows
            b[f] = _mm512_unpacklo_epi16(a[f], a[f + 1]);
            b[f + 1] = _mm512_unpackhi_epi16(a[f], a[f + 1]);
        }
        for (size_t f = 0; f < 16; f += 4)      // a[f..f + 3]: the quarters, of four rows
            for (size_t j = 0; j < 2; ++j) {
                a[f + 2 * j] = _mm512_unpacklo_epi32(b[f + j], b[f + 2 + j]);
                a[f + 2 * j + 1] = _mm512_unpackhi_epi32(b[f + j], b[f + 2 + j]);
            }
        for (size_t f = 0; f < 16; f += 8)      // b[f..f + 7]: the eighths, of eight rows
            for (size_t j = 0; j < 4; ++j) {
                b[f + 2 * j] = _mm512_unpacklo_epi64(a[f + j], a[f + 4 + j]);
                b[f + 2 * j + 1] = _mm512_unpackhi_epi64(a[f + j], a[f + 4 + j]);
            }
        const __m512i front = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
        const __m512i back = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
        for (size_t j = 0; j < 8; ++j) {        // b[j] has pixels j, j + 8, j + 16, j + 24
            v[j] = (i32x16)_mm512_permutex2var_epi64(b[j], front, b[8 + j]);
            v[8 + j] = (i32x16)_mm512_permutex2var_epi64(b[j], back, b[8 + j]);
        }
    }

    AUREOLE_INLINE u32v pixel(size_t i, size_t) const {
        const __m512i pair = (__m512i)v[i / 16 * 8 + i % 8];
        const __m256i one = i / 8 % 2 == 0 ? _mm512_castsi512_si256(pair) : _mm512_extracti64x4_epi64(pair, 1);
        return (u32v)_mm512_cvtepi16_epi32(one);
    }
};

#else

template <class Row> AUREOLE_INLINE void turn16(Row&& row, u32v* words) {
    uint32_t* out = reinterpret_cast<uint32_t*>(words);
    for (size_t f = 0; f < 16; f += 4)
        for (size_t i = 0; i < 16; i += 4) {
            const u32x4 a = load<u32x4>(row(f) + i), b = load<u32x4>(row(f + 1) + i);
            const u32x4 c = load<u32x4>(row(f + 2) + i), d = load<u32x4>(row(f + 3) + i);
            const u32x4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            const u32x4 ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            store(out + 16 * i + f, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
            store(out + 16 * (i + 1) + f, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
            store(out + 16 * (i + 2) + f, __builtin_shufflevector(ef, gh, 0, 1, 4, 5));
            store(out + 16 * (i + 3) + f, __builtin_shufflevector(ef, gh, 2, 3, 6, 7));
        }
}

// 32 differences of 16 rows, turned.
struct Turned {
    static constexpr size_t N = 16 / (2 * WIDTH);
    u32v v[32 * N];

    template <class Row> AUREOLE_INLINE explicit Turned(Row&& row) {
        for (size_t h = 0; h < 2; ++h) {
            int32_t words[16][16];
            for (size_t f = 0; f < 16; ++f)
                for (size_t i = 0; i < 16; ++i) words[f][i] = row(f)[16 * h + i];
            turn16([&](size_t f) { return words[f]; }, v + 16 * N * h);
        }
    }

    AUREOLE_INLINE u32v pixel(size_t i, size_t j) const { return v[i * N + j]; }
};

#endif

// The invalid intervals as a type of pixel sees them.
template <class T> struct Bounds {
    size_t n;
    T low[8], high[8];
};

template <class T> inline Bounds<T> bounds_as(const Invalid& invalid) {
    constexpr double least = sizeof(T) == 4 ? (T(-1) < T(0) ? -2147483648.0 : 0.0) : 0.0;
    constexpr double most = sizeof(T) == 4 ? (T(-1) < T(0) ? 2147483647.0 : 4294967295.0) : 0.0;
    Bounds<T> b = {};
    for (size_t k = 0; k < invalid.n; ++k) {
        double low = __builtin_ceil(invalid.bounds[2 * k]), high = __builtin_floor(invalid.bounds[2 * k + 1]);
        if (!(low <= high) || low > most || high < least) continue;
        const T first = low < least ? T(least) : T(low), last = high > most ? T(most) : T(high);
        // Pilatus marks pixels with -1 and -2: neighbours make one interval
        if (b.n && b.low[b.n - 1] > least && last == b.low[b.n - 1] - 1)
            b.low[b.n - 1] = first;
        else if (b.n && b.high[b.n - 1] < most && first == b.high[b.n - 1] + 1)
            b.high[b.n - 1] = last;
        else
            b.low[b.n] = first, b.high[b.n++] = last;
    }
    return b;
}

template <> inline Bounds<double> bounds_as<double>(const Invalid& invalid) {
    Bounds<double> b = {};
    for (; b.n < invalid.n; ++b.n) {
        b.low[b.n] = invalid.bounds[2 * b.n];
        b.high[b.n] = invalid.bounds[2 * b.n + 1];
    }
    return b;
}

template <class T> inline constexpr bool IS_WORD = false;
template <> inline constexpr bool IS_WORD<int32_t> = true;
template <> inline constexpr bool IS_WORD<uint32_t> = true;

// How a pixel stands in a tile: words as they are, everything else as a double.
template <class T> struct CellOf { typedef double type; };
template <> struct CellOf<int32_t> { typedef int32_t type; };
template <> struct CellOf<uint32_t> { typedef uint32_t type; };
template <class T> using Cell = typename CellOf<T>::type;

// The decoder of a batch. Pixels come out as cells, [pixel][lane].
template <class T> struct Batch {
    static constexpr size_t LANES = MAX_LANES;
    static constexpr size_t N = 16 / (2 * WIDTH);    // vectors of the words of a pixel
    Stream<T> streams[LANES];
    Bounds<Cell<T>> bounds;
    size_t n_frames;
    uint8_t* scratch;
    uint8_t* memory;
    DifferenceRow* rows;    // of frames that all are byte-offset: their pixels are summed up here, for all lanes at once
    u32v sum[N];            // pixel before
    uint16_t bad[TILE];     // lanes in which a pixel of the table is invalid
    uint16_t bad_pixels[TILE];
    size_t n_bad;           // how many of those there are, in rising order
    uint32_t live;          // lanes of frames that are sound so far

    bool open(const Source* frames, size_t n, size_t n_pixels, const Invalid& invalid) {
        n_frames = n;
        bounds = bounds_as<Cell<T>>(invalid);
        size_t widest = 0, most_scratch = 0;
        bool differences = IS_WORD<T>;
        for (size_t f = 0; f < n; ++f) {
            streams[f] = open_stream<T>(frames[f], n_pixels);
            if (streams[f].status != OK) continue;
            differences &= frames[f].encoding == BYTE_OFFSET && ITEMSIZE[frames[f].dtype] == 4;
            widest = max(widest, overshoot(streams[f]));
            most_scratch = max(most_scratch, scratch_bytes(streams[f]));
        }
        // rows are staggered by a few lines so that they do not all fall into the same set of the cache
        const size_t row = differences ? sizeof(DifferenceRow) : (STEP + widest) * sizeof(T) + 192;
        memory = static_cast<uint8_t*>(calloc(LANES * row + most_scratch + 1, 1));
        if (!memory) return false;
        for (size_t f = 0; f < LANES && !differences; ++f) streams[f].buffer = reinterpret_cast<T*>(memory + f * row);
        rows = differences ? reinterpret_cast<DifferenceRow*>(memory) : nullptr;
        scratch = memory + LANES * row;
        return true;
    }

    void close() {
        for (size_t f = 0; f < n_frames; ++f) close_stream(streams[f]);
        free(memory);
    }

    // Decode the next n pixels; `used` has a bit for each pixel that is in the table. Invalid pixels become zero.
    template <size_t L> void next(size_t n, const uint16_t* used, Cell<T>* out) {
        while (n_bad) bad[bad_pixels[--n_bad]] = 0;
        for (size_t begin = 0; begin < n; begin += STEP) {
            const size_t m = min(STEP, n - begin);
            live = 0;
            for (size_t f = 0; f < n_frames; ++f) {
                rows ? rows[f].fill(streams[f], m) : fill(streams[f], m, scratch);
                live |= uint32_t(streams[f].status == OK) << f;
            }
            if constexpr (IS_WORD<T>) {
                if (rows)
                    sum_rows<L>(begin, m, used, out);
                else
                    for (size_t i = 0; i < m; i += 16) turn_words<L>(i, begin + i, used[(begin + i) / 16], out);
            } else {
                for (size_t i = 0; i < m; i += 16) turn_doubles<L>(i, begin + i, used[(begin + i) / 16], out);
            }
            for (size_t f = 0; f < n_frames; ++f) rows ? rows[f].take(m) : take(streams[f], m);
        }
    }

    // Take over the bad pixels of another batch in the same tile.
    void join_bad(const uint16_t* others, size_t n) {
        n_bad = 0;
        for (size_t p = 0; p < n; ++p)
            if (bad[p] = uint16_t(bad[p] | others[p]); bad[p]) bad_pixels[n_bad++] = uint16_t(p);
    }

  private:
    // Clear the invalid pixels among the used ones of 16 pixels.
    template <size_t L> void clear_words(size_t p, uint32_t used, T* out) {
        for (; used; used &= used - 1) {
            const size_t pixel = p + size_t(__builtin_ctz(used));
            uint32_t found = 0;
            for (size_t lane = 0; lane < L; lane += 2 * WIDTH) {
                u32v words = {}, invalid = {};
                memcpy(&words, out + pixel * L + lane, min(L, 2 * WIDTH) * sizeof(T));
                for (size_t k = 0; k < bounds.n; ++k)
                    invalid |= (u32v)(words - uint32_t(bounds.low[k]) <= span(k) + u32v{});
                found |= lanes(invalid) << lane;
            }
            set_bad(pixel, found, out + pixel * L);
        }
    }

    uint32_t span(size_t k) const { return uint32_t(bounds.high[k]) - uint32_t(bounds.low[k]); }

    AUREOLE_INLINE void set_bad(size_t pixel, uint32_t found, Cell<T>* cells) {
        found &= live;
        if (__builtin_expect(found == 0, 1)) return;
        bad[pixel] = uint16_t(found);
        bad_pixels[n_bad++] = uint16_t(pixel);
        for (; found; found &= found - 1) cells[__builtin_ctz(found)] = 0;
    }

    // Place of the next wide difference of any row, counted from the fronts.
    size_t next_wide() const {
        size_t next = SIZE_MAX;
        for (size_t f = 0; f < n_frames; ++f) next = min(next, rows[f].next_wide());
        return next;
    }

    template <size_t L> void sum_rows(size_t begin, size_t m, const uint16_t* used, T* out) {
        size_t wide = next_wide();
        for (size_t i = 0; i < m; i += 32) {
            const size_t p = begin + i;
            if (__builtin_expect(wide < i + 32, 0)) {
                for (size_t k = i; k < min(i + 32, m); k += 16)
                    sum_one_by_one<L>(k, begin + k, used[(begin + k) / 16], out);
                wide = next_wide();
                continue;
            }
            const Turned turned([&](size_t f) { return rows[f].front() + i; });
            sum_half<L, 0>(turned, p, used[p / 16], out);
            if (i + 16 < m) sum_half<L, 16>(turned, p + 16, used[p / 16 + 1], out);
        }
    }

    template <size_t L, size_t HALF>
    AUREOLE_INLINE void sum_half(const Turned& turned, size_t p, uint32_t used, T* out) {
        u32v block[16 * N];
        for (size_t j = 0; j < N; ++j) {
            u32v pixel = sum[j];
            for (size_t k = 0; k < 16; ++k) block[k * N + j] = pixel += turned.pixel(HALF + k, j);
            sum[j] = pixel;
        }
        finish<L>(block, p, used, out);
    }

    // The same for 16 pixels some of which have wide differences.
    template <size_t L> void sum_one_by_one(size_t at, size_t p, uint32_t used, T* out) {
        uint32_t last[16], block[16][16] = {};
        memcpy(last, sum, sizeof last);
        for (size_t f = 0; f < n_frames; ++f) {
            DifferenceRow& r = rows[f];
            for (size_t k = 0; k < 16; ++k) {
                const bool wide = r.next_wide() == at + k;
                last[f] += uint32_t(wide ? r.wide[r.first_wide++].value : int32_t(r.front()[at + k]));
                block[k][f] = last[f];
            }
        }
        memcpy(sum, last, sizeof last);
        if (used == 0) return;
        for (size_t k = 0; k < 16; ++k) memcpy(out + (p + k) * L, block[k], L * sizeof(T));
        clear_words<L>(p, used, out);
    }

    template <size_t L> AUREOLE_INLINE void turn_words(size_t at, size_t p, uint32_t used, T* out) {
        u32v block[16 * N];
        turn16([&](size_t f) { return streams[f].buffer + streams[f].head + at; }, block);
        finish<L>(block, p, used, out);
    }

    // Store a block of words, [16 pixels][16 lanes], and clear its invalid pixels.
    template <size_t L> AUREOLE_INLINE void finish(const u32v* block, size_t p, uint32_t used, T* out) {
        if (used == 0) return;    // nobody reads these pixels
        for (size_t i = 0; i < 16; ++i) memcpy(out + (p + i) * L, block + i * N, L * sizeof(T));
        u32v dirty = {};    // of a block that is used in part, the other pixels may well be invalid
        for (size_t k = 0; k < bounds.n && used == 0xffff; ++k) {
            u32v least = ~u32v{};
            for (size_t i = 0; i < 16 * N; ++i) {
                const u32v above = block[i] - uint32_t(bounds.low[k]);
                least = above < least ? above : least;
            }
            dirty |= (u32v)(least <= span(k) + u32v{});
        }
        if (__builtin_expect(used != 0xffff || lanes(dirty), 0)) clear_words<L>(p, used, out);
    }

    template <size_t L> AUREOLE_INLINE void turn_doubles(size_t at, size_t p, uint32_t used, double* tile) {
        if (used == 0) return;
        double* const out = tile + p * L;
        uint32_t found[16] = {};
        for (size_t f = 0; f < L; ++f)
            for (size_t i = 0; i < 16; ++i) {
                const double x = double(streams[f].buffer[streams[f].head + at + i]);
                out[i * L + f] = x;
                bool invalid = x != x;
                for (size_t k = 0; k < bounds.n; ++k) invalid |= (x >= bounds.low[k]) & (x <= bounds.high[k]);
                found[i] |= uint32_t(invalid) << f;
            }
        for (; used; used &= used - 1) {
            const size_t i = size_t(__builtin_ctz(used));
            set_bad(p + i, found[i], out + i * L);
        }
    }
};

}  // namespace aureole::AUREOLE_ISA
