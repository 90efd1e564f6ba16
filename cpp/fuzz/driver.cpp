// Runs a fuzzing target where there is no libFuzzer: `target FILE...` replays inputs, `target SECONDS [SEED]` makes
// new ones. An input that fails is left beside the program as crash-SEED.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());    // none without sanitizers

static constexpr size_t MAX_SIZE = 400000;

static std::mt19937_64 bits;
static std::vector<uint8_t> input(MAX_SIZE);
static size_t input_size = 0;
static std::string crash_name;

static size_t below(size_t n) { return size_t(bits() % n); }

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
    static const uint8_t telling[] = {0x00, 0x01, 0x7F, 0x80, 0x81, 0xF0, 0xFF, 0x0F};
    for (size_t times = 1 + below(4); times > 0; --times) {
        const size_t at = size ? below(size) : 0, rest = size - at;
        switch (below(8)) {
        case 0:
            if (size) data[at] = uint8_t(data[at] ^ 1u << below(8));
            break;
        case 1:
            if (size) data[at] = uint8_t(bits());
            break;
        case 2:    // a run of one telling byte
            if (size) memset(data + at, telling[below(sizeof telling)], 1 + below(rest < 20 ? rest : 20));
            break;
        case 3:
            if (size) size = at;
            break;
        case 4: {    // leave some out
            const size_t n = rest ? 1 + below(rest < 9 ? rest : 9) : 0;
            memmove(data + at, data + at + n, rest - n);
            size -= n;
            break;
        }
        case 5: {    // put some in
            const size_t n = 1 + below(9);
            if (size + n > max_size) break;
            memmove(data + at + n, data + at, rest);
            for (size_t i = 0; i < n; ++i) data[at + i] = below(2) ? telling[below(sizeof telling)] : uint8_t(bits());
            size += n;
            break;
        }
        case 6: {    // repeat a part elsewhere
            if (size < 2) break;
            const size_t from = below(size), room = size - (from > at ? from : at);
            memmove(data + at, data + from, 1 + below(room));
            break;
        }
        default:
            if (size && size < max_size) data[size++] = telling[below(sizeof telling)];
        }
    }
    return size;
}

static void save_input() {
    FILE* file = fopen(crash_name.c_str(), "wb");
    if (!file) return;
    fwrite(input.data(), 1, input_size, file);
    fclose(file);
    fprintf(stderr, "the input is in %s\n", crash_name.c_str());
}

static void on_signal(int signal_number) {
    save_input();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void run_input() { LLVMFuzzerTestOneInput(input.data(), input_size); }

int main(int argc, char** argv) {
    using Clock = std::chrono::steady_clock;
    char* end = nullptr;
    const double seconds = argc > 1 ? strtod(argv[1], &end) : 0.0;
    if (argc < 2 || *end) {
        for (int i = 1; i < argc; ++i) {
            std::ifstream file(argv[i], std::ios::binary);
            const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
            if (!file || bytes.size() > MAX_SIZE) return fprintf(stderr, "cannot replay %s\n", argv[i]), 2;
            input_size = bytes.size();
            if (input_size) memcpy(input.data(), bytes.data(), input_size);
            run_input();
            printf("%s: %s is fine\n", argv[0], argv[i]);
        }
        return argc < 2 ? (fprintf(stderr, "usage: %s SECONDS [SEED] | FILE...\n", argv[0]), 2) : 0;
    }
    const unsigned long seed = argc > 2 ? strtoul(argv[2], nullptr, 10) : std::random_device{}();
    crash_name = std::string(argv[0]) + ".crash-" + std::to_string(seed);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(save_input);
    signal(SIGABRT, on_signal);
    bits.seed(seed);
    const auto start = Clock::now();
    const auto spent = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    unsigned long runs = 0;
    for (; spent() < seconds; ++runs) {
        input_size = LLVMFuzzerCustomMutator(input.data(), input_size, MAX_SIZE, unsigned(bits()));
        run_input();
    }
    printf("%s: %lu inputs in %.0f s, seed %lu: none failed\n", argv[0], runs, spent(), seed);
    return 0;
}
