"""Traces that no recorder would write: each is well-formed where it must be to be opened, and hostile further in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from backstep.trace import records as r
from backstep.trace.batch import FACT, PACK_COLUMNS
from tests.handmade import HandmadeTrace, ols_trace

HUGE = 1 << 62
EVIL = "\x1b[2J\x1b]0;owned\x07\u202egnp\u2066\x9b31m\r\n\x00\u200b\udead".encode("utf-8", "replace").decode()
"""Escapes, a title, bells, bidi marks, an eight-bit control, line ends, NUL."""


def trace(build: Callable[[HandmadeTrace], None]) -> Callable[[Path], None]:
    """A handmade trace with the lecture's forward line in it, and then what `build` adds."""

    def write(path: Path) -> None:
        t = HandmadeTrace(path)
        w, y = t.tensor(), t.tensor()
        t.leaf(w, "w")
        leaf = t.value(w, 1.0, "w", requires_grad=True, leaf=True)
        t.forward("mul", (leaf, leaf), (t.value(y, 1.0, "y", requires_grad=True),), 9, "w * x", nodes=1, first_node=0)
        build(t)
        t.close()

    return write


def value(t: HandmadeTrace, shape: tuple[int, ...], *, dtype: str = "float32", payload: int = -1) -> r.ValueRow:
    meta = t.batch.metas.number(r.Meta(shape, dtype, "strided", "cpu", True, False))
    return r.ValueRow(1, 0, t.batch.strings.number("y"), meta, None, payload, 0)


def absurd_shapes(t: HandmadeTrace) -> None:
    small = t.batch.payload(r.PayloadRow("<f4", bytes(16), None))
    for shape in ((HUGE, HUGE), (-1,), (-2, -2), (0, HUGE), (1,) * 100, (2,) * 70, (HUGE,), (1 << 40,), (3,)):
        for payload in (-1, small):
            t.forward("mul", (), (value(t, shape, payload=payload),), 9, "w * x")
            t.add(r.Accumulate(0, None, value(t, shape, payload=payload), None, True), "backward", 14, subject=0)


def wrong_dtypes(t: HandmadeTrace) -> None:
    for dtype in ("O", "V8", "S8", "U2", "<M8[s]", "c32", "nonsense", "f4,f4", "(1000000,1000000)f8", "", ">f8", "g"):
        payload = t.batch.payload(r.PayloadRow(dtype, bytes(64), None))
        t.forward("mul", (), (value(t, (4,), payload=payload),), 9, "w * x")
        t.forward("mul", (), (value(t, (2, 2), dtype=EVIL, payload=payload),), 9, "w * x")


def absurd_nodes(t: HandmadeTrace) -> None:
    y = t.value(1, 1.0, "y")
    for first, count in ((0, HUGE), (-HUGE, 5), (HUGE, 1), (3, -7), (0, 1 << 33)):
        row = r.Forward(t.batch.strings.number("mul"), 0, (), (y,), (), first, count, -1, True, False, 0)
        t.batch.add(row, phase="forward", subject=first, extent=65535)


def forward_cycles(t: HandmadeTrace) -> None:
    """Parts whose composite is themselves, one another, or nowhere."""
    y = t.value(1, 1.0, "y")
    here = t.batch.position
    for parent in (here, here + 2, here + 1, HUGE, -HUGE, 0):
        t.forward("linear", (y,), (y,), 9, "w * x", parent=parent)


def cyclic_nodes(t: HandmadeTrace) -> None:
    """A graph whose gradients go round: node 0 to itself, 1 to 2 to 1."""
    y = t.value(1, 1.0, "y")
    t.add(r.BackwardStart(0, "backward", (y,), (None,), None, False, False), "backward", 14, subject=0)
    name = t.batch.strings.number("MulBackward0")
    for node, to, forward in ((0, 0, 0), (1, 2, 1), (2, 1, 2), (HUGE, -HUGE, HUGE), (5, HUGE, -HUGE)):
        edges = tuple(t.edge("w", node=target, local=t.local(2.0), downstream=y) for target in (to, to, node))
        t.add(r.Backward(0, node, name, forward, 0, (y, y), edges), "backward", 14, subject=node)
    t.add(r.Accumulate(0, None, y, y, True), "backward", 14, subject=0)
    t.add(r.BackwardEnd(0, ()), "backward", 14, subject=0)


