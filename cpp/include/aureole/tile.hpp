// A tile of all frames of a batch: decoded, cleared of invalid pixels, and turned so that frames are the lanes.
#pragma once

#include "stream.hpp"

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

// Pixels of each frame that are decoded at a time: those of a batch stay in the first level of the cache. Of
// bitshuffle, about a block.
inline constexpr size_t STEP = 1024, BLOCK_STEP = 2048;

// The decoder of a batch. Pixels come out as cells, [pixel][lane].
template <class T> struct Batch {
    static constexpr size_t LANES = MAX_LANES;
    Stream<T> streams[LANES];
    Bounds<Cell<T>> bounds;
    size_t n_frames;
    size_t step;           // pixels that are decoded at a time
    uint8_t* scratch;
    uint8_t* memory;
    uint16_t bad[TILE];    // lanes in which a pixel of the table is invalid
    bool any_bad;
    uint32_t live;         // lanes of frames that are sound so far
    bool differences;      // all streams give differences of pixels, to be added up for all lanes at once
    u32v sum[16 / (2 * WIDTH)];    // pixel before

    bool open(const Source* frames, size_t n, size_t n_pixels, const Invalid& invalid) {
        n_frames = n;
        bounds = bounds_as<Cell<T>>(invalid);
        size_t widest = 0, most_scratch = 0;
        step = STEP;
        differences = true;
        for (size_t f = 0; f < n; ++f) {
            streams[f] = open_stream<T>(frames[f], n_pixels);
            if (streams[f].status != OK) continue;
            if (!IS_WORD<T> || frames[f].encoding != BYTE_OFFSET || ITEMSIZE[frames[f].dtype] != 4)
                differences = false;
            if (streams[f].encoding == BITSHUFFLE_LZ4) step = BLOCK_STEP;
            if (overshoot(streams[f]) > widest) widest = overshoot(streams[f]);
            if (scratch_bytes(streams[f]) > most_scratch) most_scratch = scratch_bytes(streams[f]);
        }
        // rows are staggered by a few lines so that they do not all fall into the same set of the cache
        const size_t row = (step + widest) * sizeof(T) + 192;
        memory = static_cast<uint8_t*>(calloc(LANES * row + most_scratch + 1, 1));
        if (!memory) return false;
        for (size_t f = 0; f < LANES; ++f) {
            if (f >= n) streams[f] = Stream<T>{};
            streams[f].differences = differences;
            streams[f].buffer = reinterpret_cast<T*>(memory + f * row);
        }
        scratch = memory + LANES * row;
        return true;
    }

    void close() { free(memory); }

    // Decode the next n pixels; `used` has a bit for each pixel that is in the table. Invalid pixels become zero.
    template <size_t L> void next(size_t n, const uint16_t* used, Cell<T>* out) {
        any_bad = false;
        for (size_t begin = 0; begin < n; begin += step) {
            const size_t m = min(step, n - begin);
            live = 0;
            for (size_t f = 0; f < n_frames; ++f) {
                fill(streams[f], m, scratch);
                live |= uint32_t(streams[f].status == OK) << f;
            }
            for (size_t i = 0; i < m; i += 16) {
                const size_t p = begin + i;
                memset(bad + p, 0, 32);
                if constexpr (IS_WORD<T>)
                    turn_words<L>(i, p, used[p / 16], out + p * L);
                else if (used[p / 16] != 0)    // else nobody reads these pixels
                    turn_doubles<L>(i, p, used[p / 16], out + p * L);
            }
            for (size_t f = 0; f < n_frames; ++f) take(streams[f], m);
        }
    }

  private:
    // Clear the invalid pixels among the used ones of a block of words, [16 pixels][16 lanes].
    template <size_t L> void clear_words(const u32v* block, size_t p, uint32_t used, T* out) {
        constexpr size_t N = 16 / (2 * WIDTH);
        for (; used; used &= used - 1) {
            const size_t i = size_t(__builtin_ctz(used));
            uint32_t found = 0;
            for (size_t j = 0; j < N; ++j) {
                u32v invalid = {};
                for (size_t k = 0; k < bounds.n; ++k)
                    invalid |= (u32v)(block[i * N + j] - uint32_t(bounds.low[k]) <= span(k) + u32v{});
                found |= lanes(invalid) << (j * 2 * WIDTH);
            }
            set_bad<L>(p + i, found, out + i * L);
        }
    }

    uint32_t span(size_t k) const { return uint32_t(bounds.high[k]) - uint32_t(bounds.low[k]); }

    template <size_t L> AUREOLE_INLINE void set_bad(size_t pixel, uint32_t found, Cell<T>* cells) {
        found &= live;
        if (__builtin_expect(found == 0, 1)) return;
        bad[pixel] = uint16_t(found);
        any_bad = true;
        for (; found; found &= found - 1) cells[__builtin_ctz(found)] = 0;
    }

    template <size_t L> AUREOLE_INLINE void turn_words(size_t at, size_t p, uint32_t used, T* out) {
        constexpr size_t N = 16 / (2 * WIDTH);    // vectors of a pixel
        u32v block[16 * N];
        turn16([&](size_t f) { return streams[f].buffer + streams[f].head + at; }, block);
        if (differences)
            for (size_t j = 0; j < N; ++j) {
                u32v pixel = sum[j];
                for (size_t i = 0; i < 16; ++i) block[i * N + j] = pixel += block[i * N + j];
                sum[j] = pixel;
            }
        if (used == 0) return;    // nobody reads these pixels
        for (size_t i = 0; i < 16; ++i) memcpy(out + i * L, block + i * N, L * sizeof(T));
        u32v dirty = {};    // of a block that is used in part, the other pixels may well be invalid
        for (size_t k = 0; k < bounds.n && used == 0xffff; ++k) {
            u32v least = ~u32v{};
            for (size_t i = 0; i < 16 * N; ++i) {
                const u32v above = block[i] - uint32_t(bounds.low[k]);
                least = above < least ? above : least;
            }
            dirty |= (u32v)(least <= span(k) + u32v{});
        }
        if (__builtin_expect(used != 0xffff || lanes(dirty), 0)) clear_words<L>(block, p, used, out);
    }

    template <size_t L> AUREOLE_INLINE void turn_doubles(size_t at, size_t p, uint32_t used, double* out) {
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
            set_bad<L>(p + i, found[i], out + i * L);
        }
    }
};

}  // namespace aureole::AUREOLE_ISA
