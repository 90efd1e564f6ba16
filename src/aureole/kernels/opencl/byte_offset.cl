// CBF byte-offset, many frames at once: each pixel is the one before plus a difference of 1, 2, 4 or 8 bytes; the
// lowest value of each width announces that the next wider one follows (International Tables for Crystallography G,
// ch. 2.3).
//
// How long a difference is that begins at some byte is told by the bytes there. So a piece of the data, a few bytes
// for each work-item, is a map: from the byte of it at which the first difference begins, to the byte of the next
// piece at which the first one there begins. Both are below 15: a map is 15 nibbles of a word. Maps compose, and a
// prefix scan of them tells where each piece begins, whatever the data are. Numbers and sums of the differences of
// each piece follow, and a second scan tells its first pixel and value.
//
// All items of a group go through a loop equally often, and choose within it: not all compilers for processors, which
// run the items of a group one after the other, get other loops right.
//
// Macros: GROUP, work-items of a group, a power of two; UNROLLED, for devices that want arrays in registers.
// Buffers, all of one frame after the other: `pieces` and `chunks` have a word for each piece and for the pieces of
// each work-group, `n_chunks` of the latter a frame; each kernel replaces what it finds there by what the next needs.

#ifdef UNROLLED
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif

#define PIECE 32
#define CHUNK (GROUP * PIECE)
#define IDENTITY 0xFEDCBA9876543210UL
#define INCOMPLETE 255

enum { OK, TRUNCATED, TRAILING };

typedef struct {
    ulong begin;    // a multiple of 16
    uint nbytes;
    uint block;
    uint image;     // which of the images is its
    uint unused;
} Frame;

// First f, then g.
static inline ulong compose(ulong f, ulong g) {
    // most pieces have a place that all ways through them meet
    if (g == (g & 15) * 0x1111111111111111UL) return g;
    ulong both = 0;
    for (uint i = 0; i < 64; i += 4) both |= (g >> 4 * (f >> i & 15) & 15) << i;
    return both;
}

// Numbers of differences are in the lower half, and their sums in the upper half, where they may wrap around.
static inline ulong add(ulong a, ulong b) { return a + b; }

// Scan over the work-group: returns what the items before this one make together; `*all` is what all make.
#define SCAN(NAME, JOIN, NONE)                                                              \
    static inline ulong NAME(ulong own, __local ulong *memory, ulong *all) {                \
        const uint i = get_local_id(0);                                                     \
        __local ulong *from = memory, *to = memory + GROUP;                                 \
        from[i] = own;                                                                      \
        barrier(CLK_LOCAL_MEM_FENCE);                                                       \
        for (uint d = 1; d < GROUP; d *= 2) {                                               \
            if (i >= d) own = JOIN(from[i - d], own);                                       \
            to[i] = own;                                                                    \
            barrier(CLK_LOCAL_MEM_FENCE);                                                   \
            __local ulong *other = from;                                                    \
            from = to;                                                                      \
            to = other;                                                                     \
        }                                                                                   \
        *all = from[GROUP - 1];                                                             \
        return i ? from[i - 1] : NONE;                                                      \
    }
SCAN(scan_maps, compose, IDENTITY)
SCAN(scan_totals, add, 0)

// The bytes of a piece and those after it that its last difference may take; false where the frame ends before it.
// What comes after the frame does no harm: a difference that ends within the frame is told by bytes within it.
static inline bool load(Frame frame, __global const uchar *payloads, uint first, uint *words) {
    UNROLL
    for (uint i = 0; i < PIECE / 4 + 4; ++i) words[i] = 0;
    if (first >= frame.nbytes) return false;
    __global const uint4 *from = (__global const uint4 *)(payloads + frame.begin + first);
    UNROLL
    for (uint i = 0; i < PIECE / 16 + 1; ++i) vstore4(from[i], i, words);
    return true;
}

// Four bytes from byte i on.
static inline uint bytes(const uint *words, uint i) {
    const uint shift = 8 * (i % 4);
    return shift ? words[i / 4] >> shift | words[i / 4 + 1] << (32 - shift) : words[i / 4];
}

