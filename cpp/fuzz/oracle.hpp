// The decoders and the integrator once more, a byte and a pixel at a time: what the kernels must agree with.
#pragma once

#include <math.h>

#include "fuzz.hpp"

namespace aureole::fuzz {

struct Image {
    int32_t status = OK;
    Bytes bytes;    // of the pixels, where the status is OK
};

inline int32_t compare_length(size_t have, size_t want) {
    return have < want ? TRUNCATED : have > want ? TRAILING : OK;
}

inline Image slow_byte_offset(const Bytes& in, size_t n_pixels, size_t itemsize) {
    Image image;
    size_t at = 0;
    uint64_t value = 0;
    for (size_t i = 0; i < n_pixels; ++i) {
        for (size_t width = 1;; width *= 2) {
            if (in.size() - at < width) return {TRUNCATED, {}};
            const int64_t x = pixel(in.data() + at, 0, width, true);
            at += width;
            if (width < 8 && x == -(int64_t(1) << (8 * width - 1))) continue;
            value += uint64_t(x);
            break;
        }
        put(image.bytes, value, int(itemsize));
    }
    image.status = compare_length(in.size(), at);
    return image;
}

// The decoded block, or nothing where it is corrupt; sets `good`.
inline Bytes slow_lz4(const uint8_t* in, size_t in_size, size_t size, bool& good) {
    Bytes out;
    size_t at = 0;
    good = false;
    const auto long_length = [&](size_t& n) {
        for (bool more = n == 15; more;) {
            if (at == in_size) return false;
            more = in[at] == 255;
            n += in[at++];
        }
        return true;
    };
    while (at < in_size) {
        const uint8_t token = in[at++];
        size_t n = token >> 4;
        if (!long_length(n) || n > in_size - at || n > size - out.size()) return {};
        for (; n; --n) out.push_back(in[at++]);
        if (at == in_size) break;
        if (in_size - at < 2) return {};
        const size_t offset = in[at] + 256u * in[at + 1];
        at += 2;
        n = token & 15;
        if (!long_length(n) || offset == 0 || offset > out.size() || n + 4 > size - out.size()) return {};
        for (n += 4; n; --n) out.push_back(out[out.size() - offset]);
    }
    good = out.size() == size;
    return out;
}

inline uint64_t slow_big(const Bytes& in, size_t at, size_t bytes) {
    uint64_t x = 0;
    for (size_t i = 0; i < bytes; ++i) x = x << 8 | in[at + i];
    return x;
}

inline Image slow_bitshuffle_lz4(const Bytes& in, size_t n_pixels, size_t itemsize) {
    if (in.size() < 12) return {TRUNCATED, {}};
    const size_t block = size_t(slow_big(in, 8, 4)) / itemsize, whole = n_pixels / 8 * 8;
    if (slow_big(in, 0, 8) != n_pixels * itemsize || block == 0 || block % 8) return {BAD_HEADER, {}};
    Image image;
    image.bytes.assign(n_pixels * itemsize, 0);
    size_t at = 12;
    for (size_t done = 0; done < whole; done += block) {
        const size_t n = whole - done < block ? whole - done : block;
        if (in.size() - at < 4 || in.size() - at - 4 < slow_big(in, at, 4)) return {TRUNCATED, {}};
        const size_t packed = size_t(slow_big(in, at, 4));
        bool good;
        const Bytes planes = slow_lz4(in.data() + at + 4, packed, n * itemsize, good);
        if (!good) return {BAD_LZ4, {}};
        at += 4 + packed;
        for (size_t e = 0; e < n; ++e)
            for (size_t b = 0; b < 8 * itemsize; ++b) {
                uint8_t& byte = image.bytes[(done + e) * itemsize + b / 8];
                byte = uint8_t(byte | (planes[b * (n / 8) + e / 8] >> (e % 8) & 1) << (b % 8));
            }
    }
    const size_t rest = (n_pixels - whole) * itemsize;
    image.status = compare_length(in.size() - at, rest);
    if (image.status == OK)
        for (size_t i = 0; i < rest; ++i) image.bytes[whole * itemsize + i] = in[at + i];
    return image;
}

inline Image slow_decode(const Bytes& in, int encoding, int dtype, size_t n_pixels) {
    const size_t itemsize = ITEMSIZE[dtype];
    if (encoding == RAW) return {compare_length(in.size(), n_pixels * itemsize), in};
    if (encoding == BITSHUFFLE_LZ4) return slow_bitshuffle_lz4(in, n_pixels, itemsize);
    if (dtype > U32) return {UNSUPPORTED, {}};
    return slow_byte_offset(in, n_pixels, itemsize);
}

inline double slow_double(const Bytes& image, size_t i, int dtype) {
    if (dtype == F32) {
        float x;
        memcpy(&x, &image[i * 4], 4);
        return double(x);
    }
    if (dtype == F64) {
        double x;
        memcpy(&x, &image[i * 8], 8);
        return x;
    }
    const int64_t x = pixel(image.data(), i, ITEMSIZE[dtype], is_signed(dtype));
    return is_signed(dtype) ? double(x) : double(uint64_t(x));
}

inline bool slow_invalid(double x, const Invalid& invalid) {
    bool bad = isnan(x);
    for (size_t k = 0; k < invalid.n; ++k) bad |= x >= invalid.bounds[2 * k] && x <= invalid.bounds[2 * k + 1];
    return bad;
}

inline bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

}  // namespace aureole::fuzz
