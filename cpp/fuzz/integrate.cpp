// A batch of mangled frames through the whole integrator, both passes:
// [frames] [pixels, 2 bytes] [bins, 2 bytes] [type] [variance] [type of variances] [intervals] [seed of the table]
// and for each frame (and each variance) [encoding] [size, 2 bytes] payload.
#include "aureole/table.hpp"
#include "oracle.hpp"

using namespace aureole;
using namespace aureole::fuzz;

static constexpr size_t MOST_PIXELS = 4500, MOST_BINS = 600;

// A table in which pixels have no, one or some bins.
struct Entries {
    std::vector<int64_t> ptr = {0};
    std::vector<int32_t> bins;
    std::vector<float> coefs;

    Entries(Random& random, size_t n_pixels, size_t n_bins) {
        const size_t most = 1 + random.below(4), gap = 1 + random.below(40);
        for (size_t p = 0; p < n_pixels; ++p) {
            for (size_t k = p / 16 % gap ? 0 : random.below(most + 1); k > 0; --k) {
                bins.push_back(int32_t(random.below(n_bins)));
                coefs.push_back(float(random.below(1000)) / 999.0f);
            }
            ptr.push_back(int64_t(bins.size()));
        }
    }
};

// A frame, in memory or given piece by piece.
struct Frame {
    Exact<uint8_t> payload;
    int encoding, dtype;
    size_t window;    // 0: in memory
    Image image;

    Frame(const uint8_t* data, size_t size, size_t how, int type, size_t n_pixels)
        : payload(data, size),
          encoding(int(how % 3)),
          dtype(type),
          window(how / 3 % 2 ? 7 * how : 0),
          image(slow_decode(Bytes(data, data + size), encoding, dtype, n_pixels)) {}
};

// Frames as a kernel takes them, once.
struct Sources {
    std::vector<std::unique_ptr<MemoryFeed>> feeds;
    std::vector<Source> sources;

    explicit Sources(const std::vector<Frame>& frames) {
        for (const Frame& f : frames) {
            feeds.push_back(std::make_unique<MemoryFeed>(f.payload, f.window));
            sources.push_back({f.window ? nullptr : f.payload.data(), f.payload.size(), f.encoding, f.dtype,
                               f.window ? feeds.back().get() : nullptr});
        }
    }
};

static std::vector<Frame> read_frames(Reader& in, size_t n, int dtype, size_t n_pixels) {
    std::vector<Frame> frames;
    for (size_t f = 0; f < n; ++f) {
        const size_t how = in.number(1);
        const size_t promised = in.number(2), size = promised < in.left ? promised : in.left;
        frames.emplace_back(in.at, size, how, dtype, n_pixels);
        in.at += size;
        in.left -= size;
    }
    return frames;
}

struct Case {
    size_t n_frames, n_pixels, n_bins;
    int dtype, variance, variance_dtype;
    std::vector<double> bounds, rows;
    std::vector<Frame> frames, variances;
    Invalid invalid;

    explicit Case(Reader& in) {
        n_frames = 1 + in.number(1) % MAX_LANES;
        n_pixels = 1 + in.number(2) % MOST_PIXELS;
        n_bins = 1 + in.number(2) % MOST_BINS;
        dtype = int(in.number(1) % (F64 + 1));
        variance = int(in.number(1) % (FRAMES + 1));
        variance_dtype = int(in.number(1) % (F64 + 1));
        static const double edges[] = {-2, -1, 0, 1, 65535, 4294967295.0, 255, 1e300, INFINITY, -INFINITY, 100, 2.5};
        for (size_t n = 2 * (in.number(1) % 9); n > 0; --n) bounds.push_back(edges[in.number(1) % std::size(edges)]);
        invalid = {bounds.size() / 2, bounds.data()};
    }

    void read(Reader& in) {
        frames = read_frames(in, n_frames, dtype, n_pixels);
        if (variance == FRAMES) variances = read_frames(in, n_frames, variance_dtype, n_pixels);
        for (size_t p = 0; p < 3 * n_pixels; ++p) rows.push_back(double(p * 7 % 31) / 8);
    }

    int32_t status(size_t f) const {
        return frames[f].image.status != OK || variance != FRAMES ? frames[f].image.status : variances[f].image.status;
    }
};

// Sums of one frame, pixel by pixel.
struct Expected {
    std::vector<double> signal, variance, linear, quadratic, square, weighted;
    std::vector<int64_t> count;
    bool lost = false;

    Expected(const Case& c, const Entries& e, size_t f, const double* mean)
        : signal(c.n_bins), variance(c.n_bins), linear(2 * c.n_bins), quadratic(c.n_bins), square(c.n_bins),
          weighted(c.n_bins), count(c.n_bins) {
        for (size_t p = 0; p < c.n_pixels; ++p) {
            const double x = slow_double(c.frames[f].image.bytes, p, c.dtype);
            double u = x;
            if (c.variance == FLOOR) u = x > 1.0 ? x : 1.0;
            if (c.variance == FRAMES) u = slow_double(c.variances[f].image.bytes, p, c.variance_dtype);
            const bool invalid = slow_invalid(x, c.invalid), bad = invalid || !(c.variance != FRAMES || (isfinite(u) && u > native::NO_VARIANCE[1]));
            const double norm = c.rows[p], s = x - c.rows[c.n_pixels + p];
            for (size_t k = size_t(e.ptr[p]); k < size_t(e.ptr[p + 1]); ++k) {
                const size_t bin = size_t(e.bins[k]);
                const double w = double(e.coefs[k]), w2 = w * w, deviation = s - norm * mean[bin];
                if (!invalid) square[bin] += w2 * (deviation * deviation), weighted[bin] += w2 * (norm * s);
                if (!bad) {
                    signal[bin] += w * x;
                    variance[bin] += w * (w * u);
                    continue;
                }
                lost = true;
                ++count[bin];
                for (size_t r = 0; r < 2; ++r) linear[r * c.n_bins + bin] += w * c.rows[r * c.n_pixels + p];
                quadratic[bin] += w * (w * c.rows[2 * c.n_pixels + p]);
            }
        }
    }
};

