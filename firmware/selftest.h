// Tests of the memories, and of the core by a known answer.
#pragma once
#include "board.h"

void selftest_init(void);
// Test ROM and packet memory, and take in what boot found in the RAM. Before any frame is received.
void selftest_boot(bool ram_failed);
// Tests that failed, a mask of `SelfTest`, so far.
uint32_t selftest_failed(void);
// Begin the tests of a request; `check` is the CRC-32 of the scores that the image by formula must have.
void selftest_begin(uint32_t check);
// Whether they are over.
bool selftest_done(void);
void selftest_poll(void);
