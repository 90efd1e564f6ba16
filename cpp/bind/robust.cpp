// Robust averages: checks shapes and types, releases the GIL, calls.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "aureole/rings.hpp"
#include "batch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {
namespace {

// Memory of batches, kept from one to the next: its first touch would cost as much as some of the work.
class Pool {
  public:
    Array<uint8_t> take(size_t bytes) {
        {
            const std::lock_guard lock(mutex_);
            for (auto it = free_.begin(); it != free_.end(); ++it)
                if (it->size() >= bytes) {
                    Array<uint8_t> found = std::move(*it);
                    free_.erase(it);
                    return found;
                }
        }
        return Array<uint8_t>(bytes);
    }

    void give_back(Array<uint8_t> memory) {
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(memory));
    }

  private:
    std::mutex mutex_;
    std::vector<Array<uint8_t>> free_;
};

// A table by bin, and what its batches work in.
struct BoundRings {
    Rings rings;
    mutable Pool pool;

    RingsView view() const { return rings.view(); }
};

using Out3 = nb::ndarray<double, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

// Whether it trims, and (low, high, 0) or (sigma, iterations, whether Chauvenet's criterion holds).
using Rule = std::tuple<bool, double, double, bool>;

// Gives the status of each frame, and whether it is that of its variance.
nb::tuple robust(const BoundRings& rings, const Encoded& encoded, int dtype, In2<double> invalid, const Rule& rule,
                 int variance, const Encoded& encoded_variances, int variance_dtype, Out3 sums,
                 const std::string& isa) {
    Frames frames(encoded, dtype, ROBUST_LANES), others(encoded_variances, variance_dtype, ROBUST_LANES);
    const RingsView t = rings.view();
    const size_t n = frames.sources.size();
    const auto& [trims, first, second, chauvenet] = rule;
    require(variance >= NONE && variance <= SCATTER, "unknown variance mode");
    require(variance != FRAMES || others.sources.size() == n, "one variance for each frame");
    require(sums.shape(0) == 6 && sums.shape(1) == n && sums.shape(2) == t.n_bins, "sums: shape (6, frames, n_bins)");
    require(trims ? 0.0 <= first && first <= second && second <= 1.0 : first > 0.0 && second >= 0.0,
            "no such quantiles, or no such cut-off");
    std::vector<int32_t> status(n, OK);
    std::vector<uint8_t> blames_variance(n, 0);
    const size_t part = n * t.n_bins, cell = dtype <= U32 ? sizeof(int32_t) : sizeof(double);
    double* const out = sums.data();
    RobustArgs args = {t, invalid_of(invalid), n, frames.sources.data(), others.sources.data(), variance, trims,
                       trims ? first : 0.0, trims ? second : 0.0, trims ? 0.0 : first, trims ? 0 : size_t(second),
                       chauvenet, nullptr, out, out + part, out + 2 * part, out + 3 * part, out + 4 * part,
                       out + 5 * part, status.data(), blames_variance.data()};
    const Kernels& k = kernels_for(isa);
    int32_t outcome;
    {
        nb::gil_scoped_release release;
        constexpr size_t LINE = 64;    // of the cache
        Array<uint8_t> memory = rings.pool.take(RobustMemory(t, cell, variance == FRAMES).bytes + LINE);
        args.memory = memory.data() + (LINE - size_t(memory.data()) % LINE) % LINE;
        outcome = k.robust(args);
        rings.pool.give_back(std::move(memory));
    }
    if (outcome == NO_MEMORY) throw std::bad_alloc();
    return nb::make_tuple(status, blames_variance);
}

}  // namespace

void register_robust(nb::module_& m) {
    m.attr("ROBUST_LANES") = ROBUST_LANES;
    nb::class_<BoundRings>(m, "Rings", "The sparse table by bin.")
        .def(
            "__init__",
            [](BoundRings* self, In<int64_t> pixel_ptr, In<int32_t> bins, In<float> coefs, size_t n_bins,
               In<double> norm, std::optional<In<double>> dark, std::optional<In<double>> dark_variance) {
                require(pixel_ptr.size() > 0 && bins.size() == coefs.size(), "Rings: arrays do not fit together");
                const size_t n = pixel_ptr.size() - 1;
                require(norm.size() == n && (!dark || dark->size() == n) &&
                            (!dark_variance || dark_variance->size() == n),
                        "norm, dark, dark_variance: shape (n_pixels,)");
                nb::gil_scoped_release release;
                const PixelRows pixels = {norm.data(), dark ? dark->data() : nullptr,
                                          dark_variance ? dark_variance->data() : nullptr};
                new (self) BoundRings{
                    Rings(pixel_ptr.data(), n, bins.data(), coefs.data(), bins.size(), n_bins, pixels), {}};
            },
            "pixel_ptr"_a, "bins"_a, "coefs"_a, "n_bins"_a, "norm"_a, "dark"_a.none(), "dark_variance"_a.none());
    m.def("robust", &robust, "rings"_a, "frames"_a, "dtype"_a, "invalid"_a, "rule"_a, "variance"_a,
          "variance_frames"_a, "variance_dtype"_a, "sums"_a, "isa"_a = "");
}

}  // namespace aureole