template <class A, class B> static void require_same(const A* a, const std::vector<B>& b, const char* what) {
    for (size_t i = 0; i < b.size(); ++i) require(same(double(a[i]), double(b[i])), what);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Reader in = {data, size};
    Case c(in);
    Random random(in.number(1));
    const Entries e(random, c.n_pixels, c.n_bins);
    c.read(in);
    const Exact<int64_t> ptr(e.ptr.data(), e.ptr.size());
    const Exact<int32_t> bins(e.bins.data(), e.bins.size());
    const Exact<float> coefs(e.coefs.data(), e.coefs.size());
    const Table table(ptr.data(), c.n_pixels, bins.data(), coefs.data(), bins.size(), c.n_bins, 1);
    const Sources first(c.frames), again(c.frames), others(c.variances);
    const size_t n = c.n_frames * c.n_bins;
    const Exact<double> signal(n), variance(n), square(n), weighted(n), mean(n);
    for (size_t i = 0; i < n; ++i) mean[i] = double(i % 5);
    const Exact<double> rows(c.rows.data(), c.rows.size());
    const Exact<int32_t> status(c.n_frames), second(c.n_frames);
    const Exact<uint8_t> blames(c.n_frames);
    std::vector<Lost> lost(c.n_frames, Lost{});

    const IntegrateArgs args = {table.view(), c.invalid, c.n_frames, first.sources.data(), others.sources.data(), c.variance, 2, 1,
                                rows.data(), rows.data() + 2 * c.n_pixels, signal.data(), variance.data(),
                                status.data(), blames.data(), lost.data()};
    require(native::integrate(args) == OK, "integrate: failed");
    const DeviationArgs more = {table.view(), c.invalid, c.n_frames, again.sources.data(), rows.data(),
                                rows.data() + c.n_pixels, mean.data(), square.data(), weighted.data(), second.data()};
    require(native::deviations(more) == OK, "deviations: failed");

    const std::vector<double> zeros(c.n_bins);
    for (size_t f = 0; f < c.n_frames; ++f) {
        const size_t row = f * c.n_bins;
        require(status[f] == c.status(f), "integrate: another status");
        if (status[f] != OK)
            require((blames[f] != 0) == (c.frames[f].image.status == OK), "integrate: another image is to blame");
        require(second[f] == c.frames[f].image.status, "deviations: another status");
        if (status[f] != OK) {
            require_same(signal.data() + row, zeros, "integrate: a corrupt frame has a signal");
        } else {
            const Expected wanted(c, e, f, mean.data() + row);
            require_same(signal.data() + row, wanted.signal, "integrate: signal");
            if (c.variance != NONE) require_same(variance.data() + row, wanted.variance, "integrate: variance");
            require_same(square.data() + row, wanted.square, "deviations: square");
            require_same(weighted.data() + row, wanted.weighted, "deviations: weighted");
            require((lost[f].count != nullptr) == wanted.lost, "integrate: lost pixels or none");
            if (wanted.lost) {
                require_same(lost[f].count, wanted.count, "integrate: lost count");
                require_same(lost[f].linear, wanted.linear, "integrate: lost linear");
                require_same(lost[f].quadratic, wanted.quadratic, "integrate: lost quadratic");
            }
        }
        free(lost[f].count);
        free(lost[f].linear);
        free(lost[f].quadratic);
    }
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    return next_input(data, size, max_size, seed, [](Random& random) {
        const size_t n_frames = 1 + random.below(MAX_LANES);
        const size_t n_pixels = 1 + random.below(random.one_in(4) ? MOST_PIXELS : 400);
        const int variance = int(random.below(FRAMES + 1));
        const int dtype = random.one_in(2) ? int(I32 + random.below(2)) : int(random.below(F64 + 1));
        const int variance_dtype = int(random.below(F64 + 1));
        Bytes out;
        put(out, n_frames - 1, 1);
        put(out, n_pixels - 1, 2);
        put(out, random.below(MOST_BINS), 2);
        put(out, uint64_t(dtype), 1);
        put(out, uint64_t(variance), 1);
        put(out, uint64_t(variance_dtype), 1);
        const size_t intervals = random.one_in(2) ? 0 : random.below(9);
        put(out, intervals, 1);
        for (size_t i = 0; i < 2 * intervals; ++i) put(out, random.below(12), 1);
        put(out, random.below(256), 1);
        const auto frames = [&](int type) {
            const bool mixed = random.one_in(3);
            size_t how = random.below(256);
            for (size_t f = 0; f < n_frames; ++f) {
                if (mixed) how = random.below(256);
                const Bytes body = payload(random, int(how % 3), type, n_pixels);
                put(out, how, 1);
                put(out, body.size(), 2);
                out.insert(out.end(), body.begin(), body.end());
            }
        };
        frames(dtype);
        if (variance == FRAMES) frames(variance_dtype);
        return out;
    });
}
