"""The whole core under a SystemVerilog harness; see ``core_run``."""
