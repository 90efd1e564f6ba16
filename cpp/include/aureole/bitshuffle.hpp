// Undoing bitshuffle: a block of n elements is stored as its bit planes, plane b holding bit b of every element
// (K. Masui et al., Astronomy and Computing 12 (2015) 181, doi:10.1016/j.ascom.2015.07.002).
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// Transpose the 8 x 8 bits of a word (Hacker's Delight, section 7-3).
AUREOLE_INLINE uint64_t transpose_bits(uint64_t x) {
    uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAu;
    x = x ^ t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCu;
    x = x ^ t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0u;
    return x ^ t ^ (t << 28);
}

// Exchange blocks of bytes between words that lie D apart, one round of transposing 8 x 8 bytes.
template <size_t D, uint64_t MASK> AUREOLE_INLINE void exchange(uint64_t x[8]) {
    for (size_t i = 0; i < 8; ++i)
        if (!(i & D)) {
            const uint64_t t = ((x[i] >> 8 * D) ^ x[i + D]) & MASK;
            x[i] ^= t << 8 * D;
            x[i + D] ^= t;
        }
}

// Byte `k` of the 64 elements from `first` on, from planes of `stride` bytes; false where all are zero.
AUREOLE_INLINE bool plane_bytes(const uint8_t* planes, size_t stride, size_t k, size_t first, uint8_t bytes[64]) {
    const uint8_t* p = planes + 8 * k * stride + first / 8;
    uint64_t x[8], some = 0;
    for (size_t i = 0; i < 8; ++i) some |= x[i] = load<uint64_t>(p + i * stride);
    if (some == 0) return false;
    exchange<4, 0x00000000FFFFFFFFu>(x);
    exchange<2, 0x0000FFFF0000FFFFu>(x);
    exchange<1, 0x00FF00FF00FF00FFu>(x);
    for (size_t i = 0; i < 8; ++i) x[i] = transpose_bits(x[i]);
    memcpy(bytes, x, 64);
    return true;
}

// 64 elements of type T from `first` on.
template <class T> inline void unshuffle_64(const uint8_t* planes, size_t stride, size_t first, uint8_t* out) {
    T elements[64] = {};
    for (size_t k = 0; k < sizeof(T); ++k) {
        uint8_t bytes[64];
        if (!plane_bytes(planes, stride, k, first, bytes)) continue;
        for (size_t i = 0; i < 64; ++i) elements[i] = T(elements[i] | T(T(bytes[i]) << (8 * k)));
    }
    memcpy(out + first * sizeof(T), elements, sizeof elements);
}

// Eight elements from `first` on, of any size, byte by byte.
inline void unshuffle_eight(const uint8_t* planes, size_t stride, size_t itemsize, size_t first, uint8_t* out) {
    for (size_t k = 0; k < itemsize; ++k) {
        uint64_t x = 0;
        for (size_t i = 0; i < 8; ++i) x |= uint64_t(planes[(8 * k + i) * stride + first / 8]) << (8 * i);
        x = transpose_bits(x);
        for (size_t i = 0; i < 8; ++i) out[(first + i) * itemsize + k] = uint8_t(x >> (8 * i));
    }
}

#if defined(__AVX512VBMI2__)

