#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "firmware.h"

#define GET(field, word) ((word) >> field##_SHIFT & field##_MASK)
#define PUT(field, value) (((uint32_t)(value) & field##_MASK) << field##_SHIFT)

enum {
    CYCLES_PER_TURN = 500,
    CYCLES_PER_BYTE = 8,          // on the link, as over UDP
    ALL_SLOTS = (1 << SLOTS) - 1,
    SENT = 64,                    // frames and texts that a test may leave unread
    LARGEST_PROGRAM = 2 << 20,
    LARGEST_IMAGE = 1 << 16,
    IN_CORE = 2,                  // images that the core takes before the first has its scores
};

enum Owner { FREE, RECEIVED, FIRMWARE, FEEDING };

struct Sent {
    bool text;
    unsigned link, port, length;
    uint32_t address;
    uint8_t bytes[4096];
};

static struct {
    uint32_t contract, clock, lease, magic, version, fingerprint, latency;
    model_scorer scorer;
    bool keep_faults;
    const char *fault;

    uint64_t time, watchdog_fed;
    uint32_t time_high, watchdog_resets, leds;
    uint32_t rom[ROM_BYTES / 4];

    uint32_t packets[PACKET_WORDS];
    uint32_t broken;              // word that reads wrong, PACKET_WORDS for none
    enum Owner owner[SLOTS];
    uint32_t use;
    unsigned queue[SLOTS], queued;
    uint32_t received, damaged, dropped;

    uint32_t send_address, send_port;
    unsigned sending_word, sending_words;
    uint64_t sent_at;
    struct Sent sent[SENT];
    unsigned sent_first, sent_count;

    bool text_enabled;
    uint8_t text[TEXT_DEPTH];
    unsigned text_count;

    uint32_t feeds[FEEDS];
    unsigned feed_count, feed_at;  // bytes of the oldest feed that were taken
    uint16_t feeds_done;

    // The core.
    unsigned status;
    unsigned program_words;
    uint32_t crc, section_left, target;
    unsigned section_part;
    unsigned pixel_count, images_full;
    uint64_t image_done;
    int32_t scores[MODEL_SCORES];
    unsigned scores_count, scores_at;
    uint32_t fifo[SCORE_DEPTH];
    unsigned fifo_count;
    uint32_t images, cycles, spikes, next_spikes;
} model;

// What the core holds; apart from the rest, which is cleared more often.
static uint32_t program[LARGEST_PROGRAM / 4];
static uint8_t pixels[IN_CORE][LARGEST_IMAGE];

static void fault(const char *what) {
    if (!model.fault) {
        model.fault = what;
    }
    if (!model.keep_faults) {
        fprintf(stderr, "fault: %s\n", what);
        abort();
    }
}

const char *model_fault(void) { return model.fault; }
void model_keep_faults(void) { model.keep_faults = true; }

// The core.

static void core_reset(void) {
    model.status = STATUS_NO_PROGRAM;
    model.program_words = model.section_part = 0;
    model.section_left = 0;
    model.crc = ~0u;
    model.pixel_count = model.images_full = 0;
    model.scores_count = model.scores_at = model.fifo_count = 0;
    model.images = model.cycles = model.spikes = 0;
    for (unsigned i = 0; i < model.feed_count; i++) {
        unsigned slot = GET(FEED_SLOT, model.feeds[i]);
        if (slot < SLOTS) {
            model.owner[slot] = FREE;
        }
    }
    model.feed_count = model.feed_at = 0;
    model.feeds_done = 0;
}

static void add_to_crc(uint32_t word) {
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t mix = (model.crc ^ word >> bit) & 1;
        model.crc = model.crc >> 1 ^ (mix ? 0xEDB88320u : 0);
    }
}

