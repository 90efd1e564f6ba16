// What the bindings share: arrays in, arrays out, and the bytes of frames.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <initializer_list>
#include <memory>
#include <optional>

#include "dispatch.hpp"
#include "file_feed.hpp"

namespace aureole {

inline void require(bool fits, const char* what) {
    if (!fits) throw nanobind::value_error(what);
}

// Memory of malloc as an array that owns it.
template <class T> nanobind::object owned(T* data, std::initializer_list<size_t> shape) {
    nanobind::capsule owner(data, [](void* p) noexcept { free(p); });
    return nanobind::cast(nanobind::ndarray<nanobind::numpy, T>(data, shape, owner));
}

template <class T> using In = nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
template <class T> using In2 = nanobind::ndarray<const T, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;
template <class T> using In3 = nanobind::ndarray<const T, nanobind::ndim<3>, nanobind::c_contig, nanobind::device::cpu>;
template <class T> using In4 = nanobind::ndarray<const T, nanobind::ndim<4>, nanobind::c_contig, nanobind::device::cpu>;
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

// The payload of a frame: a buffer, or a part of a file as (path, offset, size, device, inode, mtime in ns).
class Payload {
  public:
    explicit Payload(nanobind::handle object) {
        if (!PyTuple_Check(object.ptr())) {
            buffer_.emplace(object);
            return;
        }
        const auto part = nanobind::cast<nanobind::tuple>(object);
        if (part.size() != 6) throw nanobind::value_error("a part of a file: (path, offset, size, device, inode, mtime)");
        size_ = nanobind::cast<size_t>(part[2]);
        feed_ = std::make_unique<FileFeed>(nanobind::cast<nanobind::bytes>(part[0]).c_str(),
                                           nanobind::cast<int64_t>(part[1]), size_,
                                           FileIdentity{nanobind::cast<uint64_t>(part[3]),
                                                        nanobind::cast<uint64_t>(part[4]),
                                                        nanobind::cast<uint64_t>(part[5])});
    }

    Source source(int encoding, int dtype) const {
        if (encoding < RAW || encoding > BITSHUFFLE_LZ4) throw nanobind::value_error("unknown encoding");
        if (dtype < I8 || dtype > F64) throw nanobind::value_error("unknown type of pixel");
        if (buffer_) return {buffer_->data(), buffer_->size(), encoding, dtype};
        return {nullptr, size_, encoding, dtype, feed_.get()};
    }

  private:
    std::optional<Buffer> buffer_;
    std::unique_ptr<FileFeed> feed_;
    size_t size_ = 0;
};

}  // namespace aureole
