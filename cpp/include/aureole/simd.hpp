// Vectors in the compiler's own notation, as wide as the instruction set has them: one source for SSE2, AVX2,
// AVX-512 and NEON.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512VBMI2__)
#include <immintrin.h>
#endif

#include "api.hpp"

namespace aureole::AUREOLE_ISA {

#if defined(__AVX512VBMI2__)
inline constexpr size_t WIDTH = 8;    // doubles of a vector
#elif defined(__AVX2__)
inline constexpr size_t WIDTH = 4;
#else
inline constexpr size_t WIDTH = 2;
#endif

typedef double f64v __attribute__((vector_size(8 * WIDTH)));
typedef int64_t i64v __attribute__((vector_size(8 * WIDTH)));
typedef int32_t i32v __attribute__((vector_size(8 * WIDTH)));
typedef uint32_t u32v __attribute__((vector_size(8 * WIDTH)));
typedef int32_t i32h __attribute__((vector_size(4 * WIDTH)));    // as many words as f64v has doubles
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));

template <class V> AUREOLE_INLINE V load(const void* from) {
    V v;
    memcpy(&v, from, sizeof v);
    return v;
}

template <class V> AUREOLE_INLINE void store(void* to, V v) { memcpy(to, &v, sizeof v); }

AUREOLE_INLINE f64v splat(double x) { return x - f64v{}; }

// Half `h` of a vector of words as doubles. Not through memory: the processor cannot take half a vector out of a
// store that is still under way.
#if defined(__AVX512VBMI2__)
AUREOLE_INLINE __m256i half(u32v v, size_t h) {
    return h == 0 ? _mm512_castsi512_si256((__m512i)v) : _mm512_extracti64x4_epi64((__m512i)v, 1);
}
AUREOLE_INLINE f64v to_doubles(u32v v, size_t h, int32_t) { return (f64v)_mm512_cvtepi32_pd(half(v, h)); }
AUREOLE_INLINE f64v to_doubles(u32v v, size_t h, uint32_t) { return (f64v)_mm512_cvtepu32_pd(half(v, h)); }
#else
AUREOLE_INLINE f64v to_doubles(u32v v, size_t h, int32_t) {
    i32h words[2];
    memcpy(words, &v, sizeof v);
    return __builtin_convertvector(words[h], f64v);
}
// without an instruction for unsigned words: as signed ones, 2^31 lower
AUREOLE_INLINE f64v to_doubles(u32v v, size_t h, uint32_t) {
    return to_doubles(v ^ 0x80000000u, h, int32_t{}) + 2147483648.0;
}
#endif

AUREOLE_INLINE bool any(u32v v) {
    uint64_t words[WIDTH], some = 0;
    memcpy(words, &v, sizeof v);
    for (size_t i = 0; i < WIDTH; ++i) some |= words[i];
    return some != 0;
}

AUREOLE_INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace aureole::AUREOLE_ISA
