// A byte-offset frame whose pixels are not summed up yet: a row of differences of 16 bits, half as much memory as the
// pixels. Sums are made for all frames of a batch at once.
#pragma once

#include "stream.hpp"

namespace aureole::AUREOLE_ISA {

struct DifferenceRow {
    static constexpr size_t ROOM = STEP + 2 * BYTE_OFFSET_OVERSHOOT;
    int16_t memory[ROOM];
    Wide wide[ROOM];          // in rising order
    size_t head, have;        // where in memory the differences are that are not yet taken, and how many
    size_t first_wide, n_wide;    // those of `wide` that are not yet taken

    const int16_t* front() const { return memory + head; }

    // Place of the next wide difference, counted from the front.
    size_t next_wide() const { return first_wide < n_wide ? wide[first_wide].at - head : SIZE_MAX; }

    // Have at least n differences, at most STEP. A frame that turns out to be corrupt is given zeros from there on.
    template <class T> void fill(Stream<T>& s, size_t n) {
        if (have < n) move_to_front();
        if (have < n && s.status == OK) {
            Wide* const end = wide + n_wide;
            Differences to = {memory + have, end, uint32_t(have)};
            have += decode_words(s, n - have, to);
            n_wide += size_t(to.wide - end);
        }
        check_end(s);
        if (s.status != OK) {
            memset(memory, 0, n * sizeof(int16_t));
            head = first_wide = n_wide = 0;
            have = n;
        }
    }

    void take(size_t n) {
        head += n;
        have -= n;
    }

  private:
    void move_to_front() {
        memmove(memory, memory + head, have * sizeof(int16_t));
        n_wide -= first_wide;
        for (size_t k = 0; k < n_wide; ++k) wide[k] = {wide[first_wide + k].at - uint32_t(head), wide[first_wide + k].value};
        head = first_wide = 0;
    }
};

}  // namespace aureole::AUREOLE_ISA
