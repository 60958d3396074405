"""Typed errors: each holds one sentence that says what is wrong, where, and what to do."""


class OnespikeError(Exception):
    """Base of every error a user can cause; the command line prints it and exits with status 2."""


class DataError(OnespikeError):
    """A data set is missing, truncated or does not match its checksum."""


class NetworkError(OnespikeError):
    """A network description contradicts itself or names something that does not exist."""


class ModelError(OnespikeError):
    """A trained model file is damaged, holds impossible values or does not fit its description."""


class ExchangeError(OnespikeError):
    """A network cannot be exchanged with another framework: the core, or the format, has no such part."""


class LimitError(OnespikeError):
    """A network is beyond what the chosen core configuration can run."""


class ProgramError(OnespikeError):
    """A program image is truncated, corrupted, of another version or for another core."""


class MismatchError(OnespikeError):
    """Simulation and golden model disagree."""


class ToolError(OnespikeError):
    """An external tool (synthesis, place and route) is missing, failed or ran out of time."""


class OutputError(OnespikeError):
    """A file that was asked for cannot be written."""


class BoardError(OnespikeError):
    """A board refuses, fails, or cannot be what was asked for."""


class LinkError(BoardError):
    """A board does not answer, or the way to it is gone."""


class BusyError(BoardError):
    """Someone else uses the board or its port."""


class ContractError(BoardError):
    """Board and driver were built from different versions of the contract."""


class RecordingError(BoardError):
    """A recording is damaged, or the driver does not do what it did when it was recorded."""


class ExperimentError(OnespikeError):
    """A row of an experiment is malformed, or its training failed."""
