#include "leds.h"
#include "program.h"
#include "session.h"
#include "timer.h"

enum { HEARTBEAT_BIT = 25, ALARM_BIT = 23 };  // of the time in clock cycles
enum { ALL = (1 << LEDS) - 1 };

static struct {
    bool error, held;
    uint32_t wanted, shown;
} leds;

void leds_init(void) {
    memset(&leds, 0, sizeof leds);
}

void leds_error(void) { leds.error = true; }

void leds_hold(uint32_t wanted) {
    leds.wanted = wanted & ALL;
    leds.held = true;
}

void leds_release(void) { leds.held = false; }

static void show(uint32_t value) {
    if (value != leds.shown) {
        leds.shown = value;
        csr_write(CSR_LEDS, value);
    }
}

void leds_poll(void) {
    uint32_t value = (timer_now() >> HEARTBEAT_BIT & 1) << LED_HEARTBEAT;
    value |= (uint32_t)program_ready() << LED_READY | (uint32_t)session_open() << LED_SESSION;
    value |= (uint32_t)leds.error << LED_ERROR;
    show(leds.held ? leds.wanted : value);
}

void leds_alarm(void) { show(timer_now() >> ALARM_BIT & 1 ? ALL : 0); }
