// Entries of all pixels in one list, written by several threads at once.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace aureole {

// An array on the heap that can be given away. Large ones lie in huge pages where the system has them: the first touch
// of an ordinary page costs as much as the work that fills it.
template <class T> class Array {
  public:
    Array() = default;
    explicit Array(size_t size) { resize(size); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    Array(Array&& other) noexcept : data_(other.data_), size_(other.size_) { other.release(); }
    Array& operator=(Array&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Array() { free(data_); }

    void resize(size_t size) {
        void* memory = realloc(data_, (size ? size : 1) * sizeof(T));
        if (!memory) throw std::bad_alloc();
        data_ = static_cast<T*>(memory);
        size_ = size;
#if defined(__linux__)
        constexpr size_t HUGE_PAGE = size_t(2) << 20;
        const size_t begin = (size_t(memory) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE, end = size_t(memory) + size * sizeof(T);
        if (end >= begin + HUGE_PAGE) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
    }
    T* data() { return data_; }
    const T* data() const { return data_; }
    size_t size() const { return size_; }
    T* release() {
        T* data = data_;
        data_ = nullptr;
        size_ = 0;
        return data;
    }

  private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

// Parts come from any thread at any time, and stand in the order of their numbers.
class Joined {
  public:
    explicit Joined(size_t room) : bins(room), coefs(room) {}

    Array<int32_t> bins;
    Array<float> coefs;

    // Waits for the parts before this one to have their places; returns where the part begins.
    size_t append(size_t part, size_t count, const int32_t* from_bins, const float* from_coefs) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return abandoned_ || next_ == part; });
        const bool grow = size_ + count > bins.size();
        if (grow) changed_.wait(lock, [&] { return abandoned_ || writers_ == 0; });
        if (abandoned_) return 0;
        if (grow) resize(std::max(size_ + count, size_ + size_ / 2));
        const size_t at = size_;
        size_ += count;
        ++next_;
        ++writers_;
        lock.unlock();
        changed_.notify_all();
        memcpy(bins.data() + at, from_bins, count * sizeof(int32_t));
        memcpy(coefs.data() + at, from_coefs, count * sizeof(float));
        lock.lock();
        --writers_;
        lock.unlock();
        changed_.notify_all();
        return at;
    }

    // A part will not come: nobody waits any longer.
    void abandon() {
        const std::lock_guard lock(mutex_);
        abandoned_ = true;
        changed_.notify_all();
    }

    void finish() { resize(size_); }

  private:
    void resize(size_t size) {
        bins.resize(size);
        coefs.resize(size);
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    size_t next_ = 0, size_ = 0, writers_ = 0;
    bool abandoned_ = false;
};

}  // namespace aureole