// A word of a program image, as the core's loader judges it.
static void load_word(uint32_t word) {
    unsigned at = model.program_words++;
    uint32_t check = ~model.crc;
    program[at] = word;
    add_to_crc(word);
    if (at < HEADER_WORDS) {
        model.status = STATUS_LOADING;
        if (at == HEADER_MAGIC_WORD && word != model.magic) {
            model.status = STATUS_BAD_MAGIC;
        } else if (at == HEADER_VERSION_WORD && word != model.version) {
            model.status = STATUS_BAD_VERSION;
        } else if (at == HEADER_FINGERPRINT_WORD && word != model.fingerprint) {
            model.status = STATUS_BAD_FINGERPRINT;
        }
        return;
    }
    if (model.section_left) {
        model.section_left--;
        return;
    }
    uint32_t words = program[HEADER_WORDS_WORD];
    if (at == words - 1) {
        model.status = word != check ? STATUS_BAD_CHECKSUM : model.section_part ? STATUS_BAD_SECTION : STATUS_READY;
    } else if (model.section_part++ == 0) {
        model.target = GET(SECTION_TARGET, word);
    } else {
        model.section_part = 0;
        model.section_left = word;
        if (model.target > TARGET_TABLES || (int64_t)word >= (int64_t)words - at - 1) {
            model.status = STATUS_BAD_SECTION;
        }
    }
}

static unsigned image_bytes(void) {
    uint32_t sizes = program[HEADER_IMAGE_HALF_WORD], half = GET(HEADER_IMAGE_HALF, sizes);
    return GET(HEADER_IMAGE_CHANNELS, sizes) * 4 * half * half;
}

static bool core_takes_pixels(void) { return model.status == STATUS_READY && model.images_full < IN_CORE; }

static void take_pixel(uint8_t byte) {
    pixels[model.images_full][model.pixel_count++] = byte;
    if (model.pixel_count == image_bytes()) {
        model.pixel_count = 0;
        if (!model.images_full++) {
            model.image_done = model.time + model.latency;
        }
    }
}

static void run_core(void) {
    if (!model.scores_count) {
        if (!model.images_full || model.time < model.image_done) {
            return;
        }
        model.scores_count = model.scorer(pixels[0], image_bytes(), model.scores, &model.next_spikes);
        model.scores_at = 0;
        if (!model.scores_count || model.scores_count > MODEL_SCORES) {
            fault("the scorer has a wrong number of scores");
            return;
        }
    }
    while (model.fifo_count < SCORE_DEPTH && model.scores_at < model.scores_count) {
        model.fifo[model.fifo_count++] = model.scores[model.scores_at++];
    }
    if (model.scores_at == model.scores_count) {
        model.scores_count = 0;
        model.images++;
        model.cycles = model.latency;
        model.spikes = model.next_spikes;
        memmove(pixels[0], pixels[1], LARGEST_IMAGE);
        if (--model.images_full) {
            model.image_done = model.time + model.latency;
        }
    }
}

// The link.

static void run_feeds(unsigned budget) {
    while (model.feed_count && budget) {
        uint32_t feed = model.feeds[0];
        unsigned length = GET(FEED_LENGTH, feed), slot = GET(FEED_SLOT, feed);
        for (; model.feed_at < length && budget; budget--) {
            unsigned word = (GET(FEED_WORD, feed) + model.feed_at / 4) % PACKET_WORDS;
            if (GET(FEED_SINK, feed) == SINK_PROGRAM) {
                if (model.status > STATUS_LOADING) {
                    return;
                }
                load_word(model.packets[word]);
                model.feed_at += 4;
            } else {
                if (!core_takes_pixels()) {
                    return;
                }
                take_pixel(GET(FEED_ZERO, feed) ? 0 : model.packets[word] >> 8 * (model.feed_at % 4));
                model.feed_at++;
            }
        }
        if (model.feed_at < length) {
            return;
        }
        if (slot < SLOTS) {
            model.owner[slot] = FREE;
        }
        model.feeds_done++;
        model.feed_at = 0;
        memmove(model.feeds, model.feeds + 1, sizeof model.feeds - sizeof *model.feeds);
        model.feed_count--;
    }
}

