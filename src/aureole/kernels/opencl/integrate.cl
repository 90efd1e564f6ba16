// Sums of frames over a sparse table whose entries lie bin by bin.
//
// Macros: DOUBLE (0: reals are pairs of floats), GROUP (work-items of a group), FRAMES (that a work-item sums at
// once), PIXEL and PIXEL_REAL, SPREAD and SPREAD_REAL (types, and the functions that turn them into reals),
// PIXEL_FLOAT and SPREAD_FLOAT (bytes of a float; 0 for integers), VARIANCE (0 none, 1 raw, 2 at least one, 3 of other frames),
// LINEAR and QUADRATIC (rows of pixels), DARK (0: none).
//
// All additions are in an order that only the table sets; no product is fused into a sum but where fma says so.
// Thus the bits of a frame's sums depend neither on the other frames nor on the device, if it has doubles.

#pragma OPENCL FP_CONTRACT OFF

#define ROWS (1 + LINEAR + QUADRATIC)

#if DOUBLE

#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double real;

real add(real a, real b) { return a + b; }
real mul(real a, real b) { return a * b; }
real mul_add(real a, real b, real sum) { return fma(a, b, sum); }
real negative(real a) { return -a; }
real at_least_one(real a) { return fmax(a, 1.0); }
real of_float(float x) { return x; }
real of_double(double x) { return x; }
real of_int(int x) { return x; }
real of_uint(uint x) { return x; }
real of_long(long x) { return x; }
real of_ulong(ulong x) { return x; }
#define ZERO 0.0
#define ONE 1.0

#else

// A number is the unevaluated sum x + y of two floats, |y| <= ulp(x) / 2: Joldes, Muller & Popescu, Tight and
// rigorous error bounds for basic building blocks of double-word arithmetic, doi:10.1145/3121432. Infinity and
// NaN stand in x, with zero in y.
typedef float2 real;

real tidy(float a, float b)
{
    const float sum = a + b;
    return isfinite(a) ? (real)(sum, b - (sum - a)) : (real)(a, 0.0f);
}

real two_sum(float a, float b)
{
    const float sum = a + b;
    const float part = sum - a;
    return (real)(sum, (a - (sum - part)) + (b - part));
}

real add(real a, real b)
{
    const real high = two_sum(a.x, b.x);
    const real low = two_sum(a.y, b.y);
    const real sum = tidy(high.x, high.y + low.x);
    return tidy(sum.x, low.y + sum.y);
}

real mul(real a, real b)
{
    const float product = a.x * b.x;
    const float error = fma(a.x, b.x, -product);
    return tidy(product, error + fma(a.x, b.y, a.y * b.x));
}

real mul_add(real a, real b, real sum) { return add(mul(a, b), sum); }
real negative(real a) { return -a; }
real at_least_one(real a) { return a.x < 1.0f || (a.x == 1.0f && a.y < 0.0f) ? (real)(1.0f, 0.0f) : a; }
real of_float(float x) { return (real)(x, 0.0f); }
// halves of 16 bits are exact in a float, and so is their sum in two
real of_int(int x) { return tidy((float)(x >> 16) * 65536.0f, (float)(x & 0xffff)); }
real of_uint(uint x) { return tidy((float)(x >> 16) * 65536.0f, (float)(x & 0xffff)); }
real of_long(long x) { return add(of_int((int)(x >> 32)) * 4294967296.0f, of_uint((uint)x)); }
real of_ulong(ulong x) { return add(of_uint((uint)(x >> 32)) * 4294967296.0f, of_uint((uint)x)); }
#define ZERO (real)(0.0f, 0.0f)
#define ONE (real)(1.0f, 0.0f)

#endif

// Which entries a work-item sums: every `items`-th of its bin, from its own place on.
typedef struct {
    int bin, item, from, to;
} Share;

Share share_of(__global const int *start, int n_bins, int items)
{
    const int id = get_local_id(0);
    Share share;
    share.bin = get_group_id(0) * (GROUP / items) + id / items;
    share.item = id % items;
    share.from = share.bin < n_bins ? start[share.bin] + share.item : 0;
    share.to = share.bin < n_bins ? start[share.bin + 1] : 0;
    return share;
}

// Where a pixel of the FRAMES frames from `first` on begins: they lie side by side.
size_t place(int first, int n_pixels, int pixel) { return (size_t)first * n_pixels + (size_t)pixel * FRAMES; }

// Which of all work-items one is that sums a bin for a group of frames.
size_t item_of(Share share, int group, int n_bins, int items)
{
    return ((size_t)group * n_bins + share.bin) * items + share.item;
}

