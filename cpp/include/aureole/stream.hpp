// One encoded frame, decoded step by step: pixels are appended to a buffer and taken off its front.
#pragma once

#include <stdlib.h>

#include "api.hpp"
#include "bitshuffle.hpp"
#include "byte_offset.hpp"
#include "lz4.hpp"

namespace aureole::AUREOLE_ISA {

// Pixels of each frame that are decoded at a time: those of a batch stay near the processor.
inline constexpr size_t STEP = 2048;

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
    const uint8_t* at;    // bytes that are not yet decoded
    const uint8_t* end;
    Feed* feed;           // gives the bytes after those
    size_t rest;          // how many they are
    uint8_t* window;      // memory of a feed's bytes
    size_t capacity;
    T* buffer;
    size_t head, have;    // where in the buffer the pixels are that are decoded and not yet taken, and how many
    size_t left;          // pixels that are not yet decoded
    size_t block;         // elements of a bitshuffle block
    uint32_t value;       // last pixel of byte-offset
    int32_t encoding, dtype, status;
};

AUREOLE_INLINE uint64_t big(const uint8_t* p, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; ++i) x = x << 8 | p[i];
    return x;
}

// Have the next n bytes of a feed in memory, as far as there are as many.
template <class T> inline void top_up(Stream<T>& s, size_t n) {
    const size_t have = size_t(s.end - s.at);
    if (have >= n || s.rest == 0 || s.status != OK) return;
    n = max(min(n, have + s.rest), min(s.feed->window, have + s.rest));
    uint8_t* const old = s.window;
    if (s.capacity < n) {
        s.window = static_cast<uint8_t*>(malloc(n));
        s.capacity = s.window ? n : 0;
    }
    if (s.window && have) memmove(s.window, s.at, have);
    if (s.window != old) free(old);
    s.at = s.window;
    s.end = s.window + (s.window ? n : 0);
    s.status = s.window ? s.feed->read(s.feed, s.window + have, n - have) : int32_t(NO_MEMORY);
    s.rest -= n - have;
}

