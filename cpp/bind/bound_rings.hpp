// A table by bin as Python holds it, and what its batches work in.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "aureole/rings.hpp"

namespace aureole {

// Memory of batches, kept from one to the next: its first touch would cost as much as some of the work.
class Pool {
  public:
    // Call with memory that begins with a line of the cache.
    template <class Use> void lend(size_t bytes, const Use& use) {
        constexpr size_t LINE = 64;
        Array<uint8_t> memory = take(bytes + LINE);
        use(memory.data() + (LINE - size_t(memory.data()) % LINE) % LINE);
        give_back(std::move(memory));
    }

  private:
    Array<uint8_t> take(size_t bytes) {
        {
            const std::lock_guard lock(mutex_);
            for (auto it = free_.begin(); it != free_.end(); ++it)
                if (it->size() >= bytes) {
                    Array<uint8_t> found = std::move(*it);
                    free_.erase(it);
                    return found;
                }
        }
        return Array<uint8_t>(bytes);
    }

    void give_back(Array<uint8_t> memory) {
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(memory));
    }

    std::mutex mutex_;
    std::vector<Array<uint8_t>> free_;
};

struct BoundRings {
    Rings rings;
    mutable Pool pool;

    RingsView view() const { return rings.view(); }
};

}  // namespace aureole