// How many bytes the difference at byte i has. (OpenCL has a function `length`, which not all compilers overload.)
static inline uint width_at(const uint *words, uint i) {
    const uint head = bytes(words, i);
    if ((head & 0xFF) != 0x80) return 1;
    if ((head & 0xFFFFFF) != 0x800080) return 3;
    return bytes(words, i + 3) != 0x80000000u ? 7 : 15;
}

// The 32 lower bits of a difference of that length at byte i.
static inline uint difference(const uint *words, uint i, uint width) {
    switch (width) {
    case 1: return (uint)(int)(char)(words[i / 4] >> 8 * (i % 4));
    case 3: return (uint)(int)(short)bytes(words, i + 1);
    case 7: return bytes(words, i + 3);
    default: return bytes(words, i + 7);
    }
}

// The map of each piece, of which `pieces` gets what the pieces before it make together, and `chunks` what all do.
__kernel void find(
    __global const Frame *frames, __global const uchar *payloads, __global ulong *pieces, __global ulong *chunks,
    uint n_chunks
) {
    __local ulong memory[2 * GROUP];
    const Frame frame = frames[get_group_id(1)];
    if (get_group_id(0) * CHUNK >= frame.nbytes) return;    // all items alike
    const size_t chunk = get_group_id(1) * n_chunks + get_group_id(0);

    uint words[PIECE / 4 + 4];
    ulong map = IDENTITY;    // of the bytes from i on: where the 15 bytes from i on lead to
    if (load(frame, payloads, get_global_id(0) * PIECE, words)) {
        UNROLL
        for (int i = PIECE - 1; i >= 0; --i) map = map << 4 | (map >> 4 * (width_at(words, i) - 1) & 15);
    }
    ulong all;
    pieces[chunk * GROUP + get_local_id(0)] = scan_maps(map, memory, &all);
    if (get_local_id(0) == 0) chunks[chunk] = all;
}

// Where the first difference begins in each chunk; one work-group a frame.
__kernel void enter(
    __global const Frame *frames, __global ulong *chunks, uint n_chunks, __global int *statuses
) {
    __local ulong memory[2 * GROUP];
    const size_t f = get_group_id(0);
    const uint n = (frames[f].nbytes + CHUNK - 1) / CHUNK, share = (n + GROUP - 1) / GROUP;
    const uint first = get_local_id(0) * share;
    chunks += f * n_chunks;
    ulong map = IDENTITY, all;
    for (uint k = 0; k < share; ++k)
        if (first + k < n) map = compose(map, chunks[first + k]);
    ulong entry = scan_maps(map, memory, &all) & 15;
    for (uint k = 0; k < share; ++k)
        if (first + k < n) {
            map = chunks[first + k];
            chunks[first + k] = entry;
            entry = map >> 4 * entry & 15;
        }
    if (get_local_id(0) == 0) statuses[f] = OK;
}

// How many differences begin in each piece, and their sum: `pieces` gets those of the pieces before it in the chunk,
// and in four bits where its first one begins; `chunks` gets those of all.
__kernel void count(
    __global const Frame *frames, __global const uchar *payloads, __global ulong *pieces, __global ulong *chunks,
    uint n_chunks, __global int *statuses
) {
    __local ulong memory[2 * GROUP];
    const Frame frame = frames[get_group_id(1)];
    if (get_group_id(0) * CHUNK >= frame.nbytes) return;
    const size_t chunk = get_group_id(1) * n_chunks + get_group_id(0);
    const size_t piece = chunk * GROUP + get_local_id(0);
    const uint first = get_global_id(0) * PIECE;

    const uint entry = pieces[piece] >> 4 * chunks[chunk] & 15;
    uint words[PIECE / 4 + 4], n = 0, sum = 0, next = entry;
    if (load(frame, payloads, first, words)) {
        const uint left = min(frame.nbytes - first, 2u * PIECE);
        UNROLL
        for (uint i = 0; i < PIECE; ++i) {
            if (i != next || i >= left) continue;
            const uint width = width_at(words, i);
            next = i + width <= left ? i + width : INCOMPLETE;
            if (next == INCOMPLETE) continue;
            sum += difference(words, i, width);
            ++n;
        }
        if (next == INCOMPLETE) statuses[get_group_id(1)] = TRAILING;    // no more than one item of a frame
    }
    ulong all;
    const ulong before = scan_totals((ulong)sum << 32 | n, memory, &all);
    pieces[piece] = (before >> 32 << 32) | (before & 0xFFFFFFFF) << 4 | entry;
    barrier(CLK_GLOBAL_MEM_FENCE);    // all have read where the chunk begins
    if (get_local_id(0) == 0) chunks[chunk] = all;
}

