# Thin names for `cargo xtask <task>`; arguments go in ARGS, such as `make test ARGS="-p wasmill codec"`.

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak lint fmt bench doc

XTASK = @sh xtask/bootstrap.sh && cargo xtask

help:
	@echo "make setup   install what this machine lacks, or say how"
	@echo "make demo    build everything and show a first transform at work"
	@echo "make test    all tests, on a real Kafka and a real schema registry"
	@echo "make soak    let hosts die a thousand times, and compare with a model"
	@echo "make lint    formatting, tidy, licences, clippy"
	@echo "make fmt     format all sources"
	@echo "make bench   measure; prints one line a figure"
	@echo "make doc     API documentation"

setup:
	$(XTASK) setup --for test

demo test soak bench:
	$(XTASK) $@ $(ARGS)

lint fmt doc:
	$(XTASK) $@
