// The board's serial flash: the data sheets' command READ (03h) and nothing else, cycle by cycle.
#pragma once

#include <cstdint>
#include <vector>

class Flash {
public:
    static constexpr uint32_t BYTES = 1 << 24; // what the command's address reaches

    // `content` lies from byte `address` on; all else is erased.
    Flash(uint32_t address, std::vector<uint8_t> content) : address_(address), content_(std::move(content)) {}

    // Takes the levels of the board's pins after a cycle; the level of its input pin in the next one.
    bool step(bool deselected, bool clock, bool input) {
        if (deselected) {
            taken_ = 0;
            output_ = true; // nobody drives the line, a resistor pulls it up
        } else if (clock && !clock_ && taken_ < COMMAND_BITS) {
            command_ = command_ << 1 | input;
            if (++taken_ == COMMAND_BITS) next_bit_ = uint64_t(command_ % BYTES) * 8;
        } else if (!clock && clock_ && taken_ == COMMAND_BITS && command_ / BYTES == READ) {
            output_ = byte(next_bit_ / 8 % BYTES) >> (7 - next_bit_ % 8) & 1;
            ++next_bit_;
        }
        clock_ = clock;
        return output_;
    }

private:
    static constexpr unsigned READ = 0x03, COMMAND_BITS = 32; // the address included

    uint8_t byte(uint32_t place) const {
        const uint32_t at = place - address_; // wraps below the content
        return at < content_.size() ? content_[at] : 0xFF;
    }

    const uint32_t address_;
    const std::vector<uint8_t> content_;
    bool clock_ = false, output_ = true;
    unsigned taken_ = 0;
    uint32_t command_ = 0;
    uint64_t next_bit_ = 0;
};
