// Firmware of the simulation that measures the recurrent block: every image of every block, told on the LEDs.
#include "board.h"
#include "recurrent.h"

void firmware_boot(uint32_t memory_fault);
void firmware_turn(void);

enum {
    DIGIT_BITS = 3,
    DIGITS = 11,  // of a word, the lowest first
    PIXELS = RECURRENT_MAX_SIDE * RECURRENT_MAX_SIDE,
};

// Words: number of blocks; for each, the bytes of its data and the number of images, its data, the images' spikes.
extern const uint32_t recurrent_data[];

static uint32_t fired[PIXELS];
static int32_t scores[RECURRENT_MAX_CLASSES];
static uint32_t turn;

// Three bits at a time; the fourth LED turns over with each digit.
static void tell(uint32_t word) {
    for (uint32_t digit = 0; digit < DIGITS; digit++, word >>= DIGIT_BITS) {
        turn ^= 1 << DIGIT_BITS;
        csr_write(CSR_LEDS, turn | (word & ((1 << DIGIT_BITS) - 1)));
    }
}

static void measure(const struct RecurrentBlock *block, const uint32_t *spikes) {
    const struct RecurrentHeader *header = block->header;
    uint32_t begin = csr_read(CSR_TIME_LOW);
    recurrent_run(block, spikes, fired, scores);
    tell(csr_read(CSR_TIME_LOW) - begin);
    for (uint32_t pixel = 0; pixel < (uint32_t)header->side * header->side; pixel++) {
        tell(fired[pixel]);
    }
    for (uint32_t class = 0; class < header->classes; class++) {
        tell(scores[class]);
    }
}

void firmware_boot(uint32_t memory_fault) {
    const uint32_t *at = recurrent_data;
    tell(memory_fault);
    for (uint32_t blocks = *at++; blocks; blocks--) {
        uint32_t bytes = *at++, images = *at++;
        struct RecurrentBlock block = {0};
        bool right = recurrent_open(&block, at, bytes);
        at += (bytes + 3) / 4;
        tell(right);
        for (; right && images; images--) {
            measure(&block, at);
            at += block.header->side * block.header->side * recurrent_words(block.header->inputs);
        }
    }
}

void firmware_turn(void) {}