def many_paths(t: HandmadeTrace) -> None:
    """A ladder of diamonds: 2 ** 80 ways from the loss to the leaf."""
    y = t.value(1, 1.0, "y")
    name = t.batch.strings.number("AddBackward0")
    first = t.batch.position
    for node in range(80, 0, -1):
        t.forward("add", (y, y), (y,), 9, "w * x", nodes=1, first_node=node)
    t.add(r.BackwardStart(0, "backward", (y,), (y,), None, False, False), "backward", 14, subject=0)
    for node in range(80, 0, -1):
        to = {"leaf": 0} if node == 1 else {"node": node - 1}
        edges = tuple(t.edge("y", local=t.local(1.0), downstream=y, **to) for _ in range(2))
        t.add(r.Backward(0, node, name, first + 80 - node, 0, (y,), edges), "backward", 14, subject=node)
    t.add(r.Accumulate(0, None, y, y, True), "backward", 14, subject=0)


def absurd_jacobians(t: HandmadeTrace) -> None:
    y = t.value(1, 1.0, "y")
    small = t.batch.payload(r.PayloadRow("<f4", bytes(16), None))
    t.add(r.BackwardStart(0, "backward", (y,), (y,), None, False, False), "backward", 14, subject=0)
    for form in ("jacobian", "elementwise", EVIL):
        for shape in ((2, 2), (1 << 20, 1 << 20), (HUGE,), (-3,), (0, 0), (), (4,), (1, 2, 2)):
            for upstream in (y, value(t, (2,), payload=small), value(t, (4,), payload=small), value(t, (1 << 20, 0))):
                local = r.LocalRow(form, shape, None, small, 0, "float32")
                edge = t.edge("y", leaf=0, local=local, downstream=value(t, (2, 2), payload=small))
                row = r.Backward(0, 0, t.batch.strings.number("MulBackward0"), 0, 0, (upstream,), (edge,))
                t.add(row, "backward", 14, subject=0)


def absurd_contexts(t: HandmadeTrace) -> None:
    """Loops that have run for ever, and loops in one another five thousand deep."""
    y = t.value(1, 1.0, "y")
    for number in (HUGE, -HUGE, 0, HUGE):
        with t.loop_pass("epoch", number, loop=1, value=-number):
            t.add(r.BackwardStart(0, "backward", (y,), (y,), None, False, False), "backward", 14, subject=0)
            t.add(r.Accumulate(0, None, y, y, True), "backward", 14, subject=0)
            t.add(r.Update(0, 0, y, y, None, None, (), False), "update", 18, subject=0)
    for _ in range(5000):
        t.batch.contexts.append(r.ContextRow(t._contexts, 7, 7, 0, t.batch.strings.number("i"), None))
        t._contexts += 1
    t.context = t._contexts
    t.add(r.BackwardStart(1, "backward", (y,), (y,), None, False, False), "backward", 14, subject=1)


def absurd_sites(t: HandmadeTrace) -> None:
    y = t.value(1, 1.0, "y")
    string = t.batch.strings.number
    for line, column, end_line, end_column in (
        (HUGE, 0, HUGE, 5), (-5, -5, -9, -9), (9, 1 << 40, 9, 1 << 50), (0, 0, 0, 0), (9, 5, 3, 1), (1, 0, HUGE, 0),
    ):  # fmt: skip
        site = t.batch.sites.number(r.SiteRow(string("ols.py"), line, column, end_line, end_column, string("w")))
        place = t.batch.places.number(r.PlaceRow(site, (site,) * 50))
        row = r.Forward(string("mul"), 0, (y,), (y,), (), -1, 0, -1, True, False, 0)
        t.batch.add(row, phase="forward", place=place)


def facts_of_nothing(t: HandmadeTrace) -> None:
    """Events that are said to have written what they do not speak of, also where there is no event."""
    for tensor in (0, 1, HUGE, -1):
        for field in (0, 1, 7):
            for position in (0, 1, 5_000, HUGE):
                t.batch._facts += np.array([(tensor, field, position)], FACT).tobytes()
    t.batch.grads.extend([(0, 0), (1, 0), (5, HUGE)])
    t.add(r.Accumulate(0, None, t.value(1, 1.0, "y"), None, True), "backward", 14, subject=0)
    t.add(r.Accumulate(HUGE, None, t.value(1, 1.0, "y"), None, True), "backward", 14, subject=HUGE)


def kinds_that_lie(t: HandmadeTrace) -> None:
    """Columns that call each event what it is not."""
    y = t.value(1, 1.0, "y")
    rows = (r.Note("n"), r.Output("stdout", "o"), r.Accumulate(0, y, y, y, False), r.BackwardEnd(9, (y, None)),
            r.Forward(0, 0, (y,), (), (), 0, 1, -1, True, False, 0), r.Raised("E", "m", False),
            r.Update(0, 0, y, y, y, 1.0, ((0, None, y),), False), r.Backward(0, 0, 0, 0, 0, (), ()),
            r.BackwardStart(0, "grad", (), (), (), False, False))  # fmt: skip
    for kind in range(11):
        for row in rows:
            t.batch._columns += PACK_COLUMNS(kind, kind % 5, 1, 0, 0, 0, 0, len(t.batch._events))
            t.batch._events += msgspec.msgpack.encode(row)
            t.batch.count += 1
            t.batch.position += 1


