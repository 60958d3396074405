// Any bytes as text over the UART, and a session that comes in between.
#include "contract.h"
#include "host.h"
#include "model.h"

enum { PIECE = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) {
        return 0;
    }
    uint8_t how = data[0];
    host_start(how & 1);
    struct Close close = {KIND_CLOSE, 1, 0};
    model_deliver((const uint8_t *)&close, sizeof close, LINK_UART, 0, 0);
    model_turns(4);
    for (size_t at = 1; at < size; at += PIECE) {
        model_text(data + at, size - at < PIECE ? size - at : PIECE);
        model_turns(8);
        host_look();
    }
    if (how & 2) {
        struct Open open = {KIND_OPEN, PROTOCOL, 0, 99};
        model_deliver((const uint8_t *)&open, sizeof open, LINK_UDP, 1, 2);
    }
    model_turns(50);
    host_look();
    return 0;
}
