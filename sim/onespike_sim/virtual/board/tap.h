// The kernel's own network: a TAP device whose other end is the board's Ethernet port. Needs privileges.
#pragma once

#include "host.h"
#include "mii.h"

class Tap : public Host {
public:
    // Makes the device and gives it the address next to the board's. Raises HostError if that is not allowed.
    Tap(Mii& mii, uint32_t address, uint16_t port);
    ~Tap() override;

    std::string uri() const override;
    bool exchange(uint64_t cycle) override;
    int waitable() const override;
    std::string losses() const override;

private:
    Mii& mii_;
    const uint32_t address_;
    const uint16_t port_;
    int file_;
};
