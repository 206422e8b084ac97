"""A page that shows a picture in a browser: pointing at an agreement lights up its two sides, and a click holds them lit.

It needs no network. `scripts/browser_check.py` looks at it in a real browser.
"""

from __future__ import annotations

from html import escape

from bridge.draw.picture import Picture
from bridge.draw.svg import svg

__all__ = ["page"]

STYLE = """\
html, body { margin: 0; height: 100%; font: 14px system-ui, sans-serif; color: #222; background: #fff }
header { position: fixed; inset: 0 0 auto; padding: 8px 14px; background: #fffd; border-bottom: 1px solid #ddd; z-index: 1 }
header b { margin-right: 1em } .key-left { color: #1864ab } .key-right { color: #c2255c }
main { height: 100%; overflow: hidden; cursor: grab } main svg { transform-origin: 0 0; margin-top: 44px }
"""

# A line belongs to a side where both of its ends do, or where it joins the agreement itself to that side.
SCRIPT = """\
const main = document.querySelector('main'), picture = main.querySelector('svg'), told = document.querySelector('#told');
const boxes = [...picture.querySelectorAll('[data-id]')], lines = [...picture.querySelectorAll('[data-start]')];
function clear() {
  for (const part of [...boxes, ...lines]) part.classList.remove('lit-left', 'lit-right');
  told.textContent = '';
}
function light(box) {
  clear();
  told.textContent = box.querySelector('title').textContent;
  if (box.dataset.left === undefined) return;
  for (const side of ['left', 'right']) {
    const parts = new Set(box.dataset[side].split('/'));
    for (const other of boxes) if (parts.has(other.dataset.id)) other.classList.add('lit-' + side);
    for (const line of lines) {
      const inside = parts.has(line.dataset.start) && parts.has(line.dataset.end);
      const own = line.dataset.end === box.dataset.id && line.classList.contains(side);
      if (inside || own) line.classList.add('lit-' + side);
    }
  }
}
let held = null;
for (const box of boxes) {
  box.addEventListener('pointerenter', () => light(box));
  box.addEventListener('pointerleave', () => held ? light(held) : clear());
}
main.addEventListener('click', event => {
  if (moved) return;
  held = event.target.closest('[data-id]');
  held ? light(held) : clear();
});
const width = picture.width.baseVal.value, height = picture.height.baseVal.value;
const fitting = Math.min(main.clientWidth / width, (main.clientHeight - 44) / height);
let scale = Math.min(1.6, Math.max(0.7, fitting)); // all of it, unless it would be too small to read
let x = Math.max(0, (main.clientWidth - width * scale) / 2), y = 0, from = null, moved = false;
const move = () => { picture.style.transform = `translate(${x}px, ${y}px) scale(${scale})`; };
main.addEventListener('wheel', event => {
  event.preventDefault();
  const before = scale, top = 44;
  scale = Math.min(8, Math.max(0.1, scale * Math.exp(-event.deltaY / 500)));
  x = event.clientX - (event.clientX - x) * scale / before;
  y = event.clientY - top - (event.clientY - top - y) * scale / before;
  move();
}, { passive: false });
main.addEventListener('pointerdown', event => { from = [event.clientX - x, event.clientY - y]; moved = false; });
window.addEventListener('pointermove', event => {
  if (!from) return;
  moved = true;
  x = event.clientX - from[0];
  y = event.clientY - from[1];
  move();
});
window.addEventListener('pointerup', () => { from = null; });
move();
"""


def page(made: Picture) -> str:
    """A self-contained HTML page. Raises UnsupportedError where grandalf is not installed."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(made.name)}</title><style>{STYLE}</style></head>
<body><header><b>{escape(made.name)}</b><span class="key-left">left: the prediction</span> ·
<span class="key-right">right: the target</span> · <span id="told"></span></header>
<main>{svg(made)}</main><script>{SCRIPT}</script></body></html>
"""
