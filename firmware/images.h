// Images on their way through the core, and their results.
#pragma once
#include "link.h"

// A result as it is sent: the record and its scores.
struct Scored {
    struct Result record;
    int32_t scores[CLASSES];
};

void images_init(void);
// The core was reset: what was on its way is lost.
void images_dropped(void);
// The session is over: complete the image that is half there with zeros, and drop the scores of all.
void images_abandon(void);
void images_poll(void);
// Take a fragment, as `program_fragment` does.
bool images_fragment(const struct Image *frame, unsigned length, unsigned slot, bool *fed, enum Error *error);
// The host has so many results of this session.
void images_acknowledge(uint16_t results);
// Results of this session.
uint32_t images_results(void);
// Fragments beyond those accepted that there is room for in the results.
unsigned images_room(void);
// Zeros of an abandoned image wait to be fed.
bool images_padding(void);
// Whether nothing is on its way.
bool images_idle(void);
// The next result to send, 0 if there is none; its size in bytes.
const struct Scored *images_next_result(unsigned *bytes);
void images_result_sent(void);
// Send again all that the host does not have.
void images_rewind(void);
// Results of all sessions.
uint32_t images_counted(void);

// An image of the firmware's own, the probe: begin it (only while `images_idle`), tell what was fed of it, and ask for
// its scores: 0 until they are there.
void images_probe(void);
void images_probe_fed(unsigned bytes);
bool images_probing(void);
const int32_t *images_probe_scores(void);
