"""RLVR and the reasoning boundary: problems -> rollout -> verify -> algo -> training -> eval."""
