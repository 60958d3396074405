// The board's LEDs, as the contract names them; or what a host wants.
#pragma once
#include "board.h"

void leds_init(void);
void leds_error(void);
// Show `leds` until `leds_release`.
void leds_hold(uint32_t leds);
void leds_release(void);
void leds_poll(void);
// All LEDs on and off, for ever: gateware and firmware are not of one contract.
void leds_alarm(void);
