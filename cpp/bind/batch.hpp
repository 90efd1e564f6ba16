// The frames of a batch as kernels take them.
#pragma once

#include <nanobind/stl/pair.h>

#include <utility>
#include <vector>

#include "arrays.hpp"

namespace aureole {

using Encoded = std::vector<std::pair<nanobind::object, int>>;    // payload and encoding of each frame

// The encoded frames of a batch, all of one type of pixel.
struct Frames {
    std::vector<Payload> held;
    std::vector<Source> sources;

    Frames(const Encoded& frames, int dtype, size_t most) {
        require(frames.size() <= most, "too many frames for one batch");
        for (const auto& [payload, encoding] : frames) {
            held.emplace_back(payload);
            sources.push_back(held.back().source(encoding, dtype));
        }
    }
};

inline Invalid invalid_of(const In2<double>& bounds) {
    require(bounds.shape(0) <= 8 && (bounds.shape(0) == 0 || bounds.shape(1) == 2), "invalid: shape (at most 8, 2)");
    return {bounds.shape(0), bounds.data()};
}

}  // namespace aureole
