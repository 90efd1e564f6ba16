// A chunk of bitshuffle-LZ4: [type of pixel] [pixels, 2 bytes] chunk with its header.
#include "oracle.hpp"

using namespace aureole;
using namespace aureole::fuzz;

static constexpr size_t MOST_PIXELS = 5000;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Reader in = {data, size};
    const int dtype = int(in.number(1) % (F64 + 1));
    const size_t n_pixels = 1 + in.number(2) % MOST_PIXELS;
    const Exact<uint8_t> payload(in.at, in.left);
    const Image wanted = slow_decode(Bytes(in.at, in.at + in.left), BITSHUFFLE_LZ4, dtype, n_pixels);
    const std::unique_ptr<void, void (*)(void*)> out(malloc(n_pixels * ITEMSIZE[dtype]), free);
    MemoryFeed feed(payload, 1 + size % 5000);
    for (const Source& source : {Source{payload.data(), payload.size(), BITSHUFFLE_LZ4, dtype},
                                 Source{nullptr, payload.size(), BITSHUFFLE_LZ4, dtype, &feed}}) {
        const int32_t status = native::decode(source, n_pixels, out.get());
        require(status == wanted.status, "bitshuffle_lz4: another status");
        if (status == OK)
            require(memcmp(out.get(), wanted.bytes.data(), wanted.bytes.size()) == 0, "bitshuffle_lz4: pixels");
    }
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    return next_input(data, size, max_size, seed, [](Random& random) {
        const int dtype = int(random.below(F64 + 1));
        const size_t n = 1 + random.below(random.one_in(3) ? MOST_PIXELS : 300);
        Bytes out;
        put(out, uint64_t(dtype), 1);
        put(out, n - 1, 2);
        const Bytes body = payload(random, BITSHUFFLE_LZ4, dtype, n);
        out.insert(out.end(), body.begin(), body.end());
        return out;
    });
}
