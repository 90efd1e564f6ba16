// The sparse table and the fused integrator: checks shapes and types, releases the GIL, calls.
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <new>
#include <optional>

#include "aureole/table.hpp"
#include "aureole/workers.hpp"
#include "batch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {
namespace {

// A table with the arrays of Python that it points into.
struct BoundTable {
    In<int64_t> pixel_ptr;
    In<int32_t> bins;
    In<float> coefs;
    Table table;

    TableView view() const { return table.view(); }
};

void check(int32_t status) {
    if (status == NO_MEMORY) throw std::bad_alloc();
}

// Adds the number of entries of each bin.
void count_entries(const TableView& t, int64_t* count) {
    for (size_t tile = 0; tile < t.n_tiles; ++tile) {
        uint32_t begin = 0;
        for (size_t s = t.tile_segment[GROUPS * tile]; s < t.tile_segment[GROUPS * (tile + 1)]; ++s) {
            count[t.segment_bin[s]] += t.segment_end[s] - begin;
            begin = t.segment_end[s];
        }
    }
}

// One (frame, count, linear, quadratic) for each frame that lost pixels.
nb::list lost_of(const std::vector<Lost>& lost, size_t n_linear, size_t n_quadratic, size_t n_bins) {
    nb::list out;
    for (size_t f = 0; f < lost.size(); ++f)
        if (lost[f].count)
            out.append(nb::make_tuple(f, owned(lost[f].count, {n_bins}), owned(lost[f].linear, {n_linear, n_bins}),
                                      owned(lost[f].quadratic, {n_quadratic, n_bins})));
    return out;
}

// Gives the status of each frame, whether it is that of its variance, and what frames lost.
nb::tuple integrate(const BoundTable& table, const Encoded& encoded, int dtype, In2<double> invalid,
                    In2<double> linear, In2<double> quadratic, int variance, const Encoded& encoded_variances,
                    int variance_dtype, Out2<double> signal, Out2<double> variance_out, const std::string& isa) {
    Frames frames(encoded, dtype, MAX_LANES), others(encoded_variances, variance_dtype, MAX_LANES);
    const TableView t = table.view();
    const size_t n = frames.sources.size();
    require(variance >= NONE && variance <= FRAMES, "unknown variance mode");
    require(variance != FRAMES || others.sources.size() == n, "one variance for each frame");
    require(linear.shape(0) == 0 || linear.shape(1) == t.n_pixels, "linear: shape (rows, n_pixels)");
    require(quadratic.shape(0) == 0 || quadratic.shape(1) == t.n_pixels, "quadratic: shape (rows, n_pixels)");
    require(signal.shape(0) == n && signal.shape(1) == t.n_bins, "signal: shape (frames, n_bins)");
    require(variance == NONE || (variance_out.shape(0) == n && variance_out.shape(1) == t.n_bins),
            "variance: shape (frames, n_bins)");
    std::vector<int32_t> status(n, OK);
    std::vector<uint8_t> blames_variance(n, 0);
    std::vector<Lost> lost(n, Lost{});
    const IntegrateArgs args = {t, invalid_of(invalid), n, frames.sources.data(), others.sources.data(), variance,
                                linear.shape(0), quadratic.shape(0), linear.data(), quadratic.data(), signal.data(),
                                variance_out.data(), status.data(), blames_variance.data(), lost.data()};
    const Kernels& k = kernels_for(isa);
    int32_t outcome;
    {
        nb::gil_scoped_release release;
        outcome = k.integrate(args);
    }
    nb::list given = lost_of(lost, args.n_linear, args.n_quadratic, t.n_bins);
    check(outcome);
    return nb::make_tuple(status, blames_variance, given);
}

std::vector<int32_t> deviations(const BoundTable& table, const Encoded& encoded, int dtype, In2<double> invalid,
                                In<double> norm, std::optional<In<double>> dark,
                                In2<double> mean, Out2<double> square, Out2<double> weighted,
                                const std::string& isa) {
    Frames frames(encoded, dtype, MAX_LANES);
    const TableView t = table.view();
    const size_t n = frames.sources.size();
    require(norm.size() == t.n_pixels && (!dark || dark->size() == t.n_pixels), "norm, dark: shape (n_pixels,)");
    require(mean.shape(0) == n && mean.shape(1) == t.n_bins, "mean: shape (frames, n_bins)");
    require(square.shape(0) == n && square.shape(1) == t.n_bins, "square: shape (frames, n_bins)");
    require(weighted.shape(0) == n && weighted.shape(1) == t.n_bins, "weighted: shape (frames, n_bins)");
    std::vector<int32_t> status(n, OK);
    const DeviationArgs args = {t, invalid_of(invalid), n, frames.sources.data(), norm.data(),
                                dark ? dark->data() : nullptr, mean.data(), square.data(), weighted.data(),
                                status.data()};
    const Kernels& k = kernels_for(isa);
    {
        nb::gil_scoped_release release;
        check(k.deviations(args));
    }
    return status;
}

using Row = std::optional<In<double>>;    // none: ones

// Two rows are a part of the work, done by one thread: so the sums do not depend on the number of threads.
void project(const BoundTable& table, const std::vector<Row>& linear, const std::vector<Row>& quadratic,
             Out<int64_t> count, Out2<double> linear_sums, Out2<double> quadratic_sums, size_t n_threads) {
    const TableView t = table.view();
    require(count.size() == t.n_bins, "count: shape (n_bins,)");
    std::vector<const double*> rows;
    std::vector<ProjectArgs> parts;
    rows.reserve(linear.size() + quadratic.size());
    for (const bool squared : {false, true}) {
        const auto& given = squared ? quadratic : linear;
        const auto& sums = squared ? quadratic_sums : linear_sums;
        require(sums.shape(0) == given.size() && sums.shape(1) == t.n_bins, "sums: shape (rows, n_bins)");
        for (size_t i = 0; i < given.size(); ++i) {
            require(!given[i] || given[i]->size() == t.n_pixels, "rows: shape (n_pixels,)");
            rows.push_back(given[i] ? given[i]->data() : nullptr);
            if (i % 2 == 0)
                parts.push_back({t, squared, std::min<size_t>(2, given.size() - i), &rows.back(),
                                 sums.data() + i * t.n_bins});
        }
    }
    nb::gil_scoped_release release;
    count_entries(t, count.data());
    on_threads(n_threads, parts.size(), [] { return 0; }, [&](int, Parts& todo) {
        for (size_t part; todo.take(part);) kernels().project(parts[part]);
    });
}

}  // namespace

