// Clock cycles. `timer_now` is the time at the turn's beginning, so that a turn reads it once.
#pragma once
#include "board.h"

void timer_init(void);
// Once a turn; a turn takes less than a second.
void timer_poll(void);
uint32_t timer_now(void);
// Time since boot: seconds, and microseconds beyond them. Two numbers, for a 64-bit division would take much of the ROM.
uint32_t timer_seconds(void);
uint32_t timer_microseconds(void);
