// Decoding one frame to an image: checks sizes, releases the GIL, calls.
#include <new>

#include "arrays.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace aureole {

void register_decode(nb::module_& m) {
    m.attr("TILE") = TILE;
    m.attr("MAX_LANES") = MAX_LANES;
    m.attr("isa") = selected_isa();    // empty where AUREOLE_ISA names none of this machine
    m.attr("isas") = available_isas();

    m.def(
        "decode",
        [](nb::handle payload, int encoding, int dtype, size_t n_pixels, Out<uint8_t> out, const std::string& isa) {
            const Payload held(payload);
            const Source source = held.source(encoding, dtype);
            if (out.size() != n_pixels * ITEMSIZE[dtype]) throw nb::value_error("decode: the image has another size");
            const Kernels& k = kernels_for(isa);
            int32_t status;
            {
                nb::gil_scoped_release release;
                status = k.decode(source, n_pixels, out.data());
            }
            if (status == NO_MEMORY) throw std::bad_alloc();
            return status;
        },
        "payload"_a, "encoding"_a, "dtype"_a, "n_pixels"_a, "out"_a, "isa"_a = "");
}

}  // namespace aureole
