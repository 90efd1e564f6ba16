// One encoded frame, decoded tile by tile: pixels are appended to a buffer, a tile is taken off its front.
#pragma once

#include <stdlib.h>

#include "api.hpp"
#include "bitshuffle.hpp"
#include "byte_offset.hpp"
#include "lz4.hpp"

namespace aureole::AUREOLE_ISA {

// Pixels of type D as the type T they are worked on in.
template <class D, class T> inline void widen(const uint8_t* from, size_t n, T* to) {
    for (size_t i = 0; i < n; ++i) {
        D x;
        memcpy(&x, from + i * sizeof(D), sizeof(D));
        to[i] = T(x);
    }
}

template <class T> inline void convert(int32_t dtype, const uint8_t* from, size_t n, T* to) {
    switch (dtype) {
    case I8: return widen<int8_t>(from, n, to);
    case U8: return widen<uint8_t>(from, n, to);
    case I16: return widen<int16_t>(from, n, to);
    case U16: return widen<uint16_t>(from, n, to);
    case I32: return widen<int32_t>(from, n, to);
    case U32: return widen<uint32_t>(from, n, to);
    case I64: return widen<int64_t>(from, n, to);
    case U64: return widen<uint64_t>(from, n, to);
    case F32: return widen<float>(from, n, to);
    default: return widen<double>(from, n, to);
    }
}

// Where a frame stands that is being decoded, with pixels of type T.
template <class T> struct Stream {
    const uint8_t* at;
    const uint8_t* end;
    T* buffer;
    size_t head, have;    // where in the buffer the pixels are that are decoded and not yet taken, and how many
    size_t left;          // pixels that are not yet decoded
    size_t block;         // elements of a bitshuffle block
    uint32_t value;       // last pixel of byte-offset
    int32_t encoding, dtype, status;
    bool differences;     // byte-offset is not summed up here: the buffer holds differences of pixels
};

AUREOLE_INLINE uint64_t big(const uint8_t* p, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; ++i) x = x << 8 | p[i];
    return x;
}

// Begin a frame. The buffer comes later, when all frames of the batch have said how much they append at once.
template <class T> inline Stream<T> open_stream(const Source& source, size_t n_pixels) {
    Stream<T> s = {source.data, source.data + source.size, nullptr, 0, 0, n_pixels, 0, 0, source.encoding,
                   source.dtype, OK, false};
    const size_t itemsize = ITEMSIZE[source.dtype];
    if (s.encoding == RAW) {
        if (source.size != n_pixels * itemsize) s.status = source.size < n_pixels * itemsize ? TRUNCATED : TRAILING;
    } else if (s.encoding == BYTE_OFFSET) {
        if (source.dtype > U32) s.status = UNSUPPORTED;
    } else if (source.size < 12) {
        s.status = TRUNCATED;
    } else {
        s.block = size_t(big(s.at + 8, 4)) / itemsize;
        if (big(s.at, 8) != n_pixels * itemsize || s.block == 0 || s.block % 8 != 0) s.status = BAD_HEADER;
        s.block = min(s.block, n_pixels);    // no larger than what it must hold, whatever the header says
        s.at += 12;
    }
    return s;
}

// Pixels that one step of a frame may append beyond what is asked for.
template <class T> AUREOLE_INLINE size_t overshoot(const Stream<T>& s) {
    return s.encoding == BITSHUFFLE_LZ4 ? s.block : BYTE_OFFSET_OVERSHOOT;
}

// Bytes of scratch memory that decoding a frame takes.
template <class T> AUREOLE_INLINE size_t scratch_bytes(const Stream<T>& s) {
    if (s.encoding == BITSHUFFLE_LZ4) return 2 * (s.block * ITEMSIZE[s.dtype] + LZ4_SLACK);
    return s.encoding == BYTE_OFFSET ? (TILE + BYTE_OFFSET_OVERSHOOT) * sizeof(int32_t) : 0;
}

inline void append_byte_offset(Stream<int32_t>& s, size_t n, uint8_t*) {
    ByteOffset state = {s.at, s.end, s.value};
    int32_t* out = s.buffer + s.have;
    const size_t got = s.differences ? byte_offset<false>(state, out, n) : byte_offset<true>(state, out, n);
    s.at = state.at;
    s.value = state.value;
    if (got < n) {
        s.status = TRUNCATED;
        return;
    }
    if (got > s.left) {    // there are more pixels in the data than in the image
        s.status = TRAILING;
        return;
    }
    switch (s.dtype) {    // narrower types wrap around in their own width
    case I8: for (size_t i = 0; i < got; ++i) out[i] = int8_t(out[i]); break;
    case U8: for (size_t i = 0; i < got; ++i) out[i] = uint8_t(out[i]); break;
    case I16: for (size_t i = 0; i < got; ++i) out[i] = int16_t(out[i]); break;
    case U16: for (size_t i = 0; i < got; ++i) out[i] = uint16_t(out[i]); break;
    default: break;
    }
    s.have += got;
    s.left -= got;
}

// The pixels of unsigned 32-bit frames have the bits of the signed ones.
inline void append_byte_offset(Stream<uint32_t>& s, size_t n, uint8_t* scratch) {
    Stream<int32_t> twin = {s.at, s.end, reinterpret_cast<int32_t*>(s.buffer), 0, s.have, s.left, s.block, s.value,
                            s.encoding, I32, s.status, s.differences};
    append_byte_offset(twin, n, scratch);
    s.at = twin.at;
    s.have = twin.have;
    s.left = twin.left;
    s.value = twin.value;
    s.status = twin.status;
}

