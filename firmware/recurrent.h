// The recurrent block: a cell walks over the pixels of each window, forward and backward, and feeds the neurons.
// Arithmetic and formats are those of sw/onespike/contract/recurrent.py, bit for bit.
#pragma once
#include <stdbool.h>
#include "recurrent_tables.h"

// A block's data in memory, as `RecurrentModel.blob` lays it out: the header, then these arrays in this order.
struct RecurrentBlock {
    const struct RecurrentHeader *header;
    const int16_t *bias;        // [direction][gate][unit]
    const int32_t *class_bias;  // [class]
    const int8_t *drive;        // [direction][gate][unit][input], weights of the spikes
    const int8_t *weight;       // [direction][gate][unit][unit], weights of h
    const int8_t *class_weight; // [class][channel]
};

// Words of a pixel of the input; a pixel of the output is one, a bit per channel.
static inline uint32_t recurrent_words(uint32_t inputs) { return (inputs + 31) / 32; }

// Find the arrays in `bytes` of `data`, which begins at a whole word. False if they are no block.
bool recurrent_open(struct RecurrentBlock *block, const void *data, uint32_t bytes);

// One image. `spikes`: the map before, a pixel after the other in raster order, input n is bit n % 32 of its word n / 32.
// `fired`: the block's own map, one word per pixel. `scores`: one per class.
void recurrent_run(const struct RecurrentBlock *block, const uint32_t *spikes, uint32_t *fired, int32_t *scores);
