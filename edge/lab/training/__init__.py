"""Scripts that made what `edge/lab/data` and the engines' fixture hold. Development only: not part of the wheel."""
