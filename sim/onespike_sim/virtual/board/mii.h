// The far end of the board's MII pins: whole frames to nibbles and back. The clocks are the caller's.
#pragma once

#include <cstdint>
#include <deque>

#include "ethernet.h"

class Mii {
public:
    std::deque<Bytes> to_board;   // frames without preamble and check sequence
    std::deque<Bytes> from_board; // as well; the check sequence was right
    uint64_t damaged = 0;         // frames of the board with a wrong check sequence or odd length

    // The board sees the data of this nibble at its next rising clock edge.
    void drive(uint8_t& data, uint8_t& valid) {
        valid = 0;
        data = 0;
        if (position_ < sending_.size() * 2) {
            valid = 1;
            data = sending_[position_ / 2] >> (position_ % 2 ? 4 : 0) & 15;
            if (++position_ == sending_.size() * 2) gap_ = GAP_NIBBLES;
        } else if (gap_ > 0) {
            --gap_;
        } else if (!to_board.empty()) {
            begin(to_board.front());
            to_board.pop_front();
        }
    }

    // What the board drives before its rising clock edge.
    void sample(uint8_t data, bool enable) {
        if (enable) {
            receive(data & 15);
        } else if (!nibbles_.empty() || started_) {
            end();
        }
    }

private:
    static constexpr unsigned GAP_NIBBLES = 24; // 96 bit times between frames
    static constexpr uint8_t PREAMBLE = 0x55, START = 0xd5;

    void begin(const Bytes& frame) {
        sending_.assign(7, PREAMBLE);
        sending_.push_back(START);
        Bytes padded = frame;
        if (padded.size() < LEAST_FRAME) padded.resize(LEAST_FRAME);
        sending_.insert(sending_.end(), padded.begin(), padded.end());
        const uint32_t check = frame_check(padded, padded.size());
        for (int byte = 0; byte < 4; ++byte) sending_.push_back(check >> 8 * byte);
        position_ = 0;
    }

    void receive(uint8_t nibble) {
        if (started_) nibbles_.push_back(nibble);
        else if (nibble == START >> 4) started_ = true;
    }

    void end() {
        Bytes frame(nibbles_.size() / 2);
        for (size_t i = 0; i < frame.size(); ++i) frame[i] = nibbles_[2 * i] | nibbles_[2 * i + 1] << 4;
        const bool whole = nibbles_.size() % 2 == 0 && frame.size() >= LEAST_FRAME + FCS_BYTES;
        nibbles_.clear();
        started_ = false;
        if (!whole) {
            ++damaged;
            return;
        }
        const size_t length = frame.size() - FCS_BYTES;
        const uint32_t check = frame_check(frame, length);
        for (size_t i = 0; i < FCS_BYTES; ++i) {
            if (frame[length + i] != uint8_t(check >> 8 * i)) {
                ++damaged;
                return;
            }
        }
        frame.resize(length);
        from_board.push_back(frame);
    }

    Bytes sending_;
    size_t position_ = 0;
    unsigned gap_ = 0;
    Bytes nibbles_;
    bool started_ = false;
};
