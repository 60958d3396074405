#include "firmware.h"
#include "core.h"
#include "database.h"
#include "images.h"
#include "leds.h"
#include "mlperf.h"
#include "program.h"
#include "requests.h"
#include "selftest.h"
#include "session.h"
#include "timer.h"

static bool agreed;  // gateware and firmware are of one contract

void firmware_boot(bool ram_failed) {
#ifdef NATIVE
    // The variables outlive a boot here; on the board the entry code leaves the RAM zero.
    timer_init();
    leds_init();
    core_init();
    link_init();
    program_init();
    images_init();
    requests_init();
    selftest_init();
    session_init();
    database_init();
#endif
    csr_write(CSR_LEDS, 0);
    agreed = csr_read(CSR_CONTRACT) == CONTRACT_ID;
    if (!agreed) {
        return;
    }
    selftest_boot(ram_failed);
    if (csr_read(CSR_WATCHDOG_RESETS)) {
        leds_error();
    }
    core_reset();
    session_boot();
    mlperf_start();
}

void firmware_turn(void) {
    csr_write(CSR_WATCHDOG, 1);
    timer_poll();
    if (!agreed) {
        leds_alarm();
        return;
    }
    core_poll();
    program_poll();
    images_poll();
    selftest_poll();
    requests_poll();
    session_poll();
    if (!session_open()) {
        mlperf_poll();
    }
    leds_poll();
}
