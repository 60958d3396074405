// What the entry code calls.
#pragma once
#include <stdbool.h>

void firmware_boot(bool ram_failed);
// One turn of the main loop.
void firmware_turn(void);
