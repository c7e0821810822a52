"""The words of a judgement: verdicts in their order of gravity, whom a fault is blamed on, and what caused it.

Each word is a string too, so that `report.verdict == "agree"` holds and JSON has the plain word.
"""

from collections.abc import Iterable
from enum import StrEnum


class _Word(StrEnum):
    """A word that prints as the string it is."""

    def __repr__(self) -> str:
        return repr(self.value)


class Verdict(_Word):
    """What a check says of a tensor or of a whole point, from the lightest to the gravest."""

    AGREE = "agree"
    KINK = "kink"
    ROUNDING = "rounding"
    UNDECIDABLE = "undecidable"
    DISAGREE = "disagree"

    @property
    def gravity(self) -> int:
        """The verdict's place in the order, 0 for `agree`."""
        return list(Verdict).index(self)

    @property
    def is_right(self) -> bool:
        """Whether the formula is right as far as this point shows."""
        return self in (Verdict.AGREE, Verdict.KINK, Verdict.ROUNDING)

    @property
    def is_quiet(self) -> bool:
        """Whether the word says it all; after any other verdict a reader wants to know where and why."""
        return self in (Verdict.AGREE, Verdict.KINK)

    @property
    def meaning(self) -> str:
        """What the verdict means, in one clause."""
        return _MEANINGS[self]


_MEANINGS = {
    Verdict.AGREE: "equal up to rounding",
    Verdict.KINK: "they differ only at a non-differentiable point, where both values are subgradients",
    Verdict.ROUNDING: "the formula is right, and digits were lost",
    Verdict.UNDECIDABLE: "a value is not finite, or no independent derivative applies",
    Verdict.DISAGREE: "a formula is wrong",
}


def gravest(verdicts: Iterable[str]) -> Verdict:
    """Give the gravest of some verdicts."""
    return max(map(Verdict, verdicts), key=lambda verdict: verdict.gravity)


class Blame(_Word):
    """The side at fault; None stands for nobody, or for a side that could not be told."""

    MANUAL = "manual"
    REFERENCE = "reference"
    FORWARD = "forward"  # the two losses differ, so that either side's formula may be the wrong one


class CauseId(_Word):
    """Why a gradient is wrong. `docs/referee.md` says more of each."""

    # A slip in a formula (diagnosis/).
    SIGN = "sign"
    FACTOR = "factor"
    REDUCTION = "reduction"
    TRANSPOSE = "transpose"
    PERMUTATION = "permutation"
    WRONG_AXIS = "wrong_axis"
    ALL_AXES = "all_axes"
    MISSING_SUM = "missing_sum"
    BROADCAST_NXN = "broadcast_nxn"
    MISSING_ACTIVATION_DERIVATIVE = "missing_activation_derivative"
    WRONG_ACTIVATION_POINT = "wrong_activation_point"
    REGULARISER = "regulariser"
    MISSING_PPT = "missing_ppt"
    MASK_MISSING = "mask_missing"
    MASK_OTHER = "mask_other"
    ONE_ROW = "one_row"
    ONE_COLUMN = "one_column"
    ONE_ENTRY = "one_entry"
    EPSILON = "epsilon"
    STALE_CACHE = "stale_cache"
    SWAPPED = "swapped"
    KINK_CONVENTION = "kink_convention"
    WRONG_OPERAND = "wrong_operand"
    ZERO = "zero"
    UNKNOWN = "unknown"  # what the value is can be said, and no slip of this list makes it

    # Right shards, wrongly combined (diagnosis/combination.py).
    SUMMED_OVER_REPLICAS = "summed_over_replicas"
    MEAN_OF_MEANS = "mean_of_means"
    AVERAGED_OVER_REPLICAS = "averaged_over_replicas"
    ONE_REPLICA = "one_replica"

    # What the code does to its arguments and between calls (referee/inspection/findings.py); stale_cache is one too.
    WRITES_INPUT = "writes_input"
    WRITES_CACHE = "writes_cache"
    SHARES_MEMORY = "shares_memory"
    NEVER_COMPUTED = "never_computed"
    ZERO_GRADIENT = "zero_gradient"
    ACCUMULATES = "accumulates"
    UNWRITTEN_BUFFER = "unwritten_buffer"
    NOT_REPEATABLE = "not_repeatable"
    ALIASED_PARAMS = "aliased_params"

    # TensorFlow's traps for a tf.custom_gradient (checking/custom_gradient.py).
    KEYWORD_ARGUMENT = "keyword_argument"
    NONE_RETURNED = "none_returned"
    UPSTREAM_IGNORED = "upstream_ignored"
    UPSTREAM_NONLINEAR = "upstream_nonlinear"
    GRADIENT_SHAPE = "gradient_shape"
    GRADIENT_COUNT = "gradient_count"
    GRAPH = "graph"
    SECOND_ORDER = "second_order"
    SECOND_ORDER_GRAPH = "second_order_graph"
    FORWARD = "forward"  # the custom function and the plain one have other values

    @property
    def group(self) -> str:
        """The group the cause stands in: "slip", "combination", "behaviour" or "trap"."""
        words = list(CauseId)
        return [group for first, group in _GROUPS.items() if words.index(first) <= words.index(self)][-1]


_GROUPS = {  # by the first of each
    CauseId.SIGN: "slip",
    CauseId.SUMMED_OVER_REPLICAS: "combination",
    CauseId.WRITES_INPUT: "behaviour",
    CauseId.KEYWORD_ARGUMENT: "trap",
}


class Note(str):
    """A sentence of a report, with an id to find it by: the wording may improve, the id stays.

    Attributes:
        id: one word, such as "lost_digits" or "equal_sizes".
    """

    id: str

    def __new__(cls, id: str, text: str) -> "Note":
        """Make a note of its id and its text."""
        note = super().__new__(cls, text)
        note.id = id
        return note

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.id, str(self)
