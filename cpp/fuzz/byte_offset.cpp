// Byte-offset: [type of pixel] [pixels, 2 bytes] [pixels asked for at once, 2 bytes] payload.
#include "oracle.hpp"

using namespace aureole;
using namespace aureole::fuzz;

static constexpr size_t MOST_PIXELS = 5000;

// The decoder alone, resumed again and again for `step` more pixels; with SUM false it gives differences.
template <bool SUM>
static void resume(const Exact<uint8_t>& payload, const Bytes& bytes, size_t n_pixels, size_t step) {
    native::ByteOffset state = {payload.data(), payload.data() + payload.size(), 0};
    Bytes decoded;
    uint32_t value = 0;
    const Exact<int32_t> part(step + native::BYTE_OFFSET_OVERSHOOT);
    for (size_t got = step; got >= step && decoded.size() / 4 < n_pixels;) {
        got = native::byte_offset<SUM>(state, part.data(), step);
        require(got <= part.size(), "byte_offset: more pixels than there is room for");
        require(state.at <= state.end, "byte_offset: beyond the end");
        for (size_t i = 0; i < got; ++i) {
            value = (SUM ? 0 : value) + uint32_t(part[i]);
            put(decoded, value, 4);
        }
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
    const Source source = {payload.data(), payload.size(), BYTE_OFFSET, dtype};
    const int32_t status = native::decode(source, n_pixels, out.get());
    require(status == wanted.status, "byte_offset: another status");
    if (status == OK) require(memcmp(out.get(), wanted.bytes.data(), wanted.bytes.size()) == 0, "byte_offset: pixels");

    resume<true>(payload, bytes, n_pixels, step);
    resume<false>(payload, bytes, n_pixels, step);
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