// What comes before each chunk, and whether the frame has as many pixels as it should; one work-group a frame.
__kernel void place(
    __global const Frame *frames, __global ulong *chunks, uint n_chunks, __global int *statuses, uint n_pixels
) {
    __local ulong memory[2 * GROUP];
    const size_t f = get_group_id(0);
    const uint n = (frames[f].nbytes + CHUNK - 1) / CHUNK, share = (n + GROUP - 1) / GROUP;
    const uint first = get_local_id(0) * share;
    chunks += f * n_chunks;
    ulong total = 0, all;
    for (uint k = 0; k < share; ++k)
        if (first + k < n) total += chunks[first + k];
    ulong before = scan_totals(total, memory, &all);
    for (uint k = 0; k < share; ++k)
        if (first + k < n) {
            total = chunks[first + k];
            chunks[first + k] = before;
            before += total;
        }
    if (get_local_id(0) == 0) {
        const uint have = (uint)all;
        if (have < n_pixels) statuses[f] = TRUNCATED;
        if (have > n_pixels) statuses[f] = TRAILING;
    }
}

// Bank of local memory: pieces without wide differences have 32 pixels each.
#define BANKED(i) ((i) + (i) / 32)

// The pixels, by way of local memory: from there neighbours write to neighbours.
__kernel void put(
    __global const Frame *frames, __global const uchar *payloads, __global const ulong *pieces,
    __global const ulong *chunks, uint n_chunks, __global uchar *pixels, uint n_pixels, uint itemsize
) {
    __local uint memory[BANKED(CHUNK)];
    __local uint n_local;
    const Frame frame = frames[get_group_id(1)];
    if (get_group_id(0) * CHUNK >= frame.nbytes) return;
    const size_t chunk = get_group_id(1) * n_chunks + get_group_id(0);
    const ulong before = chunks[chunk], own = pieces[chunk * GROUP + get_local_id(0)];
    const uint first = get_global_id(0) * PIECE;

    uint words[PIECE / 4 + 4], next = own & 15, n = (own & 0xFFFFFFFF) >> 4;
    uint value = (uint)(before >> 32) + (uint)(own >> 32);
    if (load(frame, payloads, first, words)) {
        const uint left = min(frame.nbytes - first, 2u * PIECE);
        UNROLL
        for (uint i = 0; i < PIECE; ++i) {
            if (i != next || i >= left) continue;
            const uint width = width_at(words, i);
            next = i + width <= left ? i + width : INCOMPLETE;
            if (next == INCOMPLETE) continue;
            value += difference(words, i, width);
            memory[BANKED(n)] = value;
            ++n;
        }
    }
    if (get_local_id(0) == GROUP - 1) n_local = n;
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint at = (uint)before;
    const uint n_put = at < n_pixels ? min(n_local, n_pixels - at) : 0;
    pixels += (frame.image * (size_t)n_pixels + at) * itemsize;
    for (uint k = 0; k < n_put; k += GROUP) {
        const uint i = k + get_local_id(0);
        if (i >= n_put) continue;
        value = memory[BANKED(i)];
        switch (itemsize) {
        case 1: pixels[i] = value; break;
        case 2: ((__global ushort *)pixels)[i] = value; break;
        default: ((__global uint *)pixels)[i] = value; break;
        }
    }
}
