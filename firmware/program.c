#include "program.h"
#include "core.h"
#include "images.h"
#include "leds.h"

enum { LARGEST_IMAGE = 1 << 16 };

// What the walk over the program's words looks for next.
enum Seek { SECTION_HEAD, SECTION_COUNT, LAST_CHANNELS };

static struct {
    uint32_t total, received;     // bytes of the image, and of it accepted
    uint32_t check;               // its last word
    uint32_t image_bytes;
    uint32_t channels, half, layers;
    uint32_t classes;
    uint32_t verdict;             // why it was refused, 0 if it was not
    bool loaded, late;
    enum Seek seek;
    uint32_t seek_word;           // word of the program image that the walk waits for
    uint32_t head;                // first word of the section's header
    uint32_t next_section;
} program;

void program_init(void) { memset(&program, 0, sizeof program); }

void program_drop(void) {
    program_init();
    core_reset();
    images_dropped();
}

enum Error program_expect(uint32_t bytes) {
    if (bytes % 4 || bytes <= 4 * HEADER_WORDS || bytes > PROGRAM_BYTES) {
        return ERROR_SIZE;
    }
    program_drop();
    program.total = bytes;
    program.seek_word = HEADER_WORDS;
    return ERROR_NONE;
}

// The core takes nothing more of a refused program, so its feeds would hold their slots for ever: reset it.
static void refuse(enum Status why) {
    leds_error();
    core_reset();
    images_dropped();
    program.verdict = why;
}

// Follow the sections' headers to the last layer, whose channels are the classes.
static void walk(unsigned word, unsigned words) {
    uint32_t first = program.received / 4;
    while (program.seek_word - first < words) {
        uint32_t value = packet_read(word + program.seek_word - first);
        if (program.seek == SECTION_HEAD) {
            program.head = value;
            program.seek_word++;
            program.seek = SECTION_COUNT;
        } else if (program.seek == SECTION_COUNT) {
            uint32_t start = GET(SECTION_START, program.head), body = program.seek_word + 1;
            uint32_t last = (program.layers - 1u) * LAYER_WORDS + LAYER_CHANNELS_WORD;
            // A section beyond the image, which the core refuses, must not wrap to words that were seen.
            program.next_section = body + (value < program.total ? value : program.total);
            program.seek_word = program.next_section;
            program.seek = SECTION_HEAD;
            if (GET(SECTION_TARGET, program.head) == TARGET_LAYERS && last - start < value) {
                program.seek_word = body + last - start;
                program.seek = LAST_CHANNELS;
            }
        } else {
            program.classes = GET(LAYER_CHANNELS, value);
            program.seek_word = program.next_section;
            program.seek = SECTION_HEAD;
        }
    }
}

static enum Error read_header(unsigned word) {
    uint32_t sizes = packet_read(word + HEADER_IMAGE_HALF_WORD);
    uint32_t channels = GET(HEADER_IMAGE_CHANNELS, sizes), half = GET(HEADER_IMAGE_HALF, sizes);
    program.layers = GET(HEADER_LAYERS, sizes);
    program.channels = channels;
    program.half = half;
    program.image_bytes = channels * 4 * half * half;
    if (!program.image_bytes || program.image_bytes > LARGEST_IMAGE) {
        program_init();
        return ERROR_SIZE;
    }
    return ERROR_NONE;
}

bool program_fragment(const struct Program *frame, unsigned length, unsigned slot, bool *fed, enum Error *error) {
    uint32_t rest = program.total - program.received;
    unsigned word = link_word(slot) + sizeof *frame / 4;
    *error = ERROR_NONE;
    if (!rest || frame->offset != program.received || length != (rest < PAYLOAD_BYTES ? rest : PAYLOAD_BYTES)) {
        *error = ERROR_SIZE;
        return true;
    }
    if (!program.verdict) {
        if (!core_can_feed()) {
            return false;
        }
        if (!program.received) {
            *error = read_header(word);
            if (*error) {
                return true;
            }
        }
        walk(word, length / 4);
        program.check = packet_read(word + length / 4 - 1);
        core_feed(word, length, SINK_PROGRAM, slot);
        *fed = true;
    }
    program.received += length;
    return true;
}

void program_poll(void) {
    if (!program.total || program.loaded || program.verdict) {
        return;
    }
    unsigned status = core_read(CORE_STATUS);
    if (status > STATUS_READY) {
        refuse(status);
    } else if (status == STATUS_READY) {
        // The core has all that its header announced. Feeds that are still not done a turn later never will be.
        core_poll();
        bool surplus = program.received < program.total || (program.late && !core_fed());
        program.late = true;
        if (surplus || (core_fed() && (!program.classes || program.classes > CLASSES))) {
            refuse(STATUS_BAD_SECTION);
        } else if (core_fed()) {
            program.loaded = true;
        }
    }
}

unsigned program_status(void) {
    if (program.verdict) {
        return program.verdict;
    }
    if (program.loaded) {
        return STATUS_READY;
    }
    return program.received ? STATUS_LOADING : STATUS_NO_PROGRAM;
}

bool program_ready(void) { return program.loaded; }

bool program_refused(void) { return program.verdict != 0; }

uint32_t program_check(void) { return program.loaded ? program.check : 0; }

uint32_t program_image_bytes(void) { return program.loaded ? program.image_bytes : 0; }

unsigned program_image_channels(void) { return program.channels; }

unsigned program_image_half(void) { return program.half; }

unsigned program_classes(void) { return program.classes; }
