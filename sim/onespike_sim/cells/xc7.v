// Block RAMs of the 7 series over block_ram.v, by UG473: the modes that this project's netlists use, any other
// stops the build.
module block_ram_7series #(
    parameter integer HALF = 4,  // bytes of a port; two ports together carry a word of twice as many
    parameter SDP = 0,
    parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter [9*HALF-1:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
    localparam integer BYTES = 1024 * HALF, BITS = $clog2(8 * BYTES),
    parameter [BYTES-1:0] PARITY = 0,
    parameter [8*BYTES-1:0] DATA = 0
) (
    input [1:0] clk, enable, reset,
    input [BITS-1:0] address_a, address_b,
    input [HALF-1:0] write_a,
    input [2*HALF-1:0] write_b,
    input [8*HALF-1:0] data_a, data_b,
    input [HALF-1:0] parity_a, parity_b,
    output [8*HALF-1:0] q_a, q_b,
    output [HALF-1:0] qp_a, qp_b
);
    localparam integer FULL = 18 * HALF;
    if (SDP && (READ_WIDTH_B != 0 || WRITE_WIDTH_A != 0)) $fatal(1, "in SDP mode port A reads and port B writes");
    if (!SDP && (READ_WIDTH_A == FULL || WRITE_WIDTH_B == FULL)) $fatal(1, "words of both ports need SDP mode");
    if (READ_WIDTH_B == FULL || WRITE_WIDTH_A == FULL) $fatal(1, "words of both ports are read by A, written by B");

    // A constant of a port holds its word's data bits first, then its parity bits.
    function automatic [9*HALF-1:0] in_bytes(input [9*HALF-1:0] value, input integer width);
        integer i;
        begin
            in_bytes = width < 9 ? value : 0;
            for (i = 0; i < HALF; i = i + 1)
                if (9 * i < width && width >= 9) in_bytes[9*i +: 9] = {value[8 * (width / 9) + i], value[8*i +: 8]};
        end
    endfunction
    function automatic integer mode(input [87:0] name);
        mode = name == "READ_FIRST" ? 0 : name == "WRITE_FIRST" ? 1 : 2;
    endfunction

    // In a word of both ports A holds the lower half.
    localparam integer WIDTH_A = READ_WIDTH_A == FULL ? FULL / 2 : READ_WIDTH_A;
    localparam integer WIDTH_B = READ_WIDTH_A == FULL ? FULL / 2 : READ_WIDTH_B;
    localparam [9*HALF-1:0] FIRST_A = in_bytes(INIT_A, WIDTH_A), FIRST_B = in_bytes(INIT_B, WIDTH_B);
    localparam [9*HALF-1:0] RESET_A = in_bytes(SRVAL_A, WIDTH_A), RESET_B = in_bytes(SRVAL_B, WIDTH_B);

    wire [9*HALF-1:0] bytes_a, bytes_b;
    wire [18*HALF-1:0] out_a, out_b;
    wire [9*HALF-1:0] high = READ_WIDTH_A == FULL ? out_a[9*HALF +: 9*HALF] : out_b[9*HALF-1:0];
    genvar g;
    for (g = 0; g < HALF; g = g + 1) begin : lane
        assign bytes_a[9*g +: 9] = {parity_a[g], data_a[8*g +: 8]};
        assign bytes_b[9*g +: 9] = {parity_b[g], data_b[8*g +: 8]};
        assign {qp_a[g], q_a[8*g +: 8]} = out_a[9*g +: 9];
        assign {qp_b[g], q_b[8*g +: 8]} = high[9*g +: 9];
    end

    block_ram #(
        .BYTES(BYTES), .LANES(2 * HALF),
        .READ_A(READ_WIDTH_A), .READ_B(READ_WIDTH_B), .WRITE_A(WRITE_WIDTH_A), .WRITE_B(WRITE_WIDTH_B),
        .MODE_A(mode(WRITE_MODE_A)), .MODE_B(mode(WRITE_MODE_B)),
        .OLD_A(mode(WRITE_MODE_A) == 0), .OLD_B(mode(WRITE_MODE_B) == 0),
        .INIT_A({FIRST_B, FIRST_A}), .INIT_B({{9*HALF{1'b0}}, FIRST_B}),
        .RESET_A({RESET_B, RESET_A}), .RESET_B({{9*HALF{1'b0}}, RESET_B})
    ) ram (
        .clk(clk), .enable(enable), .reset(reset),
        .address_a(address_a), .address_b(address_b), .write_a({{HALF{1'b0}}, write_a}), .write_b(write_b),
        .data_a({{9*HALF{1'b0}}, bytes_a}),
        .data_b(WRITE_WIDTH_B == FULL ? {bytes_b, bytes_a} : {{9*HALF{1'b0}}, bytes_b}),
        .q_a(out_a), .q_b(out_b)
    );
    integer n;
    initial for (n = 0; n < BYTES; n = n + 1) ram.mem[n] = {PARITY[n], DATA[8*n +: 8]};
endmodule

module RAMB18E1 (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [13:0] ADDRARDADDR, ADDRBWRADDR,
    input [15:0] DIADI, DIBDI,
    input [1:0] DIPADIP, DIPBDIP,
    input [1:0] WEA,
    input [3:0] WEBWE,
    output [15:0] DOADO, DOBDO,
    output [1:0] DOPADOP, DOPBDOP
);
    parameter integer DOA_REG = 0, DOB_REG = 0;
    parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0;
    parameter RAM_MODE = "TDP", WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST";
    parameter [17:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0;
    parameter [255:0] INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0;
    parameter [255:0] INITP_04 = 0, INITP_05 = 0, INITP_06 = 0, INITP_07 = 0;
    parameter [255:0] INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0;
    parameter [255:0] INIT_04 = 0, INIT_05 = 0, INIT_06 = 0, INIT_07 = 0;
    parameter [255:0] INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0;
    parameter [255:0] INIT_0C = 0, INIT_0D = 0, INIT_0E = 0, INIT_0F = 0;
    parameter [255:0] INIT_10 = 0, INIT_11 = 0, INIT_12 = 0, INIT_13 = 0;
    parameter [255:0] INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0;
    parameter [255:0] INIT_18 = 0, INIT_19 = 0, INIT_1A = 0, INIT_1B = 0;
    parameter [255:0] INIT_1C = 0, INIT_1D = 0, INIT_1E = 0, INIT_1F = 0;
    parameter [255:0] INIT_20 = 0, INIT_21 = 0, INIT_22 = 0, INIT_23 = 0;
    parameter [255:0] INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0;
    parameter [255:0] INIT_28 = 0, INIT_29 = 0, INIT_2A = 0, INIT_2B = 0;
    parameter [255:0] INIT_2C = 0, INIT_2D = 0, INIT_2E = 0, INIT_2F = 0;
    parameter [255:0] INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0;
    parameter [255:0] INIT_34 = 0, INIT_35 = 0, INIT_36 = 0, INIT_37 = 0;
    parameter [255:0] INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0;
    parameter [255:0] INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0;

    if (DOA_REG != 0 || DOB_REG != 0) $fatal(1, "RAMB18E1 is modelled without output registers");
    block_ram_7series #(
        .HALF(2), .SDP(RAM_MODE == "SDP"),
        .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B),
        .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B),
        .INIT_A(INIT_A), .INIT_B(INIT_B), .SRVAL_A(SRVAL_A), .SRVAL_B(SRVAL_B),
        .PARITY({
            INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00
        }),
        .DATA({
            INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38,
            INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30,
            INIT_2F, INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28,
            INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20,
            INIT_1F, INIT_1E, INIT_1D, INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18,
            INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10,
            INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08,
            INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01, INIT_00
        })
    ) ram (
        .clk({CLKBWRCLK, CLKARDCLK}), .enable({ENBWREN, ENARDEN}), .reset({RSTRAMB, RSTRAMARSTRAM}),
        .address_a(ADDRARDADDR[13:0]), .address_b(ADDRBWRADDR[13:0]), .write_a(WEA), .write_b(WEBWE),
        .data_a(DIADI), .data_b(DIBDI), .parity_a(DIPADIP), .parity_b(DIPBDIP),
        .q_a(DOADO), .q_b(DOBDO), .qp_a(DOPADOP), .qp_b(DOPBDOP)
    );
endmodule

module RAMB36E1 (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [15:0] ADDRARDADDR, ADDRBWRADDR,
    input [31:0] DIADI, DIBDI,
    input [3:0] DIPADIP, DIPBDIP,
    input [3:0] WEA,
    input [7:0] WEBWE,
    output [31:0] DOADO, DOBDO,
    output [3:0] DOPADOP, DOPBDOP
);
    parameter integer DOA_REG = 0, DOB_REG = 0;
    parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0;
    parameter RAM_MODE = "TDP", WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST";
    parameter [35:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0;
    parameter RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE";
    parameter [255:0] INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0;
    parameter [255:0] INITP_04 = 0, INITP_05 = 0, INITP_06 = 0, INITP_07 = 0;
    parameter [255:0] INITP_08 = 0, INITP_09 = 0, INITP_0A = 0, INITP_0B = 0;
    parameter [255:0] INITP_0C = 0, INITP_0D = 0, INITP_0E = 0, INITP_0F = 0;
    parameter [255:0] INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0;
    parameter [255:0] INIT_04 = 0, INIT_05 = 0, INIT_06 = 0, INIT_07 = 0;
    parameter [255:0] INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0;
    parameter [255:0] INIT_0C = 0, INIT_0D = 0, INIT_0E = 0, INIT_0F = 0;
    parameter [255:0] INIT_10 = 0, INIT_11 = 0, INIT_12 = 0, INIT_13 = 0;
    parameter [255:0] INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0;
    parameter [255:0] INIT_18 = 0, INIT_19 = 0, INIT_1A = 0, INIT_1B = 0;
    parameter [255:0] INIT_1C = 0, INIT_1D = 0, INIT_1E = 0, INIT_1F = 0;
    parameter [255:0] INIT_20 = 0, INIT_21 = 0, INIT_22 = 0, INIT_23 = 0;
    parameter [255:0] INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0;
    parameter [255:0] INIT_28 = 0, INIT_29 = 0, INIT_2A = 0, INIT_2B = 0;
    parameter [255:0] INIT_2C = 0, INIT_2D = 0, INIT_2E = 0, INIT_2F = 0;
    parameter [255:0] INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0;
    parameter [255:0] INIT_34 = 0, INIT_35 = 0, INIT_36 = 0, INIT_37 = 0;
    parameter [255:0] INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0;
    parameter [255:0] INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0;
    parameter [255:0] INIT_40 = 0, INIT_41 = 0, INIT_42 = 0, INIT_43 = 0;
    parameter [255:0] INIT_44 = 0, INIT_45 = 0, INIT_46 = 0, INIT_47 = 0;
    parameter [255:0] INIT_48 = 0, INIT_49 = 0, INIT_4A = 0, INIT_4B = 0;
    parameter [255:0] INIT_4C = 0, INIT_4D = 0, INIT_4E = 0, INIT_4F = 0;
    parameter [255:0] INIT_50 = 0, INIT_51 = 0, INIT_52 = 0, INIT_53 = 0;
    parameter [255:0] INIT_54 = 0, INIT_55 = 0, INIT_56 = 0, INIT_57 = 0;
    parameter [255:0] INIT_58 = 0, INIT_59 = 0, INIT_5A = 0, INIT_5B = 0;
    parameter [255:0] INIT_5C = 0, INIT_5D = 0, INIT_5E = 0, INIT_5F = 0;
    parameter [255:0] INIT_60 = 0, INIT_61 = 0, INIT_62 = 0, INIT_63 = 0;
    parameter [255:0] INIT_64 = 0, INIT_65 = 0, INIT_66 = 0, INIT_67 = 0;
    parameter [255:0] INIT_68 = 0, INIT_69 = 0, INIT_6A = 0, INIT_6B = 0;
    parameter [255:0] INIT_6C = 0, INIT_6D = 0, INIT_6E = 0, INIT_6F = 0;
    parameter [255:0] INIT_70 = 0, INIT_71 = 0, INIT_72 = 0, INIT_73 = 0;
    parameter [255:0] INIT_74 = 0, INIT_75 = 0, INIT_76 = 0, INIT_77 = 0;
    parameter [255:0] INIT_78 = 0, INIT_79 = 0, INIT_7A = 0, INIT_7B = 0;
    parameter [255:0] INIT_7C = 0, INIT_7D = 0, INIT_7E = 0, INIT_7F = 0;

    if (DOA_REG != 0 || DOB_REG != 0) $fatal(1, "RAMB36E1 is modelled without output registers");
    if (RAM_EXTENSION_A != "NONE" || RAM_EXTENSION_B != "NONE") $fatal(1, "RAMB36E1 is modelled without a cascade");
    block_ram_7series #(
        .HALF(4), .SDP(RAM_MODE == "SDP"),
        .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B),
        .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B),
        .INIT_A(INIT_A), .INIT_B(INIT_B), .SRVAL_A(SRVAL_A), .SRVAL_B(SRVAL_B),
        .PARITY({
            INITP_0F, INITP_0E, INITP_0D, INITP_0C, INITP_0B, INITP_0A, INITP_09, INITP_08,
            INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00
        }),
        .DATA({
            INIT_7F, INIT_7E, INIT_7D, INIT_7C, INIT_7B, INIT_7A, INIT_79, INIT_78,
            INIT_77, INIT_76, INIT_75, INIT_74, INIT_73, INIT_72, INIT_71, INIT_70,
            INIT_6F, INIT_6E, INIT_6D, INIT_6C, INIT_6B, INIT_6A, INIT_69, INIT_68,
            INIT_67, INIT_66, INIT_65, INIT_64, INIT_63, INIT_62, INIT_61, INIT_60,
            INIT_5F, INIT_5E, INIT_5D, INIT_5C, INIT_5B, INIT_5A, INIT_59, INIT_58,
            INIT_57, INIT_56, INIT_55, INIT_54, INIT_53, INIT_52, INIT_51, INIT_50,
            INIT_4F, INIT_4E, INIT_4D, INIT_4C, INIT_4B, INIT_4A, INIT_49, INIT_48,
            INIT_47, INIT_46, INIT_45, INIT_44, INIT_43, INIT_42, INIT_41, INIT_40,
            INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38,
            INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30,
            INIT_2F, INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28,
            INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20,
            INIT_1F, INIT_1E, INIT_1D, INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18,
            INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10,
            INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08,
            INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01, INIT_00
        })
    ) ram (
        .clk({CLKBWRCLK, CLKARDCLK}), .enable({ENBWREN, ENARDEN}), .reset({RSTRAMB, RSTRAMARSTRAM}),
        .address_a(ADDRARDADDR[14:0]), .address_b(ADDRBWRADDR[14:0]), .write_a(WEA), .write_b(WEBWE),
        .data_a(DIADI), .data_b(DIBDI), .parity_a(DIPADIP), .parity_b(DIPBDIP),
        .q_a(DOADO), .q_b(DOBDO), .qp_a(DOPADOP), .qp_b(DOPBDOP)
    );
endmodule
