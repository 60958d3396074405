#include "link.h"

static struct {
    uint32_t frames_sent;
    bool quiet;
} link;

void link_init(void) { memset(&link, 0, sizeof link); }

bool link_same(const struct Peer *a, const struct Peer *b) {
    return a->link == b->link && a->address == b->address && a->port == b->port;
}

unsigned link_receive(struct Peer *from, union Frame *frame, unsigned *length) {
    uint32_t next = csr_read(CSR_RX_NEXT);
    unsigned slot = GET(RECEIVED_SLOT, next), start = slot * SLOT_WORDS;
    link.quiet = !GET(RECEIVED_VALID, next);
    if (link.quiet || slot >= SLOTS) {
        return SLOTS;
    }
    uint32_t first = packet_read(start + META_LENGTH_WORD);
    *length = GET(META_LENGTH, first);
    from->link = GET(META_LINK, first);
    from->address = packet_read(start + META_ADDRESS_WORD);
    from->port = GET(META_PORT, packet_read(start + META_PORT_WORD));
    for (unsigned i = 0; i < sizeof frame->words / sizeof *frame->words; i++) {
        frame->words[i] = packet_read(start + META_WORDS + i);
    }
    return slot;
}

bool link_quiet(void) { return link.quiet; }

void link_free(unsigned slot) { csr_write(CSR_RX_FREE, slot); }

unsigned link_word(unsigned slot) { return slot * SLOT_WORDS + META_WORDS; }

bool link_sending(void) { return csr_read(CSR_SENDING) != 0; }

typedef uint32_t __attribute__((may_alias)) Word;

// `bytes` are those of whole words.
static void send(const void *bytes, unsigned count, uint32_t how) {
    const Word *words = bytes;
    for (unsigned i = 0; 4 * i < count; i++) {
        packet_write(SEND_WORD + i, words[i]);
    }
    csr_write(CSR_SEND, PUT(SEND_WORD, SEND_WORD) | PUT(SEND_LENGTH, count) | how);
}

void link_send(const struct Peer *to, const void *frame, unsigned bytes) {
    csr_write(CSR_SEND_ADDRESS, to->address);
    csr_write(CSR_SEND_PORT, to->port);
    link.frames_sent++;
    send(frame, bytes, PUT(SEND_LINK, to->link));
}

void link_send_text(const void *text, unsigned bytes) { send(text, bytes, PUT(SEND_LINK, LINK_UART) | PUT(SEND_TEXT, 1)); }

uint32_t link_frames_sent(void) { return link.frames_sent; }
