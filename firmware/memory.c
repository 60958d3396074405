// What the compiler may call in a freestanding program.
#include "board.h"

__attribute__((used)) void *memcpy(void *to, const void *from, __SIZE_TYPE__ count) {
    uint8_t *out = to;
    const uint8_t *in = from;
    while (count--) {
        *out++ = *in++;
    }
    return to;
}

__attribute__((used)) void *memset(void *to, int value, __SIZE_TYPE__ count) {
    uint8_t *out = to;
    while (count--) {
        *out++ = value;
    }
    return to;
}
