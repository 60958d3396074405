#include "selftest.h"
#include "core.h"
#include "images.h"
#include "leds.h"
#include "program.h"

static struct {
    uint32_t failed, memories;    // masks of SelfTest: of all tests, of the memories at boot
    uint32_t check;               // CRC-32 that the scores must have
    uint32_t fed;                 // bytes of the image
    bool running;
} selftest;

#ifdef NATIVE
enum { ROM_WORDS = ROM_BYTES / 4 };
#else
extern const uint32_t rom_words[];  // the linker's: an address that is the number of words
#define ROM_WORDS ((uint32_t)rom_words)
#endif

// The build chooses the last word so that this is zero.
static bool rom_failed(void) {
    uint32_t sum = 0;
    for (uint32_t word = 0; word < ROM_WORDS; word++) {
        sum = (sum << 1 | sum >> 31) + board_read(ROM_BASE + 4 * word);
    }
    return sum != 0;
}

// Every word holds a pattern of its own, then the inverse of it.
static bool packets_failed(void) {
    uint32_t failed = 0, invert = 0;
    do {
        for (uint32_t word = 0; word < PACKET_WORDS; word++) {
            packet_write(word, word * 0x9E3779B9u ^ invert);
        }
        for (uint32_t word = 0; word < PACKET_WORDS; word++) {
            failed |= packet_read(word) ^ word * 0x9E3779B9u ^ invert;
        }
        invert = ~invert;
    } while (invert);
    return failed != 0;
}

void selftest_init(void) { memset(&selftest, 0, sizeof selftest); }

void selftest_boot(bool ram_failed) {
    csr_write(CSR_RX_USE, 0);
    selftest.memories = (uint32_t)ram_failed << SELF_TEST_RAM | (uint32_t)packets_failed() << SELF_TEST_PACKETS;
    csr_write(CSR_RX_USE, (1u << SLOTS) - 1);
    csr_write(CSR_WATCHDOG, 1);  // both tests together take longer than a quick watchdog waits
    selftest.failed = selftest.memories | (uint32_t)rom_failed() << SELF_TEST_ROM;
    if (selftest.failed) {
        leds_error();
    }
}

uint32_t selftest_failed(void) { return selftest.failed; }

bool selftest_done(void) { return !selftest.running; }

void selftest_begin(uint32_t check) {
    selftest.failed = selftest.memories | (uint32_t)rom_failed() << SELF_TEST_ROM;
    if (program_refused()) {
        selftest.failed |= 1u << SELF_TEST_TABLE;
    } else if (!program_ready()) {
        selftest.failed |= 1u << SELF_TEST_NO_PROGRAM;
    } else {
        selftest.check = check;
        selftest.fed = 0;
        selftest.running = true;
        images_probe();
    }
}

static uint32_t crc32(const void *data, unsigned bytes) {
    const uint8_t *at = data;
    uint32_t crc = ~0u;
    while (bytes--) {
        crc ^= *at++;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}

// Write the next pixels of the image by formula and feed them.
static void feed(uint32_t rest) {
    unsigned bytes = rest < 4 * SCRATCH_WORDS ? rest : 4 * SCRATCH_WORDS;
    for (unsigned at = 0; at < bytes; at += 4) {
        uint32_t word = 0;
        for (unsigned lane = 0; lane < 4; lane++) {
            uint32_t i = selftest.fed + at + lane;
            word |= SELFTEST_BYTE(i) << 8 * lane;
        }
        packet_write(SCRATCH_WORD + at / 4, word);
    }
    core_feed(SCRATCH_WORD, bytes, SINK_PIXELS, NO_SLOT);
    images_probe_fed(bytes);
    selftest.fed += bytes;
}

void selftest_poll(void) {
    const int32_t *scores = images_probe_scores();
    if (!selftest.running) {
        return;
    }
    if (scores) {
        if (crc32(scores, 4 * program_classes()) != selftest.check) {
            selftest.failed |= 1u << SELF_TEST_IMAGE;
            leds_error();
        }
        selftest.running = false;
    } else if (!images_probing()) {
        selftest.running = false;  // its session is over
    } else if (core_fed() && selftest.fed < program_image_bytes()) {
        feed(program_image_bytes() - selftest.fed);
    }
}
