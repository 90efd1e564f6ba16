// Line integrals and their adjoint: checks shapes, releases the GIL, calls.
#include "arrays.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {
namespace {

using Lanes3 = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

void project_rays(Lanes3 volume, Lanes3 sinogram, In<double> cosine, In<double> sine, double rotation_center,
                  bool adjoint, const std::string& isa) {
    if (volume.shape(0) != volume.shape(1) || volume.shape(2) != RAY_LANES)
        throw nb::value_error("a volume of shape (size, size, RAY_LANES) is needed");
    if (sinogram.shape(0) != cosine.size() || sinogram.shape(0) != sine.size() || sinogram.shape(2) != RAY_LANES)
        throw nb::value_error("a sinogram of shape (angles, translations, RAY_LANES) is needed");
    const Kernels& k = isa.empty() ? kernels() : kernels_for(isa);
    const RayArgs args = {volume.shape(0), sinogram.shape(0), sinogram.shape(1), cosine.data(), sine.data(),
                          rotation_center, adjoint, volume.data(), sinogram.data()};
    nb::gil_scoped_release release;
    k.project_rays(args);
}

}  // namespace

void register_rays(nb::module_& m) {
    m.attr("RAY_LANES") = RAY_LANES;
    m.def("project_rays", project_rays, "volume"_a, "sinogram"_a, "cosine"_a, "sine"_a, "rotation_center"_a,
          "adjoint"_a, "isa"_a = "");
}

}  // namespace aureole
