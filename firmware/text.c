#include "text.h"
#include "link.h"

static struct {
    unsigned length;
    char buffer[4 * SEND_WORDS] __attribute__((aligned(4)));
} text;

void text_init(void) { text.length = 0; }

static void put(char c) {
    if (text.length < sizeof text.buffer) {
        text.buffer[text.length++] = c;
    }
}

void text_put(const char *from) {
    while (*from) {
        put(*from++);
    }
}

void text_number(uint32_t value, unsigned digits) {
    char reversed[10];
    unsigned count = 0;
    for (; value || count < digits; value /= 10) {
        reversed[count++] = '0' + value % 10;
    }
    while (count) {
        put(reversed[--count]);
    }
}

void text_signed(int32_t value) {
    if (value < 0) {
        put('-');
    }
    text_number(value < 0 ? -(uint32_t)value : (uint32_t)value, 1);
}

void text_hex(uint8_t byte) {
    put("0123456789abcdef"[byte >> 4]);
    put("0123456789abcdef"[byte & 15]);
}

bool text_empty(void) { return text.length == 0; }

void text_poll(void) {
    if (text.length && !link_sending()) {
        link_send_text(text.buffer, text.length);
        text.length = 0;
    }
}