static void push_feed(uint32_t feed) {
    unsigned slot = GET(FEED_SLOT, feed), length = GET(FEED_LENGTH, feed), word = GET(FEED_WORD, feed);
    if (model.feed_count == FEEDS) {
        fault("a feed is lost: the queue is full");
        return;
    }
    if (!length) {
        fault("a feed of no bytes");
    }
    if (GET(FEED_SINK, feed) == SINK_PROGRAM && length % 4) {
        fault("a program feed of broken words");
    }
    if (slot < SLOTS) {
        if (model.owner[slot] != FIRMWARE) {
            fault("a feed of a slot that is not the firmware's");
        }
        if (word < slot * SLOT_WORDS + META_WORDS || word + (length + 3) / 4 > (slot + 1) * SLOT_WORDS) {
            fault("a feed reaches beyond its slot");
        }
        model.owner[slot] = FEEDING;
    } else if (!GET(FEED_ZERO, feed) && word + (length + 3) / 4 > PACKET_WORDS) {
        fault("a feed reaches beyond the packet memory");
    }
    model.feeds[model.feed_count++] = feed;
}

static void start_send(uint32_t send) {
    unsigned word = GET(SEND_WORD, send), length = GET(SEND_LENGTH, send);
    struct Sent *sent = &model.sent[(model.sent_first + model.sent_count) % SENT];
    if (model.time < model.sent_at) {
        fault("SEND while something is being sent");
    }
    if (word < SEND_WORD || word + (length + 3) / 4 > PACKET_WORDS || !length) {
        fault("SEND of what is not the firmware's part of the packet memory");
        return;
    }
    if (model.sent_count == SENT) {  // nobody reads
        model.sent_first++;
        model.sent_count--;
        sent = &model.sent[(model.sent_first + model.sent_count) % SENT];
    }
    *sent = (struct Sent){.text = GET(SEND_TEXT, send), .link = GET(SEND_LINK, send), .length = length};
    sent->address = model.send_address;
    sent->port = model.send_port;
    memcpy(sent->bytes, model.packets + word, length);
    model.sent_count++;
    model.sending_word = word;
    model.sending_words = (length + 3) / 4;
    model.sent_at = model.time + CYCLES_PER_BYTE * length;
}

bool model_deliver(const uint8_t *frame, unsigned length, unsigned link, uint32_t address, unsigned port) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (model.owner[slot] == FREE && model.use >> slot & 1) {
            uint32_t *at = model.packets + slot * SLOT_WORDS;
            at[0] = PUT(META_LENGTH, length) | PUT(META_LINK, link);
            at[META_ADDRESS_WORD] = address;
            at[META_PORT_WORD] = port;
            memcpy(at + META_WORDS, frame, length);
            model.owner[slot] = RECEIVED;
            model.queue[model.queued++] = slot;
            model.received++;
            return true;
        }
    }
    model.dropped++;
    return false;
}

void model_damaged(void) { model.damaged++; }

void model_text(const uint8_t *bytes, unsigned length) {
    for (; length-- && model.text_enabled; bytes++) {
        if (model.text_count < TEXT_DEPTH) {
            model.text[model.text_count++] = *bytes;
        }
    }
}

static uint32_t next_received(void) {
    if (!model.queued) {
        return 0;
    }
    unsigned slot = model.queue[0];
    memmove(model.queue, model.queue + 1, sizeof model.queue - sizeof *model.queue);
    model.queued--;
    model.owner[slot] = FIRMWARE;
    return PUT(RECEIVED_SLOT, slot) | PUT(RECEIVED_VALID, 1);
}

static uint32_t next_text(void) {
    if (!model.text_count) {
        return 0;
    }
    uint32_t byte = model.text[0];
    memmove(model.text, model.text + 1, sizeof model.text - 1);
    model.text_count--;
    return PUT(TEXT_BYTE, byte) | PUT(TEXT_VALID, 1);
}

