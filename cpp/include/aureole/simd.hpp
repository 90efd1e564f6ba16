// Vectors in the compiler's own notation, as wide as the instruction set has them: one source for SSE2, AVX2,
// AVX-512 and NEON.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
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
typedef float f32v __attribute__((vector_size(8 * WIDTH)));
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

// A vector of doubles from as many cells in memory.
AUREOLE_INLINE f64v load_doubles(const double* from) { return load<f64v>(from); }
#if defined(__AVX512VBMI2__)
AUREOLE_INLINE f64v load_doubles(const int32_t* from) { return (f64v)_mm512_cvtepi32_pd(load<__m256i>(from)); }
AUREOLE_INLINE f64v load_doubles(const uint32_t* from) { return (f64v)_mm512_cvtepu32_pd(load<__m256i>(from)); }
AUREOLE_INLINE f64v splat(float x) { return (f64v)_mm512_cvtps_pd(_mm256_set1_ps(x)); }
#else
AUREOLE_INLINE f64v load_doubles(const int32_t* from) { return __builtin_convertvector(load<i32h>(from), f64v); }
// without an instruction for unsigned words: as signed ones, 2^31 lower
AUREOLE_INLINE f64v load_doubles(const uint32_t* from) {
    return __builtin_convertvector(load<i32h>(from) ^ (i32h{} + INT32_MIN), f64v) + 2147483648.0;
}
AUREOLE_INLINE f64v splat(float x) { return splat(double(x)); }
#endif

// A bit for each lane of a comparison.
AUREOLE_INLINE uint32_t lanes(u32v mask) {
#if defined(__AVX512VBMI2__)
    return _mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
    return uint32_t(_mm256_movemask_ps((__m256)mask));
#elif defined(__SSE2__)
    return uint32_t(_mm_movemask_ps((__m128)mask));
#else
    uint32_t bits = 0;
    for (size_t i = 0; i < 2 * WIDTH; ++i) bits |= (mask[i] & 1u) << i;
    return bits;
#endif
}

AUREOLE_INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }
AUREOLE_INLINE size_t max(size_t a, size_t b) { return a > b ? a : b; }

}  // namespace aureole::AUREOLE_ISA
