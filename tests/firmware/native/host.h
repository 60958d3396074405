// A host for tests in C: a small program image, frames in the right session and order, and inputs that steer it.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    HOST_MAGIC = 0x4B505331,
    HOST_VERSION = 2,
    HOST_FINGERPRINT = 0x12345678,
    HOST_CLASSES = 3,
    HOST_IMAGE_BYTES = 3 * 4 * 10 * 10,  // two fragments
};

// Power up and boot. `loaded`: with the program.
void host_start(int loaded);
// Work through an input: frames of all kinds with given bytes, turns, resets. See host.c for its form.
void host_run(const uint8_t *input, size_t size);
// What the board sent is read and looked at; 0 or why it is wrong.
const char *host_look(void);
// Frames of a kind that came since `host_start`.
unsigned host_seen(unsigned kind);
