// The whole core with its own clock: program and pixels come from files, everything worth comparing goes
// to a log, and nothing crosses into Python while it runs.
//
// A log line is nine numbers: kind, cycle, and values, 0 where there are none:
//   0 the array turns to a layer: layer, positions that the array took so far
//   1 the neurons of a layer are done: layer
//   2 spike write: layer, address, mask, words of the four quadrants
//   3 score: value                    4 image's first pixel
//   5 register: offset, value         (read once at the end)
//
// With +spoil=N the core gets N bytes of the first image and a RESET before everything begins anew.
module harness #(
    parameter int ADDRESS_BITS = 12,
    parameter int WORDS_BITS = 48,
    parameter int REGISTERS = 7,
    parameter int REGISTER_BITS = 3,
    parameter int STATUS = 1,
    parameter int RESET = 2,
    parameter int LOADING = 1
) (
    output reg done,
    output reg timed_out
);
    reg clk = 0;
    reg rst = 1;
    reg [63:0] cycle = 0;
    always #1 clk = ~clk;

    string program_file, pixel_file, log_file;
    int program_fd, pixel_fd, log_fd;
    int images, classes, image_bytes, stall, seed, spoil;
    longint limit;
    initial begin
        done = 0;
        timed_out = 0;
        void'($value$plusargs("program=%s", program_file));
        void'($value$plusargs("pixels=%s", pixel_file));
        void'($value$plusargs("log=%s", log_file));
        void'($value$plusargs("images=%d", images));
        void'($value$plusargs("classes=%d", classes));
        void'($value$plusargs("image_bytes=%d", image_bytes));
        void'($value$plusargs("stall=%d", stall));
        void'($value$plusargs("seed=%d", seed));
        void'($value$plusargs("limit=%d", limit));
        void'($value$plusargs("spoil=%d", spoil));
        program_fd = $fopen(program_file, "rb");
        pixel_fd = $fopen(pixel_file, "rb");
        log_fd = $fopen(log_file, "w");
        random = {32'h9e3779b9, seed};
    end

    // xorshift64: the same stalls for the same seed.
    reg [63:0] random;
    function automatic [63:0] next(input [63:0] x);
        x = x ^ (x << 13);
        x = x ^ (x >> 7);
        next = x ^ (x << 17);
    endfunction
    wire hold_program = random[7:0] % 100 < stall;
    wire hold_pixels = random[23:16] % 100 < stall;
    wire hold_scores = random[39:32] % 100 < stall;

    reg program_valid = 0, pixel_valid = 0, score_ready = 0;
    reg [31:0] program_word;
    reg [7:0] pixel;
    wire program_ready, pixel_ready, score_valid;
    wire signed [31:0] score;
    wire [20 + ADDRESS_BITS + WORDS_BITS + 4 - 1:0] trace;
    reg [REGISTER_BITS-1:0] register_address = STATUS;
    wire [31:0] register_data;

    longint pixels_taken = 0, scores_taken = 0, beats = 0, settled = 0;
    reg spoiled = 0;
    wire spoils = spoil > 0 && !spoiled && pixels_taken == longint'(spoil);

    core core (
        .clk(clk), .rst(rst),
        .program__payload(program_word), .program__valid(program_valid), .program__ready(program_ready),
        .pixels__payload(pixel), .pixels__valid(pixel_valid), .pixels__ready(pixel_ready),
        .scores__payload(score), .scores__valid(score_valid), .scores__ready(score_ready),
        .registers__address(spoils ? RESET[REGISTER_BITS-1:0] : register_address), .registers__data(register_data),
        .registers__write(spoils), .registers__value(32'b0),
        .trace(trace)
    );
    wire [7:0] index = trace[7:0];
    wire begins = trace[8];
    wire beat = trace[9];
    wire [7:0] layer = trace[17:10];
    wire ends = trace[18];
    wire write = trace[19];
    wire [ADDRESS_BITS-1:0] address = trace[20 +: ADDRESS_BITS];
    wire [WORDS_BITS-1:0] words = trace[20 + ADDRESS_BITS +: WORDS_BITS];
    wire [3:0] mask = trace[20 + ADDRESS_BITS + WORDS_BITS +: 4];

    localparam int WORD = WORDS_BITS / 4;
    reg reading = 0, finishing = 0;
    byte b0, b1, b2, b3;
    int got;
    always @(posedge clk) begin
        cycle <= cycle + 1;
        rst <= cycle < 4;
        random <= next(random);

        if (!program_valid || program_ready) begin
            program_valid <= 0;
            if (cycle > 8 && !hold_program) begin
                got = $fgetc(program_fd);
                if (got >= 0) begin
                    program_word[7:0] <= got[7:0];
                    got = $fgetc(program_fd);
                    program_word[15:8] <= got[7:0];
                    got = $fgetc(program_fd);
                    program_word[23:16] <= got[7:0];
                    got = $fgetc(program_fd);
                    program_word[31:24] <= got[7:0];
                    program_valid <= 1;
                end
            end
        end

        if (pixel_valid && pixel_ready) begin
            if (pixels_taken % longint'(image_bytes) == 0 && (spoiled || spoil == 0))
                $fwrite(log_fd, "4 %0d 0 0 0 0 0 0 0\n", cycle);
            pixels_taken <= pixels_taken + 1;
        end
        if (!pixel_valid || pixel_ready) begin
            pixel_valid <= 0;
            if (cycle > 8 && !hold_pixels && (spoiled || spoil == 0 || pixels_taken + pixel_valid < longint'(spoil))) begin
                got = $fgetc(pixel_fd);
                if (got >= 0) begin
                    pixel <= got[7:0];
                    pixel_valid <= 1;
                end
            end
        end

        score_ready <= !hold_scores;
        if (score_valid && score_ready) begin
            $fwrite(log_fd, "3 %0d %0d 0 0 0 0 0 0\n", cycle, score);
            scores_taken <= scores_taken + 1;
        end

        if (beat) beats <= beats + 1;
        if (begins) $fwrite(log_fd, "0 %0d %0d %0d 0 0 0 0 0\n", cycle, index, beats);
        if (ends) $fwrite(log_fd, "1 %0d %0d 0 0 0 0 0 0\n", cycle, layer);
        if (write)
            $fwrite(log_fd, "2 %0d %0d %0d %0d %0d %0d %0d %0d\n", cycle, layer, address, mask,
                    words[0 +: WORD], words[WORD +: WORD], words[2 * WORD +: WORD], words[3 * WORD +: WORD]);

        // A while after the last score, so that one too many is seen.
        if (scores_taken >= longint'(images) * classes && cycle > 16 && (images > 0 || register_data == LOADING + 1))
            settled <= settled + 1;

        if (finishing) begin
            // The register file answers a cycle after the address.
            reading <= 1;
            if (reading) begin
                $fwrite(log_fd, "5 %0d %0d %0d 0 0 0 0 0\n", cycle, register_address, register_data);
                reading <= 0;
                register_address <= register_address + 1;
                if (register_address == REGISTERS - 1) begin
                    $fclose(log_fd);
                    done <= 1;
                end
            end
        end else if ((register_data > LOADING + 1) || settled > 100 || cycle > limit) begin
            timed_out <= cycle > limit;
            finishing <= 1;
            register_address <= 0;
        end

        if (spoils) begin
            spoiled <= 1;
            pixels_taken <= 0;
            pixel_valid <= 0;
            program_valid <= 0;
            void'($rewind(program_fd));
            void'($rewind(pixel_fd));
        end
    end
endmodule
