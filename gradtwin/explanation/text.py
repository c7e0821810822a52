"""An explanation as text: a column of formulas, and beside it both sides' values and an independent one."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from gradtwin.core.report import label, shape_text
from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.explanation.steps import Entry, Explanation, FaultStory, Step

NUMBERS = 16  # columns for a number of ten digits
DIGITS = 10

Line = tuple[str, str]  # the text and its style on a terminal


def lines_of(explanation: Explanation, width: int = 80) -> list[Line]:
    """Write an explanation in lines of at most `width` columns, each with its style."""
    lines = [(f"{explanation.twin}  {explanation.point}", "bold")]
    width = max(width, 4 * NUMBERS)
    about = textwrap.wrap(explanation.about, width, initial_indent="  ", subsequent_indent="  ")
    lines += [(line, "") for line in about]
    if explanation.fault is not None:
        lines += [("", ""), *_fault_lines(explanation, explanation.fault, width)]
    if explanation.forward:
        lines += [("", ""), *_input_lines(explanation.inputs, width)]
        lines += _section("Forward", explanation.forward, width)
        lines += _section("Backward, from the loss", explanation.backward, width)
    if explanation.updates:
        lines += _section("Update", explanation.updates, width, f"by {explanation.rule}")
    if any(not step.whole for step in explanation.backward):
        lines += [("", ""), ("  Large tensors: only the entry with the largest difference is shown.", "dim")]
    return [(text.rstrip(), style) for text, style in lines]


# ---- sections --------------------------------------------------------------------------------------


def _input_lines(inputs: Sequence[Step], width: int) -> Iterator[Line]:
    yield "Given", "bold"
    for step in inputs:
        shape = shape_text(step.shape)
        if not step.whole:
            yield f"  {step.label}  {shape}", ""
            continue
        values = _in_rows(step)
        head = f"  {step.label} = " if len(step.entries) == 1 else f"  {step.label}  {shape}  "
        yield from ((line, "") for line in textwrap.wrap(head + values, width, subsequent_indent=" " * len(head)))


def _in_rows(step: Step) -> str:
    """Write a small tensor's entries, with a semicolon behind each row of a matrix."""
    columns = step.shape[-1] if len(step.shape) > 1 else len(step.entries)
    numbers = [f"{entry.manual:.7g}" for entry in step.entries]
    return ";  ".join("  ".join(numbers[i : i + columns]) for i in range(0, len(numbers), columns))


def _section(title: str, steps: Sequence[Step], width: int, remark: str = "") -> Iterator[Line]:
    """Write a title with the columns' names, then every step; those of one number a line each."""
    first = max(20, width - 3 * NUMBERS)
    yield "", ""
    yield title.ljust(first) + "".join(name.ljust(NUMBERS) for name in ("manual", "reference", "independent")), "bold"
    if remark:
        yield f"  {remark}", "dim"
    equals = ":=" if title == "Update" else "="
    only_numbers = all(len(step.entries) == 1 and step.whole for step in steps)
    for number, step in enumerate(steps):
        if number and not only_numbers:
            yield "", ""
        formula = f"{step.label} {equals} {step.formula}" if step.formula else step.label
        yield from (_gate_lines if only_numbers else _tensor_lines)(step, formula, first, width)


def _gate_lines(step: Step, formula: str, first: int, width: int) -> Iterator[Line]:
    """Write a step of one number: its local gradient, then itself, each with its formula before the values."""
    local = step.local
    if local is not None:
        values = _numbers(Entry((), local.manual, local.tensorflow)) if local.manual is not None else ""
        yield f"    {local.label} = {local.formula}".ljust(first) + values, "dim"
    if len(formula) + 3 <= first:
        yield f"  {formula}".ljust(first) + _numbers(step.entries[0]), ""
        return
    yield from _formula_lines(formula, step.label, width)
    yield f"  {step.label}".ljust(first) + _numbers(step.entries[0]), ""


def _tensor_lines(step: Step, formula: str, first: int, width: int) -> Iterator[Line]:
    """Write a step's formula, shape and error, what it comes from, and a line for each entry shown."""
    error = "" if step.error_ulps is None else f"  {step.error_ulps:.3g} ulp"
    right = f"{shape_text(step.shape)}{error}  {step.verdict}".rstrip()
    head, *rest = _formula_lines(formula, step.label, width - len(right) - 2)
    yield head[0].ljust(width - len(right)) + right, "bold"
    yield from ((line, "bold") for line, _ in rest)
    yield from _details(step, width)
    for entry in step.entries:
        name = shape_text(entry.index) if entry.index else ""
        local = "" if entry.local is None else f"  local {entry.local:.6g}"
        worst = "" if step.whole else "at "
        yield f"    {worst}{name}{local}".ljust(first) + _numbers(entry), ""


