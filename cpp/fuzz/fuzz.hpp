// What the fuzzing targets share: exact buffers, parameters out of the input, and inputs that are nearly right.
#pragma once

#include <stdio.h>

#include <memory>
#include <random>
#include <vector>

#include "aureole/integrate.hpp"

// Random changes to any input: libFuzzer's own, or the driver's.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace aureole::fuzz {

namespace native = aureole::AUREOLE_ISA;

using Bytes = std::vector<uint8_t>;

inline void require(bool holds, const char* what) {
    if (holds) return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

// Memory that ends where its content ends, so that the address sanitizer sees the first byte beyond it. Bytes begin
// at an odd address, as payloads do within a file.
template <class T> class Exact {
  public:
    explicit Exact(size_t n) : size_(n), memory_(new T[n + 1]()) {}
    Exact(const T* from, size_t n) : Exact(n) {
        if (n) memcpy(data(), from, n * sizeof(T));
    }
    T* data() const { return memory_.get() + 1; }
    T& operator[](size_t i) const { return data()[i]; }
    size_t size() const { return size_; }

  private:
    size_t size_;
    std::unique_ptr<T[]> memory_;
};

// Gives a payload piece by piece.
struct MemoryFeed : Feed {
    const uint8_t* at;
    size_t left;

    MemoryFeed(const Exact<uint8_t>& payload, size_t window)
        : Feed{next, window}, at(payload.data()), left(payload.size()) {}

    static int32_t next(Feed* feed, uint8_t* to, size_t n) {
        MemoryFeed* self = static_cast<MemoryFeed*>(feed);
        require(n > 0 && n <= self->left, "feed: nothing, or more than there is");
        memcpy(to, self->at, n);
        self->at += n;
        self->left -= n;
        return OK;
    }
};

// The input read from its front; zeros where it has ended.
struct Reader {
    const uint8_t* at;
    size_t left;

    size_t number(int bytes) {
        size_t x = 0;
        for (int i = 0; i < bytes; ++i) {
            x |= left ? size_t(*at) << (8 * i) : 0;
            if (left) ++at, --left;
        }
        return x;
    }
};

inline void put(Bytes& out, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(uint8_t(x >> (8 * i)));
}

inline void put_big(Bytes& out, uint64_t x, int bytes) {
    for (int i = bytes; i-- > 0;) out.push_back(uint8_t(x >> (8 * i)));
}

struct Random {
    std::mt19937_64 bits;
    explicit Random(uint64_t seed) : bits(seed) {}
    size_t below(size_t n) { return size_t(bits() % n); }
    bool one_in(size_t n) { return below(n) == 0; }
};

// Pixels of `itemsize` bytes: mostly few counts, some near the ends of what a width can hold.
inline Bytes pixels(Random& random, size_t n, size_t itemsize) {
    static const int64_t edges[] = {127, -127, -128, 128, 129, 0x8080, -0x8080, 32767, -32767, -32768, 32768,
                                    0x80000000, -0x80000000LL, 0x7FFFFFFF, 0xFFFFFFFF, 0x8000, 0x800000, -1, -2};
    const size_t style = random.below(5);
    Bytes out;
    int64_t x = 0;
    for (size_t i = 0; i < n; ++i) {
        if (style == 0)
            x = int64_t(random.below(4));
        else if (style == 1)
            x = int64_t(random.bits());
        else if (style == 2)
            x += edges[random.below(std::size(edges))];
        else if (style == 3)
            x = random.one_in(random.one_in(2) ? 40 : 3) ? int64_t(random.below(70000)) : int64_t(random.below(200));
        else if (random.one_in(30))
            x = edges[random.below(std::size(edges))];
        put(out, uint64_t(x), int(itemsize));
    }
    return out;
}

inline int64_t pixel(const uint8_t* image, size_t i, size_t itemsize, bool is_signed) {
    uint64_t x = 0;
    for (size_t k = 0; k < itemsize; ++k) x |= uint64_t(image[i * itemsize + k]) << (8 * k);
    const int unused = int(64 - 8 * itemsize);
    return is_signed ? int64_t(x << unused) >> unused : int64_t(x);
}

inline Bytes encode_byte_offset(const Bytes& image, size_t itemsize, bool is_signed) {
    Bytes out;
    int64_t last = 0;
    for (size_t i = 0; i < image.size() / itemsize; ++i) {
        const int64_t x = pixel(image.data(), i, itemsize, is_signed), step = int64_t(uint64_t(x) - uint64_t(last));
        last = x;
        for (int width = 1;; width *= 2) {
            const int64_t lowest = width == 8 ? INT64_MIN : -(int64_t(1) << (8 * width - 1));
            const bool fits = width == 8 || (step > lowest && step <= -(lowest + 1));
            put(out, uint64_t(fits ? step : lowest), width);
            if (fits) break;
        }
    }
    return out;
}

// Greedy LZ4 with matches at a few short distances, which is enough to meet every way of copying.
inline Bytes encode_lz4(const uint8_t* data, size_t size) {
    static const size_t offsets[] = {1, 2, 3, 7, 8, 15, 16, 17, 32, 64, 100, 1000};
    const auto length = [](Bytes& out, size_t n) {
        for (; n >= 255; n -= 255) out.push_back(255);
        out.push_back(uint8_t(n));
    };
    const auto sequence = [&](Bytes& out, size_t from, size_t literals, size_t offset, size_t match) {
        const size_t m = offset ? match - 4 : 0;
        out.push_back(uint8_t((literals < 15 ? literals : 15) << 4 | (m < 15 ? m : 15)));
        if (literals >= 15) length(out, literals - 15);
        out.insert(out.end(), data + from, data + from + literals);
        if (!offset) return;
        put(out, offset, 2);
        if (m >= 15) length(out, m - 15);
    };
    Bytes out;
    size_t from = 0, at = 0;
    while (at < size) {
        size_t best = 0, best_offset = 0;
        for (const size_t offset : offsets) {
            size_t n = 0;
            while (offset <= at && at + n < size && data[at + n] == data[at + n - offset]) ++n;
            if (n > best) best = n, best_offset = offset;
        }
        if (best < 4) {
            ++at;
            continue;
        }
        sequence(out, from, at - from, best_offset, best);
        from = at += best;
    }
    sequence(out, from, size - from, 0, 0);
    return out;
}

inline Bytes encode_bitshuffle_lz4(const Bytes& image, size_t itemsize, size_t block) {
    Bytes out;
    put_big(out, image.size(), 8);
    put_big(out, block * itemsize, 4);
    const size_t n_pixels = image.size() / itemsize, whole = n_pixels / 8 * 8;
    for (size_t done = 0; done < whole; done += block) {
        const size_t n = whole - done < block ? whole - done : block;
        Bytes planes(n * itemsize);
        for (size_t e = 0; e < n; ++e)
            for (size_t b = 0; b < 8 * itemsize; ++b)
                if (image[(done + e) * itemsize + b / 8] >> (b % 8) & 1)
                    planes[b * (n / 8) + e / 8] = uint8_t(planes[b * (n / 8) + e / 8] | 1u << (e % 8));
        const Bytes packed = encode_lz4(planes.data(), planes.size());
        put_big(out, packed.size(), 4);
        out.insert(out.end(), packed.begin(), packed.end());
    }
    out.insert(out.end(), image.begin() + ptrdiff_t(whole * itemsize), image.end());
    return out;
}

inline bool is_signed(int dtype) { return dtype == I8 || dtype == I16 || dtype == I32 || dtype == I64; }

// A payload that decodes, of n pixels.
inline Bytes payload(Random& random, int encoding, int dtype, size_t n) {
    const size_t itemsize = ITEMSIZE[dtype];
    const Bytes image = pixels(random, n, itemsize);
    if (encoding == RAW) return image;
    if (encoding == BYTE_OFFSET) return encode_byte_offset(image, itemsize, is_signed(dtype));
    return encode_bitshuffle_lz4(image, itemsize, random.one_in(3) ? 8 * (1 + random.below(400)) : 2048);
}

// The next input: a new one that is right, often damaged, or the last one with more damage.
template <class Make>
size_t next_input(uint8_t* data, size_t size, size_t max_size, unsigned seed, const Make& make) {
    Random random(seed);
    if (size < 8 || random.one_in(2)) {
        const Bytes fresh = make(random);
        size = fresh.size() < max_size ? fresh.size() : max_size;
        if (size) memcpy(data, fresh.data(), size);
        if (random.one_in(4)) return size;
    }
    return LLVMFuzzerMutate(data, size, max_size);
}

}  // namespace aureole::fuzz
