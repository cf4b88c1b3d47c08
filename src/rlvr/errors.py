"""Errors that a person is meant to read: one sentence that says what was wrong, where, and what to do."""


class ConfigError(ValueError):
    """A setting that can't work, found before anything long or costly starts."""


class RunError(RuntimeError):
    """A run that has to stop; the sentence says why and what is left of it."""


class InterruptionError(RunError):
    """A run that was asked to end and can go on."""


def cause_of(error: BaseException) -> str:
    """The innermost error's kind and message, on one line without a full stop."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