def _formula_lines(formula: str, label: str, width: int) -> Iterator[Line]:
    """Write a formula; what does not fit goes on below its equality sign, if it can at another one."""
    lines: list[str] = []
    for number, part in enumerate(formula.split(" = ")):
        piece = f"  {part}" if not number else f" = {part}"
        if lines and len(lines[-1]) + len(piece) > width and number > 1:
            lines.append(" " * (2 + len(label)) + piece)
        else:
            lines[-1:] = ["".join([*lines[-1:], piece])]
    for line in lines:
        indent = " " * (len(label) + 5)
        yield from ((text, "") for text in textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, drop_whitespace=True))  # fmt: skip


def _details(step: Step, width: int) -> Iterator[Line]:
    """Say below a gradient's formula what it comes from, its local gradient, and its line of code."""
    said = []
    if step.local is not None:
        said.append(f"{step.local.label} = {step.local.formula}")
    if step.forward:
        said.append(f"from {step.forward}")
    if said:
        yield from ((line, "dim") for line in textwrap.wrap("; ".join(said), width, initial_indent="    ",
                                                            subsequent_indent="      "))  # fmt: skip
    if step.place and not step.line.startswith("return"):
        code = f"    {step.line}  ({step.place})"
        yield code if len(code) <= width else f"{code[: width - 3]}...", "dim"


def _numbers(entry: Entry) -> str:
    return "".join(_number(value).ljust(NUMBERS) for value in (entry.manual, entry.tensorflow, entry.witness))


def _number(value: float | None) -> str:
    """Write ten digits, fewer where the column is too narrow for a sign and an exponent."""
    if value is None:
        return "-"
    for digits in range(DIGITS, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) < NUMBERS:
            return text
    return text


# ---- a planted fault -------------------------------------------------------------------------------


def _fault_lines(explanation: Explanation, fault: FaultStory, width: int) -> Iterator[Line]:
    """Tell what was planted, what the check says, and how the error spreads from there."""
    yield f"Planted  {fault.id}", "bold"
    before, _, after = fault.line.partition("  ->  ")
    yield from _wrapped(f"  before  {before}", width)
    yield from _wrapped(f"  after   {after}", width)
    if fault.refused:
        yield from _wrapped(f"  check   refused: {fault.refused}", width)
        return
    seen = f"; first seen in {label(fault.first_seen)}" if fault.first_seen else ""
    yield from _wrapped(f"  check   {fault.verdict}{seen}", width)
    if fault.cause:
        yield from _wrapped(f"  cause   {fault.cause}", width)
    yield "", ""
    yield from _spread(explanation, fault)


def _wrapped(text: str, width: int) -> Iterator[Line]:
    yield from ((line, "") for line in textwrap.wrap(text, width, subsequent_indent=" " * 10))


def _spread(explanation: Explanation, fault: FaultStory) -> Iterator[Line]:
    """Write a line a tensor: its error, and that of its own step when what comes from above is right."""
    rows = [("from the loss", "shape", "error in ulp", "of its own step", "")]
    rows += [
        (step.label, shape_text(step.shape), _ulps(step.error_ulps), _ulps(step.own_error_ulps), _remark(step, fault))
        for step in (explanation.forward[-1], *explanation.backward)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    yield "How it spreads", "bold"
    for number, row in enumerate(rows):
        name, shape, error, own, remark = row
        text = f"  {name:<{widths[0]}}  {shape:<{widths[1]}}  {error:>{widths[2]}}  {own:>{widths[3]}}  {remark}"
        yield text, "dim" if number == 0 else "red" if remark and "inherited" not in remark else ""


def _ulps(error: float | None) -> str:
    return "-" if error is None else f"{error:.3g}"


def _remark(step: Step, fault: FaultStory) -> str:
    """Say whether a step is wrong by itself, or only computed from what is."""
    wrong = step.verdict not in ("", "agree", "rounding")
    own = wrong if step.own_error_ulps is None else not step.own_error_ulps <= AGREE_ULPS
    if step.name == fault.first_seen:
        return "wrong: first seen here"
    return "wrong here too" if own else "inherited" if wrong else ""


def plain_text(lines: Iterable[Line]) -> str:
    """Join lines without their styles."""
    return "\n".join(text for text, _ in lines)
