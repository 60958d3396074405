"""From a board of the table to its bitstream, its reports and the board itself: ``python -m onespike_sim bitstream ...``."""