def text_everywhere(t: HandmadeTrace) -> None:
    """Hostile text wherever a trace can hold text."""
    evil = t.value(7, [1.0, 2.0], EVIL)
    meta = t.batch.metas.number(r.Meta((2,), EVIL, EVIL, EVIL, True, True))
    evil = r.ValueRow(7, 0, t.batch.strings.number(EVIL), meta, None, evil.payload, t.batch.strings.number(EVIL + "!"))
    t.leaf(7, EVIL)
    with t.loop_pass(EVIL, 0):
        given = ((t.batch.strings.number(EVIL), EVIL),)
        t.forward(EVIL, (evil,), (evil,), 9, "w * x", nodes=1, first_node=5, arguments=given, aten=EVIL, module=EVIL)
        t.add(r.BackwardStart(0, EVIL, (evil,), (evil,), (evil,), False, False), "backward", 14, subject=0)
        local = r.LocalRow(EVIL, (2,), None, -1, t.batch.strings.number(EVIL), EVIL)
        edges = (t.edge(EVIL, leaf=7, local=local, downstream=evil), t.edge(EVIL, why=EVIL))
        row = r.Backward(0, 5, t.batch.strings.number(EVIL), 1, t.batch.strings.number(EVIL), (evil,), edges)
        t.add(row, "backward", 14, subject=5)
        t.add(r.Accumulate(7, evil, evil, evil, False), "backward", 14, subject=7)
        t.add(r.GradWrite(7, t.batch.strings.number(EVIL), evil, evil), "backward", 14, subject=7)
        t.add(r.ZeroGrad(7, EVIL, evil, evil), "zero_grad", 14, subject=7)
        state = ((t.batch.strings.number(EVIL), evil, evil),)
        t.add(r.Update(7, t.batch.strings.number(EVIL), evil, evil, evil, 1.0, state, True), "update", 18, subject=7)
        t.add(r.Output(EVIL, EVIL), "other", 22)
        t.add(r.Note(EVIL), "other", 22)
        t.add(r.Raised(EVIL, EVIL, False), "other", 22)
    t._writer.write_source(EVIL, EVIL * 10)
    t._writer.write_header({"script": EVIL, "argv": [EVIL], "torch": EVIL, "python": EVIL, "stopped": EVIL,
                            "options": {EVIL: EVIL}})  # fmt: skip


def wide_text(t: HandmadeTrace) -> None:
    """Names of wide, joined and combining characters."""
    combining = ("e" + "\u0301" * 300, "❤\ufe0f" * 40, "🇩🇪" * 30)
    for name in (*combining, "重" * 60, "👩‍👩‍👧‍👦" * 20, "\u3164\u115f" * 30, "ﷺ" * 50):
        y = t.value(t.tensor(), 1.0, name)
        t.leaf(y.tensor, name)
        t.forward("mul", (y,), (y,), 9, "w * x", module=name)
        t.add(r.Accumulate(y.tensor, y, y, y, False), "backward", 14, subject=y.tensor)
        t.add(r.Output("stdout", name + "\n"), "other", 22)


def endless_text(t: HandmadeTrace) -> None:
    """Two million characters in a name, a message, an output, a source text."""
    long = "é" * 2_000_000
    y = t.value(3, 1.0, long)
    t.leaf(3, long)
    t.forward(long, (y,), (y,), 9, "w * x", module=long)
    t.add(r.Output("stdout", long), "other", 22)
    t.add(r.Raised("E", long, False), "other", 22)
    t.add(r.Note(long), "other", 22)
    t._writer.write_source("ols.py", long)


def many_lines(t: HandmadeTrace) -> None:
    """A source text of three hundred thousand lines."""
    t._writer._connection.execute("DELETE FROM sources")
    t._writer.write_source("ols.py", "x = (1,\n" * 300_000)


def many_leaves(t: HandmadeTrace) -> None:
    for number in range(20_000):
        t.batch.leaves.append((number + 10, 0))
    y = t.value(1, 1.0, "y")
    t.add(r.Accumulate(11, y, y, y, False), "backward", 14, subject=11)


