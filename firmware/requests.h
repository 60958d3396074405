// Commands of the host and their replies.
#pragma once
#include "link.h"

void requests_init(void);
// A new session: its first request is new, whatever its number.
void requests_forget(void);
void requests_take(const struct Request *request);
// The reply to send, 0 if there is none; its size in bytes.
const void *requests_reply(unsigned *bytes);
void requests_reply_sent(void);
void requests_poll(void);
