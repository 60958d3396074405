// The firmware under the address and undefined-behaviour sanitizers: native_test SEED COUNT runs COUNT random inputs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "host.h"
#include "model.h"

static uint64_t state;

static uint32_t draw(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

// Steps that often make sense: kinds of frames that hosts send, images and programs in order.
static size_t make(uint8_t *input, size_t most) {
    size_t size = 0;
    while (size + 32 < most) {
        uint8_t step = draw(), length = 4 + draw() % 20;
        input[size++] = step;
        input[size++] = step % 8 < 2 ? length : draw();
        if (step % 8 < 2) {
            input[size] = 1 + draw() % 7;
            for (unsigned i = 1; i < length; i++) {
                input[size + i] = draw() % 3 ? draw() % 8 : draw();
            }
            size += length;
        }
    }
    return size;
}

// The plain way: a loaded program, an image of two fragments, its result.
static const char *plain(void) {
    static const uint8_t steps[] = {6, 0, 2, 8, 6, 1, 2, 31};
    host_start(1);
    host_run(steps, sizeof steps);
    return host_seen(KIND_RESULT) != 1 ? "no result" : host_seen(KIND_REFUSED) ? "a refusal" : host_look();
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: native_test SEED COUNT\n");
        return 2;
    }
    const char *wrong = plain();
    for (unsigned long i = 0; !wrong && i < strtoul(words[2], 0, 10); i++) {
        static uint8_t input[600];
        state = strtoul(words[1], 0, 10) + i;
        host_start(i % 4 != 0);
        host_run(input, make(input, sizeof input));
        wrong = host_look();
        if (wrong) {
            fprintf(stderr, "seed %lu: ", (unsigned long)(strtoul(words[1], 0, 10) + i));
        }
    }
    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
    }
    return wrong != 0;
}
