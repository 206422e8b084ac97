"""Look at the page of `diagram-bridge show FILE --html` in a real browser: `python -m scripts.browser_check`.

Chromium is driven through chromedriver (Debian's packages chromium and chromium-driver) by the WebDriver protocol
(https://www.w3.org/TR/webdriver2/), without another package. The page of the captioning diagram is loaded; the mouse points
at its agreement, zooms, drags and clicks; the lines and boxes of both sides have to be lit and no others, and the console
has to be empty. Screenshots are left in the folder, also of a diagram of sixty elements.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import bridge
from bridge import layers
from bridge.draw.page import page
from bridge.draw.picture import Picture, picture
from examples.gallery import captioning

SIZES = {"captioning": (1000, 520), "sixty": (1400, 1320)}
"""Of the windows, with what is around the page."""
LIT = """
const lit = side => [...document.querySelectorAll('.lit-' + side)]
  .map(part => part.dataset.id || part.dataset.start + ' > ' + part.dataset.end).sort();
return {left: lit('left'), right: lit('right'), told: document.querySelector('#told').textContent};
"""
STROKE = "return getComputedStyle(document.querySelector(arguments[0])).stroke"
MATRIX = "return new DOMMatrix(getComputedStyle(document.querySelector('main svg')).transform).toFloat64Array().join()"


class Browser:
    """One session of WebDriver."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu"]
        wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{made['sessionId']}"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One command; raises RuntimeError with the browser's words where it fails."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:500]}") from None

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def mouse(self, *actions: dict[str, Any], wheel: bool = False) -> None:
        """Actions of the mouse or of its wheel."""
        kind = {"type": "wheel", "id": "wheel"} if wheel else {"type": "pointer", "id": "mouse"}
        self.ask("POST", "/actions", {"actions": [{**kind, "actions": list(actions)}]})

    def middle(self, box: str) -> dict[str, Any]:
        """Where the middle of a box is now, as the place of an action."""
        found = f"const place = document.querySelector('[data-id={json.dumps(box)}] path, [data-id={json.dumps(box)}] rect')"
        script = f"{found}.getBoundingClientRect(); return [place.x + place.width / 2, place.y + place.height / 2]"
        x, y = self.run(script)
        return {"x": round(x), "y": round(y), "duration": 50}

    def picture(self, path: Path) -> None:
        """A screenshot."""
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, which is closed at the end."""
    driver = shutil.which("chromedriver")
    if driver is None:
        sys.exit("chromedriver is not installed (Debian: apt install chromium chromium-driver)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    opened = None
    try:
        for _ in range(100):
            try:
                opened = Browser(port)
                break
            except URLError:
                time.sleep(0.1)
        if opened is None:
            sys.exit("chromedriver does not answer")
        yield opened
    finally:
        if opened is not None:
            opened.ask("DELETE", "")
        process.terminate()
        process.wait()


def sixty() -> bridge.Diagram:
    """Nine tasks on one backbone: sixty elements and a few."""
    d = bridge.Builder("nine tasks")
    x, h = d.space("image", row=8, column=8), d.space("features", feature=32)
    backbone = d.arrow("backbone", x, h, bridge.TorchReference("backbone"))
    for task in ("digit", "parity", "below", "prime", "square", "loops", "third", "rounded", "writer"):
        y = d.space(f"{task}_logits", choice=2)
        samples = d.source(task, image=x, label=d.index(f"{task}_label", classes=2))
        said = d.arrow(f"{task}_head", h, y, layers.linear(32, 2))(backbone(samples.image))
        d.agree(said, samples.label, by=bridge.cross_entropy(), name=task)
        d.output(f"{task}_said", said)
    return d.build()


def expected(made: Picture, box: str, side: str) -> list[str]:
    """The boxes and lines that are to be lit on one side of an agreement."""
    parts = getattr(made.boxes[box], side)
    inside = [f"{line.start} > {line.end}" for line in made.lines if line.start in parts and line.end in parts]
    own = [f"{line.start} > {line.end}" for line in made.lines if line.end == box and line.kind == side]
    return sorted([*parts, *inside, *own])


def check(opened: Browser, made: Picture, box: str, folder: Path) -> list[str]:
    """What is wrong with pointing, clicking and zooming on an agreement of the page that is loaded."""
    failures: list[str] = []

    def demand(fine: bool, said: str) -> None:
        print(f"{'ok  ' if fine else 'FAIL'} {said}")
        if not fine:
            failures.append(said)

    def lit() -> dict[str, Any]:
        answer: dict[str, Any] = opened.run(LIT)
        return answer

    nothing = {"left": [], "right": [], "told": ""}
    sides = {side: expected(made, box, side) for side in ("left", "right")}
    bottom = opened.run("return innerHeight")
    aside = {"type": "pointerMove", "x": 220, "y": bottom - 20, "duration": 50}
    demand(lit() == nothing, "nothing is lit before anything is pointed at")
    opened.mouse({"type": "pointerMove", **opened.middle(box)})
    found = lit()
    demand(found == {**sides, "told": made.boxes[box].title}, f"pointing at {box!r} lights both sides: {sides}")
    alone = (".line.lit-left:not(.lit-right)", ".line.lit-right:not(.lit-left)")
    colours = [opened.run(STROKE, selector) for selector in alone]
    demand(colours == ["rgb(24, 100, 171)", "rgb(194, 37, 92)"], f"left is blue and right is red: {colours}")
    opened.picture(folder / "hovered.png")
    opened.mouse(aside)
    demand(lit() == nothing, "pointing elsewhere puts it out")
    press, release = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
    opened.mouse({"type": "pointerMove", **opened.middle(box)}, press, release, aside)
    demand(lit()["left"] == sides["left"], "a click holds it")
    opened.mouse(press, release)
    demand(lit() == nothing, "a click elsewhere lets it go")
    before, place = opened.run(MATRIX), opened.middle(box)
    opened.mouse({"type": "scroll", **place, "deltaX": 0, "deltaY": -300, "duration": 0}, wheel=True)
    demand(opened.run(MATRIX) != before, "the wheel zooms")
    now = opened.middle(box)
    near = max(abs(now[axis] - place[axis]) for axis in "xy")
    demand(near <= 2, f"what the mouse is at stays there: {near} pixels")
    opened.mouse(aside, press, {"type": "pointerMove", "x": 120, "y": bottom - 70, "duration": 50}, release)
    dragged = opened.middle(box)
    demand((dragged["x"] - now["x"], dragged["y"] - now["y"]) == (-100, -50), "dragging moves the picture")
    opened.mouse({"type": "pointerMove", **opened.middle(box)})
    demand(lit()["right"] == sides["right"], "and it is lit where it is now")
    opened.picture(folder / "zoomed.png")
    return failures


def main() -> int:
    """Check the page; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/browser"), help="where screenshots go")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    captions = picture(captioning.diagram().build(), captioning.PLACEMENT)
    pages = {"captioning": captions, "sixty": picture(sixty())}
    failures: list[str] = []
    with browser() as opened:
        for name, made in pages.items():
            path = (folder / f"{name}.html").resolve()
            path.write_text(page(made), encoding="utf-8")
            opened.ask("POST", "/window/rect", dict(zip(("width", "height"), SIZES[name], strict=True)))
            opened.ask("POST", "/url", {"url": path.as_uri()})
            opened.picture(folder / f"{name}.png")
            if name == "captioning":
                failures += check(opened, made, "agreement caption", folder)
            written = [entry["message"] for entry in opened.ask("POST", "/se/log", {"type": "browser"})]
            print(f"{'FAIL' if written else 'ok  '} the console of {name} is empty {written or ''}")
            failures += written
    print(f"screenshots are in {folder}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