static void free_slot(uint32_t slot) {
    if (slot >= SLOTS || model.owner[slot] != FIRMWARE) {
        fault("RX_FREE of a slot that is not the firmware's");
        return;
    }
    model.owner[slot] = FREE;
}

// The CPU's bus.

static bool packet_is_ours(uint32_t word) {
    unsigned slot = word / SLOT_WORDS;
    return word >= SEND_WORD || model.owner[slot] == FIRMWARE ||
           (model.owner[slot] == FREE && !(model.use >> slot & 1)) ||
           (model.owner[slot] == FEEDING && !(model.use >> slot & 1));
}

static uint32_t next_score(void) {
    if (!model.fifo_count) {
        return 0;
    }
    uint32_t score = model.fifo[0];
    memmove(model.fifo, model.fifo + 1, sizeof model.fifo - sizeof *model.fifo);
    model.fifo_count--;
    return score;
}

static uint32_t read_csr(uint32_t offset) {
    switch (offset) {
    case CSR_CONTRACT: return model.contract;
    case CSR_CLOCK_HZ: return model.clock;
    case CSR_LEASE: return model.lease;
    case CSR_TIME_LOW: model.time_high = model.time >> 32; return model.time;
    case CSR_TIME_HIGH: return model.time_high;
    case CSR_WATCHDOG_RESETS: return model.watchdog_resets;
    case CSR_BUTTONS: return 0;
    case CSR_TEXT: return next_text();
    case CSR_RX_NEXT: return next_received();
    case CSR_FEEDS_DONE: return model.feeds_done;
    case CSR_SENDING: return model.time < model.sent_at;
    case CSR_SCORES: return model.fifo_count;
    case CSR_SCORE: return next_score();
    case CSR_SPIKES: return model.spikes;
    case CSR_RX_FRAMES: return model.received;
    case CSR_RX_DAMAGED: return model.damaged;
    case CSR_RX_DROPPED: return model.dropped;
    default: fault("a read of no readable register"); return 0;
    }
}

static void write_csr(uint32_t offset, uint32_t value) {
    switch (offset) {
    case CSR_WATCHDOG: model.watchdog_fed = model.time; break;
    case CSR_LEDS: model.leds = value; break;
    case CSR_CORE_RESET: core_reset(); break;
    case CSR_TEXT_ENABLE:
        model.text_enabled = value;
        model.text_count = value ? model.text_count : 0;
        break;
    case CSR_RX_FREE: free_slot(value); break;
    case CSR_RX_USE: model.use = value & ALL_SLOTS; break;
    case CSR_FEED: push_feed(value); break;
    case CSR_SEND_ADDRESS: model.send_address = value; break;
    case CSR_SEND_PORT: model.send_port = value; break;
    case CSR_SEND: start_send(value); break;
    default: fault("a write of no writable register");
    }
}

static uint32_t read_core(uint32_t offset) {
    switch (offset) {
    case CORE_FINGERPRINT: return model.fingerprint;
    case CORE_STATUS: return model.status;
    case CORE_IMAGES: return model.images;
    case CORE_CYCLES: return model.cycles;
    case CORE_ARRAY_CYCLES: return model.cycles / 2;
    case CORE_WEIGHT_WAITS: return model.cycles / 4;
    default: fault("a read of no register of the core"); return 0;
    }
}

uint32_t board_read(uint32_t address) {
    uint32_t base = address & 0xF0000000, offset = (address - base) / 4;
    if (address % 4) {
        fault("a read across words");
    }
    if (base == ROM_BASE && offset < ROM_BYTES / 4) {
        return model.rom[offset];
    }
    if (base == PACKETS_BASE && offset < PACKET_WORDS) {
        if (!packet_is_ours(offset)) {
            fault("a read of a slot that is not the firmware's");
        }
        return model.packets[offset] ^ (offset == model.broken);
    }
    if (base == CSR_BASE) {
        return read_csr(offset);
    }
    if (base == CORE_BASE) {
        return read_core(offset);
    }
    fault("a read of nothing");
    return 0;
}

