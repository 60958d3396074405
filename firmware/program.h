// The program image on its way to the core.
#pragma once
#include "link.h"

void program_init(void);
// Drop the program and reset the core.
void program_drop(void);
// Expect an image of so many bytes; `ERROR_SIZE` if no image has that size, and nothing happens then.
enum Error program_expect(uint32_t bytes);
// Take a fragment of `length` payload bytes at `word`. `*fed` tells whether its slot is freed by a feed. `false`: there is
// no room for it now.
bool program_fragment(const struct Program *frame, unsigned length, unsigned slot, bool *fed, enum Error *error);
void program_poll(void);
// `enum Status` for the host: the core's, or why the program was refused.
unsigned program_status(void);
bool program_ready(void);
// A program was loaded whole, and the core or the firmware refused it.
bool program_refused(void);
// Of the loaded program, 0 without one.
uint32_t program_check(void);
uint32_t program_image_bytes(void);
unsigned program_image_channels(void);
unsigned program_image_half(void);
unsigned program_classes(void);
