// Vectors in the compiler's own notation, as wide as the instruction set has them: one source for SSE2, AVX2,
// AVX-512 and NEON.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512VBMI2__)
#include <immintrin.h>
#endif

#define AUREOLE_INLINE inline __attribute__((always_inline))

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
typedef uint32_t u32h __attribute__((vector_size(4 * WIDTH)));
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

#if defined(__AVX512VBMI2__)    // gcc 12 would convert by halves
AUREOLE_INLINE f64v to_doubles(i32h v) { return (f64v)_mm512_cvtepi32_pd((__m256i)v); }
AUREOLE_INLINE f64v to_doubles(u32h v) { return (f64v)_mm512_cvtepu32_pd((__m256i)v); }
#else
AUREOLE_INLINE f64v to_doubles(i32h v) { return __builtin_convertvector(v, f64v); }
// without an instruction for unsigned words: as signed ones, 2^31 lower
AUREOLE_INLINE f64v to_doubles(u32h v) { return __builtin_convertvector((i32h)(v ^ 0x80000000u), f64v) + 2147483648.0; }
#endif

AUREOLE_INLINE bool any(u32v v) {
    uint64_t words[WIDTH], some = 0;
    memcpy(words, &v, sizeof v);
    for (size_t i = 0; i < WIDTH; ++i) some |= words[i];
    return some != 0;
}

AUREOLE_INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace aureole::AUREOLE_ISA
