// A board for the firmware on this computer: registers, packet memory with its slots, feeds, sending, text, and a core
// that checks programs as the loader does and asks a hook for scores. What the firmware must not do is a fault.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Scores of an image: how many it wrote (at most MODEL_SCORES); `*spikes` is the register's value.
typedef unsigned (*model_scorer)(const uint8_t *pixels, unsigned count, int32_t *scores, uint32_t *spikes);
enum { MODEL_SCORES = 1024 };

// Power up: everything as after the reset button; `magic` and `version` are those of a program image.
void model_reset(uint32_t contract, uint32_t clock, uint32_t lease, uint32_t magic, uint32_t version, uint32_t fingerprint,
                 model_scorer scorer);
// What the watchdog does: CPU and links are reset, the core is not. The firmware boots.
void model_boot(void);
// Words that ROM and RAM tests see.
void model_rom(uint32_t word, uint32_t value);
// Cycles that an image takes in the core after its last byte.
void model_latency(uint32_t cycles);
// A received frame without its CRC; false if no slot is free (it is counted as dropped).
bool model_deliver(const uint8_t *frame, unsigned length, unsigned link, uint32_t address, unsigned port);
// A frame that the link refused.
void model_damaged(void);
// Bytes that come over the UART.
void model_text(const uint8_t *bytes, unsigned length);
// Turns of the main loop.
void model_turns(unsigned turns);
// Let time pass without a turn.
void model_wait(uint64_t cycles);
uint64_t model_time(void);
// The oldest frame or text that was sent: its bytes without CRC (0 if there is none), taken into `bytes`.
unsigned model_sent(uint8_t *bytes, unsigned *text, unsigned *link, uint32_t *address, unsigned *port);
// Words of the program image that the core took.
const uint32_t *model_program(unsigned *count);
uint32_t model_leds(void);
uint32_t model_rx_use(void);
// Turn a bit of the packet memory's word over at every read: a broken memory.
void model_break_packets(uint32_t word);
// The first fault, 0 if there was none. Without `model_keep_faults` a fault aborts.
const char *model_fault(void);
void model_keep_faults(void);
