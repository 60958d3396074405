#include "tap.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {
constexpr char NAME[] = "onespike0";
constexpr size_t AHEAD = 2; // frames waiting for the line; the device's own queue holds the rest

[[noreturn]] void fail(const std::string& what) {
    const char* advice = errno == EBUSY ? "; end the virtual board that has it, or use --link udp"
                                        : "; run as root, or use --link udp, which needs no privileges";
    throw HostError("cannot " + what + " the network device " + NAME + ": " + strerror(errno) + advice);
}

void address(ifreq& request, uint32_t value) {
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(value);
    memcpy(&request.ifr_addr, &where, sizeof where);
}
} // namespace

Tap::Tap(Mii& mii, uint32_t board, uint16_t port)
    : mii_(mii), address_(board), port_(port), file_(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
    if (file_ < 0) fail("open");
    ifreq request = {};
    strcpy(request.ifr_name, NAME);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(file_, TUNSETIFF, &request) != 0) fail("make");
    const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    // A network of two addresses: the board's and its neighbour, so that no real network is hidden by it.
    address(request, board ^ 1);
    bool done = ioctl(control, SIOCSIFADDR, &request) == 0;
    address(request, 0xfffffffe);
    done = done && ioctl(control, SIOCSIFNETMASK, &request) == 0;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    done = done && ioctl(control, SIOCSIFFLAGS, &request) == 0;
    if (!done) fail("set up");
    close(control);
}

Tap::~Tap() { close(file_); }

std::string Tap::uri() const {
    in_addr where = {htonl(address_)};
    return std::string("udp://") + inet_ntoa(where) + ":" + std::to_string(port_);
}

bool Tap::exchange(uint64_t) {
    bool active = !mii_.from_board.empty();
    while (!mii_.from_board.empty()) {
        const Bytes& frame = mii_.from_board.front();
        // A full queue drops it, as a network does.
        if (write(file_, frame.data(), frame.size()) < 0 && errno != EAGAIN) fail("write to");
        mii_.from_board.pop_front();
    }
    while (mii_.to_board.size() < AHEAD) {
        uint8_t frame[ETHER_HEADER + MOST_PAYLOAD];
        const ssize_t count = read(file_, frame, sizeof frame);
        if (count <= 0) break;
        mii_.to_board.emplace_back(frame, frame + count);
        active = true;
    }
    return active;
}

int Tap::waitable() const { return file_; }

std::string Tap::losses() const { return std::to_string(mii_.damaged) + " damaged frames"; }