void board_write(uint32_t address, uint32_t value) {
    uint32_t base = address & 0xF0000000, offset = (address - base) / 4;
    if (address % 4) {
        fault("a write across words");
    }
    if (base == PACKETS_BASE && offset < PACKET_WORDS) {
        if (!packet_is_ours(offset)) {
            fault("a write to a slot that is not the firmware's");
        }
        if (model.time < model.sent_at && offset - model.sending_word < model.sending_words) {
            fault("a write to what is being sent");
        }
        model.packets[offset] = value;
    } else if (base == CSR_BASE) {
        write_csr(offset, value);
    } else {
        fault("a write to nothing that can be written");
    }
}

// Time.

static uint32_t rotated_sum(void) {
    uint32_t sum = 0;
    for (unsigned word = 0; word < ROM_BYTES / 4 - 1; word++) {
        sum = (sum << 1 | sum >> 31) + model.rom[word];
    }
    return sum << 1 | sum >> 31;
}

void model_reset(uint32_t contract, uint32_t clock, uint32_t lease, uint32_t magic, uint32_t version, uint32_t fingerprint,
                 model_scorer scorer) {
    bool keep_faults = model.keep_faults;
    memset(&model, 0, sizeof model);
    model.keep_faults = keep_faults;
    model.contract = contract;
    model.clock = clock;
    model.lease = lease;
    model.magic = magic;
    model.version = version;
    model.fingerprint = fingerprint;
    model.scorer = scorer;
    model.latency = 4 * CYCLES_PER_TURN;
    model.broken = PACKET_WORDS;
    model.crc = ~0u;
    for (unsigned word = 0; word < ROM_BYTES / 4 - 1; word++) {
        model.rom[word] = word * 2654435761u;
    }
    model.rom[ROM_BYTES / 4 - 1] = -rotated_sum();
    model.use = ALL_SLOTS;
    firmware_boot(false);
}

void model_boot(void) {
    model.watchdog_resets++;
    model.use = ALL_SLOTS;
    model.queued = model.text_count = model.feed_count = model.feed_at = 0;
    model.sent_at = 0;
    model.text_enabled = false;
    model.feeds_done = 0;
    model.received = model.damaged = model.dropped = 0;
    memset(model.owner, 0, sizeof model.owner);
    firmware_boot(false);
}

void model_rom(uint32_t word, uint32_t value) { model.rom[word] = value; }
void model_latency(uint32_t cycles) { model.latency = cycles; }
void model_wait(uint64_t cycles) { model.time += cycles; }
uint64_t model_time(void) { return model.time; }
uint32_t model_leds(void) { return model.leds; }
uint32_t model_rx_use(void) { return model.use; }
void model_break_packets(uint32_t word) { model.broken = word; }

void model_turns(unsigned turns) {
    while (turns--) {
        model.time += CYCLES_PER_TURN;
        run_feeds(CYCLES_PER_TURN);
        run_core();
        firmware_turn();
        if (model.watchdog_fed != model.time) {
            fault("a turn without feeding the watchdog");
        }
    }
}

unsigned model_sent(uint8_t *bytes, unsigned *text, unsigned *link, uint32_t *address, unsigned *port) {
    if (!model.sent_count) {
        return 0;
    }
    struct Sent *sent = &model.sent[model.sent_first % SENT];
    model.sent_first = (model.sent_first + 1) % SENT;
    model.sent_count--;
    *text = sent->text;
    *link = sent->link;
    *address = sent->address;
    *port = sent->port;
    memcpy(bytes, sent->bytes, sent->length);
    return sent->length;
}

const uint32_t *model_program(unsigned *count) {
    *count = model.program_words;
    return program;
}
