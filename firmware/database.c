#include "database.h"
#include "program.h"

enum { ALL_SLOTS = (1u << SLOTS) - 1, OTHER_SLOTS = ALL_SLOTS & ~((1u << DATABASE_SLOTS) - 1) };

static struct {
    uint32_t bytes, filled;       // expected, 0 if none is held; there
    uint32_t patch, channels;     // of the program's image; patch 0: bytes stay in order
    uint32_t side;                // its positions in a row
} database;

void database_init(void) { memset(&database, 0, sizeof database); }

void database_claim(uint32_t bytes) {
    database_init();
    csr_write(CSR_RX_USE, OTHER_SLOTS);
    database.bytes = bytes;
    if (program_image_bytes() == bytes) {
        database.channels = program_image_channels();
        database.side = 2 * program_image_half();
        for (database.patch = 4; database.patch; database.patch /= 2) {
            if (database.channels == 3 * database.patch * database.patch) {
                return;
            }
        }
    }
}

void database_release(void) {
    if (database.bytes) {
        database_init();
        csr_write(CSR_RX_USE, ALL_SLOTS);
    }
}

bool database_held(void) { return database.bytes != 0; }

bool database_complete(void) { return database.bytes && database.filled == database.bytes; }

uint32_t database_bytes(void) { return database.bytes; }

// Place of a raster byte (row, column, colour) in the core's order (position, row in patch, column in patch, colour).
static uint32_t place(uint32_t index) {
    uint32_t p = database.patch;
    if (!p) {
        return index;
    }
    uint32_t pixel = index / 3, row = pixel / (p * database.side), column = pixel % (p * database.side);
    uint32_t position = row / p * database.side + column / p;
    return position * database.channels + (row % p * p + column % p) * 3 + index % 3;
}

void database_put(uint8_t byte) {
    uint32_t at = place(database.filled++), shift = 8 * (at % 4), word = packet_read(at / 4);
    packet_write(at / 4, (word & ~(0xFFu << shift)) | (uint32_t)byte << shift);
}

uint8_t database_get(uint32_t index) {
    uint32_t at = place(index);
    return packet_read(at / 4) >> 8 * (at % 4);
}
