// Frames in and out of the packet memory.
#pragma once
#include "board.h"

struct Peer {
    uint32_t address;
    uint16_t port;
    uint8_t link;
};

// The records a host sends; which one, `kind` tells.
union Frame {
    uint8_t kind;
    struct Open open;
    struct Close close;
    struct Image image;
    struct Program program;
    struct Poll poll;
    struct Request request;
    uint32_t words[4];
};
_Static_assert(sizeof(union Frame) == 16, "a host's record is longer than what is read of its frame");

void link_init(void);
bool link_same(const struct Peer *a, const struct Peer *b);
// Number of the slot of the oldest received frame, `SLOTS` if there is none. The caller frees it, or a feed does.
unsigned link_receive(struct Peer *from, union Frame *frame, unsigned *length);
// Whether the last `link_receive` found nothing.
bool link_quiet(void);
void link_free(unsigned slot);
// First word of a received frame.
unsigned link_word(unsigned slot);
bool link_sending(void);
// Send a frame of whole words; only while nothing is being sent.
void link_send(const struct Peer *to, const void *frame, unsigned bytes);
// Send text over the UART, from memory of whole words; only while nothing is being sent.
void link_send_text(const void *text, unsigned bytes);
uint32_t link_frames_sent(void);
