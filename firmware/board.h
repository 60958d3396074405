// Access to what the CPU's bus reaches. Natively a test provides `board_read` and `board_write`.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "contract.h"

#ifdef NATIVE
uint32_t board_read(uint32_t address);
void board_write(uint32_t address, uint32_t value);
#else
static inline uint32_t board_read(uint32_t address) { return *(volatile uint32_t *)address; }
static inline void board_write(uint32_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
#endif

// Value of a field in its word, and the word with nothing but that field, whose value must fit it.
#define GET(field, word) ((word) >> field##_SHIFT & field##_MASK)
#define PUT(field, value) ((uint32_t)(value) << field##_SHIFT)

#ifdef NATIVE
static inline uint32_t csr_read(uint32_t offset) { return board_read(CSR_BASE + 4 * offset); }
static inline void csr_write(uint32_t offset, uint32_t value) { board_write(CSR_BASE + 4 * offset, value); }
#else
// The entry code leaves CSR_BASE in tp, which saves an instruction at every access. `offset` must be a constant.
static inline __attribute__((always_inline)) uint32_t csr_read(uint32_t offset) {
    uint32_t value;
    __asm__ volatile("lw %0, %1(tp)" : "=r"(value) : "i"(4 * offset));
    return value;
}
static inline __attribute__((always_inline)) void csr_write(uint32_t offset, uint32_t value) {
    __asm__ volatile("sw %z0, %1(tp)" : : "rJ"(value), "i"(4 * offset));
}
#endif
static inline uint32_t core_read(uint32_t offset) { return board_read(CORE_BASE + 4 * offset); }
static inline uint32_t packet_read(uint32_t word) { return board_read(PACKETS_BASE + 4 * word); }
static inline void packet_write(uint32_t word, uint32_t value) { board_write(PACKETS_BASE + 4 * word, value); }

// The firmware's part of the packet memory: what is being sent, and pixels of the self-test's image.
enum { SEND_WORDS = 128, SCRATCH_WORD = SEND_WORD + SEND_WORDS, SCRATCH_WORDS = 64 };
_Static_assert(SCRATCH_WORD + SCRATCH_WORDS <= PACKET_WORDS, "the firmware's part of the packet memory is too small");
_Static_assert(RESULTS > WINDOW, "the first window of an idle session must fit the results");

void *memcpy(void *to, const void *from, __SIZE_TYPE__ count);
void *memset(void *to, int value, __SIZE_TYPE__ count);
