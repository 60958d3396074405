// The UART's host: a pseudo terminal.
#pragma once

#include "host.h"
#include "uart.h"

class Pty : public Host {
public:
    // Raises HostError if there is no pseudo terminal to be had.
    explicit Pty(Uart& uart);
    ~Pty() override;

    std::string uri() const override;
    bool exchange(uint64_t cycle) override;
    int waitable() const override;
    std::string losses() const override;

private:
    void read_host();
    void write_host();

    Uart& uart_;
    int file_;
    bool open_ = false; // somebody has the other end
    uint64_t dropped_ = 0;
};
