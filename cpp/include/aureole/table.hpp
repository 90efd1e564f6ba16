// The sparse table as the kernels want it, made once per plan from entries by pixel.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "api.hpp"
#include "joined.hpp"
#include "workers.hpp"

namespace aureole {

class Table {
  public:
    // Entries k of pixel p are pixel_ptr[p] <= k < pixel_ptr[p + 1]; throws std::invalid_argument where they do not
    // fit together. The arrays must outlive the table. It does not depend on the number of threads that make it.
    Table(const int64_t* pixel_ptr, size_t n_pixels, const int32_t* bins, const float* coefs, size_t n_entries,
          size_t n_bins, size_t n_threads)
        : n_pixels_(n_pixels), n_bins_(n_bins), n_entries_(n_entries), n_tiles_((n_pixels + TILE - 1) / TILE),
          pixel_ptr_(pixel_ptr), bins_(bins), coefs_(coefs), tile_segment_(GROUPS * n_tiles_ + 1, 0),
          tile_entry_(n_tiles_ + 1), entry_pixel_(n_entries), entry_coef_(n_entries), used_(n_tiles_ * TILE / 16, 0) {
        if (pixel_ptr[0] != 0 || size_t(pixel_ptr[n_pixels]) != n_entries)
            throw std::invalid_argument("pixel_ptr does not fit the number of entries");
        for (size_t p = 0; p < n_pixels; ++p)
            if (pixel_ptr[p] > pixel_ptr[p + 1]) throw std::invalid_argument("pixel_ptr must not decrease");
        for (size_t t = 0; t <= n_tiles_; ++t) tile_entry_[t] = size_t(pixel_ptr[std::min(t * TILE, n_pixels)]);
        std::vector<Segments> tiles(n_tiles_);
        on_threads(
            n_threads, n_tiles_, [&] { return Scratch(n_bins); },
            [&](Scratch& scratch, Parts& parts) {
                for (size_t t; parts.take(t);) fill_tile(t, scratch, tiles[t]);
            });
        for (size_t i = 0; i < GROUPS * n_tiles_; ++i) tile_segment_[i + 1] += tile_segment_[i];
        segment_bin_.reserve(tile_segment_.back());
        segment_end_.reserve(tile_segment_.back());
        for (const Segments& tile : tiles) {
            segment_bin_.insert(segment_bin_.end(), tile.bin.begin(), tile.bin.end());
            segment_end_.insert(segment_end_.end(), tile.end.begin(), tile.end.end());
        }
    }

    TableView view() const {
        return {n_pixels_, n_bins_, n_tiles_, tile_segment_.data(), tile_entry_.data(), segment_bin_.data(),
                segment_end_.data(), entry_pixel_.data(), entry_coef_.data(), used_.data(), pixel_ptr_, bins_, coefs_};
    }

    size_t bytes() const {
        return n_entries_ * 6 + segment_bin_.size() * 8 + used_.size() * 2 + n_tiles_ * 8 * (GROUPS + 1);
    }

  private:
    struct Segments {
        std::vector<uint32_t> bin, end;
    };

    // Where the entries of a bin go within a tile: `left` more to `next`, then to `rest`.
    struct Slot {
        uint32_t n, next, left, rest;
    };

    struct Scratch {
        explicit Scratch(size_t n_bins) : slots(n_bins, Slot{}) {}

        std::vector<Slot> slots;
        std::vector<uint32_t> met;    // bins of this tile
        std::vector<uint32_t> sorted, counts;
    };

    // Sort the entries of a tile by bin, keeping the order of the pixels within a bin.
    void fill_tile(size_t t, Scratch& scratch, Segments& out) {
        std::vector<Slot>& slots = scratch.slots;
        const size_t first = tile_entry_[t], last = tile_entry_[t + 1];
        scratch.met.clear();
        for (size_t k = first; k < last; ++k) {
            if (bins_[k] < 0 || size_t(bins_[k]) >= n_bins_) throw std::invalid_argument("an entry has a bin that does not exist");
            if (slots[size_t(bins_[k])].n++ == 0) scratch.met.push_back(uint32_t(bins_[k]));
        }
        sort_by_length(scratch);
        for (size_t group = 0; group < GROUPS; ++group) {
            const size_t before = out.bin.size();
            for (const uint32_t bin : scratch.met) place(slots[bin], bin, group, out);
            tile_segment_[GROUPS * t + group + 1] = out.bin.size() - before;
        }
        const size_t pixels = std::min(TILE, n_pixels_ - t * TILE);
        for (size_t i = 0; i < pixels; ++i) {
            const size_t p = t * TILE + i;
            for (size_t k = size_t(pixel_ptr_[p]); k < size_t(pixel_ptr_[p + 1]); ++k) {
                Slot& slot = slots[size_t(bins_[k])];
                const size_t to = first + slot.next++;
                if (--slot.left == 0) slot.next = slot.rest;
                entry_pixel_.data()[to] = uint16_t(i);
                entry_coef_.data()[to] = coefs_[k];
            }
            if (pixel_ptr_[p + 1] > pixel_ptr_[p]) used_[p / 16] = uint16_t(used_[p / 16] | 1u << (p % 16));
        }
        for (const uint32_t bin : scratch.met) slots[bin] = Slot{};
    }

    // Add the segment that a bin has in a group, if it has one.
    static void place(Slot& slot, uint32_t bin, size_t group, Segments& out) {
        const uint32_t length = group == 0 ? slot.n / 4 * 4 : (slot.n % 4 == 4 - group ? slot.n % 4 : 0);
        if (length == 0) return;
        const uint32_t at = out.end.empty() ? 0 : out.end.back();
        if (slot.left == 0) {
            slot.next = at;
            slot.left = length;
        } else {
            slot.rest = at;
        }
        out.bin.push_back(bin);
        out.end.push_back(at + length);
    }

    // Counting sort of the bins of a tile by their number of entries; bins of equal number stay in order.
    static void sort_by_length(Scratch& s) {
        const auto key = [&](uint32_t bin) { return std::min(s.slots[bin].n / 4, LONGEST); };
        s.counts.assign(LONGEST + 1, 0);
        for (const uint32_t bin : s.met) ++s.counts[key(bin)];
        uint32_t at = 0;
        for (uint32_t& count : s.counts) at += std::exchange(count, at);
        s.sorted.resize(s.met.size());
        for (const uint32_t bin : s.met) s.sorted[s.counts[key(bin)]++] = bin;
        s.met.swap(s.sorted);
    }

    static constexpr uint32_t LONGEST = 63;    // the ends of longer segments matter little

    size_t n_pixels_, n_bins_, n_entries_, n_tiles_;
    const int64_t* pixel_ptr_;
    const int32_t* bins_;
    const float* coefs_;
    std::vector<size_t> tile_segment_, tile_entry_;
    std::vector<uint32_t> segment_bin_, segment_end_;
    Array<uint16_t> entry_pixel_;
    Array<float> entry_coef_;
    std::vector<uint16_t> used_;
};

}  // namespace aureole
