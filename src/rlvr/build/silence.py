"""What a run leaves out of the terminal."""

import logging
import os
import warnings


def quiet() -> None:
    """Keep the notes of libraries on things that are intended here out of the terminal."""
    import torch
    import transformers

    if not torch.cuda.is_available():  # DeepSpeed, which libraries import where it is installed, would look and warn
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", ".*DeepSpeed handles gradient clipping internally.*")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
