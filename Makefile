# Every target works as the first command after a clone: the virtual environment makes itself.
PYTHON ?= python3
BIN := .venv/bin
N ?= 1000
BOARD ?= arty
COUNT ?= 20
FLOW = --board $(BOARD) $(if $(CORE),--core $(CORE))

.DEFAULT_GOAL := help
.PHONY: help setup sim test lint check gen gen-check train golden compile fuzz bench explore clean \
	firmware virtual-demo bench-link recurrent faults fuzz-firmware boards report bitstream bitstream-project program \
	verify-netlist formal experiments experiments-smoke

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

setup: .venv/ready ## make the virtual environment (about 1.6 GB)

sim: setup ## 16 test images through the core in Verilator, every bit compared (CONFIG=arty-a7-100t MODEL=wide-cifar10)
	$(BIN)/python -m onespike_sim run $(if $(CONFIG),--config $(CONFIG)) $(MODEL)

test: setup ## all tests
	$(BIN)/python -m pytest

lint: setup ## style and types
	$(BIN)/ruff check hw sw sim tests
	$(BIN)/pyright --pythonpath $(BIN)/python

gen: setup ## write what is generated from the contract (docs/contract.md, firmware/contract.h) and results (docs/results.md)
	$(BIN)/python -m onespike emit
	$(BIN)/python -m onespike experiment --docs

gen-check: setup ## what is generated is up to date
	$(BIN)/python -m onespike emit --check
	$(BIN)/python -m onespike experiment --docs --check

check: lint gen-check test ## lint, gen-check and test; CI runs it, sim, experiments-smoke, virtual-demo, formal, a bitstream and a report

train: setup ## train levels-cifar10 anew into build/train/run (resumes where it was cut off; wants a GPU: three minutes, else days)
	$(BIN)/python -m onespike train --resume --epochs 360 --batch 512 --rate 3e-3 --weight-decay 0.01 --shift 3 --jpeg 0.7 --mix 0.3 \
		--smoothing 0 --carry-from 0 --surrogate s3nn --distill 0.7 --teacher-epochs 30

experiments: setup ## rows of docs/results.md, as far as they are not done: train (hours; a GPU if there is one), measure, simulate
	$(BIN)/python -m onespike experiment --golden $(if $(JOBS),--jobs $(JOBS)) $(ROWS)

experiments-smoke: setup ## two tiny rows through every stage, on images by formula, a minute
	rm -rf build/experiments-smoke
	$(BIN)/python -m onespike experiment --golden --out build/experiments-smoke sw/onespike/experiments/rows/smoke/*.toml

golden: setup ## golden model against PyTorch on all test images
	$(BIN)/python -m onespike golden

compile: setup ## program image and table per layer of levels-cifar10
	$(BIN)/python -m onespike compile

fuzz: setup ## N random networks through the core (make fuzz N=1000 SEED=1)
	$(BIN)/python -m onespike_sim fuzz --count $(N) $(if $(SEED),--seed $(SEED))

bench: setup ## every array in four sizes: cycles, cells, clock; rivals beside them (hours; ROUTE=0 leaves the clock out)
	$(BIN)/python -m onespike_sim bench $(if $(filter 0,$(ROUTE)),--no-route)

explore: setup ## cores of many sizes predicted, a sample measured, the Pareto front of the board
	$(BIN)/python -m onespike_sim explore

firmware: setup ## the board's firmware, and its size
	$(MAKE) --no-print-directory -C firmware

boards: setup ## the boards: part, clock, core, pins, tools, LEDs
	$(BIN)/python -m onespike_sim boards

report: firmware ## what a board's system takes, by synthesis alone (make report BOARD=arty CORE=...)
	$(BIN)/python -m onespike_sim report $(FLOW)

bitstream: firmware ## the bitstream of a board, and its report (make bitstream BOARD=ulx3s CORE=... TOOLCHAIN=...)
	$(BIN)/python -m onespike_sim bitstream $(FLOW) $(if $(TOOLCHAIN),--toolchain $(TOOLCHAIN))

bitstream-project: firmware ## a folder to carry to a machine that has the tools (make bitstream-project BOARD=arty)
	$(BIN)/python -m onespike_sim bitstream-project $(FLOW) $(if $(TOOLCHAIN),--toolchain $(TOOLCHAIN))

program: setup ## load a board with its bitstream; FLASH=1: bitstream and network (MODEL=...) into its flash
	$(BIN)/python -m onespike_sim program $(FLOW) $(if $(filter-out 0,$(FLASH)),--flash $(if $(MODEL),--model $(MODEL)))

verify-netlist: setup ## a board's core as it was synthesised, in the part's cells, against the golden model, every bit
	$(BIN)/python -m onespike_sim verify-netlist $(FLOW) $(if $(MODEL),--model $(MODEL))

formal: setup ## prove the units' properties: streams, framer, queues, banks, addresses (make formal ONLY="cobs slots")
	$(BIN)/python -m onespike_sim.formal $(ONLY)

virtual-demo: firmware ## the virtual board classifies 20 test images over its UART, every score checked (COUNT=20)
	$(BIN)/onespike infer --board 'virtual://?link=uart' --count $(COUNT) --check --report build/virtual-demo.html

bench-link: firmware ## images/s over UDP and UART in simulation, against what the link could carry; boot from flash
	$(BIN)/python -m onespike_sim bench-link

recurrent: firmware ## networks with a recurrent block: core, then firmware on the CPU, every bit compared, cycles counted
	$(BIN)/python -m onespike_sim recurrent

faults: firmware ## long runs of the fault tests: 10,000 images over bad links, 450 kB of garbage over each
	ONESPIKE_FAULT_IMAGES=10000 $(BIN)/python -m pytest -s tests/e2e/test_faults.py -k 'damaged or lossy or garbage'

fuzz-firmware: setup ## libFuzzer on the firmware's parsers for an hour (SECONDS=3600)
	$(MAKE) --no-print-directory -C firmware fuzz SECONDS=$(or $(SECONDS),3600)

clean: ## remove build/ and the virtual environment
	rm -rf build .venv
