// Pixels that stand out, and peaks: checks shapes and types, releases the GIL, calls.
#include <nanobind/stl/tuple.h>

#include <new>

#include "batch.hpp"
#include "bound_rings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {
namespace {

using Out3 = nb::ndarray<double, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

// Where the pixels of an image lie among the bins, and what is known of them; with the arrays of Python.
struct PixelPlaces {
    In<float> place;
    In<double> inverse;
    size_t n_bins, columns;
};

// (sigma, iterations, whether Chauvenet's criterion holds, whether by the scatter)
using Clip = std::tuple<double, size_t, bool, bool>;
// (cut-off, noise, cut-off of peaks, reach, connected)
using Rule = std::tuple<double, double, double, size_t, size_t>;

void drop(Picked& picked) {
    free(picked.pixels.data);
    free(picked.invalid.data);
    free(picked.peaks.data);
    free(picked.values);
}

// An array that owns a list.
template <class T> nb::object taken(Grown<T>& list) {
    T* const data = list.data ? list.data : static_cast<T*>(malloc(sizeof(T)));
    list.data = nullptr;
    return owned(data, {list.n});
}

// (pixels, their values, invalid pixels, peaks)
template <class T> nb::tuple given(Picked& picked) {
    nb::object values = owned(static_cast<T*>(picked.values), {picked.pixels.n});
    picked.values = nullptr;
    constexpr size_t FACTS = sizeof(Peak) / sizeof(double);
    const size_t n = picked.peaks.n;
    double* const peaks = picked.peaks.data ? &picked.peaks.data->pixel : static_cast<double*>(malloc(1));
    picked.peaks.data = nullptr;
    nb::object facts = owned(peaks, {n, FACTS});
    nb::object pixels = taken(picked.pixels), invalid = taken(picked.invalid);
    drop(picked);
    return nb::make_tuple(pixels, values, invalid, facts);
}

// Gives the status of each frame, whether it is that of its variance, and what was picked.
nb::tuple pick(const BoundRings& rings, const Encoded& encoded, int dtype, In2<double> invalid, const Clip& clip,
               int variance, const Encoded& encoded_variances, int variance_dtype, const PixelPlaces& places, const Rule& rule,
               Out3 background, const std::string& isa) {
    Frames frames(encoded, dtype, ROBUST_LANES), others(encoded_variances, variance_dtype, ROBUST_LANES);
    const RingsView t = rings.view();
    const size_t n = frames.sources.size();
    const auto& [sigma, iterations, chauvenet, by_scatter] = clip;
    const auto& [cutoff, noise, peak_cutoff, reach, connected] = rule;
    require(variance >= SAME && variance <= SCATTER, "unknown variance mode");
    require(variance != FRAMES || others.sources.size() == n, "one variance for each frame");
    require(background.shape(0) == 2 && background.shape(1) == n && background.shape(2) == t.n_bins,
            "background: shape (2, frames, n_bins)");
    require(places.place.size() == t.n_pixels && places.n_bins == t.n_bins, "places and rings are of other pixels");
    const size_t part = n * t.n_bins, cell = dtype <= U32 ? sizeof(int32_t) : sizeof(double);
    std::vector<int32_t> status(n, OK);
    std::vector<uint8_t> blames_variance(n, 0);
    std::vector<double> sums(6 * part);
    std::vector<Picked> picked(n, Picked{});
    double* const out = sums.data();
    PickArgs args = {
        {t, invalid_of(invalid), n, frames.sources.data(), others.sources.data(), variance, false, 0.0, 0.0, sigma,
         iterations, chauvenet, by_scatter, nullptr, out, out + part, out + 2 * part, out + 3 * part, out + 4 * part,
         out + 5 * part, status.data(), blames_variance.data()},
        places.place.data(), places.inverse.data(), cutoff, noise,
        peak_cutoff, places.columns, reach, connected, background.data(), background.data() + part, picked.data()};
    const Kernels& k = kernels_for(isa);
    int32_t outcome;
    {
        nb::gil_scoped_release release;
        rings.pool.lend(RobustMemory(t, cell, variance == FRAMES).bytes, [&](uint8_t* memory) {
            args.clip.memory = memory;
            outcome = k.pick(args);
        });
    }
    if (outcome == NO_MEMORY) {
        for (Picked& one : picked) drop(one);
        throw std::bad_alloc();
    }
    nb::list found;
    for (Picked& one : picked)
        found.append(cell == sizeof(double) ? given<double>(one)
                     : dtype == U32         ? given<uint32_t>(one)
                                            : given<int32_t>(one));
    return nb::make_tuple(status, blames_variance, found);
}

}  // namespace

void register_pick(nb::module_& m) {
    nb::class_<PixelPlaces>(m, "PixelPlaces")
        .def(
            "__init__",
            [](PixelPlaces* self, In<float> place, In<double> inverse, size_t n_bins, size_t columns) {
                const size_t n = place.size();
                require(inverse.size() == n, "place, inverse: shape (n_pixels,)");
                require(columns > 0 && n % columns == 0, "columns must divide the number of pixels");
                for (size_t p = 0; p < n; ++p)
                    require(place.data()[p] >= 0.0f && place.data()[p] < float(n_bins), "place: from 0 to n_bins - 1");
                new (self) PixelPlaces{place, inverse, n_bins, columns};
            },
            "place"_a, "inverse"_a, "n_bins"_a, "columns"_a);
    m.def("pick", &pick, "rings"_a, "frames"_a, "dtype"_a, "invalid"_a, "clip"_a, "variance"_a, "variance_frames"_a,
          "variance_dtype"_a, "places"_a, "rule"_a, "background"_a, "isa"_a = "");
}

}  // namespace aureole
