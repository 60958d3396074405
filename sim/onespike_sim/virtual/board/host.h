// Where the host is: a pseudo terminal, a UDP socket, or a network of the kernel's.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

// Ends the program with one sentence.
struct HostError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Host {
public:
    virtual ~Host() = default;

    // How programs reach the board.
    virtual std::string uri() const = 0;
    // Moves what has come from either side, without waiting; true if there was anything. `cycle` is the board's time.
    virtual bool exchange(uint64_t cycle) = 0;
    // File to wait on for something from the host; -1 if there is nobody yet.
    virtual int waitable() const = 0;
    // Counts of what was lost, for the last line.
    virtual std::string losses() const = 0;
};
