// CBF byte-offset: each pixel is the one before plus a difference of 1, 2, 4 or 8 bytes; the lowest value of each
// width announces that the next wider one follows (International Tables for Crystallography G, ch. 2.3).
#pragma once

#include <type_traits>

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

struct ByteOffset {
    const uint8_t* at;
    const uint8_t* end;
    uint32_t value;    // sums wrap around in 32 bits
};

// Pixels that one call may write beyond what was asked for.
inline constexpr size_t BYTE_OFFSET_OVERSHOOT = 64;

// A difference of more than 16 bits, and the place of its pixel.
struct Wide {
    uint32_t at;
    int32_t value;
};

template <class T> AUREOLE_INLINE T little(const uint8_t* p) {
    T x;
    memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "written for little-endian machines"
#endif
    return x;
}

// Decode one pixel, or with SUM false its difference alone; false where the data end within it.
template <bool SUM> AUREOLE_INLINE bool byte_offset_step(ByteOffset& s) {
    if constexpr (!SUM) s.value = 0;
    size_t left = size_t(s.end - s.at);
    if (left < 1) return false;
    int8_t d1 = int8_t(s.at[0]);
    if (d1 != INT8_MIN) {
        s.value += uint32_t(int32_t(d1));
        s.at += 1;
        return true;
    }
    if (left < 3) return false;
    int16_t d2 = little<int16_t>(s.at + 1);
    if (d2 != INT16_MIN) {
        s.value += uint32_t(int32_t(d2));
        s.at += 3;
        return true;
    }
    if (left < 7) return false;
    int32_t d4 = little<int32_t>(s.at + 3);
    if (d4 != INT32_MIN) {
        s.value += uint32_t(d4);
        s.at += 7;
        return true;
    }
    if (left < 15) return false;
    s.value += uint32_t(little<uint64_t>(s.at + 7));
    s.at += 15;
    return true;
}

#if defined(__AVX512VBMI2__)

AUREOLE_INLINE __m512i prefix_sum(__m512i v) {
    const __m512i zero = _mm512_setzero_si512();
    v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 15));
    v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 14));
    v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 12));
    return _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 8));
}

// Low and high bytes of 64 differences as words of 16 bits, in their order.
struct Words16 {
    __m512i front, back;

    AUREOLE_INLINE Words16(__m512i low, __m512i high) {
        const __m512i first_half = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
        const __m512i second_half = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
        const __m512i even = _mm512_unpacklo_epi8(low, high), odd = _mm512_unpackhi_epi8(low, high);
        front = _mm512_permutex2var_epi64(even, first_half, odd);
        back = _mm512_permutex2var_epi64(even, second_half, odd);
    }
};

#endif

// Where decoded pixels go: the sums of the differences.
struct Pixels {
    static constexpr bool SUM = true;
    int32_t* out;

    AUREOLE_INLINE void put(size_t n, uint32_t value) { out[n] = int32_t(value); }
    AUREOLE_INLINE void skip(size_t n) { out += n; }

#if defined(__AVX512VBMI2__)
    __m512i sum = {};

    AUREOLE_INLINE void begin(uint32_t value) { sum = _mm512_set1_epi32(int32_t(value)); }
    AUREOLE_INLINE uint32_t value() const { return uint32_t(_mm_cvtsi128_si32(_mm512_castsi512_si128(sum))); }

    AUREOLE_INLINE void put_window(size_t n, __m512i low, __m512i high) {
        const __m512i last = _mm512_set1_epi32(15);
        const Words16 words(low, high);
        __m512i v0 = prefix_sum(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(words.front)));
        __m512i v1 = prefix_sum(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(words.front, 1)));
        __m512i v2 = prefix_sum(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(words.back)));
        __m512i v3 = prefix_sum(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(words.back, 1)));
        const __m512i t0 = _mm512_permutexvar_epi32(last, v0);
        const __m512i t1 = _mm512_add_epi32(t0, _mm512_permutexvar_epi32(last, v1));
        const __m512i t2 = _mm512_add_epi32(t1, _mm512_permutexvar_epi32(last, v2));
        v3 = _mm512_add_epi32(v3, t2);
        _mm512_storeu_si512(out + n, _mm512_add_epi32(v0, sum));
        _mm512_storeu_si512(out + n + 16, _mm512_add_epi32(_mm512_add_epi32(v1, t0), sum));
        _mm512_storeu_si512(out + n + 32, _mm512_add_epi32(_mm512_add_epi32(v2, t1), sum));
        _mm512_storeu_si512(out + n + 48, _mm512_add_epi32(v3, sum));
        // one addition a window waits for the window before; lanes without a pixel hold a difference of zero
        sum = _mm512_add_epi32(sum, _mm512_permutexvar_epi32(last, v3));
    }
#endif
};

// Or the differences, for others to add up: 16 bits each, and the few wider ones beside, with zero in their place.
struct Differences {
    static constexpr bool SUM = false;
    int16_t* out;
    Wide* wide;
    uint32_t first;    // place of the first pixel

    AUREOLE_INLINE void put(size_t n, uint32_t value) {
        const int32_t difference = int32_t(value);
        const bool fits = difference == int16_t(difference);
        out[n] = fits ? int16_t(difference) : int16_t(0);
        if (__builtin_expect(!fits, 0)) *wide++ = {first + uint32_t(n), difference};
    }
    AUREOLE_INLINE void skip(size_t n) {
        out += n;
        first += uint32_t(n);
    }

#if defined(__AVX512VBMI2__)
    AUREOLE_INLINE void begin(uint32_t) {}
    AUREOLE_INLINE uint32_t value() const { return 0; }

