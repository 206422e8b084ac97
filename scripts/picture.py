"""Write docs/picture.svg, the demonstration's two diagrams one above the other, as `diagram.svg()` draws them.

    python scripts/picture.py           # write it
    python scripts/picture.py --check   # exit 1 where it is not current
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from torch import nn

from bridge.demo import cotraining, distillation
from bridge.draw.layout import layout
from bridge.draw.picture import picture
from bridge.draw.relation import moved
from bridge.draw.svg import drawn_box, drawn_lines, framed

FILE = Path(__file__).resolve().parent.parent / "docs" / "picture.svg"
TITLE = "A distillation and a co-training as learning diagrams, with components that run in PyTorch and in Julia"


def drawn() -> str:
    """The picture as SVG."""
    module = nn.Linear(1, 1)  # what the modules are is not drawn
    shown = (
        picture(distillation.diagram(module, "float32").build(), {"student": "julia"}),
        picture(cotraining.diagram(module, "float32").build(), {"head": "julia"}),
    )
    first, second = (layout(made) for made in shown)
    layouts = (first, moved(second, first.height))
    width, height = max(placed.width for placed in layouts), layouts[1].height
    parts = [f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>']  # pages may be dark
    for made, placed in zip(shown, layouts, strict=True):
        parts += [*drawn_lines(made, placed), *(drawn_box(box, placed) for box in made.boxes.values())]
    return framed(TITLE, width, height, parts)


def main() -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if not parser.parse_args().check:
        FILE.write_text(drawn(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != drawn():
        print(f"{FILE} is not current: python scripts/picture.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