bool invalid(PIXEL value, __constant const PIXEL *bounds, int n_bounds)
{
#if PIXEL_FLOAT
    bool bad = isnan(value);
#else
    bool bad = false;
#endif
    for (int k = 0; k < n_bounds; k++)
        bad |= value >= bounds[2 * k] && value <= bounds[2 * k + 1];
    return bad;
}

// Which of FRAMES values are invalid, a bit each; every bound is read once.
uint invalid_ones(const PIXEL *values, __constant const PIXEL *bounds, int n_bounds)
{
    uint bad = 0;
#if PIXEL_FLOAT
#pragma unroll
    for (int f = 0; f < FRAMES; f++)
        bad |= (uint)isnan(values[f]) << f;
#endif
    for (int k = 0; k < n_bounds; k++) {
        const PIXEL low = bounds[2 * k], high = bounds[2 * k + 1];
#pragma unroll
        for (int f = 0; f < FRAMES; f++)
            bad |= (uint)(values[f] >= low && values[f] <= high) << f;
    }
    return bad;
}

bool unusable(SPREAD value)
{
#if SPREAD_FLOAT == 8
    return !(isfinite(value) && value > -2.2250738585072014e-308);
#elif SPREAD_FLOAT == 4
    return !(isfinite(value) && value >= 0.0f);
#else
    return value < 0;
#endif
}

// Add up `size` sums that each work-item of a bin has, as a tree, and write the first n of them.
void gather(
    const real *sums, int size, int n, __local real *board, Share share, int items, int n_bins,
    __global real *out)
{
    const int id = get_local_id(0);
#pragma unroll
    for (int f = 0; f < size; f++)
        board[f * GROUP + id] = sums[f];
    for (int step = items / 2; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (share.item < step)
            for (int f = 0; f < size; f++)
                board[f * GROUP + id] = add(board[f * GROUP + id], board[f * GROUP + id + step]);
    }
    if (share.item == 0 && share.bin < n_bins)
        for (int f = 0; f < n; f++)
            out[(size_t)f * n_bins + share.bin] = board[f * GROUP + id];
    barrier(CLK_LOCAL_MEM_FENCE);
}

// Signal and variance of FRAMES frames (those beyond the last are the last once more, and not written), and
// which of them have invalid pixels: a bit each, in `lost` for every work-item and in `touched` for all together.
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void integrate(
    __global const int *start, __global const int *pixel, __global const float *coef, int n_bins, int items,
    __global const PIXEL *frames, __global const SPREAD *spreads, int n_pixels,
    __constant const PIXEL *bounds, int n_bounds, int n_frames,
    __global real *signal, __global real *variance, __global uchar *lost, volatile __global uint *touched)
{
    __local real board[FRAMES * GROUP];
    __local uint met;
    const Share share = share_of(start, n_bins, items);
    const int first = get_group_id(1) * FRAMES;
    const int n = min(FRAMES, n_frames - first);
    real signals[FRAMES], variances[FRAMES];
    uint bad = 0;
#pragma unroll
    for (int f = 0; f < FRAMES; f++)
        signals[f] = variances[f] = ZERO;
    for (int k = share.from; k < share.to; k += items) {
        const int p = pixel[k];
        const real c = of_float(coef[k]);
        const size_t at = place(first, n_pixels, p);
        PIXEL values[FRAMES];
#pragma unroll
        for (int f = 0; f < FRAMES; f++)
            values[f] = frames[at + f];
        uint skip = invalid_ones(values, bounds, n_bounds);
#if VARIANCE == 3
        SPREAD others[FRAMES];
#pragma unroll
        for (int f = 0; f < FRAMES; f++)
            others[f] = spreads[at + f];
#pragma unroll
        for (int f = 0; f < FRAMES; f++)
            skip |= (uint)unusable(others[f]) << f;
#endif
        bad |= skip;
#pragma unroll
        for (int f = 0; f < FRAMES; f++) {
            if (skip >> f & 1)
                continue;
            const real raw = PIXEL_REAL(values[f]);
            signals[f] = mul_add(c, raw, signals[f]);
#if VARIANCE == 1
            variances[f] = mul_add(c, mul(c, raw), variances[f]);
#elif VARIANCE == 2
            variances[f] = mul_add(c, mul(c, at_least_one(raw)), variances[f]);
#elif VARIANCE == 3
            variances[f] = mul_add(c, mul(c, SPREAD_REAL(others[f])), variances[f]);
#endif
        }
    }
    gather(signals, FRAMES, n, board, share, items, n_bins, signal + (size_t)first * n_bins);
#if VARIANCE
    gather(variances, FRAMES, n, board, share, items, n_bins, variance + (size_t)first * n_bins);
#endif
    if (share.bin < n_bins)
        lost[item_of(share, get_group_id(1), n_bins, items)] = bad;
    if (get_local_id(0) == 0)
        met = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (bad)
        atomic_or(&met, bad);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (get_local_id(0) == 0 && met)
        atomic_or(&touched[get_group_id(1)], met);
}

