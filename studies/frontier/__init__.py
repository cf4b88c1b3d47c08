"""Studies frontiers instead of points: Pass@256 as a function of Pass@1, for each method over its learning rates.

- `setting.py`: tasks, methods, learning rates, the command of a run.
- `record.py`: what is kept of a run, in the repository.
- `curve.py`: a run's path in the plane of Pass@1 and Pass@256, and the area below a set of paths.
- `frontier.py`: a method's frontier over fresh seeds, and comparisons at equal Pass@1.
- `decisions.py`: the decisions on the predictions.
- `kinds.py`: what kind of problems are lost.
- `interference.py`: what an update does to right answers to other problems.
- `page.py`, `figure.py`: the page of results.
- `plan.py`: which runs are needed next, given those that there are.
- `__main__.py`: `make frontier`, which runs them for a while and continues where it was stopped.
"""
