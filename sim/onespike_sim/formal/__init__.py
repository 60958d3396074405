"""Formal checks: properties of the gateware's units proven for every input, where simulation draws some.

A harness, an Amaranth module round the real unit, assumes what its neighbours keep to and asserts what it promises
(``Assume``, ``Assert``), and says what must be reachable under these assumptions (``Cover``). The folders mirror
``hw/onespike_hw``; ``proofs.py`` lists all harnesses with the ways to check them.
"""
