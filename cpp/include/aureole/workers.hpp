// Work that is dealt out to threads.
#pragma once

#include <atomic>
#include <cstddef>
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

// work(parts) on several threads, this one among them; each takes parts until none is left. What one of them throws is
// thrown here, after all have ended. Where the system gives no more threads, fewer do the work.
template <class Work> void on_threads(size_t n_threads, size_t n_parts, Work&& work) {
    Parts parts(n_parts);
    const auto run = [&] {
        try {
            work(parts);
        } catch (...) {
            parts.fail(std::current_exception());
        }
    };
    std::vector<std::thread> threads;
    try {
        for (size_t i = 1; i < n_threads && i < n_parts; ++i) threads.emplace_back(run);
    } catch (...) {    // then with those that there are
    }
    run();
    for (std::thread& thread : threads) thread.join();
    parts.rethrow();
}

}  // namespace aureole
