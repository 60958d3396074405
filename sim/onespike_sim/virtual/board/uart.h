// The far end of the board's UART pins, 8N1: bytes to levels and back, cycle by cycle.
#pragma once

#include <cstdint>
#include <deque>

class Uart {
public:
    explicit Uart(unsigned divisor) : divisor_(divisor) {}

    std::deque<uint8_t> to_board;
    std::deque<uint8_t> from_board;
    uint64_t framing_errors = 0;

    // Level of the board's receive pin in this cycle.
    bool drive() {
        if (out_wait_ > 0) {
            --out_wait_;
            return out_level_;
        }
        if (out_bits_ == 0) {
            if (to_board.empty()) return true;
            out_shift_ = to_board.front() << 1 | 1 << 9;
            out_bits_ = 10;
            to_board.pop_front();
        }
        out_level_ = out_shift_ & 1;
        out_shift_ >>= 1;
        --out_bits_;
        out_wait_ = divisor_ - 1;
        return out_level_;
    }

    // Takes the level of the board's transmit pin after this cycle.
    void sample(bool level) {
        if (!receiving_) {
            if (level) return;
            receiving_ = true;
            in_bits_ = 0;
            in_shift_ = 0;
            in_wait_ = divisor_ + divisor_ / 2;
            return;
        }
        if (--in_wait_ > 0) return;
        if (in_bits_ < 8) {
            in_shift_ |= level << in_bits_++;
            in_wait_ = divisor_;
            return;
        }
        receiving_ = false;
        if (level) from_board.push_back(in_shift_);
        else ++framing_errors;
    }

private:
    const unsigned divisor_;
    unsigned out_shift_ = 0, out_bits_ = 0, out_wait_ = 0;
    bool out_level_ = true;
    unsigned in_shift_ = 0, in_bits_ = 0, in_wait_ = 0;
    bool receiving_ = false;
};
