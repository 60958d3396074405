// The core from outside: its reset, and the queue of feeds.
#pragma once
#include "board.h"

enum { NO_SLOT = SLOTS };

void core_init(void);
// Reset the core: feeds, images and program are gone, their slots are free.
void core_reset(void);
// Notice feeds that are done.
void core_poll(void);
// Whether another feed fits the queue.
bool core_can_feed(void);
// Whether every feed is done.
bool core_fed(void);
// Fragments whose slot is not free again.
unsigned core_fragments(void);
// Feed `length` bytes from a word of the packet memory; only while `core_can_feed`. `slot` is free afterwards.
void core_feed(unsigned word, unsigned length, enum Sink sink, unsigned slot);
// Feed `length` zeros as pixels.
void core_feed_zeros(unsigned length);
