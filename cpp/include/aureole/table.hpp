// The sparse table as the kernels want it, made once per plan from entries by pixel.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "api.hpp"

namespace aureole {

class Table {
  public:
    // Entries k of pixel p are pixel_ptr[p] <= k < pixel_ptr[p + 1]; throws std::invalid_argument where they do not
    // fit together. The arrays must outlive the table. It does not depend on the number of threads that make it.
    Table(const int64_t* pixel_ptr, size_t n_pixels, const int32_t* bins, const float* coefs, size_t n_entries,
          size_t n_bins, size_t n_threads)
        : n_pixels_(n_pixels), n_bins_(n_bins), n_entries_(n_entries), n_tiles_((n_pixels + TILE - 1) / TILE),
          pixel_ptr_(pixel_ptr), bins_(bins), coefs_(coefs) {
        if (pixel_ptr[0] != 0 || size_t(pixel_ptr[n_pixels]) != n_entries)
            throw std::invalid_argument("pixel_ptr does not fit the number of entries");
        for (size_t p = 0; p < n_pixels; ++p)
            if (pixel_ptr[p] > pixel_ptr[p + 1]) throw std::invalid_argument("pixel_ptr must not decrease");
        entry_pixel_.reset(new uint16_t[n_entries + 1]);
        entry_coef_.reset(new float[n_entries + 1]);
        used_.assign(n_tiles_ * TILE / 16, 0);
        tile_segment_.assign(n_tiles_ + 1, 0);
        tile_entry_.resize(n_tiles_ + 1);
        for (size_t t = 0; t <= n_tiles_; ++t) {
            tile_entry_[t] = size_t(pixel_ptr[std::min(t * TILE, n_pixels)]);
        }
        n_threads = std::max<size_t>(1, std::min(n_threads, n_tiles_));
        std::vector<Segments> parts(n_threads);
        std::vector<std::thread> threads;
        const auto fill = [&](size_t i) {
            try {
                fill_tiles(n_tiles_ * i / n_threads, n_tiles_ * (i + 1) / n_threads, parts[i]);
            } catch (...) {
                parts[i].failed = true;
            }
        };
        for (size_t i = 1; i < n_threads; ++i) threads.emplace_back(fill, i);
        fill(0);
        for (auto& thread : threads) thread.join();
        size_t total = 0;
        for (const Segments& part : parts) {
            if (part.failed) throw std::invalid_argument("an entry has a bin that does not exist, or memory ran out");
            total += part.bin.size();
        }
        segment_bin_.reserve(total);
        segment_end_.reserve(total);
        for (const Segments& part : parts) {
            segment_bin_.insert(segment_bin_.end(), part.bin.begin(), part.bin.end());
            segment_end_.insert(segment_end_.end(), part.end.begin(), part.end.end());
        }
        for (size_t t = 0; t < n_tiles_; ++t) tile_segment_[t + 1] += tile_segment_[t];
    }

    TableView view() const {
        return {n_pixels_, n_bins_, n_tiles_, tile_segment_.data(), tile_entry_.data(), segment_bin_.data(),
                segment_end_.data(), entry_pixel_.get(), entry_coef_.get(), used_.data(), pixel_ptr_, bins_, coefs_};
    }

    size_t bytes() const {
        return n_entries_ * 6 + segment_bin_.size() * 8 + used_.size() * 2 + n_tiles_ * 16;
    }

  private:
    struct Segments {
        std::vector<uint32_t> bin, end;
        bool failed = false;
    };

    // Sort the entries of each tile by bin, keeping the order of the pixels within a bin.
    void fill_tiles(size_t begin, size_t end, Segments& out) {
        std::vector<uint32_t> place(n_bins_, 0);    // of each bin: number of entries, then where the next one goes
        std::vector<uint32_t> met;                  // bins of this tile
        std::vector<uint32_t> sorted, counts;
        for (size_t t = begin; t < end; ++t) {
            const size_t first = tile_entry_[t], last = tile_entry_[t + 1];
            met.clear();
            for (size_t k = first; k < last; ++k) {
                if (bins_[k] < 0 || size_t(bins_[k]) >= n_bins_) throw std::invalid_argument("bin");
                if (place[size_t(bins_[k])]++ == 0) met.push_back(uint32_t(bins_[k]));
            }
            sort_by_length(met, place, sorted, counts);
            uint32_t at = 0;
            for (const uint32_t bin : met) {
                const uint32_t n = place[bin];
                place[bin] = at;
                at += n;
                out.bin.push_back(bin);
                out.end.push_back(at);
            }
            tile_segment_[t + 1] = met.size();
            const size_t pixels = std::min(TILE, n_pixels_ - t * TILE);
            for (size_t i = 0; i < pixels; ++i) {
                const size_t p = t * TILE + i;
                for (size_t k = size_t(pixel_ptr_[p]); k < size_t(pixel_ptr_[p + 1]); ++k) {
                    const size_t to = first + place[size_t(bins_[k])]++;
                    entry_pixel_[to] = uint16_t(i);
                    entry_coef_[to] = coefs_[k];
                }
                if (pixel_ptr_[p + 1] > pixel_ptr_[p]) used_[p / 16] = uint16_t(used_[p / 16] | 1u << (p % 16));
            }
            for (const uint32_t bin : met) place[bin] = 0;
        }
    }

    // Counting sort of the bins of a tile by their number of entries; bins of equal number stay in order.
    static void sort_by_length(std::vector<uint32_t>& met, const std::vector<uint32_t>& length,
                               std::vector<uint32_t>& sorted, std::vector<uint32_t>& counts) {
        counts.assign(LONGEST + 1, 0);
        const auto key = [&](uint32_t bin) { return std::min(length[bin], LONGEST); };
        for (const uint32_t bin : met) ++counts[key(bin)];
        uint32_t at = 0;
        for (uint32_t& count : counts) at += std::exchange(count, at);
        sorted.resize(met.size());
        for (const uint32_t bin : met) sorted[counts[key(bin)]++] = bin;
        met.swap(sorted);
    }

    static constexpr uint32_t LONGEST = 63;    // the ends of longer segments matter little

    size_t n_pixels_, n_bins_, n_entries_, n_tiles_;
    const int64_t* pixel_ptr_;
    const int32_t* bins_;
    const float* coefs_;
    std::vector<size_t> tile_segment_, tile_entry_;
    std::vector<uint32_t> segment_bin_, segment_end_;
    std::unique_ptr<uint16_t[]> entry_pixel_;
    std::unique_ptr<float[]> entry_coef_;
    std::vector<uint16_t> used_;
};

}  // namespace aureole
