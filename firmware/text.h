// Lines of text: a buffer that is filled, then sent over the UART.
#pragma once
#include "board.h"

void text_init(void);
// What does not fit is lost; the longest answer fits.
void text_put(const char *text);
// A decimal number, of at least `digits` (up to 10) digits.
void text_number(uint32_t value, unsigned digits);
void text_signed(int32_t value);
void text_hex(uint8_t byte);
// Whether the buffer holds nothing, so that a whole answer fits.
bool text_empty(void);
// Send the buffer if it holds something and nothing is being sent.
void text_poll(void);
