// Line integrals and their adjoint, and filtered backprojection: checks shapes, releases the GIL, calls.
#include "arrays.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {
namespace {

using Lanes3 = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

void project_rays(Lanes3 volume, Lanes3 sinogram, In<double> cosine, In<double> sine, In<double> center,
                  bool adjoint, size_t first_row, size_t last_row, const std::string& isa) {
    const size_t lanes = volume.shape(2);
    require(volume.shape(0) == volume.shape(1) && (lanes == 1 || lanes == RAY_LANES),
            "a volume of shape (size, size, 1 or RAY_LANES) is needed");
    require(sinogram.shape(0) == cosine.size() && sinogram.shape(0) == sine.size() &&
                sinogram.shape(0) == center.size() && sinogram.shape(2) == lanes,
            "a sinogram of shape (angles, translations, lanes) is needed");
    require(first_row <= last_row && last_row <= volume.shape(0), "rows of the volume are needed");
    const Kernels& k = kernels_for(isa);
    const RayArgs args = {volume.shape(0), sinogram.shape(0), sinogram.shape(1), lanes, first_row, last_row,
                          cosine.data(), sine.data(), center.data(), adjoint, volume.data(), sinogram.data()};
    nb::gil_scoped_release release;
    k.project_rays(args);
}

template <class T> using Cube = nb::ndarray<T, nb::ndim<3>, nb::device::cpu>;

template <class T> BackArgs::Cube<T> cube(const Cube<T>& array) {
    return {array.data(), array.stride(0), array.stride(1), array.stride(2)};
}

void backproject(Cube<const float> sinograms, Cube<float> slices, In<double> cosine, In<double> sine, In<double> middle,
                 In<float> weights, nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu> matrix, In2<float> taps,
                 In2<uint8_t> seen, double per_step, float lowest, const std::string& isa) {
    const size_t channels = sinograms.shape(0), angles = sinograms.shape(1), translations = sinograms.shape(2);
    const size_t size = slices.shape(1), samples = matrix.shape(0) * BACK_ROWS;
    require(slices.shape(0) == channels && slices.shape(2) == size, "slices of shape (channels, size, size) are needed");
    require(seen.shape(0) == size && seen.shape(1) == size, "what is seen has the shape (size, size)");
    require(cosine.size() == angles && sine.size() == angles && middle.size() == angles && weights.size() == angles,
            "a cosine, a sine, a middle and a weight are needed for each angle");
    require(matrix.shape(1) == translations && matrix.shape(2) == BACK_ROWS && samples >= BACK_TAPS,
            "a matrix of shape (samples / BACK_ROWS, translations, BACK_ROWS) is needed");
    require(taps.shape(0) == BACK_TAPS && taps.shape(1) == BACK_POWERS, "taps of (BACK_TAPS, BACK_POWERS) are needed");
    const Kernels& k = kernels_for(isa);
    const BackArgs args = {size, channels, angles, translations, samples, cube(sinograms), cosine.data(), sine.data(),
                           middle.data(), weights.data(), matrix.data(), taps.data(), per_step, seen.data(), lowest,
                           cube(slices)};
    bool done;
    {
        nb::gil_scoped_release release;
        done = k.backproject(args);
    }
    if (!done) throw std::bad_alloc();
}

}  // namespace

void register_rays(nb::module_& m) {
    m.attr("RAY_LANES") = RAY_LANES;
    m.def("project_rays", project_rays, "volume"_a, "sinogram"_a, "cosine"_a, "sine"_a, "center"_a,
          "adjoint"_a, "first_row"_a, "last_row"_a, "isa"_a = "");
    m.attr("BACK_LANES") = BACK_LANES;
    m.attr("BACK_ROWS") = BACK_ROWS;
    m.attr("BACK_TAPS") = BACK_TAPS;
    m.attr("BACK_POWERS") = BACK_POWERS;
    m.def("backproject", backproject, "sinograms"_a, "slices"_a, "cosine"_a, "sine"_a, "middle"_a, "weights"_a,
          "matrix"_a, "taps"_a, "seen"_a, "per_step"_a, "lowest"_a, "isa"_a = "");
}

}  // namespace aureole
