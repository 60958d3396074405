// The packet protocol: sessions, fragments, polls; what is sent and when.
#pragma once
#include "link.h"

void session_init(void);
void session_boot(void);
void session_poll(void);
bool session_open(void);
uint32_t session_refusals(void);
uint32_t session_count(void);
