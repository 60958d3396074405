#include "session.h"
#include "core.h"
#include "images.h"
#include "leds.h"
#include "mlperf.h"
#include "program.h"
#include "requests.h"
#include "timer.h"

static struct {
    bool open;
    uint32_t number;              // as it is told modulo 2**8
    struct Peer peer;
    uint32_t nonce, heard, count, refusals;
    uint32_t expected;            // as it is told modulo 2**16
    bool gap;                     // a fragment beyond `expected` came since that was set
    struct State said;            // the last one sent
    bool state_due, opened_due, refused_due;
    struct Peer refused_peer;
    struct Refused refused;
} session;

void session_init(void) { memset(&session, 0, sizeof session); }

void session_boot(void) {
    // A host that did not notice a reset by the watchdog must not find its number again. The boot record relies on it.
    session.number = csr_read(CSR_WATCHDOG_RESETS) << SESSION_SHIFT;
}

bool session_open(void) { return session.open; }

uint32_t session_refusals(void) { return session.refusals; }

uint32_t session_count(void) { return session.count; }

static void refuse(const struct Peer *to, unsigned kind, unsigned number, enum Error error, uint32_t nonce) {
    session.refused = (struct Refused){KIND_REFUSED, number, kind, error, nonce};
    session.refused_peer = *to;
    session.refused_due = true;
    session.refusals++;
}

static void end(void) {
    if (!program_ready()) {
        program_drop();  // a load that was cut short
    }
    images_abandon();
    requests_forget();
    leds_release();
    session.open = session.state_due = session.opened_due = false;
}

static void close(void) {
    end();
    mlperf_start();
}

static void take_open(const struct Peer *from, const struct Open *frame) {
    bool same = session.open && link_same(from, &session.peer);
    if (frame->version != PROTOCOL) {
        refuse(from, KIND_OPEN, 0, ERROR_VERSION, frame->nonce);
        return;
    }
    if (session.open && !same) {
        refuse(from, KIND_OPEN, 0, ERROR_BUSY, frame->nonce);
        return;
    }
    if (!same || frame->nonce != session.nonce) {
        if (session.open) {
            end();
        } else {
            mlperf_stop();
        }
        session.open = true;
        session.number++;
        session.count++;
        session.peer = *from;
        session.nonce = frame->nonce;
        session.expected = 0;
        session.gap = false;
        session.state_due = true;
    }
    session.opened_due = true;
    session.heard = timer_now();
}

// A fragment; returns whether a feed frees its slot.
static bool take_fragment(const union Frame *frame, unsigned length, unsigned slot) {
    // Kind, session and sequence stand at one place in both.
    int16_t ahead = frame->image.sequence - session.expected;
    bool fed = false, room;
    enum Error error;
    if (ahead < 0) {
        return false;  // it was there before
    }
    if (ahead > 0 || core_fragments() >= WINDOW) {
        // A host that sends beyond the limit must not hold every slot: over which link could another one come?
        room = false;
        error = ERROR_NONE;
    } else if (frame->kind == KIND_IMAGE) {
        room = images_fragment(&frame->image, length - sizeof frame->image, slot, &fed, &error);
    } else {
        room = program_fragment(&frame->program, length - sizeof frame->program, slot, &fed, &error);
    }
    if (!room) {
        session.state_due |= !session.gap;
        session.gap = true;
    } else if (error) {
        refuse(&session.peer, frame->kind, session.number, error, frame->image.sequence);
    } else {
        session.expected++;
        session.gap = false;
    }
    return fed;
}

// Bytes of the host's records, by kind.
static const uint8_t record_bytes[] = {
    [KIND_OPEN] = sizeof(struct Open),
    [KIND_CLOSE] = sizeof(struct Close),
    [KIND_IMAGE] = sizeof(struct Image),
    [KIND_PROGRAM] = sizeof(struct Program),
    [KIND_POLL] = sizeof(struct Poll),
    [KIND_REQUEST] = sizeof(struct Request),
};

