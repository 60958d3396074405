// The recurrent block on this computer, under sanitizers. In: words, bytes of the block's data and number of images, the
// data, the images' spikes. Out: 1 or 0, whether it is a block; then each image's map and scores.
#include <stdio.h>
#include <stdlib.h>
#include "recurrent.h"

enum { PIXELS = RECURRENT_MAX_SIDE * RECURRENT_MAX_SIDE };

static void *read_exactly(size_t bytes) {
    // As large as what it holds, so that a byte read beyond it is found.
    void *data = malloc(bytes ? bytes : 1);
    if (!data || fread(data, 1, bytes, stdin) != bytes) {
        fprintf(stderr, "the input ends early\n");
        exit(2);
    }
    return data;
}

int main(void) {
    uint32_t *sizes = read_exactly(2 * sizeof *sizes);
    void *data = read_exactly(sizes[0]);
    struct RecurrentBlock block;
    uint32_t right = recurrent_open(&block, data, sizes[0]);
    fwrite(&right, sizeof right, 1, stdout);
    for (uint32_t image = 0; right && image < sizes[1]; image++) {
        uint32_t pixels = block.header->side * block.header->side, fired[PIXELS];
        int32_t scores[RECURRENT_MAX_CLASSES];
        uint32_t *spikes = read_exactly(pixels * recurrent_words(block.header->inputs) * sizeof *spikes);
        recurrent_run(&block, spikes, fired, scores);
        fwrite(fired, sizeof *fired, pixels, stdout);
        fwrite(scores, sizeof *scores, block.header->classes, stdout);
        free(spikes);
    }
    free(data);
    free(sizes);
    return 0;
}
