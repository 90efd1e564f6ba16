// What the bindings share: arrays in, arrays out, and the bytes of frames.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "dispatch.hpp"

namespace aureole {

template <class T> using In = nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
template <class T> using In2 = nanobind::ndarray<const T, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;
template <class T> using Out = nanobind::ndarray<T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
template <class T> using Out2 = nanobind::ndarray<T, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;

// The bytes of anything with the buffer protocol, held while this lives.
class Buffer {
  public:
    explicit Buffer(nanobind::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_C_CONTIGUOUS) != 0) nanobind::raise_python_error();
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer(Buffer&& other) noexcept : view_(other.view_) { other.view_.obj = nullptr; }
    ~Buffer() { PyBuffer_Release(&view_); }

    const uint8_t* data() const { return static_cast<const uint8_t*>(view_.buf); }
    size_t size() const { return size_t(view_.len); }

  private:
    Py_buffer view_{};
};

inline Source source_of(const Buffer& buffer, int encoding, int dtype) {
    if (encoding < RAW || encoding > BITSHUFFLE_LZ4) throw nanobind::value_error("unknown encoding");
    if (dtype < I8 || dtype > F64) throw nanobind::value_error("unknown type of pixel");
    return {buffer.data(), buffer.size(), encoding, dtype};
}

}  // namespace aureole
