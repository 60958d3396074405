#include "host.h"

#include <string.h>

#include "contract.h"
#include "model.h"

// An input is a list of steps: a byte that chooses, and what it needs. Frames take a length and bytes, of which the
// host corrects session and sequence unless told not to, so that an input without much thought gets far.
enum Step { FRAME, RAW_FRAME, TURNS, WAIT, REBOOT, DAMAGED, IMAGE, PROGRAM, STEPS };

static struct {
    uint8_t session;
    uint16_t expected;
    unsigned seen[256];
} host;

static unsigned scores(const uint8_t *pixels, unsigned count, int32_t *scores, uint32_t *spikes) {
    *spikes = 0;
    for (unsigned i = 0; i < HOST_CLASSES; i++) {
        scores[i] = -(int32_t)i;
    }
    for (unsigned i = 0; i < count; i++) {
        scores[i % HOST_CLASSES] += pixels[i];
        *spikes += pixels[i] & 1;
    }
    return HOST_CLASSES;
}

static uint32_t crc32(const uint32_t *words, unsigned count) {
    uint32_t crc = ~0u;
    for (unsigned i = 0; i < 32 * count; i++) {
        crc = crc >> 1 ^ ((crc ^ words[i / 32] >> i % 32) & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

enum { LAYERS = 20, PADDING = 200, IMAGE_WORDS = HEADER_WORDS + 2 * SECTION_WORDS + LAYERS * LAYER_WORDS + PADDING + 1 };

// A program image of two fragments.
static void make_program(uint32_t *words) {
    uint32_t *at = words;
    memset(words, 0, 4 * IMAGE_WORDS);
    words[HEADER_MAGIC_WORD] = HOST_MAGIC;
    words[HEADER_VERSION_WORD] = HOST_VERSION;
    words[HEADER_FINGERPRINT_WORD] = HOST_FINGERPRINT;
    words[HEADER_WORDS_WORD] = IMAGE_WORDS;
    words[HEADER_LAYERS_WORD] = LAYERS << HEADER_LAYERS_SHIFT | 3 << HEADER_IMAGE_CHANNELS_SHIFT | 10 << HEADER_IMAGE_HALF_SHIFT;
    at += HEADER_WORDS;
    *at++ = TARGET_METADATA;
    *at++ = PADDING;
    at += PADDING;
    *at++ = TARGET_LAYERS;
    *at++ = LAYERS * LAYER_WORDS;
    at += LAYERS * LAYER_WORDS;
    at[-LAYER_WORDS + LAYER_CHANNELS_WORD] = HOST_CLASSES << LAYER_CHANNELS_SHIFT;
    words[IMAGE_WORDS - 1] = crc32(words, IMAGE_WORDS - 1);
}

static void send(const void *frame, unsigned length) { model_deliver(frame, length, LINK_UART, 0, 0); }

static void send_program(unsigned offset) {
    uint32_t words[IMAGE_WORDS];
    uint8_t frame[sizeof(struct Program) + PAYLOAD_BYTES];
    struct Program head = {KIND_PROGRAM, host.session, host.expected, offset, 0};
    unsigned length = sizeof words - offset < PAYLOAD_BYTES ? sizeof words - offset : PAYLOAD_BYTES;
    make_program(words);
    memcpy(frame, &head, sizeof head);
    memcpy(frame + sizeof head, (uint8_t *)words + offset, length);
    send(frame, sizeof head + length);
}

static void send_image(unsigned offset, uint16_t results) {
    uint8_t frame[sizeof(struct Image) + PAYLOAD_BYTES] = {0};
    struct Image head = {KIND_IMAGE, host.session, host.expected, host.expected, offset, results};
    unsigned length = HOST_IMAGE_BYTES - offset < PAYLOAD_BYTES ? HOST_IMAGE_BYTES - offset : PAYLOAD_BYTES;
    memcpy(frame, &head, sizeof head);
    send(frame, sizeof head + length);
}

const char *host_look(void) {
    uint8_t bytes[4096];
    unsigned text, link, port, length;
    uint32_t address;
    while ((length = model_sent(bytes, &text, &link, &address, &port))) {
        if (text) {
            continue;
        }
        unsigned kind = bytes[0];
        host.seen[kind]++;
        if (kind == KIND_OPENED) {
            host.session = bytes[1];
            host.expected = 0;
        } else if (kind == KIND_STATE) {
            struct State state;
            memcpy(&state, bytes, sizeof state);
            host.expected = state.session == host.session ? state.expected : host.expected;
            if ((uint16_t)(state.limit - state.expected) > WINDOW) {
                return "a limit beyond the window";
            }
        } else if (kind == KIND_RESULT) {
            struct Result result;
            memcpy(&result, bytes, sizeof result);
            if (length != sizeof result + 4 * result.classes) {
                return "a result of a wrong length";
            }
        } else if (kind != KIND_REFUSED && kind != KIND_REPLY) {
            return "a frame that no board sends";
        }
    }
    return 0;
}

unsigned host_seen(unsigned kind) { return host.seen[kind]; }

static void turns(unsigned count) {
    while (count--) {
        model_turns(1);
        host_look();
    }
}

void host_start(int loaded) {
    memset(&host, 0, sizeof host);
    model_reset(CONTRACT_ID, 100000000, 1000000, HOST_MAGIC, HOST_VERSION, HOST_FINGERPRINT, scores);
    if (loaded) {
        struct Open open = {KIND_OPEN, PROTOCOL, 0, 0};
        struct Request load = {KIND_REQUEST, 0, 0, COMMAND_LOAD, 4 * IMAGE_WORDS};
        send(&open, sizeof open);
        turns(5);
        load.session = host.session;
        send(&load, sizeof load);
        turns(5);
        send_program(0);
        turns(5);
        send_program(PAYLOAD_BYTES);
        turns(20);
    }
}

// The next byte of the input, zeros at its end.
static unsigned next(const uint8_t **at, const uint8_t *end) { return *at < end ? *(*at)++ : 0; }

static void send_bytes(const uint8_t *bytes, unsigned length, int raw) {
    uint8_t frame[sizeof(struct Image) + PAYLOAD_BYTES];
    if (length < 4) {
        return;  // the link refuses it
    }
    memcpy(frame, bytes, length);
    if (!raw) {
        frame[1] = frame[0] == KIND_OPEN ? PROTOCOL : host.session;
        if (frame[0] == KIND_IMAGE || frame[0] == KIND_PROGRAM) {
            frame[2] = host.expected;
            frame[3] = host.expected >> 8;
        }
    }
    // Another peer now and then.
    unsigned link = raw ? bytes[1] >> 7 : LINK_UART;
    model_deliver(frame, length, link, link ? 0x0A000001 : 0, link ? 4000 : 0);
}

void host_run(const uint8_t *input, size_t size) {
    const uint8_t *at = input, *end = input + size;
    while (at < end) {
        unsigned step = next(&at, end), argument = next(&at, end);
        switch (step % STEPS) {
        case FRAME:
        case RAW_FRAME: {
            unsigned length = argument < 0xF0 ? argument : 16 + 1024 - (argument & 15);
            if (length > sizeof(struct Image) + PAYLOAD_BYTES) {
                length = sizeof(struct Image) + PAYLOAD_BYTES;
            }
            if (length > (size_t)(end - at)) {
                length = end - at;
            }
            send_bytes(at, length, step % STEPS == RAW_FRAME);
            at += length;
            break;
        }
        case TURNS:
            turns(argument % 32);
            break;
        case WAIT:
            model_wait((uint64_t)argument << 20);
            break;
        case REBOOT:
            if (argument == 0xAA) {  // seldom, for it takes long
                model_boot();
            }
            break;
        case DAMAGED:
            model_damaged();
            break;
        case IMAGE:
            send_image(argument & 1 ? PAYLOAD_BYTES : 0, argument >> 1);
            break;
        default:
            send_program(argument & 1 ? PAYLOAD_BYTES : 0);
        }
        turns(1);
    }
    turns(20);
}
