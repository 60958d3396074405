// The simulated board: the verilated system with its clocks, its reset and what its pins are connected to.
#pragma once

#include <memory>
#include <string>

#include <verilated.h>
#if VM_TRACE
#include <verilated_fst_c.h>
#endif

#include "Vboard.h"
#include "flash.h"
#include "mii.h"
#include "uart.h"

class Board {
public:
    // `trace`: file for the waveform, "" for none.
    Board(unsigned divisor, Flash content, const std::string& trace) : uart(divisor), flash(std::move(content)) {
#if VM_TRACE
        if (!trace.empty()) {
            context_->traceEverOn(true);
            top_->trace(&waves_, 99);
            waves_.open(trace.c_str());
        }
#endif
        top_->uart_rx = top_->flash_cipo = 1;
        reset();
    }

    ~Board() {
#if VM_TRACE
        waves_.close();
#endif
        top_->final();
    }

    Uart uart;
    Mii mii;
    Flash flash;

    uint64_t cycle() const { return cycle_; }
    bool failed() const { return context_->gotFinish(); } // an assertion in the design, which says so itself
    bool hung() const { return top_->hang; }
    void toggle_hang() { top_->hang = !top_->hang; }
    void reset() { reset_until_ = cycle_ + RESET_CYCLES; }

    void run(unsigned cycles) {
        while (cycles-- > 0) step();
    }

private:
    static constexpr unsigned RESET_CYCLES = 64;
    static constexpr unsigned MII_DIVISOR = 4; // 25 MHz beside 100 MHz

    void step() {
        top_->rst = cycle_ < reset_until_;
        top_->uart_rx = uart.drive();
        const unsigned phase = cycle_ % MII_DIVISOR;
        if (phase == 0) {
            mii.sample(top_->mii_tx_data, top_->mii_tx_en);
            top_->mii_rx_clk = top_->mii_tx_clk = 1;
        } else if (phase == MII_DIVISOR / 2) {
            uint8_t data, valid;
            mii.drive(data, valid);
            top_->mii_rx_data = data;
            top_->mii_rx_dv = valid;
            top_->mii_rx_clk = top_->mii_tx_clk = 0;
        }
        edge(1);
        edge(0);
        uart.sample(top_->uart_tx);
        top_->flash_cipo = flash.step(top_->flash_cs_n, top_->flash_clk, top_->flash_copi);
        ++cycle_;
    }

    void edge(int level) {
        top_->clk = level;
        top_->eval();
#if VM_TRACE
        if (waves_.isOpen()) waves_.dump(10 * cycle_ + (level ? 0 : 5));
#endif
    }

    std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vboard> top_ = std::make_unique<Vboard>(context_.get());
#if VM_TRACE
    VerilatedFstC waves_;
#endif
    uint64_t cycle_ = 0;
    uint64_t reset_until_ = 0;
};
