#include "core.h"

static struct {
    uint32_t done, waiting;       // feeds since the core's reset that are done, and those that are not
    uint32_t fragments;           // of these, how many hold a slot
    uint32_t holds;               // which, a bit for each; the oldest is bit 0
} core;

void core_init(void) { memset(&core, 0, sizeof core); }

void core_reset(void) {
    core_init();
    csr_write(CSR_CORE_RESET, 1);
}

void core_poll(void) {
    uint32_t done = csr_read(CSR_FEEDS_DONE);
    while (core.waiting && (uint16_t)(done - core.done)) {
        core.fragments -= core.holds & 1;
        core.holds >>= 1;
        core.waiting--;
        core.done++;
    }
}

bool core_can_feed(void) { return core.waiting < FEEDS; }

bool core_fed(void) { return !core.waiting; }

unsigned core_fragments(void) { return core.fragments; }

static void push(uint32_t feed, bool holds_slot) {
    core.holds |= (uint32_t)holds_slot << core.waiting++;
    core.fragments += holds_slot;
    csr_write(CSR_FEED, feed);
}

void core_feed(unsigned word, unsigned length, enum Sink sink, unsigned slot) {
    push(PUT(FEED_WORD, word) | PUT(FEED_LENGTH, length) | PUT(FEED_SINK, sink) | PUT(FEED_SLOT, slot), slot < SLOTS);
}

void core_feed_zeros(unsigned length) {
    push(PUT(FEED_LENGTH, length) | PUT(FEED_SINK, SINK_PIXELS) | PUT(FEED_ZERO, 1) | PUT(FEED_SLOT, NO_SLOT), false);
}
