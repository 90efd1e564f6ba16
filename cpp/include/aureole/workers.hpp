// Work that is dealt out to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace aureole {

// Parts of a work, taken by threads in rising order.
class Parts {
  public:
    explicit Parts(size_t n) : n_(n) {}

    // Whether there is another part, and which.
    bool take(size_t& part) {
        part = next_.fetch_add(1);
        return part < n_;
    }

    // Keeps the first exception and ends the work.
    void fail(std::exception_ptr reason) {
        const std::lock_guard lock(mutex_);
        if (!reason_) reason_ = reason;
        next_ = n_;
    }

    void rethrow() const {
        if (reason_) std::rethrow_exception(reason_);
    }

  private:
    const size_t n_;
    std::atomic<size_t> next_ = 0;
    std::mutex mutex_;
    std::exception_ptr reason_;
};

// work(scratch, parts) on several threads, this one among them; each takes parts until none is left, and has the
// scratch space that `make` gives before they start. What one of them throws is thrown here, after all have ended.
// Where the system gives no more threads, fewer do the work.
template <class Make, class Work> void on_threads(size_t n_threads, size_t n_parts, Make&& make, Work&& work) {
    Parts parts(n_parts);
    std::deque<decltype(make())> scratch;
    std::vector<std::thread> threads;
    n_threads = std::max<size_t>(1, std::min(n_threads, n_parts));
    for (size_t i = 0; i < n_threads; ++i) scratch.emplace_back(make());
    threads.reserve(n_threads);
    const auto run = [&](size_t i) {
        try {
            work(scratch[i], parts);
        } catch (...) {
            parts.fail(std::current_exception());
        }
    };
    try {
        for (size_t i = 1; i < n_threads; ++i) threads.emplace_back(run, i);
    } catch (...) {    // then with those that there are
    }
    run(0);
    for (std::thread& thread : threads) thread.join();
    parts.rethrow();
}

}  // namespace aureole
