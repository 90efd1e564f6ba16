// Undoing bitshuffle: a block of n elements is stored as its bit planes, plane b holding bit b of every element
// (K. Masui et al., Astronomy and Computing 12 (2015) 181, doi:10.1016/j.ascom.2015.07.002).
#pragma once

#include "simd.hpp"

namespace aureole::AUREOLE_ISA {

// Transpose the 8 x 8 bits in each 64-bit word (Hacker's Delight, section 7-3).
template <class W> AUREOLE_INLINE W transpose_bits(W x) {
    W t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAu;
    x = x ^ t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCu;
    x = x ^ t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0u;
    return x ^ t ^ (t << 28);
}

// From byte i of eight words make word i.
AUREOLE_INLINE u64x8 transpose_bytes(u64x8 x) {
#if defined(__AVX512VBMI2__)
    const __m512i order = _mm512_set_epi64(
        0x3F372F271F170F07, 0x3E362E261E160E06, 0x3D352D251D150D05, 0x3C342C241C140C04, 0x3B332B231B130B03,
        0x3A322A221A120A02, 0x3931292119110901, 0x3830282018100800);
    return (u64x8)_mm512_permutexvar_epi8(order, (__m512i)x);
#else
    uint8_t in[64], out[64];
    memcpy(in, &x, 64);
    for (int i = 0; i < 8; ++i)
        for (int j = 0; j < 8; ++j) out[8 * i + j] = in[8 * j + i];
    return load<u64x8>(out);
#endif
}

// Byte `k` of the 64 elements from `first` on, from planes of `stride` bytes; false where all are zero.
AUREOLE_INLINE bool plane_bytes(const uint8_t* planes, size_t stride, size_t k, size_t first, u8x64& bytes) {
    const uint8_t* p = planes + 8 * k * stride + first / 8;
    u64x8 x;
    for (size_t i = 0; i < 8; ++i) x[i] = load<uint64_t>(p + i * stride);
    if (!any((i32x16)x)) return false;
    bytes = (u8x64)transpose_bits(transpose_bytes(x));
    return true;
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

// Undo the shuffle of n elements (a multiple of 8) of `itemsize` bytes: `planes` and `out` hold n * itemsize bytes.
inline void bit_unshuffle(const uint8_t* planes, size_t n, size_t itemsize, uint8_t* out) {
    const size_t stride = n / 8;
    size_t done = 0;
    if (itemsize == 4) {
        for (; done + 64 <= n; done += 64) {
            u32x16 v[4] = {};
            for (size_t k = 0; k < 4; ++k) {
                u8x64 bytes;
                if (!plane_bytes(planes, stride, k, done, bytes)) continue;
                uint8_t raw[64];
                store(raw, bytes);
                for (size_t i = 0; i < 4; ++i)
                    v[i] |= __builtin_convertvector(load<u8x16>(raw + 16 * i), u32x16) << uint32_t(8 * k);
            }
            for (size_t i = 0; i < 4; ++i) store(out + 4 * (done + 16 * i), v[i]);
        }
    } else if (itemsize == 1) {
        for (; done + 64 <= n; done += 64) {
            u8x64 bytes = {};
            plane_bytes(planes, stride, 0, done, bytes);
            store(out + done, bytes);
        }
    } else if (itemsize == 2) {
        for (; done + 64 <= n; done += 64) {
            u8x64 low = {}, high = {};
            plane_bytes(planes, stride, 0, done, low);
            plane_bytes(planes, stride, 1, done, high);
            uint8_t a[64], b[64];
            store(a, low);
            store(b, high);
            uint16_t both[64];
            for (size_t i = 0; i < 64; ++i) both[i] = uint16_t(a[i] | b[i] << 8);
            memcpy(out + 2 * done, both, sizeof both);
        }
    }
    for (; done < n; done += 8) unshuffle_eight(planes, stride, itemsize, done, out);
}

}  // namespace aureole::AUREOLE_ISA
