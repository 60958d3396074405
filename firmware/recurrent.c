#include "recurrent.h"
#include <stddef.h>

enum {
    HIDDEN = RECURRENT_MAX_HIDDEN,
    CHANNELS = RECURRENT_DIRECTIONS * HIDDEN,
    WINDOW = 3 * RECURRENT_MAX_SIDE / 4,  // side of the largest one, a dilated one
    WINDOWS = 4,
    GATES = 4,  // of the largest cell
    PERIOD = sizeof recurrent_omega,
};
_Static_assert(CHANNELS <= 32, "a pixel of the output is one word");

static struct {
    int8_t h[HIDDEN];
    int16_t c[HIDDEN];
    int8_t v[WINDOW * WINDOW][CHANNELS];  // potentials of the window before, at the same places
    uint8_t active[RECURRENT_MAX_INPUTS]; // inputs of the pixel that have a spike
} state;

static uint32_t gates_of(uint32_t cell) { return cell == CELL_LSTM ? 4 : cell == CELL_GRU ? 3 : 1; }

bool recurrent_open(struct RecurrentBlock *block, const void *data, uint32_t bytes) {
    const struct RecurrentHeader *header = data;
    if (bytes < sizeof *header || header->cell > CELL_LSTM || header->carry > WINDOW_CARRY_OMEGA) {
        return false;
    }
    uint32_t inputs = header->inputs, hidden = header->hidden, classes = header->classes, side = header->side;
    if (inputs < 1 || inputs > RECURRENT_MAX_INPUTS || hidden < 1 || hidden > HIDDEN) {
        return false;
    }
    if (classes < 1 || classes > RECURRENT_MAX_CLASSES || side > RECURRENT_MAX_SIDE) {
        return false;
    }
    if (header->window < 1 || header->window > WINDOW || header->window + header->offset != (int)side) {
        return false;
    }
    uint32_t rows = RECURRENT_DIRECTIONS * gates_of(header->cell) * hidden;
    block->header = header;
    block->bias = (const int16_t *)(header + 1);
    block->class_bias = (const int32_t *)(block->bias + rows);  // `rows` is even, so this is a whole word
    block->drive = (const int8_t *)(block->class_bias + classes);
    block->weight = block->drive + rows * inputs;
    block->class_weight = block->weight + rows * hidden;
    return bytes == (uint32_t)(block->class_weight + classes * RECURRENT_DIRECTIONS * hidden - (const int8_t *)data);
}

static int32_t round_shift(int32_t x, int n) { return (x + (1 << n >> 1)) >> n; }

static int32_t look_up(const int8_t *table, int32_t z, int step_shift) {
    int32_t half = RECURRENT_TABLE_SIZE / 2, index = z >> step_shift;
    index = index < -half ? -half : index >= half ? half - 1 : index;
    return table[index + half];
}

static int32_t sigmoid(int32_t z) { return look_up(recurrent_sigmoid, z, RECURRENT_SIGMOID_STEP_SHIFT); }

static int32_t hyperbolic(int32_t z) { return look_up(recurrent_tanh, z, RECURRENT_TANH_STEP_SHIFT); }

// New h of one unit from the drives and recurrent sums of its gates.
static int32_t update(uint32_t cell, uint32_t unit, const int32_t *z, const int32_t *w) {
    if (cell == CELL_RNN) {
        return hyperbolic(z[0] + w[0]);
    }
    if (cell == CELL_GRU) {
        int32_t r = sigmoid(z[0] + w[0]), u = sigmoid(z[1] + w[1]);
        int32_t n = hyperbolic(z[2] + round_shift(r * w[2], RECURRENT_ACTIVATION_SHIFT));
        return round_shift(((1 << RECURRENT_ACTIVATION_SHIFT) - u) * n + u * state.h[unit], RECURRENT_ACTIVATION_SHIFT);
    }
    int32_t i = sigmoid(z[0] + w[0]), f = sigmoid(z[1] + w[1]), g = hyperbolic(z[2] + w[2]), o = sigmoid(z[3] + w[3]);
    int32_t added = i * g * (1 << (RECURRENT_STATE_SHIFT - RECURRENT_ACTIVATION_SHIFT));
    int32_t c = round_shift(f * state.c[unit] + added, RECURRENT_ACTIVATION_SHIFT);
    c = c > INT16_MAX ? INT16_MAX : c < INT16_MIN ? INT16_MIN : c;
    state.c[unit] = c;
    return round_shift(o * hyperbolic(c), RECURRENT_ACTIVATION_SHIFT);
}

// Number of inputs of a pixel that have a spike; `state.active` holds which.
static uint32_t gather(const uint32_t *words, uint32_t inputs) {
    uint32_t count = 0;
    for (uint32_t first = 0; first < inputs; first += 32) {
        uint32_t left = inputs - first < 32 ? inputs - first : 32, bits = *words++;
        for (uint32_t input = first; input < first + left; input++, bits >>= 1) {
            state.active[count] = input;
            count += bits & 1;
        }
    }
    return count;
}

