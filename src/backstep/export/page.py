"""The page of the html export: its layout and its motion. What it shows comes as data."""

from __future__ import annotations

LIGHT_OR_PAPER = "@media (prefers-color-scheme: light), print"
STYLE = f"""
:root {{ color-scheme: dark light;
--ground: #11151c; --ink: #d8dee9; --dim: #7b8494; --line: #3b4252; --key: #f9ee71; }}
{LIGHT_OR_PAPER} {{
:root {{ --ground: #fbfbfa; --ink: #22262e; --dim: #666e7a; --line: #c9ced6; --key: #7a5c00; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--ground); color: var(--ink);
font: 14px/1.35 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
header {{ position: sticky; top: 0; z-index: 1; padding-bottom: 8px;
background: var(--ground); border-bottom: 1px solid var(--line); }}
h1 {{ font: inherit; margin: 0 0 6px; padding: 4px 16px; }}
h2 {{ font: inherit; margin: 0 0 6px; }}
main {{ display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 8fr); gap: 16px; padding: 12px 16px; }}
section {{ min-width: 0; overflow-x: auto; }}
section + section {{ border-top: 1px solid var(--line); padding-top: 8px; }}
#source {{ grid-row: span 3; }} #source + section {{ border-top: none; padding-top: 0; }}
pre {{ margin: 0; font-size: clamp(10px, calc((100vw - 48px) / 104), 20px); line-height: 1.17; }}
i {{ font-style: normal; }} pre i {{ display: inline-block; }}
#curve {{ width: calc(100% - 32px); height: 56px; display: block; margin: 0 16px; cursor: pointer; }}
#curve rect {{ fill: var(--line); opacity: 0.4; }}
#curve path {{ fill: none; stroke: #4fa8ee; stroke-width: 2; vector-effect: non-scaling-stroke; }}
#curve line {{ stroke: var(--key); stroke-width: 2; vector-effect: non-scaling-stroke; }}
input[type=range] {{ width: calc(100% - 28px); margin: 2px 14px; }}
nav {{ display: flex; flex-wrap: wrap; gap: 4px; padding: 0 16px; }}
nav span {{ margin-left: auto; color: var(--dim); }}
button {{ font: inherit; background: none; color: inherit; border: 1px solid var(--line); border-radius: 4px;
padding: 1px 8px; cursor: pointer; }}
button:hover {{ border-color: currentcolor; }}
footer {{ padding: 4px 16px 16px; color: var(--dim); }}
@media (max-width: 900px) {{
main {{ display: flex; flex-direction: column; }} #chain {{ order: -2; }} #graph {{ order: -1; }}
pre {{ font-size: 12px; }} section + section {{ border-top: none; padding-top: 0; }}
}}
@media (max-width: 500px) {{ #curve {{ height: 32px; }} button {{ padding: 1px 5px; font-size: 12px; }} }}
@media print {{
* {{ print-color-adjust: exact; }} header {{ position: static; }} button, input {{ display: none; }}
main {{ display: block; }} section {{ overflow: visible; margin-bottom: 16px; break-inside: avoid; }}
pre {{ font-size: 10px; min-height: 0 !important; }}
}}
"""
"""The panes are as wide as their cells: 66 and 104 beside each other fill any window. One below the other what explains
comes first. On paper it is light."""

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const panes = ["source", "graph", "chain", "tensors"];
const by = id => document.getElementById(id);
let at = data.start;
panes.forEach((pane, index) => {
  const rows = Math.max(...data.steps.map(step => step.panes[index].length - 1));
  by(pane).querySelector("pre").style.minHeight = rows * 1.17 + "em";
});
function parts(row) {
  const nodes = [];
  for (let index = 0; index < row.length; index += 2) {
    const node = row[index] ? document.createElement("i") : document.createTextNode(row[index + 1]);
    if (row[index]) { node.className = "k" + row[index]; node.textContent = row[index + 1]; }
    nodes.push(node);
  }
  return nodes;
}
function show(to) {
  at = Math.max(0, Math.min(data.steps.length - 1, to));
  const step = data.steps[at];
  panes.forEach((pane, index) => {
    by(pane).querySelector("h2").replaceChildren(...parts(data.rows[step.panes[index][0]]));
    by(pane).querySelector("pre").replaceChildren(
      ...step.panes[index].slice(1).flatMap(row => [...parts(data.rows[row]), document.createTextNode("\\n")]));
  });
  by("crumb").replaceChildren(...parts(data.rows[step.crumb]));
  by("range").value = at;
  by("range").setAttribute("aria-valuetext", by("crumb").textContent);
  const share = data.extent > 1 ? step.position / (data.extent - 1) : 0;
  by("now").setAttribute("x1", share * 1000); by("now").setAttribute("x2", share * 1000);
  try { history.replaceState(null, "", "#" + step.position); } catch (error) { /* in a sandbox there is no history */ }
}
function seek(field, direction) {
  const here = data.steps[at][field];
  if (direction > 0) {
    let to = at; while (to < data.steps.length && data.steps[to][field] === here) to++;
    if (to < data.steps.length) show(to);
    return;
  }
  let first = at; while (first > 0 && data.steps[first - 1][field] === here) first--;
  if (first < at || first === 0) { show(first); return; }
  const before = data.steps[first - 1][field];
  let to = first - 1; while (to > 0 && data.steps[to - 1][field] === before) to--;
  show(to);
}
const keys = {
  ArrowRight: () => show(at + 1), l: () => show(at + 1), ArrowLeft: () => show(at - 1), h: () => show(at - 1),
  p: () => seek("phase", 1), P: () => seek("phase", -1), i: () => seek("iteration", 1), I: () => seek("iteration", -1),
  t: () => { if (data.steps[at].twin >= 0) show(data.steps[at].twin); },
  Home: () => show(0), End: () => show(data.steps.length - 1),
};
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault(); keys[event.key]();
});
by("range").addEventListener("input", event => show(Number(event.target.value)));
by("curve").addEventListener("click", event => {
  const box = by("curve").getBoundingClientRect();
  const wanted = (event.clientX - box.left) / box.width * (data.extent - 1);
  let best = 0;
  data.steps.forEach((step, index) => {
    if (Math.abs(step.position - wanted) < Math.abs(data.steps[best].position - wanted)) best = index;
  });
  show(best);
});
document.querySelectorAll("button").forEach(one => one.addEventListener("click", () => keys[one.dataset.key]()));
const linked = data.steps.findIndex(step => "#" + step.position === location.hash);
show(linked >= 0 ? linked : at);
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1 id="crumb" aria-live="polite"></h1>
<svg id="curve" viewBox="0 0 1000 56" preserveAspectRatio="none" role="img" aria-label="{label}">
{part}<path d="{curve}"/><line id="now" x1="0" x2="0" y1="0" y2="56"/></svg>
<input type="range" id="range" min="0" max="{last}" value="0" aria-label="event">
<nav>{buttons}<span>{label}</span></nav>
</header>
<main>
<section id="source"><h2></h2><pre></pre></section>
<section id="graph"><h2></h2><pre></pre></section>
<section id="chain" aria-live="polite"><h2></h2><pre></pre></section>
<section id="tensors"><h2></h2><pre></pre></section>
</main>
<footer>{footer}</footer>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""

BUTTONS = (
    ("Home", "first"), ("ArrowLeft", "← back"), ("ArrowRight", "→ step"), ("P", "P phase"), ("p", "p phase"),
    ("I", "I iteration"), ("i", "i iteration"), ("t", "t twin"), ("End", "last"),
)  # fmt: skip
"""What can be clicked, by the key that does the same."""
