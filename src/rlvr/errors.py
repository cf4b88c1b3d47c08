"""Errors that are the user's to mend: one sentence that says what was wrong, where, and what to do."""


class ConfigError(ValueError):
    """A setting that can't work, found before anything long or costly starts."""