    AUREOLE_INLINE void put_window(size_t n, __m512i low, __m512i high) {
        const Words16 words(low, high);
        _mm512_storeu_si512(out + n, words.front);
        _mm512_storeu_si512(out + n + 32, words.back);
    }
#endif
};

#if defined(__AVX512VBMI2__)

// Keep a mask in a general register: what one window tells the next must not travel through mask registers, whose
// moves take several cycles each.
AUREOLE_INLINE uint64_t in_register(uint64_t x) {
    __asm__("" : "+r"(x));
    return x;
}

// 64 bytes at a time. Bytes 0x80 are candidates for escapes; one that lies within the two bytes after an escape
// is a part of its value. Low and high bytes of all differences are then squeezed together.
template <class To> inline size_t byte_offset_windows(ByteOffset& s, To& to, size_t want) {
    const __m512i escape = _mm512_set1_epi8(int8_t(0x80));
    const uint8_t *at = s.at, *const end = s.end;
    uint64_t tail = 0;    // bytes of this window that belong to the last pixel of the window before: 0, 1 or 3
    size_t n = 0;
    to.begin(s.value);
    while (n < want && size_t(end - at) >= 66) {
        __builtin_prefetch(at + 2048);    // the frames of a batch are too many streams for the hardware to foresee
        __m512i b0 = _mm512_loadu_si512(at), b1 = _mm512_loadu_si512(at + 1), b2 = _mm512_loadu_si512(at + 2);
        uint64_t escapes = in_register(_mm512_cmpeq_epi8_mask(b0, escape)) & ~tail;
        // The lowest doubtful candidate follows a true escape, so it is none. Few windows have two: one is taken
        // out without a branch.
        uint64_t doubtful = escapes & (escapes << 1 | escapes << 2);
        do {
            escapes = in_register(escapes & ~(doubtful & -doubtful));
            doubtful = escapes & (escapes << 1 | escapes << 2);
        } while (__builtin_expect(doubtful != 0, 0));
        __m512i low = _mm512_mask_blend_epi8(escapes, b0, b1);
        __m512i high = _mm512_mask_blend_epi8(escapes, _mm512_movm_epi8(_mm512_movepi8_mask(b0)), b2);
        uint64_t starts = ~(escapes << 1 | escapes << 2 | tail);
        uint64_t wide = _mm512_mask_cmpeq_epi8_mask(escapes, high, escape);
        if (__builtin_expect(wide != 0, 0)) wide = _mm512_mask_testn_epi8_mask(wide, low, low);
        if (__builtin_expect(wide != 0, 0)) {    // up to the first difference of 4 bytes or more, and that one alone
            starts &= (wide & -wide) - 1;
            to.put_window(n, _mm512_maskz_compress_epi8(starts, low), _mm512_maskz_compress_epi8(starts, high));
            n += size_t(__builtin_popcountll(starts));
            s.at = at + __builtin_ctzll(wide);
            s.value = to.value();
            if (!byte_offset_step<To::SUM>(s)) return n;
            to.put(n++, s.value);
            to.begin(s.value);
            at = s.at;
            tail = 0;
            continue;
        }
        to.put_window(n, _mm512_maskz_compress_epi8(starts, low), _mm512_maskz_compress_epi8(starts, high));
        n += size_t(__builtin_popcountll(starts));
        tail = (escapes >> 62 & 1) | (escapes >> 63) * 3;
        at += 64;
    }
    s.at = at + __builtin_popcountll(tail);
    s.value = to.value();
    return n;
}

#else

// Eight bytes at a time while none of them is an escape.
template <class To> inline size_t byte_offset_windows(ByteOffset& s, To& to, size_t want) {
    size_t n = 0;
    const uint8_t* at = s.at;
    uint32_t value = s.value;
    while (n < want && size_t(s.end - at) >= 8) {
        uint64_t x = little<uint64_t>(at) ^ 0x8080808080808080u;
        if (((x - 0x0101010101010101u) & ~x & 0x8080808080808080u) == 0) {
            for (int i = 0; i < 8; ++i) {
                value = (To::SUM ? value : 0) + uint32_t(int32_t(int8_t(at[i])));
                to.put(n + size_t(i), value);
            }
            at += 8;
            n += 8;
            continue;
        }
        for (int i = 0; i < 8 && size_t(s.end - at) >= 3; ++i) {
            bool narrow = at[0] != 0x80;
            int32_t wide = little<int16_t>(at + 1);
            if (__builtin_expect(!narrow && wide == INT16_MIN, 0)) {
                s.at = at;
                s.value = value;
                if (!byte_offset_step<To::SUM>(s)) return n;
                at = s.at;
                value = s.value;
            } else {
                value = (To::SUM ? value : 0) + uint32_t(narrow ? int32_t(int8_t(at[0])) : wide);
                at += narrow ? 1 : 3;
            }
            to.put(n++, value);
        }
    }
    s.at = at;
    s.value = value;
    return n;
}

#endif

// Decode at least `want` pixels, where there are as many, and at most BYTE_OFFSET_OVERSHOOT more.
template <class To> inline size_t byte_offset(ByteOffset& s, To&& to, size_t want) {
    size_t n = byte_offset_windows(s, to, want);
    for (; n < want && byte_offset_step<std::remove_reference_t<To>::SUM>(s); ++n) to.put(n, s.value);
    return n;
}

}  // namespace aureole::AUREOLE_ISA
