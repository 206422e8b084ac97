"""The gallery as one HTML page that needs no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from examples.gallery.running import Summary, find, picture

__all__ = ["curves", "page"]

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em }
section { border-top: 1px solid #ddd; padding: 1em 0 } .missed { color: #c2255c }
.picture > svg { max-width: 100%; height: auto }
table { border-collapse: collapse } td, th { padding: 2px 14px 2px 0; text-align: left; vertical-align: top }
.figure { white-space: nowrap }
.curve polyline { fill: none; stroke: #1864ab; stroke-width: 1.2; opacity: .6 } .curve line { stroke: #bbb }
.curve text { font: 11px system-ui, sans-serif; fill: #555 }
"""
TOLD = (
    "Orange arrows run in PyTorch, violet ones in Julia; dashed ones are frozen. Figures are mean ± standard deviation over "
    "the seeds."
)
SOURCE = "../../examples/gallery"
WIDTH, HEIGHT, POINTS = 420, 140, 120


def page(summaries: Sequence[Summary], source: str = SOURCE) -> str:
    """The page of some examples; `source` is where their files are, seen from the page."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Gallery of learning diagrams</title><style>{STYLE}</style></head>
<body><h1>Gallery of learning diagrams</h1><p>{TOLD}</p>
<table><tr><th>setup</th><th>metric</th><th>setup</th><th>baseline</th><th>which is</th></tr>
{"".join(map(row, summaries))}</table>
{"".join(section(summary, source) for summary in summaries)}</body></html>
"""


def row(summary: Summary) -> str:
    """The table's row of one example."""
    example = find(summary.name)
    link = f'<a href="#{summary.name}">{escape(title(summary))}</a>'
    figures = "".join(f'<td class="figure">{figure}</td>' for figure in (summary.metric(), summary.baseline()))
    return f"<tr><td>{link}</td><td>{escape(example.METRIC)}</td>{figures}<td>{escape(example.BASELINE)}</td></tr>\n"


def title(summary: Summary) -> str:
    """The first line of an example's docstring, without its full stop."""
    return (find(summary.name).__doc__ or "").splitlines()[0].rstrip(".")


def section(summary: Summary, source: str) -> str:
    """What the page has of one example."""
    example, name = find(summary.name), summary.name
    _, said, baseline = (re.sub(r"\s+", " ", part).strip() for part in (example.__doc__ or "").split("\n\n"))
    verdict = "" if summary.beats else ' <b class="missed">not better than the baseline</b>'
    links = " · ".join(f'<a href="{source}/{name}.{kind}">{name}.{kind}</a>' for kind in ("py", "jl"))
    return f"""<section id="{name}"><h2>{escape(title(summary))}</h2><p>{escape(said)}</p>
<div class="picture">{picture(example)}</div>
<p>{escape(example.METRIC)}: <b>{summary.metric()}</b>; {escape(example.BASELINE)}: <b>{summary.baseline()}</b>{verdict}<br>
{escape(baseline)}</p>
{curves([result.curve for result in summary.results])}
<p>{escape(summary.julia)}</p><p>{links}</p></section>
"""


def curves(found: Sequence[Sequence[float]]) -> str:
    """The losses of all seeds as lines, each of at most `POINTS` means, as SVG."""
    drawn = [smoothed(curve) for curve in found]
    top = max(max(curve) for curve in drawn)
    bottom = min(0.0, *(min(curve) for curve in drawn))
    left, lower, right = 46, HEIGHT - 18, WIDTH - 6
    lines = []
    for curve in drawn:
        across, up = (right - left) / max(len(curve) - 1, 1), (lower - 8) / ((top - bottom) or 1)
        points = " ".join(f"{left + k * across:.1f},{lower - up * (loss - bottom):.1f}" for k, loss in enumerate(curve))
        lines.append(f'<polyline points="{points}"/>')
    return f"""<svg class="curve" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="loss by step">
<line x1="{left}" y1="{lower}" x2="{right}" y2="{lower}"/><line x1="{left}" y1="4" x2="{left}" y2="{lower}"/>
{"".join(lines)}
<text x="{left}" y="{HEIGHT - 4}">loss before step 0</text>
<text x="{right}" y="{HEIGHT - 4}" text-anchor="end">step {max(map(len, found))}</text>
<text x="0" y="14">{top:.3g}</text><text x="0" y="{lower}">{bottom:.3g}</text></svg>"""


def smoothed(curve: Sequence[float]) -> list[float]:
    """Means of stretches of equal length.

    >>> smoothed([3.0, 2.0, 1.0])
    [3.0, 2.0, 1.0]
    """
    length = -(-len(curve) // POINTS)
    stretches = (curve[start : start + length] for start in range(0, len(curve), length))
    return [sum(stretch) / len(stretch) for stretch in stretches]
