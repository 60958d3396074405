#include "mlperf.h"
#include "core.h"
#include "database.h"
#include "images.h"
#include "link.h"
#include "program.h"
#include "text.h"
#include "timer.h"

enum {
    MOST_RUNS = 1000,
    PRINTED = 8,                  // bytes in a line of `db print`
    SILENCE = 1 << 20,            // clock cycles
};

// What goes on after the line of a command was read.
enum Job { IDLE, SKIP, CLAIM, PRINT, WARM, TIMED };

static struct {
    enum Job job;
    bool running;                 // an image of this job is in the core
    uint32_t runs, left;          // timed runs; runs of this phase still to do, or bytes to claim
    uint32_t printed;
    uint32_t heard;               // when the last character was skipped
    uint32_t classes;
    int32_t scores[CLASSES];
    uint32_t length;
    char line[TEXT_DEPTH];
} mlperf;

void mlperf_start(void) {
    memset(&mlperf, 0, sizeof mlperf);
    text_init();
    csr_write(CSR_TEXT_ENABLE, 1);
}

void mlperf_stop(void) {
    csr_write(CSR_TEXT_ENABLE, 0);
    database_release();
    images_abandon();
    memset(&mlperf, 0, sizeof mlperf);
    text_init();
}

static void ready(void) { text_put("m-ready\r\n"); }

static void fail(const char *why) {
    text_put("m-error-[");
    text_put(why);
    text_put("]\r\n");
}

static void end_of_line(void) { text_put("\r\n"); }

static void stamp(void) {
    text_put("m-lap-us-");
    if (timer_seconds()) {
        text_number(timer_seconds(), 1);
    }
    text_number(timer_microseconds(), timer_seconds() ? 6 : 1);
    end_of_line();
}

static void print_results(void) {
    text_put("m-results-[");
    for (unsigned i = 0; i < mlperf.classes; i++) {
        if (i) {
            text_put(",");
        }
        text_signed(mlperf.scores[i]);
    }
    text_put("]\r\n");
}

