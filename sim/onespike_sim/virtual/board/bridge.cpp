#include "bridge.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace {
constexpr uint64_t ARP_CYCLES = 200'000; // until an unanswered request is said again
constexpr size_t AHEAD = 2;              // frames waiting for the line; the kernel's socket buffer holds the rest
constexpr size_t PEERS = 64;             // then the one that was silent longest is forgotten
constexpr uint32_t FIRST_HOST = 100;     // last number of the first host's address
constexpr unsigned ARP_REQUEST = 1, ARP_REPLY = 2;
constexpr unsigned PROTOCOL_UDP = 17;

Mac mac_of(uint32_t address) {
    return {0x02, 0, uint8_t(address >> 24), uint8_t(address >> 16), uint8_t(address >> 8), uint8_t(address)};
}
} // namespace

Bridge::Bridge(Mii& mii, uint32_t address, uint16_t port)
    : mii_(mii), address_(address), port_(port), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in local = {};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (socket_ < 0 || bind(socket_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0)
        throw HostError(std::string("cannot open a UDP socket on 127.0.0.1: ") + strerror(errno) + "; use --link uart");
    peers_.reserve(PEERS);
}

Bridge::~Bridge() { close(socket_); }

std::string Bridge::uri() const {
    sockaddr_in local = {};
    socklen_t size = sizeof local;
    getsockname(socket_, reinterpret_cast<sockaddr*>(&local), &size);
    return "udp://127.0.0.1:" + std::to_string(ntohs(local.sin_port));
}

bool Bridge::exchange(uint64_t cycle) {
    const bool active = !mii_.from_board.empty();
    while (!mii_.from_board.empty()) {
        from_board(mii_.from_board.front());
        mii_.from_board.pop_front();
    }
    return from_host(cycle) || active;
}

int Bridge::waitable() const { return socket_; }

std::string Bridge::losses() const {
    return std::to_string(mii_.damaged) + " damaged frames, " + std::to_string(refused_) + " frames to nobody here, " +
           std::to_string(too_long_) + " datagrams longer than a frame";
}

bool Bridge::from_host(uint64_t cycle) {
    bool active = false;
    while (waits_ == nullptr && mii_.to_board.size() < AHEAD) {
        uint8_t payload[1 << 16];
        sockaddr_in real = {};
        socklen_t size = sizeof real;
        const ssize_t count = recvfrom(socket_, payload, sizeof payload, 0, reinterpret_cast<sockaddr*>(&real), &size);
        if (count < 0) break;
        active = true;
        if (size_t(count) + IPV4_HEADER + UDP_HEADER > MOST_PAYLOAD) {
            ++too_long_;
            continue;
        }
        Peer& from = peer(real);
        from.last = cycle;
        waits_ = &from;
        waiting_.assign(payload, payload + count);
        send_waiting(cycle);
    }
    if (waits_ != nullptr) send_waiting(cycle);
    return active || waits_ != nullptr;
}

void Bridge::send_waiting(uint64_t cycle) {
    if (resolved_) {
        mii_.to_board.push_back(udp_frame(*waits_, waiting_));
        waits_ = nullptr;
    } else if (cycle >= ask_again_) {
        mii_.to_board.push_back(arp_frame(BROADCAST, ARP_REQUEST, waits_->address, Mac{}, address_));
        ask_again_ = cycle + ARP_CYCLES;
    }
}

Bridge::Peer& Bridge::peer(const sockaddr_in& real) {
    for (Peer& known : peers_)
        if (known.real.sin_port == real.sin_port && known.real.sin_addr.s_addr == real.sin_addr.s_addr) return known;
    const uint32_t network = address_ & 0xffffff00;
    if (peers_.size() < PEERS) {
        uint32_t address = network + FIRST_HOST + peers_.size();
        if (address == address_) address = network + FIRST_HOST + PEERS;
        peers_.push_back({real, address});
        return peers_.back();
    }
    Peer& oldest = *std::min_element(peers_.begin(), peers_.end(), [](auto& a, auto& b) { return a.last < b.last; });
    oldest.real = real;
    return oldest;
}

