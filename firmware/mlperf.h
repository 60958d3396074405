// The serial protocol of MLPerf Tiny's runner, as text on the UART while no session is open.
#pragma once
#include "board.h"

// Take text: no session is open any more.
void mlperf_start(void);
// Take no text and give all up: a session was opened.
void mlperf_stop(void);
void mlperf_poll(void);
