// LZ4 block decoding (LZ4 block format description, Y. Collet), bounded on both sides.
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// Bytes beyond the size of a block that its buffer must have, for copies in whole vectors.
inline constexpr size_t LZ4_SLACK = 64;

AUREOLE_INLINE void copy16(uint8_t* to, const uint8_t* from) { store(to, load<u8x16>(from)); }

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
            for (size_t i = 0; i < length; i += 16) copy16(out + n + i, in + i);
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
            for (size_t i = 0; i < length; i += 16) copy16(to + i, from + i);
        } else if (offset == 1) {
            memset(to, from[0], length);
        } else {
            for (size_t i = 0; i < length; ++i) to[i] = from[i];
        }
        n += length;
    }
    return n == size;
}

}  // namespace aureole::AUREOLE_ISA
