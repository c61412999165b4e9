# Shortcuts over CMake; `make help` lists them.
#   SAN=address,undefined   build with sanitizers, into a folder of its own
#   WERROR=1                warnings are errors
#   CC=clang  PREFIX=/usr/local  DESTDIR=  JOBS=<processors>  BUILD=build
SHELL := /bin/bash
.DEFAULT_GOAL := all

comma := ,
SAN ?=
WERROR ?=
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

compiler := $(if $(filter-out default undefined,$(origin CC)),-DCMAKE_C_COMPILER=$(CC))
generator := $(if $(shell command -v ninja),-G Ninja)
configure = cmake -S . -B $(BUILD) $(if $(wildcard $(BUILD)/CMakeCache.txt),,$(generator)) $(compiler) \
	-DSAN="$(SAN)" -DCORTEN_WERROR=$(if $(WERROR),ON,OFF) -DCMAKE_INSTALL_PREFIX=$(PREFIX)
compile = cmake --build $(BUILD) -j $(JOBS)
sources = $(shell find include src cli image tests examples bench scripts -name '*.[ch]' 2>/dev/null)

.PHONY: all
all: ## build build/corten, build/libcorten.so and build/libcorten.a
	@$(configure) -DCORTEN_TESTS=OFF >/dev/null
	@$(compile)

.PHONY: demo
demo: ## set up, build, and recognise handwritten digits
	@scripts/setup.sh
	@$(configure) -DCORTEN_TESTS=OFF -DCORTEN_EXAMPLES=ON >/dev/null
	@$(compile) --target digits corten_cli
	@scripts/demo.sh $(BUILD)

.PHONY: build-tests
build-tests:
	@scripts/setup.sh --test
	@$(configure) -DCORTEN_TESTS=ON >/dev/null
	@$(compile)

.PHONY: test
test: build-tests ## set up, build, and run all tests with the ONNX suite (some minutes)
	@build/venv/bin/python scripts/make_suite.py build/suite
	@scripts/run_tests.sh $(BUILD)

.PHONY: test-unit
test-unit: build-tests ## the tests of C code and models only; with SAN=... under sanitizers
	@scripts/run_tests.sh $(BUILD) --unit

.PHONY: test-long
test-long: test ## all of test, then on every instruction set, under sanitizers, and fuzzing
	@scripts/test_long.sh $(BUILD)
	@$(MAKE) fuzz

.PHONY: fuzz
fuzz: ## fuzz every target of tests/fuzz for FUZZ_SECONDS=60 (Clang)
	@scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: bench
bench: ## build, then time the kernels and the models of tests/models
	@scripts/setup.sh --test
	@$(configure) -DCORTEN_TESTS=ON >/dev/null
	@$(compile)
	@scripts/bench.sh $(BUILD)

.PHONY: check
check: ## layers, symbols, format, file lengths and texts
	@scripts/setup.sh --lint
	@scripts/check_all.sh $(BUILD)

.PHONY: lint
lint: ## clang-tidy over src and cli
	@scripts/setup.sh --lint
	@$(configure) >/dev/null
	@scripts/lint.sh $(BUILD)

.PHONY: format
format: ## clang-format in place
	@scripts/setup.sh --lint
	@clang-format -i $(sources)

.PHONY: docs
docs: ## the reference of the C API, to BUILD/docs/html (Doxygen; its warnings are errors)
	@scripts/setup.sh --docs
	@scripts/make_reference.sh $(BUILD)

.PHONY: install
install: all ## install to DESTDIR/PREFIX: programs, man page, completions, libraries, header, corten.pc
	@cmake --install $(BUILD) --prefix $(PREFIX)

.PHONY: clean
clean: ## remove what was built, but not the Python environment and the suite
	@cmake --build $(BUILD) --target clean

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@sed -n 's/^#  / /p' $(MAKEFILE_LIST)
