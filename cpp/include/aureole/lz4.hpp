// LZ4 block decoding (LZ4 block format description, Y. Collet), bounded on both sides.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// Bytes beyond the size of a block that its buffer must have, for copies in whole vectors.
inline constexpr size_t LZ4_SLACK = 64;

// Row d: 0, 1... d - 1 over and over.
template <size_t N> struct Turns {
    uint8_t index[16][N];
    constexpr Turns() : index{} {
        for (size_t d = 1; d < 16; ++d)
            for (size_t i = 0; i < N; ++i) index[d][i] = uint8_t(i % d);
    }
};

AUREOLE_INLINE void copy16(uint8_t* to, const uint8_t* from) { store(to, load<u8x16>(from)); }

// Repeat the `offset` bytes before `to`, fewer than 16, over `length` bytes; may write LZ4_SLACK bytes more.
AUREOLE_INLINE void repeat(uint8_t* to, size_t offset, size_t length) {
#if defined(__AVX512VBMI2__)
    alignas(64) static constexpr Turns<64> TURNS;
    const __m512i once = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)(to - offset)));
    const __m512i pattern = _mm512_permutexvar_epi8(_mm512_load_si512(TURNS.index[offset]), once);
    const size_t period = 64 / offset * offset;
    for (size_t i = 0; i < length; i += period) _mm512_storeu_si512(to + i, pattern);
#else
    if (offset == 1) {
        memset(to, to[-1], length);
        return;
    }
    for (size_t i = 0; i < 16; ++i) to[i] = to[i - offset];
    const size_t period = 16 / offset * offset;
    for (size_t i = period; i < length; i += period) copy16(to + i, to + i - period);
#endif
}

// The rest of a length of 15 or more; false where the data end within it or it is absurd.
AUREOLE_INLINE bool lz4_length(const uint8_t*& in, const uint8_t* end, size_t limit, size_t& length) {
    uint8_t more;
    do {
        if (in == end || length > limit) return false;
        more = *in++;
        length += more;
    } while (more == 255);
    return true;
}

// Decode `in` to exactly `size` bytes; `out` has room for size + LZ4_SLACK. False where the block is corrupt.
inline bool lz4_block(const uint8_t* in, size_t in_size, uint8_t* const out, size_t size) {
    const uint8_t* const end = in + in_size;
    size_t n = 0;    // bytes written
    while (in < end) {
        uint8_t token = *in++;
        size_t length = token >> 4;
        if (length == 15 && !lz4_length(in, end, size, length)) return false;
        if (length > size - n || length > size_t(end - in)) return false;
        if (size_t(end - in) >= length + 16) {
            copy16(out + n, in);
            for (size_t i = 16; i < length; i += 16) copy16(out + n + i, in + i);
        } else {
            memcpy(out + n, in, length);
        }
        in += length;
        n += length;
        if (in == end) break;    // the last sequence has literals only

        if (end - in < 2) return false;
        size_t offset = size_t(in[0]) | size_t(in[1]) << 8;
        in += 2;
        length = token & 15;
        if (length == 15 && !lz4_length(in, end, size, length)) return false;
        length += 4;
        if (offset == 0 || offset > n || length > size - n) return false;
        uint8_t* to = out + n;
        const uint8_t* from = to - offset;
        if (offset >= 16) {
            copy16(to, from);
            for (size_t i = 16; i < length; i += 16) copy16(to + i, from + i);
        } else {
            repeat(to, offset, length);
        }
        n += length;
    }
    return n == size;
}

}  // namespace aureole::AUREOLE_ISA
