"""PyTorch's own derivative formulas, made readable: the C++ of `derivatives.yaml` with the user's names in it.

What is about types, strides and complex numbers is left out; what is computed stays, function by function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backstep.explain.names import derivative, factor, short
from backstep.explain.operands import Operands
from backstep.trace.event import BackwardEvent, ForwardEvent
from backstep.trace.signature import parameters
from backstep.trace.trace import Trace

CALL = re.compile(r"(?<![\w.])[A-Za-z_]\w*\(|\.[a-z_]\w*\(")
WORD = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*(?![\w('\"])")
NOISE = re.compile(r"/\*.*?\*/\s*|\b(?:at|std|c10|native)::|\.(?:conj|contiguous|resolve_conj|resolve_neg)\(\)")
ABOUT_TYPES = re.compile(r"\w+\.(?:scalar_type|options|layout|sym_strides|strides|is_neg|is_conj)\(\)")
"""An argument that says nothing of the mathematics."""
CONSTANTS = {"M_PI": "π", "M_LN2": "ln(2)", "M_LN10": "ln(10)"}
GRADIENT = re.compile(r"d[\w.]+/d[\w.#]+")
"""`dloss/dy` is one thing, and needs no parentheses in a product."""
SETTLED = (
    (re.compile(r"\w+(?:\[\d+\])?\.defined\(\)$"), True),
    (re.compile(r"GradMode::is_enabled\(\)$"), False),
    (re.compile(r"\w+\.is_?[cC]omplex\(\)$"), False),
    (re.compile(r"areAnyTensorSubclassLike\(.*\)"), False),
)
"""Conditions whose answer is known of real tensors that have a gradient."""


def own_formula(
    trace: Trace, event: BackwardEvent, op: ForwardEvent | None, edge: int, root: str, names: Sequence[str], result: str
) -> str | None:
    """What leaves by this edge as PyTorch computes it; None for what has no formula there.

    `names` and `result` say what the inputs are called, and the output that a gradient arrives at.
    """
    told = trace.derivatives.get(event.op.removesuffix("_copy"))
    raw = event.edges[edge].formula
    if raw is None:
        return None
    place = next((at for at, value in enumerate(event.upstream) if value is not None), 0)
    known = {} if told is None or op is None else words(told.schema, op, root, names, {place: result})
    return readable(raw, known)


def words(
    schema: str, op: ForwardEvent, root: str, names: Sequence[str], called: Mapping[int, str]
) -> dict[str, str]:
    """What each word of a formula stands for: gradients, inputs, arguments and results."""
    operands = Operands(op, names, schema=schema)
    results = [called.get(at, short(value.name) or op.op) for at, value in enumerate(op.outputs)]
    known = {"result": results[0]} if results else {}
    known |= {f"result{index}": name for index, name in enumerate(results)}
    known |= dict(zip(returns(schema), results, strict=False))
    gradients = [derivative(root, name) for name in results]
    known |= {f"grads[{index}]": gradient for index, gradient in enumerate(gradients)}
    known |= {f"grad_{name}": gradient for name, gradient in zip(returns(schema), gradients, strict=False)}
    if gradients:
        known |= {"grad": gradients[0], "grads": f"[{', '.join(gradients)}]"}
    for parameter in parameters(schema):
        value = operands.bound.get(parameter.name)
        if parameter.name not in operands.bound:
            told = parameter.default
        elif parameter.is_list:
            told = f"[{', '.join(operands.names[place] for place in value or () if place is not None)}]"
        elif parameter.is_tensor:
            told = "None" if value is None else operands.names[value]
        else:
            told = repr(value)
        if told is not None:
            known[parameter.name] = told
    return known


def returns(schema: str) -> list[str]:
    """The names of an op's results, where it has any."""
    told = schema.rpartition("->")[2].strip().strip("()")
    return [part.split()[1] for part in told.split(",") if len(part.split()) == 2]


