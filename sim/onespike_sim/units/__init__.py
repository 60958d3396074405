"""cocotb testbenches, one module per hardware unit."""
