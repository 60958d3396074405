#include "pty.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace {
// Bytes waiting for the line: enough for some thousand cycles, so few that the sender feels the line's pace.
constexpr size_t AHEAD = 64;
// Bytes that wait for a host that has the port open and does not read; what comes then is lost, as on a real port.
constexpr size_t BACKLOG = 1 << 16;
} // namespace

Pty::Pty(Uart& uart) : uart_(uart), file_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    if (file_ < 0 || grantpt(file_) != 0 || unlockpt(file_) != 0)
        throw HostError(std::string("cannot open a pseudo terminal: ") + strerror(errno) + "; use --link udp");
    // Opened and closed once: from then on a hang-up tells that nobody has the other end. Raw mode outlives the closing.
    const int other = open(ptsname(file_), O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios mode;
    if (other < 0 || tcgetattr(other, &mode) != 0)
        throw HostError(std::string("cannot use the pseudo terminal: ") + strerror(errno) + "; use --link udp");
    cfmakeraw(&mode);
    tcsetattr(other, TCSANOW, &mode);
    close(other);
}

Pty::~Pty() { close(file_); }

std::string Pty::uri() const { return std::string("serial://") + ptsname(file_); }

bool Pty::exchange(uint64_t) {
    const size_t before = uart_.to_board.size(), waiting = uart_.from_board.size();
    pollfd state = {file_, POLLIN, 0};
    poll(&state, 1, 0);
    open_ = !(state.revents & POLLHUP);
    read_host();
    write_host();
    return uart_.to_board.size() != before || waiting > 0;
}

void Pty::read_host() {
    uint8_t bytes[AHEAD];
    if (uart_.to_board.size() >= AHEAD) return;
    const ssize_t count = read(file_, bytes, AHEAD - uart_.to_board.size());
    for (ssize_t i = 0; i < count; ++i) uart_.to_board.push_back(bytes[i]);
}

void Pty::write_host() {
    auto& bytes = uart_.from_board;
    while (open_ && !bytes.empty()) {
        uint8_t some[256];
        size_t size = 0;
        for (; size < sizeof some && size < bytes.size(); ++size) some[size] = bytes[size];
        const ssize_t count = write(file_, some, size);
        if (count <= 0) break;
        bytes.erase(bytes.begin(), bytes.begin() + count);
    }
    const size_t kept = open_ ? BACKLOG : 0;
    if (bytes.size() > kept) {
        if (open_) dropped_ += bytes.size() - kept;
        bytes.resize(kept);
    }
}

int Pty::waitable() const { return open_ ? file_ : -1; }

std::string Pty::losses() const {
    return std::to_string(uart_.framing_errors) + " framing errors, " + std::to_string(dropped_) +
           " bytes that the host did not read";
}