def readable(raw: str, known: Mapping[str, str]) -> str:
    """A formula without what only C++ needs, its words replaced by what they stand for."""
    text = rewritten(settled(NOISE.sub("", raw)))
    text = text.replace("_symint", "").replace(".sym_sizes()", ".shape").replace(".sizes()", ".shape")
    text = re.sub(r"\.sym_size\(([^()]*)\)", r".shape[\1]", text).replace("sym_numel", "numel")
    text = re.sub(r"\{([^{}]*)\}", lambda braces: f"[{braces[1].strip()}]", text)
    text = re.sub(r"grads\[\d+\]|grad_\w+", lambda word: known.get(word[0], word[0]), text)
    text = WORD.sub(lambda word: in_place(known, text, word), text)
    return re.sub(r"^\((.*)\)$", lambda whole: whole[1] if balanced(whole[1]) else whole[0], " ".join(text.split()))


def in_place(known: Mapping[str, str], text: str, word: re.Match[str]) -> str:
    """What stands for a word there: an expression is put in parentheses where it is not alone."""
    told = known.get(word[0], CONSTANTS.get(word[0], word[0]))
    if GRADIENT.fullmatch(told) and text[word.end() : word.end() + 1] != ".":
        return told
    before, after = text[: word.start()].rstrip()[-1:], text[word.end() :].lstrip()[:1]
    return told if before in ("", "(", ",", "[") and after in ("", ")", ",", "]") else factor(told)


def settled(text: str) -> str:
    """The branch of `condition ? yes : no` that was taken, where that is known; else in words."""
    mark = at_top(text, "?")
    if mark < 0:
        return text
    colon = matching_colon(text, mark)
    condition, yes, no = text[:mark].strip(), text[mark + 1 : colon].strip(), text[colon + 1 :].strip()
    for pattern, answer in SETTLED:
        if pattern.match(condition):
            return settled(yes if answer else no)
    return f"{settled(yes)} if {condition} else {settled(no)}"


def matching_colon(text: str, mark: int) -> int:
    """Where the else of a condition begins; another condition may stand in between."""
    depth = open_ = 0
    for place in range(mark, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if depth == 0 and text[place] == "?":
            open_ += 1
        elif depth == 0 and text[place] == ":" and ":" not in (text[place - 1 : place], text[place + 1 : place + 2]):
            open_ -= 1
            if open_ == 0:
                return place
    return len(text)


def at_top(text: str, sign: str) -> int:
    """The first place of a sign outside of all brackets; -1 where there is none."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character == sign:
            return place
    return -1


def balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def rewritten(text: str) -> str:
    """The text with its calls made simpler, from the outside in."""
    match = CALL.search(text)
    if match is None:
        return text
    end = closing(text, match.end() - 1)
    name, inside, rest = match[0][:-1], text[match.end() : end], text[end + 1 :]
    return text[: match.start()] + simpler(name, [part.strip() for part in split(inside)]) + rewritten(rest)


def simpler(name: str, given: list[str]) -> str:
    """One call: wrappers that only care for types give way to what they wrap."""
    given = [rewritten(settled(part)) for part in given if not ABOUT_TYPES.fullmatch(part)]
    if name in ("handle_r_to_c", "wrap_opt_if", "toNonOptTensor", "toNonOptFwGrad") and given:
        return f"({given[-1] if name == 'handle_r_to_c' else given[0]})" if " " in given[-1] else given[-1]
    if name == "maybe_multiply" and len(given) == 2:
        return f"{given[0]} * {given[1]}"
    if name == ".to" and len(given) == 0:
        return ""
    return f"{name}({', '.join(given)})"


def closing(text: str, opening: int) -> int:
    """Where the parenthesis that opens there is closed."""
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return len(text)


def split(text: str) -> list[str]:
    """The arguments of a call."""
    parts: list[str] = []
    while (comma := at_top(text, ",")) >= 0:
        parts.append(text[:comma])
        text = text[comma + 1 :]
    return [*parts, text] if text.strip() else parts
