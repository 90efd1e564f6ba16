// One LZ4 block: [size when decoded, 2 bytes] block.
#include "oracle.hpp"

using namespace aureole;
using namespace aureole::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Reader in = {data, size};
    const size_t wanted_size = in.number(2);
    const Exact<uint8_t> block(in.at, in.left), out(wanted_size + native::LZ4_SLACK);
    bool wanted_good;
    const Bytes wanted = slow_lz4(in.at, in.left, wanted_size, wanted_good);
    const bool good = native::lz4_block(block.data(), block.size(), out.data(), wanted_size);
    require(good == wanted_good, "lz4_block: another verdict");
    if (good && wanted_size) require(memcmp(out.data(), wanted.data(), wanted_size) == 0, "lz4_block: bytes");
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    return next_input(data, size, max_size, seed, [](Random& random) {
        const Bytes plain = pixels(random, random.below(random.one_in(3) ? 4000 : 100), 1 + random.below(4));
        const Bytes packed = encode_lz4(plain.data(), plain.size());
        Bytes out;
        put(out, plain.size(), 2);
        out.insert(out.end(), packed.begin(), packed.end());
        return out;
    });
}
