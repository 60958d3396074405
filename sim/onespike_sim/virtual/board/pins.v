// The system as the simulation drives it. What reaches logic directly goes through a flip-flop here: an input of
// the model that does so costs a tenth of its speed, because all that depends on it is computed anew at either clock edge.
module pins (
    input clk,
    input rst,
    input hang,
    input uart_rx,
    output uart_tx,
    input mii_rx_clk,
    input [3:0] mii_rx_data,
    input mii_rx_dv,
    input mii_tx_clk,
    output [3:0] mii_tx_data,
    output mii_tx_en,
    output flash_cs_n,
    output flash_clk,
    output flash_copi,
    input flash_cipo
);
    reg reset = 1;
    reg hung = 0;
    always @(posedge clk) begin
        reset <= rst;
        hung <= hang;
    end

    soc system (
        .clk(clk),
        .rst(reset),
        .hang(hung),
        .buttons(4'b0),
        .uart_rx(uart_rx),
        .uart_tx(uart_tx),
        .mii_rx_clk(mii_rx_clk),
        .mii_rx_data(mii_rx_data),
        .mii_rx_dv(mii_rx_dv),
        .mii_tx_clk(mii_tx_clk),
        .mii_tx_data(mii_tx_data),
        .mii_tx_en(mii_tx_en),
        .mii_rst_n(),
        .flash_cs_n(flash_cs_n),
        .flash_clk(flash_clk),
        .flash_copi(flash_copi),
        .flash_cipo(flash_cipo),
        .leds()
    );
endmodule