def deep_arguments(t: HandmadeTrace) -> None:
    """Lists in lists, as deep as a message can say."""
    y = t.value(1, 1.0, "y")
    for depth in (50, 900, 100_000):
        blob = bytearray(msgspec.msgpack.encode(r.Forward(0, 0, (), (y,), ((0, "DEEP"),), -1, 0, -1, True, False, 0)))
        at = blob.index(b"\xa4DEEP")
        blob[at : at + 5] = b"\x91" * depth + b"\x90"
        t.batch._columns += PACK_COLUMNS(0, 0, 0, 0, 0, 0, -1, len(t.batch._events))
        t.batch._events += blob
        t.batch.count += 1
        t.batch.position += 1


def promises(t: HandmadeTrace) -> None:
    """Arrays and texts that are said to be of four thousand million elements."""
    for blob in (b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"):
        t.batch._columns += PACK_COLUMNS(10, 4, 0, 0, 0, 0, -1, len(t.batch._events))
        t.batch._events += blob
        t.batch.count += 1
        t.batch.position += 1


def numbers_that_are_none(t: HandmadeTrace) -> None:
    t.add(r.Update(0, 0, t.value(0, float("nan"), "w"), t.value(0, float("inf"), "w"), None, float("-inf"), (), False),
          "update", 18, subject=0)  # fmt: skip
    t.batch.losses.extend([(HUGE, float("nan")), (-1, 1.0), (0, float("inf")), (3, -0.0)])
    t.batch.optimizers.append((5, 0, 0, (HUGE, -1)))
    t.batch.steps.extend([(HUGE, 5, 0), (-HUGE, 5, 0), (0, 9, 0)])


def sql(*statements: str) -> Callable[[Path], None]:
    """The lecture's trace after some SQL."""

    def write(path: Path) -> None:
        ols_trace(path)
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return write


TRACES: dict[str, Callable[[Path], None]] = {
    **{
        build.__name__: trace(build)
        for build in (
            absurd_shapes, wrong_dtypes, absurd_nodes, forward_cycles, cyclic_nodes, many_paths, absurd_jacobians,
            absurd_contexts, absurd_sites, facts_of_nothing, kinds_that_lie, text_everywhere, wide_text, endless_text,
            many_lines, many_leaves, deep_arguments, promises, numbers_that_are_none,
        )
    },
    "trigger": sql(
        "CREATE TRIGGER t AFTER INSERT ON header BEGIN DELETE FROM batches; END",
    ),
    "view": sql(
        "ALTER TABLE batches RENAME TO old",
        "CREATE VIEW batches AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) "
        "SELECT id, 0 AS first, 0 AS count, x'' AS columns, x'' AS facts, x'' AS tables, x'' AS events FROM n",
    ),
    "generated_column": sql(
        "DROP TABLE sources",
        "CREATE TABLE sources (file TEXT PRIMARY KEY, "
        "text TEXT NOT NULL GENERATED ALWAYS AS (hex(zeroblob(40000000))) VIRTUAL)",
        "INSERT INTO sources (file) VALUES ('ols.py')",
    ),
    "index_with_an_expression": sql("CREATE INDEX i ON batches (hex(columns))"),
    "virtual_table": sql("DROP TABLE sources", "CREATE VIRTUAL TABLE sources USING fts5(file, text)"),
    "other_columns": sql("DROP TABLE sources", "CREATE TABLE sources (file, text, UNIQUE (text))"),
    "huge_row": sql("UPDATE batches SET events = zeroblob(90000000)"),
    "huge_source": sql("UPDATE sources SET text = CAST(zeroblob(90000000) AS TEXT)"),
    "huge_header": sql("UPDATE header SET value = zeroblob(90000000) WHERE key = 'script'"),
    "huge_columns": sql("UPDATE batches SET columns = zeroblob(84000000), count = 3000000"),
    "many_sources": sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000) "
        "INSERT INTO sources SELECT 'file' || i, hex(zeroblob(500)) FROM n"
    ),
    "many_headers": sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) "
        "INSERT INTO header SELECT 'key' || i, x'c0' FROM n"
    ),
    "many_batches": sql(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n LIMIT 4000) "
        "INSERT INTO batches SELECT i, (SELECT sum(count) FROM batches), 0, x'', x'', x'90', x'' FROM n"
    ),
    "text_for_numbers": sql("UPDATE batches SET first = 'one', count = 'many'"),
    "numbers_for_text": sql("UPDATE batches SET columns = 1.5, facts = 3, tables = 7, events = 9"),
    "negative_batch": sql("UPDATE batches SET id = -5"),
    "payload_ids": sql("UPDATE payloads SET id = -9223372036854775808, count = -1, offsets = x'ffffffff00000000'"),
    "future": sql("PRAGMA user_version = 99"),
    "utf16": sql(
        "UPDATE sources SET text = CAST(x'fffe00d8' AS TEXT)",
        "UPDATE header SET key = CAST(x'ff' AS TEXT) WHERE key = 'script'",
    ),
}