void register_integrate(nb::module_& m) {
    nb::class_<BoundTable>(m, "Table")
        .def(
            "__init__",
            [](BoundTable* self, In<int64_t> pixel_ptr, In<int32_t> bins, In<float> coefs, size_t n_bins,
               size_t n_threads) {
                require(pixel_ptr.size() > 0 && bins.size() == coefs.size(), "Table: arrays do not fit together");
                nb::gil_scoped_release release;
                new (self) BoundTable{pixel_ptr, bins, coefs,
                                      Table(pixel_ptr.data(), pixel_ptr.size() - 1, bins.data(), coefs.data(),
                                            bins.size(), n_bins, n_threads)};
            },
            "pixel_ptr"_a, "bins"_a, "coefs"_a, "n_bins"_a, "n_threads"_a = 1)
        .def_prop_ro("n_pixels", [](const BoundTable& t) { return t.view().n_pixels; })
        .def_prop_ro("n_bins", [](const BoundTable& t) { return t.view().n_bins; })
        .def_prop_ro("nbytes", [](const BoundTable& t) { return t.table.bytes(); });
    m.def("integrate", &integrate, "table"_a, "frames"_a, "dtype"_a, "invalid"_a, "linear"_a, "quadratic"_a,
          "variance"_a, "variance_frames"_a, "variance_dtype"_a, "signal"_a, "variance_out"_a, "isa"_a = "");
    m.def("deviations", &deviations, "table"_a, "frames"_a, "dtype"_a, "invalid"_a, "norm"_a,
          "dark"_a.none(), "mean"_a, "square"_a, "weighted"_a, "isa"_a = "");
    m.def("project", &project, "table"_a, "linear"_a, "quadratic"_a, "count"_a, "linear_sums"_a, "quadratic_sums"_a,
          "n_threads"_a);
}

}  // namespace aureole
