"""Pools of verifier processes that are up before a test looks at its watch."""

from rlvr.types import Problem
from rlvr.verify import MathVerifier


def wait_for_all(verifier: MathVerifier) -> None:
    """Grade until every process is ready; on a busy machine one takes seconds to load, which is nobody's verdict."""
    pool, problem = verifier._pool, Problem("id", "prompt", (0,), "2")
    while len(pool._workers) < pool._size or not all(worker.ready for worker in pool._workers):
        items = [(problem, rf"\boxed{{1+{index}-{index}+1}}") for index in range(2 * pool._size)]
        assert {verdict.status for verdict in verifier.grade(items)} == {"unevaluated"}
