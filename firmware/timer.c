#include "timer.h"

static struct {
    uint32_t now;
    uint32_t counted;             // the time up to which microseconds were counted
    uint32_t seconds, microseconds;
} timer;

void timer_init(void) { memset(&timer, 0, sizeof timer); }

void timer_poll(void) {
    uint32_t rate = csr_read(CSR_CLOCK_HZ) / 1000000;
    timer.now = csr_read(CSR_TIME_LOW);
    uint32_t passed = (timer.now - timer.counted) / rate;
    timer.counted += passed * rate;
    timer.microseconds += passed;
    if (timer.microseconds >= 1000000) {
        timer.microseconds -= 1000000;
        timer.seconds++;
    }
}

uint32_t timer_now(void) { return timer.now; }

uint32_t timer_seconds(void) { return timer.seconds; }

uint32_t timer_microseconds(void) { return timer.microseconds; }
