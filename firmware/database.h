// The image that the text protocol loads: bytes in raster order outside, in the core's order in slots 0 to 2.
#pragma once
#include "board.h"

enum { DATABASE_SLOTS = 3, DATABASE_BYTES = 4 * DATABASE_SLOTS * SLOT_WORDS };

void database_init(void);
// Keep frames out of the slots and expect `bytes` (1 to DATABASE_BYTES).
void database_claim(uint32_t bytes);
// Give the slots back.
void database_release(void);
bool database_held(void);
bool database_complete(void);
uint32_t database_bytes(void);
// Append a byte; only while held and not complete.
void database_put(uint8_t byte);
// A byte that was put.
uint8_t database_get(uint32_t index);
