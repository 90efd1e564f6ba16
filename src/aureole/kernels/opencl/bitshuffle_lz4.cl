// Chunks of HDF5 filter 32008, many frames at once: bitshuffle (K. Masui et al., Astronomy and Computing 12 (2015)
// 181, doi:10.1016/j.ascom.2015.07.002) and LZ4 (LZ4 block format description, Y. Collet), bounded on both sides.
//
// All items of a group go through a loop equally often, and choose within it: not all compilers for processors, which
// run the items of a group one after the other, get other loops right.
//
// Macros: GROUP, work-items of a group; UNROLLED, for devices that want arrays in registers; PIXEL, an unsigned type
// as wide as a pixel, and BYTES, its width; SPACE, the address space of a block before its bits are put in order:
// __local, or for blocks that are too large __global, with GLOBAL_PLANES; FENCE, that of its barriers.

#ifdef UNROLLED
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif

enum { OK, TRUNCATED, TRAILING, BAD_HEADER, BAD_LZ4 };

typedef struct {
    ulong begin;
    uint nbytes;
    uint block;    // pixels of each of its blocks but the last
    uint image;    // which of the images is its
    uint unused;
} Frame;

#define WINDOW 16384

// Where the walk through the blocks of a frame stands.
typedef struct {
    uint at, done, n;    // bytes read, pixels and blocks found
    int status;
} Walk;

// Blocks follow each other like the links of a chain: a work-group a frame finds out where they begin. One item goes
// from block to block, in a window of the data that all bring into local memory together: one after the other, reads
// from far away would take most of the time of a batch. They copy the pixels after the last block, fewer than eight,
// that are stored as they are.
__kernel void walk(
    __global const Frame *frames, __global const uchar *payloads, __global uint *blocks, uint n_blocks,
    __global uint *found, __global int *statuses, __global uchar *pixels, uint n_pixels
) {
    __local uint4 window[WINDOW / 16];
    __local Walk shared;
    const size_t f = get_group_id(0);
    const uint item = get_local_id(0);
    const Frame frame = frames[f];
    const uint whole = n_pixels / 8 * 8, rest = (n_pixels - whole) * BYTES;
    payloads += frame.begin;
    blocks += f * n_blocks;
    Walk here = {12, 0, 0, OK};    // the header is known to be there
    while (here.status == OK && here.done < whole) {
        const uint start = here.at / 16 * 16, stop = min(start + WINDOW, frame.nbytes);
        __global const uint4 *from = (__global const uint4 *)(payloads + start);
        for (uint k = 0; 16 * k < stop - start; k += get_local_size(0))
            if (16 * (k + item) < stop - start) window[k + item] = from[k + item];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item == 0) {
            if (frame.nbytes - here.at < 4) here.status = TRUNCATED;
            while (here.status == OK && here.done < whole && here.at + 4 <= stop) {
                __local const uchar *p = (__local const uchar *)window + (here.at - start);
                const uint packed = (uint)p[0] << 24 | (uint)p[1] << 16 | (uint)p[2] << 8 | p[3];
                here.at += 4;
                if (packed > frame.nbytes - here.at) {
                    here.status = TRUNCATED;
                } else {
                    blocks[here.n++] = here.at;
                    here.at += packed;
                    here.done += frame.block;
                }
            }
            shared = here;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        here = shared;
    }
    const uint left = frame.nbytes - here.at;
    if (here.status == OK && left != rest) here.status = left < rest ? TRUNCATED : TRAILING;
    if (here.status == OK) {
        pixels += ((size_t)frame.image * n_pixels + whole) * BYTES;
        for (uint k = 0; k < rest; k += get_local_size(0))
            if (k + item < rest) pixels[k + item] = payloads[here.at + k + item];
    }
    if (item == 0) {
        found[f] = here.n;
        statuses[f] = here.status;
    }
}

// The rest of a length of 15 or more; false where the data end within it or it is absurd.
static inline bool lz4_length(__global const uchar *in, uint *at, uint end, uint limit, uint *length) {
    uchar more;
    do {
        if (*at == end || *length > limit) return false;
        more = in[(*at)++];
        *length += more;
    } while (more == 255);
    return true;
}

