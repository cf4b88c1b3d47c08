"""Shows evaluations side by side: tables, one figure for each suite, and warnings about results in doubt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from rlvr.console import console
from rlvr.eval import Outcome
from rlvr.eval.outcome import FILE_NAME
from rlvr.report.figures import evaluations_figure
from rlvr.report.tables import shown_ks, with_interval
from rlvr.tables import Grid
from rlvr.types import STATUSES

# A note tells the reader when a share is above one of these.
TRUNCATED, FAILED = 0.1, 0.01
ANSWERED = 0.8  # a note tells the reader when a smaller share of completions has a final answer


def report_evaluations(folders: Sequence[Path], output_dir: Path) -> None:
    """Print the tables, and write them to `evaluation.md`, with one figure for each suite."""
    outcomes = [Outcome.read(folder) for folder in folders]
    grids: list[Grid] = []
    notes: list[str] = []
    for suite in dict.fromkeys(outcome.suite for outcome in outcomes):
        these = [outcome for outcome in outcomes if outcome.suite == suite]
        grids += [pass_table(these), length_table(these)]
        notes += [note for outcome in these for note in doubts(outcome)]
        evaluations_figure(these, output_dir / "figures" / f"{suite}.png")
    for grid in grids:
        console.print()
        console.print(grid.rich())
    for note in notes:
        console.print(f"[yellow]Note:[/] {note}")
    text = "\n".join([*(grid.markdown() for grid in grids), *notes])
    (output_dir / "evaluation.md").write_text(text + "\n")
    console.print(f"Table, counts and figure: [bold]{output_dir}[/]")


def pass_table(outcomes: Sequence[Outcome]) -> Grid:
    """A table of Pass@k and maj@k of each policy, in percent with 95 % intervals over problems."""
    first = outcomes[0].evaluation
    ks = shown_ks(max(outcome.evaluation.n for outcome in outcomes))
    rows = []
    for outcome in outcomes:
        for name, found in (("pass", outcome.evaluation.intervals()), ("maj", outcome.majority)):
            rows.append([f"{outcome.label}, {name}@k", *(with_interval(found[k]) if k in found else "" for k in ks)])
    title = f"{outcomes[0].suite}, {len(first.problem_ids)} problems, % [95 % interval]"
    return Grid(title, ["", *(f"k={k}" for k in ks)], rows)


def length_table(outcomes: Sequence[Outcome]) -> Grid:
    """A table of how completions were sampled, their length, how many were cut off, and the verifier's verdicts."""
    header = ["", "n", "T", "top_p", "max tokens", "mean tokens", "cut off", *STATUSES]
    rows = []
    for outcome in outcomes:
        evaluation, total = outcome.evaluation, sum(outcome.verdicts.values())
        shares = (outcome.verdicts.get(status, 0) / total for status in STATUSES)
        rows.append(
            [
                *(outcome.label, str(evaluation.n), f"{outcome.temperature:g}", f"{outcome.top_p:g}"),
                *(str(outcome.max_new_tokens), f"{evaluation.mean_length:.0f}"),
                *(f"{100 * share:.1f} %" for share in (evaluation.truncated_share, *shares)),
            ]
        )
    return Grid("Completions", header, rows)


def doubts(outcome: Outcome) -> list[str]:
    """Notes on problems with an evaluation that make its results lower than the policy's true ability."""
    cut = outcome.evaluation.truncated_share
    failed = sum(outcome.verdicts.get(status, 0) for status in ("timeout", "error")) / sum(outcome.verdicts.values())
    notes = []
    if cut > TRUNCATED:
        notes.append(
            f"{100 * cut:.0f} % of {outcome.label}'s completions were cut off at {outcome.max_new_tokens} tokens; "
            "allow more with eval.max_new_tokens."
        )
    if outcome.answered_share is not None and outcome.answered_share < ANSWERED:
        notes.append(
            f"{100 * (1 - outcome.answered_share):.0f} % of {outcome.label}'s completions hold no final answer where "
            "it was asked for; look at some in the samples, and at data.template and the verifier's rules."
        )
    if failed > FAILED:
        notes.append(f"the verifier failed on {100 * failed:.1f} % of {outcome.label}'s completions.")
    return notes


class JointEvaluation(Callback):
    """A Hydra callback that shows the policies of a multirun of evaluations side by side after its last job."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        sweep_dir = Path(config.hydra.sweep.dir)
        if folders := sorted(path.parent for path in sweep_dir.glob(f"*/{FILE_NAME}")):
            report_evaluations(folders, sweep_dir)
