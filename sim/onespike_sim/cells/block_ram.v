// A block RAM with two ports over bytes of nine bits, as both families have it; the wrappers beside this file
// give it their pins and parameters. Written from UG473 and from Lattice's memory usage guide (FPGA-TN-02204),
// because Yosys ships no behaviour of these cells.
//
// A port's data are bytes of nine bits, bit 8 the parity bit. Widths below nine leave the parity bits out and are
// addressed in bits. What the vendor leaves undefined is made wrong on purpose: a byte that one port reads while
// the other writes it comes out inverted, unless OLD promises the old value.
module block_ram #(
    parameter integer BYTES = 2048,
    parameter integer LANES = 4,
    parameter integer READ_A = 0, READ_B = 0, WRITE_A = 0, WRITE_B = 0,  // widths, 0: the port does not
    parameter integer MODE_A = 0, MODE_B = 0,  // 0: READ_FIRST, 1: WRITE_FIRST, 2: NO_CHANGE
    parameter OLD_A = 0, OLD_B = 0,  // a byte that this port writes is read by the other one as it was
    parameter [9*LANES-1:0] INIT_A = 0, INIT_B = 0, RESET_A = 0, RESET_B = 0,
    localparam integer BITS = $clog2(8 * BYTES)
) (
    input [1:0] clk, enable, reset,  // of ports B and A
    input [BITS-1:0] address_a, address_b,  // in bits
    input [LANES-1:0] write_a, write_b,  // a bit for each byte
    input [9*LANES-1:0] data_a, data_b,
    output [9*LANES-1:0] q_a, q_b
);
    localparam integer WRITE_FIRST = 1, NO_CHANGE = 2;

    function automatic integer lanes(input integer width);
        lanes = width < 9 ? 1 : width / 9;
    endfunction
    // The first byte of a word, and the first bit in it of a word below nine bits.
    function automatic [BITS-4:0] first(input [BITS-1:0] address, input integer width);
        first = address[BITS-1:3] & ~(lanes(width) - 1);
    endfunction
    function automatic [2:0] offset(input [BITS-1:0] address, input integer width);
        offset = address[2:0] & ~(width - 1);
    endfunction

    // The bits that a word takes in a byte.
    function automatic [8:0] part(input [BITS-1:0] address, input integer width);
        part = width < 9 ? ((1 << width) - 1) << offset(address, width) : 9'h1ff;
    endfunction

    reg [8:0] mem [0:BYTES-1];  // the wrapper writes the initial contents

    genvar p;
    for (p = 0; p < 2; p = p + 1) begin : port
        localparam integer READ = p ? READ_B : READ_A, WRITE = p ? WRITE_B : WRITE_A;
        localparam integer OTHER = p ? WRITE_A : WRITE_B, MODE = p ? MODE_B : MODE_A;
        localparam OLD = p ? OLD_A : OLD_B;
        localparam integer PART = WRITE != 0 && WRITE < 9 ? WRITE : 1;
        if (READ != 0 && WRITE != 0 && MODE == WRITE_FIRST && READ != WRITE)
            $fatal(1, "a port that shows what it writes is modelled with one width only");

        wire [BITS-1:0] address = p ? address_b : address_a, others = p ? address_a : address_b;
        wire [9*LANES-1:0] data = p ? data_b : data_a;
        wire [LANES-1:0] write = WRITE == 0 || !enable[p] ? 0 : (p ? write_b : write_a) & ((1 << lanes(WRITE)) - 1);
        wire [LANES-1:0] write_there =
            OTHER == 0 || !enable[1-p] ? 0 : (p ? write_a : write_b) & ((1 << lanes(OTHER)) - 1);

        // The bits of a byte that the other port writes in this cycle.
        function automatic [8:0] written_there(input [BITS-4:0] place);
            written_there = place - first(others, OTHER) >= lanes(OTHER) || !write_there[place - first(others, OTHER)]
                ? 0 : part(others, OTHER);
        endfunction

        // A byte, or the part of it that is read, as this port sees it.
        function automatic [8:0] shown(input [BITS-4:0] place);
            shown = mem[place] ^ (OLD ? 0 : written_there(place));
            if (READ < 9) shown = shown >> offset(address, READ) & ((1 << READ) - 1);
        endfunction

        reg [9*LANES-1:0] q = p ? INIT_B : INIT_A;
        integer i;
        always @(posedge clk[p])
            if (enable[p]) begin
                if (reset[p]) q <= p ? RESET_B : RESET_A;
                else if (READ != 0 && !(MODE == NO_CHANGE && |write)) begin
                    for (i = 0; i < lanes(READ); i = i + 1)
                        if (MODE == WRITE_FIRST && write[i]) q[9*i +: 9] <= data[9*i +: 9];
                        else q[9*i +: 9] <= shown(first(address, READ) + i);
                end
                for (i = 0; i < lanes(WRITE); i = i + 1)
                    if (write[i]) begin
                        if (|(part(address, WRITE) & written_there(first(address, WRITE) + i)))
                            $fatal(1, "both ports write the same bits");
                        if (WRITE >= 9) mem[first(address, WRITE) + i] <= data[9*i +: 9];
                        else mem[first(address, WRITE)][offset(address, WRITE) +: PART] <= data[PART-1:0];
                    end
            end
    end
    assign q_a = port[0].q;
    assign q_b = port[1].q;
endmodule