// What was lost to the invalid pixels of some frames: the number of entries, the sums of c x of LINEAR rows x, and
// those of c c x of QUADRATIC rows. Only work-items that met such pixels look at theirs again.
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void lose(
    __global const int *start, __global const int *pixel, __global const float *coef, int n_bins, int items,
    __global const PIXEL *frames, __global const SPREAD *spreads, int n_pixels,
    __constant const PIXEL *bounds, int n_bounds,
    __global const uchar *lost, __global const int *chosen,
    __global const real *linear, __global const real *quadratic, __global real *out)
{
    __local real board[ROWS * GROUP];
    const Share share = share_of(start, n_bins, items);
    const int frame = chosen[get_group_id(1)], first = frame / FRAMES * FRAMES;
    real sums[ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++)
        sums[row] = ZERO;
    if (share.bin < n_bins && (lost[item_of(share, frame / FRAMES, n_bins, items)] >> (frame - first) & 1))
        for (int k = share.from; k < share.to; k += items) {
            const int p = pixel[k];
            const size_t at = place(first, n_pixels, p) + (frame - first);
            bool bad = invalid(frames[at], bounds, n_bounds);
#if VARIANCE == 3
            bad |= unusable(spreads[at]);
#endif
            if (!bad)
                continue;
            const real c = of_float(coef[k]);
            sums[0] = add(sums[0], ONE);
#pragma unroll
            for (int row = 0; row < LINEAR; row++)
                sums[1 + row] = mul_add(c, linear[(size_t)n_pixels * row + p], sums[1 + row]);
#pragma unroll
            for (int row = 0; row < QUADRATIC; row++) {
                const real x = mul(c, quadratic[(size_t)n_pixels * row + p]);
                sums[1 + LINEAR + row] = mul_add(c, x, sums[1 + LINEAR + row]);
            }
        }
    gather(sums, ROWS, ROWS, board, share, items, n_bins, out + (size_t)get_group_id(1) * ROWS * n_bins);
}

// The sums of c c (s - n m) (s - n m) and of c c n s, with s the raw value less the dark, and m the bin's mean.
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void deviate(
    __global const int *start, __global const int *pixel, __global const float *coef, int n_bins, int items,
    __global const PIXEL *frames, __global const SPREAD *spreads, int n_pixels,
    __constant const PIXEL *bounds, int n_bounds, int n_frames,
    __global const real *norm, __global const real *dark, __global const real *mean,
    __global real *square, __global real *weighted)
{
    __local real board[FRAMES * GROUP];
    const Share share = share_of(start, n_bins, items);
    const int first = get_group_id(1) * FRAMES;
    const int n = min(FRAMES, n_frames - first);
    real squares[FRAMES], weights[FRAMES], means[FRAMES];
#pragma unroll
    for (int f = 0; f < FRAMES; f++) {
        const int frame = first + min(f, n - 1);
        squares[f] = weights[f] = ZERO;
        means[f] = share.bin < n_bins ? negative(mean[(size_t)frame * n_bins + share.bin]) : ZERO;
    }
    for (int k = share.from; k < share.to; k += items) {
        const int p = pixel[k];
        const real c = of_float(coef[k]), norm_p = norm[p];
        const real c2 = mul(c, c);
        const size_t at = place(first, n_pixels, p);
        PIXEL values[FRAMES];
#pragma unroll
        for (int f = 0; f < FRAMES; f++)
            values[f] = frames[at + f];
        const uint skip = invalid_ones(values, bounds, n_bounds);
#pragma unroll
        for (int f = 0; f < FRAMES; f++) {
            if (skip >> f & 1)
                continue;
            real signal = PIXEL_REAL(values[f]);
#if DARK
            signal = add(signal, negative(dark[p]));
#endif
            const real deviation = add(signal, mul(norm_p, means[f]));
            squares[f] = mul_add(c2, mul(deviation, deviation), squares[f]);
            weights[f] = mul_add(c2, mul(norm_p, signal), weights[f]);
        }
    }
    gather(squares, FRAMES, n, board, share, items, n_bins, square + (size_t)first * n_bins);
    gather(weights, FRAMES, n, board, share, items, n_bins, weighted + (size_t)first * n_bins);
}
