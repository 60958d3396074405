#include "requests.h"
#include "images.h"
#include "leds.h"
#include "program.h"
#include "selftest.h"
#include "session.h"

static struct {
    bool known, testing, due;     // a request came; its self-test still runs; its reply is to be sent
    struct {
        struct Reply record;
        uint32_t words[COUNTERS];
    } reply;
} requests;

void requests_init(void) { memset(&requests, 0, sizeof requests); }

void requests_forget(void) { requests_init(); }

static void count(uint32_t *words) {
    words[COUNTER_UPTIME_LOW] = csr_read(CSR_TIME_LOW);
    words[COUNTER_UPTIME_HIGH] = csr_read(CSR_TIME_HIGH);
    words[COUNTER_IMAGES] = images_counted();
    words[COUNTER_CYCLES] = core_read(CORE_CYCLES);
    words[COUNTER_ARRAY_CYCLES] = core_read(CORE_ARRAY_CYCLES);
    words[COUNTER_WEIGHT_WAITS] = core_read(CORE_WEIGHT_WAITS);
    words[COUNTER_SPIKES] = csr_read(CSR_SPIKES);
    words[COUNTER_RX_FRAMES] = csr_read(CSR_RX_FRAMES);
    words[COUNTER_RX_DAMAGED] = csr_read(CSR_RX_DAMAGED);
    words[COUNTER_RX_DROPPED] = csr_read(CSR_RX_DROPPED);
    words[COUNTER_TX_FRAMES] = link_frames_sent();
    words[COUNTER_REFUSALS] = session_refusals();
    words[COUNTER_SESSIONS] = session_count();
    words[COUNTER_WATCHDOG_RESETS] = csr_read(CSR_WATCHDOG_RESETS);
}

void requests_take(const struct Request *request) {
    struct Reply *reply = &requests.reply.record;
    if (requests.testing) {
        return;  // answered when the test is over; what else is asked meanwhile the host asks again
    }
    requests.due = true;
    if (requests.known && request->number == reply->number) {
        return;
    }
    requests.known = true;
    *reply = (struct Reply){KIND_REPLY, request->session, request->number, ERROR_NONE, 0};
    switch (request->command) {
    case COMMAND_COUNTERS:
        count(requests.reply.words);
        reply->words = COUNTERS;
        break;
    case COMMAND_LOAD:
        reply->error = program_expect(request->argument);
        break;
    case COMMAND_RESET:
        program_drop();
        break;
    case COMMAND_SELFTEST:
        if (!images_idle()) {
            reply->error = ERROR_WORKING;
            break;
        }
        selftest_begin(request->argument);
        requests.testing = true;
        requests.due = false;
        break;
    case COMMAND_LEDS:
        leds_hold(request->argument);
        break;
    default:
        reply->error = ERROR_UNKNOWN;
    }
}

const void *requests_reply(unsigned *bytes) {
    *bytes = sizeof requests.reply.record + 4 * requests.reply.record.words;
    return requests.due ? &requests.reply : 0;
}

void requests_reply_sent(void) { requests.due = false; }

void requests_poll(void) {
    if (requests.testing && selftest_done()) {
        requests.testing = false;
        requests.due = true;
        requests.reply.words[0] = selftest_failed();
        requests.reply.record.words = 1;
    }
}
