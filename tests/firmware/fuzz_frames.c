// Frames of any bytes in any order: nothing is written where it must not be, and what is sent is well-formed.
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) {
        return 0;
    }
    host_start(data[0] & 1);
    host_run(data + 1, size - 1);
    const char *wrong = host_look();
    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
    return 0;
}