const Bridge::Peer* Bridge::find(uint32_t address) const {
    for (const Peer& known : peers_)
        if (known.address == address) return &known;
    return nullptr;
}

void Bridge::from_board(const Bytes& frame) {
    const unsigned type = number(frame, 12, 2);
    if (type == ETHER_ARP) arp(frame);
    else if (type == ETHER_IPV4) datagram(frame);
    else ++refused_;
}

void Bridge::arp(const Bytes& frame) {
    const unsigned operation = number(frame, 20, 2);
    const uint32_t sender = number(frame, 28, 4), target = number(frame, 38, 4);
    if (operation == ARP_REPLY && sender == address_) {
        board_ = mac_at(frame, 22);
        resolved_ = true;
    } else if (operation == ARP_REQUEST && find(target) != nullptr) {
        mii_.to_board.push_back(arp_frame(mac_at(frame, 6), ARP_REPLY, target, mac_at(frame, 22), sender));
    } else {
        ++refused_;
    }
}

void Bridge::datagram(const Bytes& frame) {
    const size_t ip = ETHER_HEADER, udp = ip + IPV4_HEADER;
    const size_t end = udp + number(frame, udp + 4, 2);
    const Peer* to = find(number(frame, ip + 16, 4));
    const bool whole = frame[ip] == 0x45 && frame[ip + 9] == PROTOCOL_UDP && end >= udp + UDP_HEADER &&
                       end <= frame.size() && ones_sum(frame, ip, udp) == 0xffff;
    if (!whole || to == nullptr || mac_at(frame, 0) != mac_of(to->address) || number(frame, ip + 12, 4) != address_ ||
        number(frame, udp, 2) != port_ || number(frame, udp + 2, 2) != ntohs(to->real.sin_port)) {
        ++refused_;
        return;
    }
    sendto(socket_, frame.data() + udp + UDP_HEADER, end - udp - UDP_HEADER, 0,
           reinterpret_cast<const sockaddr*>(&to->real), sizeof to->real);
}

Bytes Bridge::arp_frame(const Mac& to, unsigned operation, uint32_t sender, const Mac& target_mac, uint32_t target) const {
    Bytes frame;
    put(frame, to);
    put(frame, mac_of(sender));
    put(frame, ETHER_ARP, 2);
    put(frame, 1, 2); // Ethernet
    put(frame, ETHER_IPV4, 2);
    put(frame, 6, 1);
    put(frame, 4, 1);
    put(frame, operation, 2);
    put(frame, mac_of(sender));
    put(frame, sender, 4);
    put(frame, target_mac);
    put(frame, target, 4);
    return frame;
}

Bytes Bridge::udp_frame(const Peer& peer, const Bytes& payload) {
    const size_t ip = ETHER_HEADER, udp = ip + IPV4_HEADER, length = UDP_HEADER + payload.size();
    Bytes frame;
    put(frame, board_);
    put(frame, mac_of(peer.address));
    put(frame, ETHER_IPV4, 2);
    put(frame, 0x4500, 2);
    put(frame, IPV4_HEADER + length, 2);
    put(frame, identification_++, 2);
    put(frame, 0x4000, 2); // not to be cut into pieces
    put(frame, 64, 1);
    put(frame, PROTOCOL_UDP, 1);
    put(frame, 0, 2);
    put(frame, peer.address, 4);
    put(frame, address_, 4);
    const uint16_t ip_check = ~ones_sum(frame, ip, udp);
    frame[ip + 10] = ip_check >> 8;
    frame[ip + 11] = ip_check;
    put(frame, ntohs(peer.real.sin_port), 2);
    put(frame, port_, 2);
    put(frame, length, 2);
    put(frame, 0, 2);
    frame.insert(frame.end(), payload.begin(), payload.end());
    // The pseudo header: both addresses, protocol and length.
    const uint16_t check = ~ones_sum(frame, ip + 12, frame.size(), PROTOCOL_UDP + length);
    const uint16_t said = check == 0 ? 0xffff : check;
    frame[udp + 6] = said >> 8;
    frame[udp + 7] = said;
    return frame;
}
