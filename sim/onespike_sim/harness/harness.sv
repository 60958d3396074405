// The whole core with its own clock: program and pixels come from files, everything worth comparing goes
// to a log, and nothing crosses into Python while it runs.
//
// A log line is six numbers: kind, cycle, and four values:
//   0 layer begins: layer             1 layer ends: layer
//   2 spike write: layer, address, word, mask
//   3 score: value                    4 image's first pixel
//   5 register: offset, value         (read once at the end)
module harness #(
    parameter int ADDRESS_BITS = 12,
    parameter int LANES = 16,
    parameter int MASK_BITS = 1,
    parameter int REGISTERS = 7,
    parameter int REGISTER_BITS = 3,
    parameter int STATUS = 1,
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
    int images, classes, image_bytes, stall, seed;
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
    wire [8 + 2 + ADDRESS_BITS + LANES + MASK_BITS - 1:0] trace;
    reg [REGISTER_BITS-1:0] register_address = STATUS;
    wire [31:0] register_data;

    core core (
        .clk(clk), .rst(rst),
        .program__payload(program_word), .program__valid(program_valid), .program__ready(program_ready),
        .pixels__payload(pixel), .pixels__valid(pixel_valid), .pixels__ready(pixel_ready),
        .scores__payload(score), .scores__valid(score_valid), .scores__ready(score_ready),
        .registers__address(register_address), .registers__data(register_data),
        .registers__write(1'b0), .registers__value(32'b0),
        .trace(trace)
    );
    wire [7:0] layer = trace[7:0];
    wire busy = trace[8];
    wire write = trace[9];
    wire [ADDRESS_BITS-1:0] address = trace[10 +: ADDRESS_BITS];
    wire [LANES-1:0] word = trace[10 + ADDRESS_BITS +: LANES];
    wire [MASK_BITS-1:0] mask = trace[10 + ADDRESS_BITS + LANES +: MASK_BITS];

    longint pixels_taken = 0, scores_taken = 0;
    reg was_busy = 0;
    reg [7:0] was_layer = 0;
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
            if (pixels_taken % longint'(image_bytes) == 0) $fwrite(log_fd, "4 %0d 0 0 0 0\n", cycle);
            pixels_taken <= pixels_taken + 1;
        end
        if (!pixel_valid || pixel_ready) begin
            pixel_valid <= 0;
            if (cycle > 8 && !hold_pixels) begin
                got = $fgetc(pixel_fd);
                if (got >= 0) begin
                    pixel <= got[7:0];
                    pixel_valid <= 1;
                end
            end
        end

        score_ready <= !hold_scores;
        if (score_valid && score_ready) begin
            $fwrite(log_fd, "3 %0d %0d 0 0 0\n", cycle, score);
            scores_taken <= scores_taken + 1;
        end

        was_busy <= busy;
        was_layer <= layer;
        if (busy && !was_busy) $fwrite(log_fd, "0 %0d %0d 0 0 0\n", cycle, layer);
        if (!busy && was_busy) $fwrite(log_fd, "1 %0d %0d 0 0 0\n", cycle, was_layer);
        if (write) $fwrite(log_fd, "2 %0d %0d %0d %0d %0d\n", cycle, layer, address, word, mask);

        if (finishing) begin
            // The register file answers a cycle after the address.
            reading <= 1;
            if (reading) begin
                $fwrite(log_fd, "5 %0d %0d %0d 0 0\n", cycle, register_address, register_data);
                reading <= 0;
                register_address <= register_address + 1;
                if (register_address == REGISTERS - 1) begin
                    $fclose(log_fd);
                    done <= 1;
                end
            end
        end else if ((register_data > LOADING + 1) || (scores_taken == longint'(images) * classes && cycle > 16
                     && (images > 0 || register_data == LOADING + 1)) || cycle > limit) begin
            timed_out <= cycle > limit;
            finishing <= 1;
            register_address <= 0;
        end
    end
endmodule
