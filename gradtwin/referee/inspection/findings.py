"""Findings: what manual code does that its caller would not expect, and which of it is fatal.

Fatal is what makes the numbers depend on earlier calls, spoils the caller's own data, or shows nothing:
the verdict can then not be "agree". With a warning the answer stands, and the caller should know.
"""

from dataclasses import dataclass

KEEP_NOTHING = "do not keep state between calls"

FATAL = {
    "writes_input": "{what} writes into its argument {tensor}{place}; work on a copy",
    "writes_cache": "{what} writes into the cached value {tensor}{place}; work on a copy",
    "shares_memory": "the gradient of {tensor} shares memory with {other}, so changing one changes the other; "
    "return a copy",
    "never_computed": "the gradient of {tensor} is {tensor} itself: it was never computed",
    "zero_gradient": "every parameter's gradient is zero in every entry: it was never computed, or this "
    "point shows nothing; check at a point where the loss has a slope",
    "accumulates": "a second backward adds to the gradient of {tensor} that the first returned; start "
    "every call from zero",
    "unwritten_buffer": "the gradient of {tensor} keeps entries of an earlier call: backward does not "
    "fill all of its array",
    "stale_cache": "backward returned the gradient of {tensor} for the last batch that forward saw, not for the "
    "cache it was given; " + KEEP_NOTHING,
    "stale_everywhere": "a different batch gives exactly the same gradients; " + KEEP_NOTHING,
    "overwritten_cache": "forward on another batch changes the cached value {tensor} of this one; give "
    "every call its own arrays",
    "not_repeatable": "the same arguments give a different gradient of {tensor} the second time",
    "other_keys": "a second call returns different keys from the first",
    "aliased_params": "the gradient of {tensor} changes if {what} are the same array object; look parameters up by "
    "name, not by identity",
}
"""The fatal findings, by id; `stale_everywhere` and `overwritten_cache` are reported as `stale_cache`,
`other_keys` as `not_repeatable`. `aliased_params` and `stale_everywhere` take a thorough inspection."""

WARNINGS = {
    "shared_intermediates": "the gradient of {tensor} shares memory with {other}; return a copy if "
    "callers may write into it",
    "reused_buffer": "backward reuses one array for the gradient of {tensor}, so a later call overwrites an earlier "
    "result; return a copy",
    "needs_writable": "{what} refuses read-only arrays{place}, though it does not change them",
    "adds_to_cache": "backward stores {tensor} in the cache; keep it local, or return it",
    "keeps_state": "forward returns an empty cache, so backward depends on the last call of forward; "
    "return the intermediates in the cache",
    "rounding_differs": "two runs give {tensor} {other} ulp apart",
    "backward_first": "backward returns gradients before any forward; raise an error that says to call forward first",
}
"""The warnings, by id. `backward_first` takes a thorough inspection."""

REPORTED_AS = {
    "stale_everywhere": "stale_cache",
    "overwritten_cache": "stale_cache",
    "other_keys": "not_repeatable",
}


@dataclass(frozen=True)
class Finding:
    """One thing manual code does that its caller would not expect.

    Attributes:
        id: what it is, in one word; `FATAL` and `WARNINGS` list them.
        tensor: the array it was seen on, or None.
        message: one line: what was seen, where, and what to do.
        fatal: whether the verdict can no longer be "agree".
    """

    id: str
    tensor: str | None
    message: str
    fatal: bool


class Notes:
    """A list of findings that says each thing once."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str | None], Finding] = {}

    def add(self, kind: str, tensor: str | None = None, **words: str) -> None:
        """Note a finding of a kind; `words` fill the gaps of its text, `what`, `other` and `place`."""
        text = (FATAL | WARNINGS)[kind].format_map({"place": "", "tensor": tensor} | words)
        id = REPORTED_AS.get(kind, kind)
        self._findings.setdefault((id, tensor), Finding(id, tensor, text[0].upper() + text[1:] + ".", kind in FATAL))

    def has(self, *ids: str) -> bool:
        """Whether one of these has been noted."""
        return any(id in ids for id, _ in self._findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything noted: the fatal ones first, else in the order they came."""
        return tuple(sorted(self._findings.values(), key=lambda f: not f.fatal))