// Begin a frame. The buffer comes later, when all frames of the batch have said how much they append at once.
template <class T> inline Stream<T> open_stream(const Source& source, size_t n_pixels) {
    Stream<T> s = {};
    if (source.feed) {
        s.feed = source.feed;
        s.rest = source.size;
    } else {
        s.at = source.data;
        s.end = source.data + source.size;
    }
    s.left = n_pixels;
    s.encoding = source.encoding;
    s.dtype = source.dtype;
    const size_t itemsize = ITEMSIZE[source.dtype];
    if (s.encoding == RAW) {
        if (source.size != n_pixels * itemsize) s.status = source.size < n_pixels * itemsize ? TRUNCATED : TRAILING;
    } else if (s.encoding == BYTE_OFFSET) {
        if (source.dtype > U32) s.status = UNSUPPORTED;
    } else if (source.size < 12) {
        s.status = TRUNCATED;
    } else {
        top_up(s, 12);
        if (s.status != OK) return s;
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
    return s.encoding == BYTE_OFFSET ? (STEP + BYTE_OFFSET_OVERSHOOT) * sizeof(int32_t) : 0;
}

// Decode n pixels of byte-offset or a few more; returns how many.
template <class T, class To> inline size_t decode_words(Stream<T>& s, size_t n, To&& to) {
    size_t got = 0;
    for (bool more = true; more && got < n;) {
        top_up(s, 2 * (n - got) + 66);    // pixels seldom take more bytes
        if (s.status != OK) return 0;
        more = s.rest != 0;
        ByteOffset state = {s.at, s.end, s.value};
        const size_t decoded = byte_offset(state, to, n - got);
        s.at = state.at;
        s.value = state.value;
        to.skip(decoded);
        got += decoded;
    }
    if (got < n || got > s.left) {    // fewer pixels in the data than in the image, or more
        s.status = got < n ? TRUNCATED : TRAILING;
        return 0;
    }
    s.left -= got;
    return got;
}

// The same as words with the bits of their type.
template <class T> inline size_t next_words(Stream<T>& s, size_t n, int32_t* out) {
    const size_t got = decode_words(s, n, Pixels{out});
    switch (s.dtype) {    // narrower types wrap around in their own width
    case I8: for (size_t i = 0; i < got; ++i) out[i] = int8_t(out[i]); break;
    case U8: for (size_t i = 0; i < got; ++i) out[i] = uint8_t(out[i]); break;
    case I16: for (size_t i = 0; i < got; ++i) out[i] = int16_t(out[i]); break;
    case U16: for (size_t i = 0; i < got; ++i) out[i] = uint16_t(out[i]); break;
    default: break;
    }
    return got;
}

inline void append_byte_offset(Stream<int32_t>& s, size_t n, uint8_t*) {
    s.have += next_words(s, n, s.buffer + s.have);
}

// The pixels of unsigned 32-bit frames have the bits of the signed ones.
inline void append_byte_offset(Stream<uint32_t>& s, size_t n, uint8_t*) {
    s.have += next_words(s, n, reinterpret_cast<int32_t*>(s.buffer + s.have));
}

// Variances are worked on as doubles, whatever their type.
template <class T> inline void append_byte_offset(Stream<T>& s, size_t n, uint8_t* scratch) {
    const size_t got = next_words(s, n, reinterpret_cast<int32_t*>(scratch));
    convert(s.dtype == U32 ? U32 : I32, scratch, got, s.buffer + s.have);
    s.have += got;
}

template <class T> inline void append_raw(Stream<T>& s, size_t n) {
    const size_t bytes = n * ITEMSIZE[s.dtype];
    top_up(s, bytes);
    if (s.status != OK) return;
    convert(s.dtype, s.at, n, s.buffer + s.have);
    s.at += bytes;
    s.have += n;
    s.left -= n;
}

template <class T> inline void append_block(Stream<T>& s, uint8_t* scratch) {
    const size_t itemsize = ITEMSIZE[s.dtype];
    if (s.left < 8) {    // the last n mod 8 elements are stored as they are
        top_up(s, s.left * itemsize);
        if (s.status == OK && size_t(s.end - s.at) < s.left * itemsize) s.status = TRUNCATED;
        if (s.status == OK) append_raw(s, s.left);
        return;
    }
    const size_t n = min(s.block, s.left) / 8 * 8;
    top_up(s, 4);
    if (s.status == OK && s.end - s.at < 4) s.status = TRUNCATED;
    if (s.status != OK) return;
    const size_t packed = size_t(big(s.at, 4));
    top_up(s, 4 + packed);
    if (s.status == OK && size_t(s.end - s.at) - 4 < packed) s.status = TRUNCATED;
    if (s.status != OK) return;
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

// Whether the data end with the last pixel.
template <class T> inline void check_end(Stream<T>& s) {
    if (s.status == OK && s.left == 0 && (s.at != s.end || s.rest)) s.status = TRAILING;
}

// Have at least n pixels in the buffer. A frame that turns out to be corrupt is given zeros from there on.
template <class T> inline void fill(Stream<T>& s, size_t n, uint8_t* scratch) {
    if (s.have < n && s.head) {
        memmove(s.buffer, s.buffer + s.head, s.have * sizeof(T));
        s.head = 0;
    }
    while (s.have < n && s.status == OK) {
        if (s.encoding == RAW) {
            append_raw(s, n - s.have);
        } else if (s.encoding == BYTE_OFFSET) {
            append_byte_offset(s, n - s.have, scratch);
        } else {
            append_block(s, scratch);
        }
    }
    check_end(s);
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

template <class T> inline void close_stream(Stream<T>& s) { free(s.window); }

template <class T> inline int32_t decode_as(const Source& source, size_t n_pixels, T* out) {
    Stream<T> s = open_stream<T>(source, n_pixels);
    uint8_t* scratch = static_cast<uint8_t*>(malloc(scratch_bytes(s) + 1));
    s.buffer = static_cast<T*>(malloc((STEP + overshoot(s)) * sizeof(T)));
    if (!scratch || !s.buffer) s.status = NO_MEMORY;
    for (size_t done = 0; done < n_pixels && s.status == OK; done += STEP) {
        const size_t n = min(STEP, n_pixels - done);
        fill(s, n, scratch);
        memcpy(out + done, s.buffer + s.head, n * sizeof(T));
        take(s, n);
    }
    free(s.buffer);
    free(scratch);
    close_stream(s);
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