// Variances are worked on as doubles, whatever their type.
template <class T> inline void append_byte_offset(Stream<T>& s, size_t n, uint8_t* scratch) {
    Stream<int32_t> twin = {s.at, s.end, reinterpret_cast<int32_t*>(scratch), 0, 0, s.left, s.block, s.value,
                            s.encoding, s.dtype, s.status, false};
    append_byte_offset(twin, n, scratch);
    convert(s.dtype == U32 ? U32 : I32, scratch, twin.have, s.buffer + s.have);
    s.at = twin.at;
    s.have += twin.have;
    s.left = twin.left;
    s.value = twin.value;
    s.status = twin.status;
}

template <class T> inline void append_block(Stream<T>& s, uint8_t* scratch) {
    const size_t itemsize = ITEMSIZE[s.dtype];
    if (s.left < 8) {    // the last n mod 8 elements are stored as they are
        if (size_t(s.end - s.at) < s.left * itemsize) {
            s.status = TRUNCATED;
            return;
        }
        convert(s.dtype, s.at, s.left, s.buffer + s.have);
        s.at += s.left * itemsize;
        s.have += s.left;
        s.left = 0;
        return;
    }
    const size_t n = min(s.block, s.left) / 8 * 8;
    if (s.end - s.at < 4 || size_t(s.end - s.at) - 4 < big(s.at, 4)) {
        s.status = TRUNCATED;
        return;
    }
    const size_t packed = size_t(big(s.at, 4));
    if (!lz4_block(s.at + 4, packed, scratch, n * itemsize)) {
        s.status = BAD_LZ4;
        return;
    }
    T* out = s.buffer + s.have;
    if (itemsize == sizeof(T) && (s.dtype >= F32) == (T(0.5) != T(0))) {    // T is their own type
        bit_unshuffle(scratch, n, itemsize, reinterpret_cast<uint8_t*>(out));
    } else {
        uint8_t* pixels = scratch + s.block * itemsize + LZ4_SLACK;
        bit_unshuffle(scratch, n, itemsize, pixels);
        convert(s.dtype, pixels, n, out);
    }
    s.at += 4 + packed;
    s.have += n;
    s.left -= n;
}

// Have at least n pixels in the buffer. A frame that turns out to be corrupt is given zeros from there on.
template <class T> inline void fill(Stream<T>& s, size_t n, uint8_t* scratch) {
    if (s.have < n && s.head) {
        memmove(s.buffer, s.buffer + s.head, s.have * sizeof(T));
        s.head = 0;
    }
    while (s.have < n && s.status == OK) {
        if (s.encoding == RAW) {
            const size_t more = n - s.have;
            convert(s.dtype, s.at, more, s.buffer + s.have);
            s.at += more * ITEMSIZE[s.dtype];
            s.have = n;
            s.left -= more;
        } else if (s.encoding == BYTE_OFFSET) {
            append_byte_offset(s, n - s.have, scratch);
        } else {
            append_block(s, scratch);
        }
    }
    if (s.status == OK && s.left == 0 && s.at != s.end) s.status = TRAILING;
    if (s.status != OK) {
        s.head = 0;
        memset(s.buffer, 0, n * sizeof(T));
    }
}

template <class T> inline void take(Stream<T>& s, size_t n) {
    if (s.status != OK) return;
    s.head += n;
    s.have -= n;
}

template <class T> inline int32_t decode_as(const Source& source, size_t n_pixels, T* out) {
    Stream<T> s = open_stream<T>(source, n_pixels);
    if (s.status != OK) return s.status;
    uint8_t* scratch = static_cast<uint8_t*>(malloc(scratch_bytes(s) + 1));
    s.buffer = static_cast<T*>(malloc((TILE + overshoot(s)) * sizeof(T)));
    if (!scratch || !s.buffer) s.status = NO_MEMORY;
    for (size_t done = 0; done < n_pixels && s.status == OK; done += TILE) {
        const size_t n = min(TILE, n_pixels - done);
        fill(s, n, scratch);
        memcpy(out + done, s.buffer + s.head, n * sizeof(T));
        take(s, n);
    }
    free(s.buffer);
    free(scratch);
    return s.status;
}

// The type that pixels are worked on in: their own, or the next wider that has 32 bits.
template <class Do> inline int32_t with_pixel_type(int32_t dtype, Do&& run) {
    switch (dtype) {
    case U32: return run(uint32_t{});
    case I64: return run(int64_t{});
    case U64: return run(uint64_t{});
    case F32: return run(float{});
    case F64: return run(double{});
    default: return run(int32_t{});
    }
}

template <class D> inline void narrow(const int32_t* from, size_t n, void* to) {
    for (size_t i = 0; i < n; ++i) static_cast<D*>(to)[i] = D(from[i]);
}

inline int32_t decode(const Source& source, size_t n_pixels, void* out) {
    if (ITEMSIZE[source.dtype] >= 4)
        return with_pixel_type(source.dtype, [&](auto zero) {
            return decode_as(source, n_pixels, static_cast<decltype(zero)*>(out));
        });
    int32_t* wide = static_cast<int32_t*>(malloc(n_pixels * sizeof(int32_t) + 1));
    if (!wide) return NO_MEMORY;
    const int32_t status = decode_as(source, n_pixels, wide);
    if (status == OK) {
        switch (source.dtype) {
        case I8: narrow<int8_t>(wide, n_pixels, out); break;
        case U8: narrow<uint8_t>(wide, n_pixels, out); break;
        case I16: narrow<int16_t>(wide, n_pixels, out); break;
        default: narrow<uint16_t>(wide, n_pixels, out); break;
        }
    }
    free(wide);
    return status;
}

}  // namespace aureole::AUREOLE_ISA
