#include "images.h"
#include "core.h"
#include "program.h"
#include "timer.h"

enum { ZEROS = 8192 };  // most of a feed of zeros

static struct {
    uint32_t offset;              // bytes of the image that is half there
    uint32_t pad;                 // zeros that an abandoned image still needs
    uint32_t begun, completed, acknowledged, sent;  // of this session, not modulo 2**16
    uint32_t stale;               // images on their way whose scores nobody wants
    bool probe, probed;           // an image of the firmware's own is on its way; its scores are there
    uint32_t count;               // scores read of the oldest image on its way
    uint32_t core_images;         // the core's IMAGES that was seen
    uint32_t counted;
    int32_t scores[CLASSES];
    struct Scored results[RESULTS];
} images;

void images_init(void) { memset(&images, 0, sizeof images); }

void images_dropped(void) {
    images.offset = images.pad = images.stale = images.count = images.core_images = 0;
    images.probe = images.probed = false;
    images.begun = images.completed;
}

void images_abandon(void) {
    if (images.offset) {
        images.pad = program_image_bytes() - images.offset;
        images.offset = 0;
    }
    images.stale += images.begun - images.completed + images.probe;
    images.probe = images.probed = false;
    images.begun = images.completed = images.acknowledged = images.sent = 0;
}

// The scores of the oldest image on its way are complete.
static void finish(void) {
    if (images.stale) {
        images.stale--;
        return;
    }
    if (images.probe) {
        images.probe = false;
        images.probed = true;
        return;
    }
    struct Scored *result = &images.results[images.completed % RESULTS];
    result->record.index = images.completed;
    result->record.latency = timer_now() - result->record.latency;
    result->record.cycles = core_read(CORE_CYCLES);
    result->record.array_cycles = core_read(CORE_ARRAY_CYCLES);
    result->record.weight_waits = core_read(CORE_WEIGHT_WAITS);
    result->record.spikes = csr_read(CSR_SPIKES);
    result->record.classes = images.count;
    memcpy(result->scores, images.scores, 4 * images.count);
    images.completed++;
    images.counted++;
}

void images_poll(void) {
    while (images.pad && core_can_feed()) {
        unsigned zeros = images.pad < ZEROS ? images.pad : ZEROS;
        core_feed_zeros(zeros);
        images.pad -= zeros;
    }
    if (!program_ready() || images_idle()) {
        return;
    }
    while (images.count < program_classes() && csr_read(CSR_SCORES)) {
        images.scores[images.count++] = csr_read(CSR_SCORE);
    }
    // The core's counters are those of this image only once IMAGES tells so.
    if (images.count == program_classes() && core_read(CORE_IMAGES) != images.core_images) {
        images.core_images++;
        finish();
        images.count = 0;
    }
}

bool images_fragment(const struct Image *frame, unsigned length, unsigned slot, bool *fed, enum Error *error) {
    uint32_t rest = program_image_bytes() - images.offset;
    struct Scored *result = &images.results[images.begun % RESULTS];
    *error = ERROR_NONE;
    if (!program_ready()) {
        *error = ERROR_NO_PROGRAM;
        return true;
    }
    if (images.probe || images.pad || !core_can_feed()) {
        return false;
    }
    if (frame->offset != images.offset || length != (rest < PAYLOAD_BYTES ? rest : PAYLOAD_BYTES)) {
        *error = ERROR_SIZE;
        return true;
    }
    if (!images.offset) {
        if (images.begun - images.acknowledged >= RESULTS) {
            return false;
        }
        result->record.kind = KIND_RESULT;
        result->record.session = frame->session;
        result->record.image = frame->image;
        result->record.latency = timer_now();
        images.begun++;
    }
    core_feed(link_word(slot) + sizeof *frame / 4, length, SINK_PIXELS, slot);
    *fed = true;
    images.offset = length == rest ? 0 : images.offset + length;
    return true;
}

void images_acknowledge(uint16_t results) {
    uint16_t more = results - images.acknowledged;
    if (more <= images.completed - images.acknowledged) {
        images.acknowledged += more;
        if (images.sent < images.acknowledged) {
            images.sent = images.acknowledged;
        }
    }
}

uint32_t images_results(void) { return images.completed; }

unsigned images_room(void) {
    uint32_t bytes = program_image_bytes();
    unsigned fragments = (bytes + PAYLOAD_BYTES - 1) / PAYLOAD_BYTES;
    unsigned begun = images.offset ? (bytes - images.offset + PAYLOAD_BYTES - 1) / PAYLOAD_BYTES : 0;
    return begun + fragments * (RESULTS - (images.begun - images.acknowledged));
}

bool images_padding(void) { return images.pad != 0; }

bool images_idle(void) { return images.begun == images.completed && !images.stale && !images.probe; }

const struct Scored *images_next_result(unsigned *bytes) {
    const struct Scored *result = &images.results[images.sent % RESULTS];
    if (images.sent == images.completed) {
        return 0;
    }
    *bytes = sizeof result->record + 4 * result->record.classes;
    return result;
}

void images_result_sent(void) { images.sent++; }

void images_rewind(void) { images.sent = images.acknowledged; }

uint32_t images_counted(void) { return images.counted; }

void images_probe(void) {
    images.probe = true;
    images.probed = false;
}

void images_probe_fed(unsigned bytes) {
    images.offset += bytes;
    if (images.offset == program_image_bytes()) {
        images.offset = 0;
    }
}

bool images_probing(void) { return images.probe; }

const int32_t *images_probe_scores(void) { return images.probed ? images.scores : 0; }
