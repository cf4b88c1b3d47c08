"""RLVR and the reasoning boundary: problems -> rollout -> verify -> algo -> training -> eval."""

import os

# GNU OpenMP's threads spin at barriers by default, so two runs that share cores stall each other more than tenfold;
# a short spin is as fast alone and shares fairly. Set here since it counts only before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
