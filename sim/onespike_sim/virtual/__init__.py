"""The virtual board: the whole system, CPU and firmware included, verilated with a plain C++ main.

``board/`` is that main: what the UART and the Ethernet port are connected to on this machine. ``build`` makes the
program, ``run`` starts it for tests and benches, ``command`` is ``python -m onespike_sim virtual-board``.
"""
