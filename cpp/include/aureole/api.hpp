// What the kernels take and give: plain structs of pointers, the same for every instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define AUREOLE_INLINE inline __attribute__((always_inline))

namespace aureole {

enum Encoding : int32_t { RAW = 0, BYTE_OFFSET = 1, BITSHUFFLE_LZ4 = 2 };
enum DType : int32_t { I8, U8, I16, U16, I32, U32, I64, U64, F32, F64 };

inline constexpr uint8_t ITEMSIZE[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

// Why a frame could not be decoded; what the system says, errno, is negative.
enum Status : int32_t {
    OK = 0,
    TRUNCATED,      // the data end before the last pixel
    TRAILING,       // data are left after the last pixel
    BAD_HEADER,     // a chunk header that promises another image
    BAD_LZ4,        // an LZ4 block that reads or writes outside of itself
    UNSUPPORTED,    // no decoder for this encoding and type
    CHANGED,        // what is read from is not what it was
    NO_MEMORY
};

// Gives the bytes of a frame one after the other, for frames that are not in memory: they are decoded while they are
// still in the cache.
struct Feed {
    // The next n bytes; OK, CHANGED, or -errno.
    int32_t (*read)(Feed* self, uint8_t* to, size_t n);
    size_t window;    // bytes to read at a time
};

// The encoded pixels of one frame: in memory, or else from a feed.
struct Source {
    const uint8_t* data;
    size_t size;
    int32_t encoding;
    int32_t dtype;
    Feed* feed = nullptr;
};

// Pixels of a tile are numbered by 16 bits.
inline constexpr size_t TILE = 4096;
// Frames of a batch are the SIMD lanes.
inline constexpr size_t MAX_LANES = 16;

// The sparse table, tile by tile of TILE pixels. Within a tile the entries are grouped by bin, and stand within a
// bin in the order of the pixels: so every bin is summed in the order of the pixels. The entries of a bin are split
// into a segment of a multiple of four and one of the three, two or one that are left. A tile has four groups of
// segments: first the long ones, sorted by length so that the processor foresees where each loop over one ends, then
// those of three entries, of two and of one, which need no loop.
inline constexpr size_t GROUPS = 4;
struct TableView {
    size_t n_pixels, n_bins, n_tiles;
    const size_t* tile_segment;    // GROUPS * n_tiles + 1: first segment of each group of each tile
    const size_t* tile_entry;      // n_tiles + 1: first entry of each tile
    const uint32_t* segment_bin;
    const uint32_t* segment_end;   // end of the segment's entries, counted from the tile's first entry
    const uint16_t* entry_pixel;   // counted from the tile's first pixel
    const float* entry_coef;
    const uint16_t* used;          // a bit for each pixel that has entries, 16 pixels a word
    // the same entries by pixel, for the few pixels that are looked up one by one
    const int64_t* pixel_ptr;
    const int32_t* bin;
    const float* coef;
};

// Raw values that are invalid: NaN, and n closed intervals.
struct Invalid {
    size_t n;
    const double* bounds;          // low, high, low, high...
};

enum Variance : int32_t { NONE, SAME, FLOOR, FRAMES, SCATTER };

// Sums over the invalid pixels of one frame, made only where there are any.
struct Lost {
    int64_t* count;                // n_bins
    double* linear;                // n_linear * n_bins
    double* quadratic;             // n_quadratic * n_bins
};

struct IntegrateArgs {
    TableView table;
    Invalid invalid;
    size_t n_frames;               // at most MAX_LANES
    const Source* frames;
    const Source* variance_frames; // for FRAMES
    int32_t variance;
    size_t n_linear, n_quadratic;
    const double* linear;          // n_linear * n_pixels, used for the lost sums
    const double* quadratic;
    double* signal;                // out: n_frames * n_bins
    double* variance_out;          // out: n_frames * n_bins, unless NONE
    int32_t* status;               // out: n_frames
    uint8_t* blames_variance;      // out: n_frames; whether the status is that of the variance
    Lost* lost;                    // out: n_frames; malloc'ed where a frame lost pixels, else null
};

struct DeviationArgs {
    TableView table;
    Invalid invalid;
    size_t n_frames;
    const Source* frames;
    const double* norm;            // n_pixels
    const double* dark;            // n_pixels, or null
    const double* mean;            // n_frames * n_bins
    double* square;                // out: n_frames * n_bins
    double* weighted;              // out: n_frames * n_bins
    int32_t* status;
};

// One or two rows to be summed with c or, if squared, with c*c.
struct ProjectArgs {
    TableView table;
    bool squared;
    size_t n_rows;
    const double* const* rows;     // each of n_pixels, or null: ones
    double* sums;                  // added to: n_rows * n_bins
};

// Quantities at a point t = (t1, t2, t3) of the laboratory, R away from the sample.
enum Base : int32_t {
    RADIUS,         // distance from the beam
    TWO_THETA,      // angle to the beam
    SIN_THETA,      // sine of half of it
    Q_X, Q_Y,       // the same in the planes of the fast and of the slow axis, signed
    CHI,            // angle around the beam
    SOLID_ANGLE,    // cosine of the angle of incidence, cubed
    POLARIZATION,   // 1/2 [1 + (t3^2 - a (t2^2 - t1^2) + b 2 t1 t2) / R^2]
    // The rotation of these goes on to the axes of a sample (out of its plane, across the beam, along it), and the
    // constants are the beam there: t/R - beam is the momentum transfer, times lambda / 2 pi.
    OUT_OF_PLANE, ACROSS, ALONG,    // its components
    IN_PLANE,       // what the last two make together, with the sign of the first of them
    POLAR,          // angle from out of the plane to in the plane
    ELEVATION,      // of t above the plane
    BEARING,        // of t in the plane
    // Without a rotation of the detector: distances from the point of normal incidence.
    SLOW, FAST
};
// Whether the size of a quantity is continuous, and its sign jumps: where t is neither to the right nor to the left.
AUREOLE_INLINE constexpr bool has_sides(int32_t base) { return base == IN_PLANE || base == POLAR; }

enum Function : int32_t { IDENTITY, RECIPROCAL, SQUARE, LOG, LOG10, LOG1P, ARCSINH };

// How many factors of parallax there are: for cosines of the angle of incidence from 0 to 1 in equal steps.
inline constexpr size_t FACTORS = 1025;

// What geometry says at points of a detector: function(scale * base).
struct Field {
    double rotation[9];            // from the axes of the detector to those of the laboratory, by rows
    double dist;
    int32_t base, function;
    double scale;
    bool turn_at_zero;             // whether chi jumps at 0 and not at pi
    double constant[3];            // a and b of the polarization, or the beam along the axes of the sample
    bool parallax;                 // whether photons entered the sensor nearer to the point of normal incidence:
    double factor[FACTORS];        // by these of the distance from there
};

// A field at the n columns of a row, given as distances from the point of normal incidence; or at n places anywhere,
// given as distances from the sample along the axes of the detector: n slow, n fast, n away.
struct FieldArgs {
    double row;
    size_t n;
    const double* columns;
    double* out;
    const double* places = nullptr;
};

// Corners that a pixel may have.
inline constexpr size_t MOST_CORNERS = 6;

// A row of n pixels. Coordinates stand at their centres and at each of their corners, n of each; null where they are
// not needed. On a grid the corners of neighbours are the same: corner 0 is above, 1 below, 2 and 3 are those of the
// next pixel.
struct PixelRow {
    size_t n;
    size_t corners;
    bool grid;
    const uint8_t* mask;           // non-zero: no entries
    struct Coordinate {
        const double *centre, *corner[MOST_CORNERS];
    } radial, azimuthal;
};

enum Care : uint8_t {
    DROP,           // no entries
    PLAIN,
    SPECIAL         // at the beam, or across the discontinuity of chi
};

// Bounds of the pixels of a row: of their corners or, if `centred`, the centre -+ the largest distance to a corner.
struct BoundArgs {
    PixelRow row;
    bool centred;
    double period;                 // of the azimuth
    bool radius;                   // whether the radial coordinate is 0 on the beam and rises from there
    double *x0, *x1, *y0, *y1;     // out: n
    uint8_t* care;                 // out: n
};

// Shares of plain pixels in the bins of a radial axis without an azimuthal one, for pixels in up to three bins, wholly
// inside the axis: nearly all are.
struct ShareArgs {
    BoundArgs bounds;
    bool polygon;                  // whether a pixel is the quadrilateral of its corners, or its bounds
    double lo, per_width, top, lowest;
    int32_t* bin;                  // out: n; the first of them, or -1 for a pixel that is not like that
    double* part[3];               // out: n; shares in that and the next two
};

// Points on the bins of an axis that does not close.
struct PointArgs {
    size_t n;
    const double* x;
    double lo, width, bins;
    int32_t* bin;                  // out: n; -1 outside
};

// What is summed over the shares c of pixels in bins where they are used once and not kept: 1, c s, c n, c, c^2 n^2,
// c^2 u, c^2 d and c^2, with the signal s, the norm n, the variance u and that of the dark d. With a mean of s / n for
// each bin, (s - mean * n)^2 takes the place of n^2, and s n that of u.
inline constexpr size_t SHARE_LANES = 8;

struct ShareSumArgs {
    size_t n;                      // pixels
    const int64_t* ends;           // n; entries up to the end of each pixel
    const int32_t* bin;
    const float* coef;
    const double* x;               // n * SHARE_LANES; what stands beside c and c^2 above
    const double* mean;            // or null
    double* sums;                  // n_bins * SHARE_LANES
};

// Channels of slices and sinograms that are worked on at once, unless it is one alone.
inline constexpr size_t RAY_LANES = 16;

// Rays through square slices: x cos + y sin = ray - center, from the middle of the slice.
struct RayArgs {
    size_t size, n_angles, n_translations, lanes;    // lanes are 1 or RAY_LANES
    size_t first_row, last_row;    // of the volume; what else there is neither counts nor changes
    const double *cosine, *sine, *center;    // n_angles; where the axis stands among the rays
    bool adjoint;                  // whether the sinogram is added to the volume, or the volume to the sinogram
    float* volume;                 // size * size * lanes
    float* sinogram;               // n_angles * n_translations * lanes
};

// Channels whose projections are filtered and backprojected at once, rows of the filter that lie together, samples that a
// pixel is interpolated from, and coefficients of the polynomial that weighs each.
inline constexpr size_t BACK_LANES = 32, BACK_ROWS = 8, BACK_TAPS = 6, BACK_POWERS = 9;

// Filtered backprojection of many channels.
struct BackArgs {
    template <class T> struct Cube {    // steps count elements
        T* data;
        ptrdiff_t channel, slow, fast;
    };

    size_t size, n_channels, n_angles, n_translations, n_samples;    // n_samples in whole BACK_ROWS
    Cube<const float> sinograms;        // angles are slow, translations fast
    const double *cosine, *sine;        // n_angles
    const double* middle;               // n_angles; where the middle of a slice has its first tap, in samples
    const float* weights;               // n_angles; what they count
    const float* matrix;                // n_samples / BACK_ROWS * n_translations * BACK_ROWS; from rays to samples
    const float* taps;                  // BACK_TAPS * BACK_POWERS, the highest power of (fraction - 1/2) first
    double per_step;                    // samples a pixel
    const uint8_t* seen;                // size * size; other pixels become zero
    float lowest;                       // what is below is raised to it
    Cube<float> slices;                 // rows are slow, columns fast
};

// The sparse table by bin: entries k of bin b are ptr[b] <= k < ptr[b + 1], in the order of the pixels. What is known of
// a pixel stands with each of its entries: by pixel it would be nowhere near the cache.
struct RingsView {
    size_t n_pixels, n_bins, longest;
    const int64_t* ptr;
    const uint32_t* pixel;
    const float* coef;
    const double* norm;            // pixels where it is not above zero are invalid
    const double* dark;            // or null
    const double* dark_variance;   // or null
    const uint16_t* used;          // a bit for each pixel that has entries, 16 pixels a word, for whole tiles
};

// Frames of a batch of robust averages: all of their pixels are in memory at once.
inline constexpr size_t ROBUST_LANES = 8;

// Averages of the pixels of each bin that do not stand out. What a pixel is judged by is v = (raw - dark) / norm, and
// it weighs c * norm.
struct RobustArgs {
    RingsView rings;
    Invalid invalid;
    size_t n_frames;               // at most ROBUST_LANES
    const Source* frames;
    const Source* variance_frames; // for FRAMES
    int32_t variance;              // a Variance, or SCATTER
    bool trims;                    // else it clips
    double low, high;              // the window of quantiles that is kept, of 1
    double sigma;                  // what is farther from the mean than this many standard deviations is clipped
    size_t iterations;
    bool chauvenet;                // sigma is at least that of Chauvenet's criterion
    bool by_scatter;               // standard deviations are the scatter within the bin, whatever the variance
    uint8_t* memory;               // RobustMemory::bytes
    double *signal, *normalization, *normalization2, *variance_out, *dark_out, *count;    // out: n_frames * n_bins
    int32_t* status;               // out: n_frames
    uint8_t* blames_variance;      // out: n_frames; whether the status is that of the variance
};

// How the memory of a batch is laid out; rows of ROBUST_LANES.
struct RobustMemory {
    static constexpr size_t BLOCK = 64;                  // pixels
    size_t image, variance, bad, any_bad, rows, bytes;    // where each begins, and the sum

    RobustMemory(const RingsView& rings, size_t cell, bool variances) {
        const size_t row = ROBUST_LANES * sizeof(double), pixels = (rings.n_pixels + TILE - 1) / TILE * TILE;
        image = 0;
        variance = image + pixels * ROBUST_LANES * cell;
        bad = variance + (variances ? pixels * row : 0);
        any_bad = bad + pixels;
        rows = any_bad + pixels / BLOCK;
        bytes = rows + rings.longest * (2 * row + 4 * sizeof(double) + (ROBUST_LANES + 1) * sizeof(int32_t));
    }
};

// A list that grows; of malloc, for whoever takes it over.
template <class T> struct Grown {
    T* data;
    size_t n, capacity;
};

struct Peak {
    double pixel;                  // where it is highest
    double row, column;            // its middle, in pixels
    double intensity, sigma;
};

// What stands out in one frame: pixels in rising order and the peaks among them; its invalid pixels are apart.
struct Picked {
    Grown<uint32_t> pixels, invalid;
    Grown<Peak> peaks;
    void* values;                  // of the pixels, as the cells of a tile
};

// Pixels that stand out above the clipped mean at their place. A pixel is picked if e > noise and
// e^2 > cutoff^2 (s^2 + noise^2), with e = v - mean, and s the standard deviation of a pixel; both are interpolated
// between the two bins around its place, those of bins without pixels between their neighbours.
struct PickArgs {
    RobustArgs clip;               // its rule clips; gives one mean and variance a bin
    const float* place;            // n_pixels: bin and fraction of the way to the next one
    const double* inverse;         // n_pixels: 1 / norm; NaN where a pixel is invalid
    double cutoff, noise;
    double peak_cutoff;            // of the highest pixel of a peak; infinite: no peaks
    size_t columns;                // of the image
    size_t reach, connected;       // a peak is looked at this far around its top, and has as many pixels that stand out
    double *mean, *deviation;      // out: n_frames * n_bins
    Picked* picked;                // out: n_frames
};

// One row for each instruction set.
struct Kernels {
    const char* name;
    int32_t (*decode)(const Source&, size_t n_pixels, void* out);
    int32_t (*integrate)(const IntegrateArgs&);
    int32_t (*deviations)(const DeviationArgs&);
    void (*project)(const ProjectArgs&);
    void (*field)(const Field&, const FieldArgs&);
    void (*bound)(const BoundArgs&);
    void (*share)(const ShareArgs&);
    void (*points)(const PointArgs&);
    void (*sum_shares)(const ShareSumArgs&);
    void (*project_rays)(const RayArgs&);
    bool (*backproject)(const BackArgs&);    // false: no memory
    int32_t (*robust)(const RobustArgs&);
    int32_t (*pick)(const PickArgs&);
};

}  // namespace aureole