// Act on a frame; returns whether a feed frees its slot.
static bool take(const struct Peer *from, const union Frame *frame, unsigned length, unsigned slot) {
    unsigned kind = frame->kind;
    if (!kind || kind >= sizeof record_bytes || length < record_bytes[kind]) {
        return false;
    }
    if (kind == KIND_OPEN) {
        take_open(from, &frame->open);
        return false;
    }
    // The session stands at one place in all others.
    if (!session.open || frame->close.session != (uint8_t)session.number || !link_same(from, &session.peer)) {
        if (kind != KIND_CLOSE) {
            bool fragment = kind == KIND_IMAGE || kind == KIND_PROGRAM;
            refuse(from, kind, frame->close.session, ERROR_NO_SESSION, fragment ? frame->image.sequence : 0);
        }
        return false;
    }
    session.heard = timer_now();
    switch (kind) {
    case KIND_IMAGE:
        images_acknowledge(frame->image.results);
        return take_fragment(frame, length, slot);
    case KIND_PROGRAM:
        return take_fragment(frame, length, slot);
    case KIND_POLL:
        images_acknowledge(frame->poll.results);
        images_rewind();
        session.state_due = true;
        return false;
    case KIND_REQUEST:
        requests_take(&frame->request);
        return false;
    default:
        close();
        return false;
    }
}

static void receive(void) {
    struct Peer from;
    union Frame frame;
    unsigned length, slot = link_receive(&from, &frame, &length);
    if (slot < SLOTS && !take(&from, &frame, length, slot)) {
        link_free(slot);
    }
}

static unsigned limit(void) {
    unsigned busy = core_fragments(), room = busy < WINDOW ? WINDOW - busy : 0;
    if (images_padding()) {
        room = 0;
    } else if (program_ready() && images_room() < room) {
        room = images_room();
    }
    return session.expected + room;
}

static bool state_changed(const struct State *state) {
    return state->expected != session.said.expected || state->limit != session.said.limit ||
           state->status != session.said.status;
}

static void send_opened(void) {
    struct Opened opened = {
        .kind = KIND_OPENED,
        .session = session.number,
        .window = WINDOW,
        .status = program_status(),
        .nonce = session.nonce,
        .fingerprint = core_read(CORE_FINGERPRINT),
        .contract = CONTRACT_ID,
        .program = program_check(),
        .image_bytes = program_image_bytes(),
        .clock_hz = csr_read(CSR_CLOCK_HZ),
    };
    link_send(&session.peer, &opened, sizeof opened);
    session.opened_due = false;
}

// Send the most urgent frame, one at a time: answers, a state that was asked for, results, news of the state.
static void transmit(void) {
    unsigned bytes;
    const void *reply;
    const struct Scored *result;
    if (link_sending()) {
        return;
    }
    if (session.refused_due) {
        session.refused_due = false;
        link_send(&session.refused_peer, &session.refused, sizeof session.refused);
        return;
    }
    if (!session.open) {
        return;
    }
    if (session.opened_due) {
        send_opened();
        return;
    }
    struct State state = {
        .kind = KIND_STATE,
        .session = session.number,
        .status = program_status(),
        .gap = session.gap,
        .expected = session.expected,
        .limit = limit(),
        .results = images_results(),
    };
    if ((reply = requests_reply(&bytes))) {
        link_send(&session.peer, reply, bytes);
        requests_reply_sent();
    } else if (!session.state_due && (result = images_next_result(&bytes))) {
        link_send(&session.peer, result, bytes);
        images_result_sent();
    } else if (session.state_due || state_changed(&state)) {
        session.state_due = false;
        session.said = state;
        link_send(&session.peer, &state, sizeof state);
    }
}

void session_poll(void) {
    if (session.open && timer_now() - session.heard > csr_read(CSR_LEASE)) {
        close();  // its host is gone: others may come, also with text
    }
    receive();
    transmit();
}