// Byte k of 512 elements, from eight planes: out[r] has, in its quarter q, the bytes of elements 8j to 8j + 15 with
// j = 16q + 2r. False where all are zero.
AUREOLE_INLINE bool plane_bytes_512(const uint8_t* p, size_t stride, __m512i out[8]) {
    __m512i a[8], b[8];
    __m512i some = _mm512_setzero_si512();
    for (int i = 0; i < 8; ++i) {
        a[i] = _mm512_loadu_si512(p + size_t(7 - i) * stride);    // the affine transform counts rows from the top
        some = _mm512_or_si512(some, a[i]);
    }
    if (_mm512_test_epi64_mask(some, some) == 0) return false;
    for (int i = 0; i < 4; ++i) {
        b[2 * i] = _mm512_unpacklo_epi8(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_epi8(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            a[4 * i + 2 * j] = _mm512_unpacklo_epi16(b[4 * i + j], b[4 * i + j + 2]);
            a[4 * i + 2 * j + 1] = _mm512_unpackhi_epi16(b[4 * i + j], b[4 * i + j + 2]);
        }
    // times the unit vectors, an 8 x 8 bit matrix gives its transpose
    const __m512i units = _mm512_set1_epi64(int64_t(0x8040201008040201));
    for (int j = 0; j < 4; ++j) {
        out[2 * j] = _mm512_gf2p8affine_epi64_epi8(units, _mm512_unpacklo_epi32(a[j], a[j + 4]), 0);
        out[2 * j + 1] = _mm512_gf2p8affine_epi64_epi8(units, _mm512_unpackhi_epi32(a[j], a[j + 4]), 0);
    }
    return true;
}

// 512 elements of four bytes from `first` on.
inline void unshuffle_words_512(const uint8_t* planes, size_t stride, size_t first, uint8_t* out) {
    __m512i bytes[4][8];
    for (size_t k = 0; k < 4; ++k)
        if (!plane_bytes_512(planes + 8 * k * stride + first / 8, stride, bytes[k]))
            for (int r = 0; r < 8; ++r) bytes[k][r] = _mm512_setzero_si512();
    for (int r = 0; r < 8; ++r) {
        const __m512i low0 = _mm512_unpacklo_epi8(bytes[0][r], bytes[1][r]);
        const __m512i low1 = _mm512_unpackhi_epi8(bytes[0][r], bytes[1][r]);
        const __m512i high0 = _mm512_unpacklo_epi8(bytes[2][r], bytes[3][r]);
        const __m512i high1 = _mm512_unpackhi_epi8(bytes[2][r], bytes[3][r]);
        const __m512i v0 = _mm512_unpacklo_epi16(low0, high0), v1 = _mm512_unpackhi_epi16(low0, high0);
        const __m512i v2 = _mm512_unpacklo_epi16(low1, high1), v3 = _mm512_unpackhi_epi16(low1, high1);
        // quarter q of v0 to v3 are the 16 elements from 8j on: exchange quarters to have them side by side
        const __m512i a = _mm512_shuffle_i32x4(v0, v1, 0x44), b = _mm512_shuffle_i32x4(v0, v1, 0xEE);
        const __m512i c = _mm512_shuffle_i32x4(v2, v3, 0x44), d = _mm512_shuffle_i32x4(v2, v3, 0xEE);
        uint8_t* to = out + 4 * (first + 16 * size_t(r));
        _mm512_storeu_si512(to, _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_storeu_si512(to + 4 * 128, _mm512_shuffle_i32x4(a, c, 0xDD));
        _mm512_storeu_si512(to + 4 * 256, _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_storeu_si512(to + 4 * 384, _mm512_shuffle_i32x4(b, d, 0xDD));
    }
}

#endif

// Undo the shuffle of n elements (a multiple of 8) of `itemsize` bytes: `planes` and `out` hold n * itemsize bytes.
inline void bit_unshuffle(const uint8_t* planes, size_t n, size_t itemsize, uint8_t* out) {
    const size_t stride = n / 8;
    size_t done = 0;
#if defined(__AVX512VBMI2__)
    for (; itemsize == 4 && done + 512 <= n; done += 512) unshuffle_words_512(planes, stride, done, out);
#endif
    for (; done + 64 <= n; done += 64) {
        switch (itemsize) {
        case 1: unshuffle_64<uint8_t>(planes, stride, done, out); break;
        case 2: unshuffle_64<uint16_t>(planes, stride, done, out); break;
        case 4: unshuffle_64<uint32_t>(planes, stride, done, out); break;
        default: unshuffle_64<uint64_t>(planes, stride, done, out); break;
        }
    }
    for (; done < n; done += 8) unshuffle_eight(planes, stride, itemsize, done, out);
}

}  // namespace aureole::AUREOLE_ISA
