# Everything a newcomer types. Each target sets up what it needs first; that takes less than a second once it is done.
#   make setup PYTHON=/path/to/python   to choose the Python yourself
#   make test ARGS="-k mailbox"         arguments for pytest
#   apt-get install containerd docker-registry curl   turns on the tests of real pull errors (as root)
#   make demo ARGS="..."                arguments for the demo

.DEFAULT_GOAL := help
.PHONY: help setup test matrix bench demo azurite host mail-preview dashboard-preview docs snapshots screens checkov check lock update audit package peers mutants lint clean

PYTHON ?=
ARGS ?=
CODE ?=
NAME ?=
RUN := .venv/bin/python

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## make .venv with the pinned packages, and install Azurite
	@PULLWATCH_PYTHON="$(PYTHON)" sh tools/python.sh tools/setup.py

test: setup ## lint, types, layers and every test
	@$(RUN) tools/check.py $(ARGS)

matrix: setup ## the long matrices, of which make test runs a sample
	@$(RUN) -m pytest -m matrix -n auto --dist worksteal --durations=5 $(ARGS)

bench: setup ## what it costs, measured, with the goals (ARGS="growth --json FILE"; ARGS=--quick: that it works)
	@$(RUN) -m tests.benchmarks $(ARGS)

lint: setup ## only lint, types and layers
	@$(RUN) tools/check.py --lint

demo: setup ## a simulated tenant, the whole app on it, and its mails
	@$(RUN) -m demo $(ARGS)

azurite: setup ## storage on this machine, kept in .azurite, until Ctrl-C (then: . .azurite/env)
	@$(RUN) -m localhost.storage_server $(ARGS)

host: setup ## the app on this machine on 127.0.0.1:7071, until Ctrl-C (needs AzureWebJobsStorage: . .azurite/env)
	@test -n "$$AzureWebJobsStorage" || test -f local.settings.json || { \
		echo "make host: AzureWebJobsStorage is not set. In another shell: make azurite. Then here: . .azurite/env" >&2; exit 2; }
	@$(RUN) -m localhost.functions_host . $(ARGS)

mail-preview: setup ## every kind of mail as message, HTML, text and pictures (ARGS="--out DIR")
	@$(RUN) tools/mail_preview.py $(ARGS)

dashboard-preview: setup ## pictures of the dashboard for the README, from the real pages (needs Chromium)
	@PULLWATCH_WRITE_PICTURES=1 $(RUN) -m pytest -q tests/e2e/dashboard/test_pictures.py

docs: setup ## write docs/checks/, docs/causes.md and the README's settings from the code
	@$(RUN) tools/docs.py $(ARGS)

snapshots: setup ## write what the samples of infra/ deploy, after a change of infra/ (needs the Bicep compiler)
	@$(RUN) tools/snapshots.py $(ARGS)

screens: setup ## write what a terminal shows of fleets, after a change of it (then read the difference)
	@PULLWATCH_WRITE_SCREENS=1 $(RUN) -m pytest tests/cli/scan/test_screens.py

checkov: setup ## what checkov says of infra/, where it is installed (CHECKOV or PATH)
	@$(RUN) tools/checkov.py

check: setup ## write a new check and its test: CODE=PW109 NAME=registry_quarantine
	@$(RUN) tools/new_check.py "$(CODE)" "$(NAME)"

lock: setup ## pin anew, with hashes, all that is installed (ARGS=--upgrade: also what only others bring in)
	@$(RUN) tools/lock.py $(ARGS)

update: setup ## move all that is pinned to the newest versions that are allowed, and show it (ARGS=--dry-run)
	@$(RUN) tools/update.py $(ARGS)

audit: setup ## known vulnerabilities of what is pinned; asks PyPI and npm (ARGS="--service osv")
	@$(RUN) tools/audit.py $(ARGS)

package: setup ## the zip that is deployed, .package/pullwatch.zip
	@$(RUN) tools/package.py

peers: setup ## the comparisons with real clients and other tools
	@$(RUN) tools/peers.py $(ARGS)

mutants: setup ## whether the tests notice when a rule is broken (ARGS="-k WORD", ARGS=--mutmut)
	@$(RUN) tools/mutants.py $(ARGS)

clean: ## remove what setup and the tools made
	rm -rf .venv .programs node_modules .node .demo .azurite .mail-preview .package .deployed .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis .mutants build pullwatch.egg-info