// h of all units after one more pixel, whose `count` spikes were gathered.
static void step(const struct RecurrentBlock *block, uint32_t direction, uint32_t count) {
    uint32_t inputs = block->header->inputs, hidden = block->header->hidden, cell = block->header->cell;
    uint32_t gates = gates_of(cell), row = direction * gates * hidden;
    const uint8_t *end = state.active + count;
    int8_t next[HIDDEN];
    for (uint32_t unit = 0; unit < hidden; unit++, row++) {
        int32_t z[GATES], w[GATES];
        for (uint32_t gate = 0, at = row; gate < gates; gate++, at += hidden) {
            const int8_t *drive = block->drive + at * inputs, *weight = block->weight + at * hidden;
            int32_t sum = 0, product = 0;
            for (const uint8_t *input = state.active; input < end; input++) {
                sum += drive[*input];
            }
            for (uint32_t other = 0; other < hidden; other++) {
                product += weight[other] * state.h[other];
            }
            z[gate] = sum * (1 << RECURRENT_ACTIVATION_SHIFT) + block->bias[at];
            w[gate] = product;
        }
        next[unit] = update(cell, unit, z, w);
    }
    for (uint32_t unit = 0; unit < hidden; unit++) {
        state.h[unit] = next[unit];
    }
}

static int32_t carry_over(uint32_t carry, int32_t v) {
    if (carry == WINDOW_CARRY_LEAK) {
        return (v >> 2) + (v >> 3) + (v >> 5);
    }
    return carry == WINDOW_CARRY_OMEGA ? 2 * recurrent_omega[v & (PERIOD - 1)] : 0;
}

// Potentials of one direction's channels at place `at` of a window; the channels that fire.
static uint32_t fire(const struct RecurrentHeader *header, bool first, uint32_t at, uint32_t direction) {
    int8_t *v = state.v[at] + direction * header->hidden;
    uint32_t fired = 0;
    for (uint32_t unit = 0; unit < header->hidden; unit++) {
        int32_t potential = round_shift(state.h[unit], RECURRENT_ACTIVATION_SHIFT - (RECURRENT_K + 1));
        potential += first ? 0 : carry_over(header->carry, v[unit]);
        v[unit] = potential;
        fired |= (uint32_t)(potential > 1 << RECURRENT_K) << unit;
    }
    return fired << direction * header->hidden;
}

// One direction over a window whose first pixel is `corner`; where it fires is added to `fired`.
static void walk(const struct RecurrentBlock *block, uint32_t direction, bool first, uint32_t corner,
                 const uint32_t *spikes, uint32_t *fired) {
    const struct RecurrentHeader *header = block->header;
    uint32_t size = header->window, words = recurrent_words(header->inputs);
    for (uint32_t unit = 0; unit < header->hidden; unit++) {
        state.h[unit] = state.c[unit] = 0;
    }
    for (uint32_t y = 0; y < size; y++) {
        for (uint32_t x = 0; x < size; x++) {
            uint32_t row = direction ? size - 1 - y : y, column = direction ? size - 1 - x : x;
            uint32_t pixel = corner + row * header->side + column;
            step(block, direction, gather(spikes + pixel * words, header->inputs));
            fired[pixel] |= fire(header, first, row * size + column, direction);
        }
    }
}

static void classify(const struct RecurrentBlock *block, const uint32_t *fired, int32_t *scores) {
    const struct RecurrentHeader *header = block->header;
    uint32_t pixels = header->side * header->side, channels = RECURRENT_DIRECTIONS * header->hidden;
    for (uint32_t class = 0; class < header->classes; class++) {
        scores[class] = block->class_bias[class];
    }
    for (uint32_t channel = 0; channel < channels; channel++) {
        int32_t count = 0;
        for (uint32_t pixel = 0; pixel < pixels; pixel++) {
            count += fired[pixel] >> channel & 1;
        }
        for (uint32_t class = 0; class < header->classes; class++) {
            scores[class] += block->class_weight[class * channels + channel] * count;
        }
    }
}

void recurrent_run(const struct RecurrentBlock *block, const uint32_t *spikes, uint32_t *fired, int32_t *scores) {
    const struct RecurrentHeader *header = block->header;
    uint32_t pixels = header->side * header->side;
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
        fired[pixel] = 0;
    }
    for (uint32_t window = 0; window < WINDOWS; window++) {
        uint32_t corner = (window >> 1) * header->offset * header->side + (window & 1) * header->offset;
        for (uint32_t direction = 0; direction < RECURRENT_DIRECTIONS; direction++) {
            walk(block, direction, window == 0, corner, spikes, fired);
        }
    }
    classify(block, fired, scores);
}
