// Vectors of 64 bytes in the compiler's own notation: one source for SSE2, AVX2, AVX-512 and NEON.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512VBMI2__)
#include <immintrin.h>
#endif

#define AUREOLE_INLINE inline __attribute__((always_inline))

namespace aureole::AUREOLE_ISA {

typedef double f64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef uint8_t u8x64 __attribute__((vector_size(64)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));

template <class V> AUREOLE_INLINE V load(const void* from) {
    V v;
    memcpy(&v, from, sizeof v);
    return v;
}

template <class V> AUREOLE_INLINE void store(void* to, V v) { memcpy(to, &v, sizeof v); }

AUREOLE_INLINE f64x8 splat(double x) { return f64x8{x, x, x, x, x, x, x, x}; }

AUREOLE_INLINE bool any(i32x16 v) {
#if defined(__AVX512VBMI2__)
    return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0;
#else
    u64x8 w = (u64x8)v;
    return (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) != 0;
#endif
}

#if defined(__AVX512VBMI2__)    // gcc 12 would convert by halves
AUREOLE_INLINE f64x8 to_doubles(i32x8 v) { return (f64x8)_mm512_cvtepi32_pd((__m256i)v); }
AUREOLE_INLINE f64x8 to_doubles(u32x8 v) { return (f64x8)_mm512_cvtepu32_pd((__m256i)v); }
#else
template <class V> AUREOLE_INLINE f64x8 to_doubles(V v) { return __builtin_convertvector(v, f64x8); }
#endif

// Whether any lane of any of the 16 vectors lies between low and high, unsigned: x - low <= high - low.
AUREOLE_INLINE bool any_within(const u32x16 r[16], uint32_t low, uint32_t high) {
    const u32x16 from = u32x16{} + low, span = u32x16{} + (high - low);
#if defined(__AVX512VBMI2__)
    __mmask16 found = 0;
    for (int i = 0; i < 16; ++i) found |= _mm512_cmple_epu32_mask((__m512i)(r[i] - from), (__m512i)span);
    return found != 0;
#else
    i32x16 found = {};
    for (int i = 0; i < 16; ++i) found |= (i32x16)(r[i] - from <= span);
    return any(found);
#endif
}

AUREOLE_INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace aureole::AUREOLE_ISA