// Decode to exactly `size` bytes; false where the block is corrupt. All items read the same tokens, and share the
// copies: a barrier a sequence is enough, as nothing is written twice and matches read what earlier ones wrote.
static inline bool lz4_block(__global const uchar *in, uint end, SPACE uchar *out, uint size) {
    const uint item = get_local_id(0);
    uint at = 0, n = 0;    // bytes read and written
    bool good = true;
    while (at < end) {
        const uchar token = in[at++];
        uint length = token >> 4;
        good = length != 15 || lz4_length(in, &at, end, size, &length);
        good = good && length <= size - n && length <= end - at;
        if (!good) length = 0;
        for (uint k = 0; k < length; k += GROUP)
            if (k + item < length) out[n + k + item] = in[at + k + item];
        at += length;
        n += length;

        uint offset = 1;
        length = 0;
        if (good && at < end) {    // the last sequence has literals only
            good = end - at >= 2;
            if (good) {
                offset = in[at] | (uint)in[at + 1] << 8;
                at += 2;
                length = token & 15;
                good = length != 15 || lz4_length(in, &at, end, size, &length);
                length += 4;
                good = good && offset != 0 && offset <= n && length <= size - n;
            }
            if (!good) length = 0;
        }
        barrier(FENCE);
        for (uint k = 0; k < length; k += GROUP) {
            const uint i = k + item;    // a match that is longer than its offset repeats itself
            if (i < length) out[n + i] = out[n - offset + (i < offset ? i : i % offset)];
        }
        n += length;
        if (!good) at = end;
    }
    barrier(FENCE);
    return good && n == size;
}

// Transpose the 8 x 8 bits of a word (Hacker's Delight, section 7-3).
static inline ulong transpose_bits(ulong x) {
    ulong t = (x ^ x >> 7) & 0x00AA00AA00AA00AAUL;
    x ^= t ^ t << 7;
    t = (x ^ x >> 14) & 0x0000CCCC0000CCCCUL;
    x ^= t ^ t << 14;
    t = (x ^ x >> 28) & 0x00000000F0F0F0F0UL;
    return x ^ t ^ t << 28;
}

// Bank of local memory: each item has eight pixels for it.
#define BANKED(i) ((i) + (i) / 32)

// Bits of n pixels in order: plane b holds bit b of every pixel. Each item puts eight pixels together from a byte of
// every plane; by way of local memory, neighbours write to neighbours.
static inline void bit_unshuffle(SPACE const uchar *planes, uint n, __local PIXEL *memory, __global PIXEL *pixels) {
    const uint item = get_local_id(0), stride = n / 8;
    for (uint first = 0; first < n; first += 8 * GROUP) {
        const uint column = first / 8 + item;
        if (column < stride) {
            PIXEL eight[8] = {0};
            UNROLL
            for (uint k = 0; k < BYTES; ++k) {
                ulong x = 0;
                UNROLL
                for (uint i = 0; i < 8; ++i) x |= (ulong)planes[(8 * k + i) * stride + column] << 8 * i;
                x = transpose_bits(x);
                UNROLL
                for (uint i = 0; i < 8; ++i) eight[i] |= (PIXEL)((PIXEL)(uchar)(x >> 8 * i) << 8 * k);
            }
            UNROLL
            for (uint i = 0; i < 8; ++i) memory[BANKED(8 * item + i)] = eight[i];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const uint some = min(n - first, 8u * GROUP);
        for (uint k = 0; k < some; k += GROUP)
            if (k + item < some) pixels[first + k + item] = memory[BANKED(k + item)];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

// One block a work-group. `planes` is memory of one block where it is local, and else of all frames.
__kernel void unpack(
    __global const Frame *frames, __global const uchar *payloads, __global const uint *blocks, uint n_blocks,
    __global const uint *found, __global int *statuses, SPACE uchar *planes, __global PIXEL *pixels, uint n_pixels
) {
    __local PIXEL memory[BANKED(8 * GROUP)];
    const size_t f = get_group_id(1);
    const uint b = get_group_id(0);
    if (b >= found[f]) return;    // all items alike
    const Frame frame = frames[f];
    const uint first = b * frame.block, n = min(frame.block, n_pixels - first) / 8 * 8;
    const size_t at = (size_t)frame.image * n_pixels + first;
#ifdef GLOBAL_PLANES
    planes += at * BYTES;
#endif
    __global const uchar *in = payloads + frame.begin + blocks[f * n_blocks + b];
    const uint packed = (uint)in[-4] << 24 | (uint)in[-3] << 16 | (uint)in[-2] << 8 | in[-1];
    const bool good = lz4_block(in, packed, planes, n * BYTES);
    bit_unshuffle(planes, good ? n : 0, memory, pixels + at);
    if (!good && get_local_id(0) == 0) atomic_xchg(statuses + f, BAD_LZ4);    // whatever comes after this block
}