static bool is_equal(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

// Take the next word of the line: it ends with a zero afterwards. "" at the end.
static char *next_word(char **at) {
    while (**at == ' ') {
        ++*at;
    }
    char *word = *at;
    while (**at && **at != ' ') {
        ++*at;
    }
    if (**at) {
        *(*at)++ = 0;
    }
    return word;
}

enum { NO_NUMBER = ~0u };

// A decimal number up to 65535, else NO_NUMBER.
static unsigned number(const char *word) {
    unsigned value = 0;
    if (!*word) {
        return NO_NUMBER;
    }
    for (; *word; word++) {
        unsigned digit = (unsigned char)*word - '0';
        value = 10 * value + digit;
        if (digit > 9 || value > 65535) {
            return NO_NUMBER;
        }
    }
    return value;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 'a' ^ 'A';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void load(const char *word) {
    unsigned bytes = number(word);
    if (!bytes || bytes > DATABASE_BYTES) {
        fail("size");
        return;
    }
    mlperf.left = bytes;
    mlperf.job = CLAIM;
}

// Bytes as pairs of digits; all or none of a line is taken.
static void store(char *digits) {
    unsigned count = 0;
    for (char *at = digits; *at; at += 2) {
        int high = hex(at[0]), low = hex(at[1]);
        if ((high | low) < 0) {
            fail("digits");
            return;
        }
        digits[count++] = high << 4 | low;
    }
    if (!database_held() || database_complete()) {
        fail("db");
        return;
    }
    for (unsigned i = 0; i < count && !database_complete(); i++) {
        database_put(digits[i]);
    }
    if (database_complete()) {
        text_put("m-load-done\r\n");
    }
}

static void infer(char *at) {
    char *timed = next_word(&at), *warm = next_word(&at);
    unsigned runs = number(timed), warmups = *warm ? number(warm) : 10;
    if (!runs || runs > MOST_RUNS || warmups > MOST_RUNS) {
        fail("count");
    } else if (!program_ready()) {
        fail("program");
    } else if (!database_complete()) {
        fail("db");
    } else if (database_bytes() != program_image_bytes()) {
        fail("size");
    } else {
        mlperf.runs = runs;
        mlperf.left = warmups;
        mlperf.job = WARM;
        text_put("m-warmup-start-");
        text_number(warmups, 1);
        end_of_line();
    }
}

static void database_command(char *at) {
    char *word = next_word(&at);
    if (is_equal(word, "load")) {
        load(next_word(&at));
    } else if (is_equal(word, "print")) {
        mlperf.printed = 0;
        mlperf.job = PRINT;
    } else if (*word) {
        store(word);
    } else {
        fail("command");
    }
}

static void run_command(void) {
    char *at = mlperf.line, *word = next_word(&at);
    if (is_equal(word, "name")) {
        text_put("m-name-dut-[onespike]\r\n");
    } else if (is_equal(word, "profile")) {
        text_put("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[ic01]\r\n");
    } else if (is_equal(word, "timestamp")) {
        stamp();
    } else if (is_equal(word, "db")) {
        database_command(at);
    } else if (is_equal(word, "infer")) {
        infer(at);
    } else if (is_equal(word, "results")) {
        if (mlperf.classes) {
            print_results();
        } else {
            fail("results");
        }
    } else if (is_equal(word, "help")) {
        text_put("name profile timestamp db infer results help\r\n");
    } else {
        fail("command");
    }
    if (mlperf.job == IDLE) {
        ready();
    }
}

// Put a character to the line; runs the command when it is whole. A binary frame has bytes that no text has: from such
// a byte on all is skipped, until a zero, which ends frames, the end of a line, or silence.
static void take_character(char c) {
    if (c == 0 || c == '\r' || c == '\n') {
        mlperf.length = 0;
        mlperf.job = IDLE;
    } else if (mlperf.job == SKIP) {
        mlperf.heard = timer_now();
    } else if (c == '%') {
        mlperf.line[mlperf.length] = 0;
        mlperf.length = 0;
        run_command();
    } else if (c < ' ' || c > '~' || mlperf.length == sizeof mlperf.line - 1) {
        mlperf.length = 0;
        mlperf.job = SKIP;
        mlperf.heard = timer_now();
    } else {
        mlperf.line[mlperf.length++] = c;
    }
}

static void print_line(void) {
    uint32_t most = database_complete() ? database_bytes() : 0;
    if (!most) {
        fail("db");
    }
    for (unsigned i = 0; i < PRINTED && mlperf.printed < most; i++) {
        text_put(i ? "-" : "m-buffer-");
        text_hex(database_get(mlperf.printed++));
    }
    if (most) {
        end_of_line();
    }
    if (mlperf.printed == most) {
        mlperf.job = IDLE;
        ready();
    }
}

// Between two runs of a phase: begin the next one, or go on to the next phase.
static void next_run(void) {
    if (mlperf.left) {
        if (images_idle() && !images_padding() && core_can_feed()) {
            mlperf.left--;
            mlperf.running = true;
            images_probe();
            core_feed(0, database_bytes(), SINK_PIXELS, NO_SLOT);
            images_probe_fed(database_bytes());
        }
    } else if (mlperf.job == WARM) {
        text_put("m-warmup-done\r\nm-infer-start-");
        text_number(mlperf.runs, 1);
        end_of_line();
        stamp();
        mlperf.left = mlperf.runs;
        mlperf.job = TIMED;
    } else {
        stamp();
        text_put("m-infer-done\r\n");
        print_results();
        mlperf.job = IDLE;
        ready();
    }
}

static void work(void) {
    switch (mlperf.job) {
    case CLAIM:
        // The slots of feeds that hang are gone already: take no others then.
        if (mlperf.left) {
            if (core_fed()) {
                database_claim(mlperf.left);
                mlperf.left = 0;
            }
        } else if (link_quiet()) {
            text_put("m-[Expecting ");
            text_number(database_bytes(), 1);
            text_put(" bytes]\r\n");
            mlperf.job = IDLE;
            ready();
        }
        break;
    case PRINT:
        print_line();
        break;
    default: {  // WARM, TIMED
        const int32_t *scores = images_probe_scores();
        if (mlperf.running && scores) {
            mlperf.classes = program_classes();
            memcpy(mlperf.scores, scores, 4 * mlperf.classes);
            mlperf.running = false;
        }
        if (!mlperf.running) {
            next_run();
        }
    }
    }
}

void mlperf_poll(void) {
    text_poll();
    if (!text_empty()) {
        return;
    }
    if (mlperf.job > SKIP) {
        work();
        return;
    }
    for (unsigned i = 0; i < TEXT_DEPTH && mlperf.job <= SKIP && text_empty(); i++) {
        uint32_t next = csr_read(CSR_TEXT);
        if (!GET(TEXT_VALID, next)) {
            if (timer_now() - mlperf.heard > SILENCE) {
                mlperf.job = IDLE;
            }
            return;
        }
        take_character(GET(TEXT_BYTE, next));
    }
}
