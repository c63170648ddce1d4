"""One module a benchmark: `arguments(parser)` and `measure(args) -> figures`."""
