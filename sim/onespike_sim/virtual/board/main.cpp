// The virtual board: simulates the system and connects its pins to this machine.
//
// Arguments come in pairs from onespike_sim.virtual, all but the last five always: --divisor N (cycles of a UART bit),
// --link uart|udp|tap, --address N and --port N (the board's, UDP), --quiet N (see below), --flash-address N (of the boot
// record), --flash FILE (what is there; else the flash is erased), --cycles N (end then), --trace FILE, --step 1,
// --query TEXT (goes behind the URI).
//
// Prints how to reach the board, and at the end what was simulated. SIGUSR1 presses the reset button, SIGUSR2 hangs
// the CPU or lets it go on; SIGTERM, SIGINT and the end of a pipe on standard input end it.
//
// With --step the board's time stands still but for the cycles that lines on standard input ask for; every such line
// is answered with the cycle that was reached.
//
// Otherwise the board runs as fast as it can. After --quiet cycles without a byte either way it rests for nine tenths of
// the time, until the next byte comes. That harms nothing: --quiet is longer than the watchdog and the lease, so no
// timer of the board is left that would run out later, and the board does nothing by itself; its clock counts
// cycles, not seconds. A board whose CPU hangs never rests.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board.h"
#include "bridge.h"
#include "pty.h"
#include "tap.h"

namespace {
using Clock = std::chrono::steady_clock;

constexpr unsigned BATCH = 500; // cycles between looks at the host

volatile sig_atomic_t ended = 0, reset_pressed = 0, hang_toggled = 0;

void on_signal(int number) {
    if (number == SIGUSR1) reset_pressed = 1;
    else if (number == SIGUSR2) hang_toggled = 1;
    else ended = 1;
}

void install_signals() {
    struct sigaction action = {};
    action.sa_handler = on_signal;
    for (int number : {SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
    action.sa_flags = SA_RESTART; // a button must not end the reading of a line
    for (int number : {SIGUSR1, SIGUSR2}) sigaction(number, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
}

class Options {
public:
    Options(int count, char** words) {
        for (int i = 1; i + 1 < count; i += 2) values_[words[i]] = words[i + 1];
    }
    std::string text(const char* name) const {
        const auto found = values_.find(name);
        return found == values_.end() ? "" : found->second;
    }
    uint64_t number(const char* name, uint64_t otherwise = 0) const {
        const std::string value = text(name);
        return value.empty() ? otherwise : strtoull(value.c_str(), nullptr, 10);
    }

private:
    std::map<std::string, std::string> values_;
};

Flash flash_with(const std::string& file, uint32_t address) {
    std::vector<uint8_t> content;
    if (!file.empty()) {
        std::ifstream stream(file, std::ios::binary);
        content.assign(std::istreambuf_iterator<char>(stream), {});
        if (!stream) throw HostError("cannot read " + file + "; name a file that 'onespike boot-image' wrote");
        if (content.size() > Flash::BYTES - address) throw HostError(file + " is too large for the flash");
    }
    return Flash(address, content);
}

std::unique_ptr<Host> connect(Board& board, const Options& options) {
    const std::string link = options.text("--link");
    const uint32_t address = options.number("--address");
    const uint16_t port = options.number("--port");
    if (link == "udp") return std::make_unique<Bridge>(board.mii, address, port);
    if (link == "tap") return std::make_unique<Tap>(board.mii, address, port);
    return std::make_unique<Pty>(board.uart);
}

// A parent that dies closes its pipe; a terminal or /dev/null say nothing about it.
bool is_pipe(int file) {
    struct stat state;
    return fstat(file, &state) == 0 && (S_ISFIFO(state.st_mode) || S_ISSOCK(state.st_mode));
}

bool has_closed(int file) {
    char ignored[64];
    pollfd state = {file, POLLIN, 0};
    return poll(&state, 1, 0) > 0 && read(file, ignored, sizeof ignored) == 0;
}

class Runner {
public:
    Runner(Board& board, Host& host, const Options& options)
        : board_(board), host_(host), last_(options.number("--cycles", UINT64_MAX)), quiet_(options.number("--quiet")) {}

    void freely() {
        const bool watched = is_pipe(STDIN_FILENO);
        uint64_t active = 0; // cycle when there last was a byte
        while (going()) {
            const auto begin = Clock::now();
            if (batch(BATCH) || board_.hung()) active = board_.cycle();
            if (watched && ++looks_ % 16 == 0 && has_closed(STDIN_FILENO)) return;
            if (board_.cycle() - active > quiet_) rest(9 * (Clock::now() - begin), watched);
        }
    }

    void stepwise() {
        char line[64];
        while (going() && fgets(line, sizeof line, stdin)) {
            const uint64_t until = board_.cycle() + strtoull(line, nullptr, 10);
            while (going() && board_.cycle() < until) batch(std::min<uint64_t>(BATCH, until - board_.cycle()));
            printf("%llu\n", static_cast<unsigned long long>(board_.cycle()));
            fflush(stdout);
        }
    }

private:
    bool going() const { return !ended && !board_.failed() && board_.cycle() < last_; }

    // Some cycles, with what waits on either side before and after; true if there was anything.
    bool batch(unsigned cycles) {
        if (reset_pressed) {
            reset_pressed = 0;
            board_.reset();
        }
        if (hang_toggled) {
            hang_toggled = 0;
            board_.toggle_hang();
        }
        const bool before = host_.exchange(board_.cycle());
        board_.run(std::min<uint64_t>(cycles, last_ - board_.cycle()));
        return host_.exchange(board_.cycle()) || before;
    }

    // Until something comes from the host, or a signal, or the time is over.
    void rest(Clock::duration time, bool watched) {
        pollfd files[2] = {{host_.waitable(), POLLIN, 0}, {watched ? STDIN_FILENO : -1, POLLIN, 0}};
        const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
        const timespec limit = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
        ppoll(files, 2, &limit, nullptr);
    }

    Board& board_;
    Host& host_;
    const uint64_t last_, quiet_;
    unsigned looks_ = 0;
};
} // namespace

int main(int count, char** words) {
    const Options options(count, words);
    install_signals();
    try {
        Board board(options.number("--divisor"), flash_with(options.text("--flash"), options.number("--flash-address")),
                    options.text("--trace"));
        const auto host = connect(board, options);
        printf("%s%s\n", host->uri().c_str(), options.text("--query").c_str());
        fflush(stdout);
        Runner runner(board, *host, options);
        const auto begin = Clock::now();
        if (options.number("--step")) runner.stepwise();
        else runner.freely();
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        const double cycles = board.cycle();
        printf("%.0f cycles in %.1f s, %.0f cycles/s; %s\n", cycles, seconds, cycles / seconds, host->losses().c_str());
        return board.failed() ? 1 : 0;
    } catch (const HostError& error) {
        fprintf(stderr, "virtual-board: %s\n", error.what());
        return 2;
    }
}
