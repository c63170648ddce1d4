"""How FANN's files say that a network is trained, and our rules: the one from the other."""

from collections.abc import Mapping
from typing import Final

from edge.nn.errors import ModelError
from edge.nn.fann import Setting
from edge.nn.train import RULES, Rule

_ALGORITHMS: Final = ("sgd", "sgd", "irprop", "quickprop")
"""By FANN's numbers: incremental, batch, RPROP, Quickprop."""
_INCREMENTAL, _BATCH, _RPROP, _QUICKPROP = range(4)
_LOSSES: Final = ("squared", "atanh")
"""By FANN's train_error_function: linear, tanh."""


def rule_of(settings: Mapping[str, Setting], algorithm: str | None, rows: int) -> Rule:
    """As the file has it, or by another algorithm with what the file says for that. Raises ModelError for an algorithm
    that is not ours."""
    number = settings["training_algorithm"]
    if algorithm is None and number not in range(len(_ALGORITHMS)):
        raise ModelError(
            f"network: training_algorithm {number} (allowed: 0 incremental, 1 batch, 2 RPROP, 3 Quickprop)"
        )
    said = {name: float(value) for name, value in settings.items() if isinstance(value, int | float)}
    name = algorithm or _ALGORITHMS[int(said["training_algorithm"])]
    rule = RULES[name]
    if name == "irprop":
        return rule._replace(
            increase=said["rprop_increase_factor"], decrease=said["rprop_decrease_factor"],
            step_min=said["rprop_delta_min"], step_max=said["rprop_delta_max"], step_first=said["rprop_delta_zero"],
        )  # fmt: skip
    if name == "quickprop":
        decay = said["quickprop_decay"] / rows  # FANN's slopes are summed over rows, ours are their mean
        return rule._replace(rate=said["learning_rate"], growth=said["quickprop_mu"], decay=decay)
    if name == "sgd" and number in (_INCREMENTAL, _BATCH):
        batch = 1 if number == _INCREMENTAL else 0
        return rule._replace(rate=said["learning_rate"], momentum=said["learning_momentum"], batch=batch)
    return rule


def loss_of(settings: Mapping[str, Setting]) -> str:
    return _LOSSES[1 if settings["train_error_function"] else 0]


def settings_of(rule: Rule, loss: str, rows: int) -> dict[str, Setting]:
    """What a file says of a network trained so; of Adam and cross-entropy FANN knows nothing, and it says nothing."""
    said: dict[str, Setting] = {"train_error_function": int(loss == "atanh")}
    if rule.algorithm == "irprop":
        said |= {
            "training_algorithm": _RPROP,
            "rprop_increase_factor": rule.increase, "rprop_decrease_factor": rule.decrease,
            "rprop_delta_min": rule.step_min, "rprop_delta_max": rule.step_max, "rprop_delta_zero": rule.step_first,
        }  # fmt: skip
    elif rule.algorithm == "quickprop":
        said |= {"training_algorithm": _QUICKPROP, "learning_rate": rule.rate, "quickprop_mu": rule.growth,
                 "quickprop_decay": rule.decay * rows}  # fmt: skip
    elif rule.algorithm == "sgd":
        kind = _INCREMENTAL if rule.batch == 1 else _BATCH
        said |= {"training_algorithm": kind, "learning_rate": rule.rate, "learning_momentum": rule.momentum}
    return said
