"""How completions go through the policy: packed without padding, and scored without ever holding all logits."""

from rlvr.scoring.dealing import deal, micro_batches, piece_tokens, pieces_of
from rlvr.scoring.logprobs import Scores, completion_logps
from rlvr.scoring.packing import MicroBatch, packed

__all__ = [
    "MicroBatch",
    "Scores",
    "completion_logps",
    "deal",
    "micro_batches",
    "packed",
    "piece_tokens",
    "pieces_of",
]
