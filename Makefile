# microt: `make demo` and `make test` set up what they need on a fresh machine, then do what their names say.
#
#   make demo               teach an emulated Cortex-M4F new classes; ends with build/demo/report.png   [DATA=folder or .npz]
#   make test               lint, then every test but the slow ones
#   make test-slow          the slow ones: minutes each
#   make setup              only the set-up: Debian packages, .venv, MicroPython's source
#   make lint / format      check / apply ruff and MicroPython's C style
#   make build [BOARD=...]  firmware of one board (default MPS2_AN386), and what that needs on a fresh machine
#   make test-hw PORT=... BOARD=...  the board's tests on a real one; report in build/hw/ [ARGS="--flash --write-rom"]
#   make test-micropython   MicroPython's own test suite on the emulated Cortex-M4F
#   make fuzz [FUZZ_SECONDS=1800] loader and kernels under sanitizers, led by libFuzzer (installs clang)
#   make backbone           train the shipped backbones again (needs ../shared and espeak-ng; about half an hour)
#   make docs               the documentation as a site, build/site/index.html
#   make bench              write docs/benchmarks.md anew: layers and networks on every emulated board [MODELS=folder]
#   make bench-learning     what learning on the device costs and how good it is (needs ../shared; half an hour)
#   make clean              remove build/

BOARD ?= MPS2_AN386
FUZZ_SECONDS ?= 1800
MODELS ?= ../shared/models
PYTHON := .venv/bin/python
PYTEST := .venv/bin/pytest -q
# TensorFlow prints no banners, and nobody's GPU is touched
export TF_CPP_MIN_LOG_LEVEL ?= 3
export CUDA_VISIBLE_DEVICES ?=

.PHONY: demo test test-slow test-hw setup lint format build test-micropython fuzz backbone bench bench-learning docs clean

demo: setup
	.venv/bin/microt demo $(if $(DATA),--data "$(DATA)")

test: setup lint
	-@tools/setup.sh RPI_PICO2
	-@tools/setup.sh VIRT_RV32
	$(PYTEST) -m "not slow" tests

test-slow: setup
	-@tools/setup.sh RPI_PICO2
	-@tools/setup.sh VIRT_RV32
	$(PYTEST) -m slow tests

test-hw: setup
	$(if $(PORT),,$(error PORT: name the board's serial port, as in make test-hw PORT=/dev/ttyACM0 BOARD=RPI_PICO2))
	$(PYTEST) tests/hw --port=$(PORT) $(if $(filter command%,$(origin BOARD)),--board=$(BOARD)) $(ARGS)

setup:
	@tools/setup.sh

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	tools/c_style.sh --check

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	tools/c_style.sh

build:
	@tools/setup.sh $(BOARD)
	.venv/bin/microt build $(BOARD)

test-micropython: setup
	tools/test_micropython.sh

fuzz:
	@tools/setup.sh clang || { echo "fuzz: without clang, and so without libFuzzer's lead"; tools/setup.sh; }
	$(PYTHON) tests/engine/fuzz.py --seconds $(FUZZ_SECONDS)

backbone: setup
	.venv/bin/microt distill models/mobilenet_v1_025_96.toml -o build/mobilenet_v1_025_96
	.venv/bin/microt distill models/mobilenet_v1_025_112.toml -o build/mobilenet_v1_025_112
	test -f build/spoken_words.npz || .venv/bin/python tools/speak.py build/spoken_words.npz
	.venv/bin/microt distill models/sound.toml -o build/sound
	.venv/bin/microt distill models/motion.toml -o build/motion

bench: setup
	$(PYTHON) -m microt.bench.page $(MODELS) -o docs/benchmarks.md

bench-learning: setup
	$(PYTHON) -m microt.learning.bench --data ../shared/data

docs: setup
	.venv/bin/mkdocs build --strict

clean:
	rm -rf build
