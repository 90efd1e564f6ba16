// Byte-offset: [type of pixel] [pixels, 2 bytes] [pixels asked for at once, 2 bytes] payload.
#include "oracle.hpp"

using namespace aureole;
using namespace aureole::fuzz;

static constexpr size_t MOST_PIXELS = 5000;

static native::Pixels sink(const Exact<int32_t>& part, native::Wide*) { return {part.data()}; }
static native::Differences sink(const Exact<int16_t>& part, native::Wide* wide) { return {part.data(), wide, 0}; }

static uint32_t pixel_of(const native::Pixels&, int32_t decoded, size_t, const native::Wide*&, uint32_t) {
    return uint32_t(decoded);
}
static uint32_t pixel_of(const native::Differences& to, int16_t decoded, size_t i, const native::Wide*& wide,
                         uint32_t last) {
    if (wide == to.wide || wide->at != i) return last + uint32_t(int32_t(decoded));
    require(decoded == 0, "byte_offset: a wide difference without a zero in its place");
    return last + uint32_t((wide++)->value);
}

// The decoder alone, resumed again and again for `step` more pixels; To says whether it sums up.
template <class To, class Word>
static void resume(const Exact<uint8_t>& payload, const Bytes& bytes, size_t n_pixels, size_t step) {
    native::ByteOffset state = {payload.data(), payload.data() + payload.size(), 0};
    Bytes decoded;
    uint32_t value = 0;
    const Exact<Word> part(step + native::BYTE_OFFSET_OVERSHOOT);
    const Exact<native::Wide> room(part.size());
    for (size_t got = step; got >= step && decoded.size() / 4 < n_pixels;) {
        To to = sink(part, room.data());
        got = native::byte_offset(state, to, step);
        require(got <= part.size(), "byte_offset: more pixels than there is room for");
        require(state.at <= state.end, "byte_offset: beyond the end");
        const native::Wide* wide = room.data();
        for (size_t i = 0; i < got; ++i) put(decoded, value = pixel_of(to, part[i], i, wide, value), 4);
    }
    const Image prefix = slow_byte_offset(bytes, decoded.size() / 4, 4);
    require(prefix.status == OK || prefix.status == TRAILING, "byte_offset: pixels beyond the data");
    require(prefix.bytes == decoded, "byte_offset: pixels after resuming");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Reader in = {data, size};
    const int dtype = int(in.number(1) % (U32 + 1));
    const size_t n_pixels = 1 + in.number(2) % MOST_PIXELS, step = 1 + in.number(2) % MOST_PIXELS;
    const Exact<uint8_t> payload(in.at, in.left);
    const Bytes bytes(in.at, in.at + in.left);

    // whole images
    const Image wanted = slow_decode(bytes, BYTE_OFFSET, dtype, n_pixels);
    const std::unique_ptr<void, void (*)(void*)> out(malloc(n_pixels * ITEMSIZE[dtype]), free);
    MemoryFeed feed(payload, step);
    for (const Source& source : {Source{payload.data(), payload.size(), BYTE_OFFSET, dtype},
                                 Source{nullptr, payload.size(), BYTE_OFFSET, dtype, &feed}}) {
        const int32_t status = native::decode(source, n_pixels, out.get());
        require(status == wanted.status, "byte_offset: another status");
        if (status == OK)
            require(memcmp(out.get(), wanted.bytes.data(), wanted.bytes.size()) == 0, "byte_offset: pixels");
    }
    resume<native::Pixels, int32_t>(payload, bytes, n_pixels, step);
    resume<native::Differences, int16_t>(payload, bytes, n_pixels, step);
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    return next_input(data, size, max_size, seed, [](Random& random) {
        const int dtype = int(random.below(U32 + 1));
        const size_t n = 1 + random.below(random.one_in(3) ? MOST_PIXELS : 300);
        Bytes out;
        put(out, uint64_t(dtype), 1);
        put(out, n - 1, 2);
        put(out, random.below(MOST_PIXELS), 2);
        const Bytes body = payload(random, BYTE_OFFSET, dtype, n);
        out.insert(out.end(), body.begin(), body.end());
        return out;
    });
}
