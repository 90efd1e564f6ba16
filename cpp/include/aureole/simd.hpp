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

AUREOLE_INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace aureole::AUREOLE_ISA
