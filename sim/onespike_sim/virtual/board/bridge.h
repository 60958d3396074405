// A small simulated network: every UDP socket that talks to ours becomes a host with an address of its own.
#pragma once

#include <netinet/in.h>
#include <vector>

#include "host.h"
#include "mii.h"

class Bridge : public Host {
public:
    // `address` and `port` of the board on the simulated network. Raises HostError if no socket is to be had.
    Bridge(Mii& mii, uint32_t address, uint16_t port);
    ~Bridge() override;

    std::string uri() const override;
    bool exchange(uint64_t cycle) override;
    int waitable() const override;
    std::string losses() const override;

private:
    struct Peer {
        sockaddr_in real;  // on the host's loopback
        uint32_t address;  // on the simulated network; the port is the real one
        uint64_t last = 0; // cycle of its last datagram
    };

    bool from_host(uint64_t cycle);
    void send_waiting(uint64_t cycle);
    Peer& peer(const sockaddr_in& real);
    const Peer* find(uint32_t address) const;
    void from_board(const Bytes& frame);
    void arp(const Bytes& frame);
    void datagram(const Bytes& frame);
    Bytes arp_frame(const Mac& to, unsigned operation, uint32_t sender, const Mac& target_mac, uint32_t target) const;
    Bytes udp_frame(const Peer& peer, const Bytes& payload);

    Mii& mii_;
    const uint32_t address_;
    const uint16_t port_;
    int socket_;
    std::vector<Peer> peers_;
    bool resolved_ = false; // the board's MAC is known
    Mac board_ = {};
    uint64_t ask_again_ = 0;  // cycle
    const Peer* waits_ = nullptr; // whose datagram waits to be sent
    Bytes waiting_;
    uint16_t identification_ = 0;
    uint64_t refused_ = 0, too_long_ = 0;
};
