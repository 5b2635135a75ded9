"""The look of a report: one HTML page without external resources, for light and dark screens and for paper."""

from collections.abc import Iterable, Sequence
from html import escape

CSS = """
:root { --paper: #fbfaf7; --card: #ffffff; --ink: #20242e; --soft: #6b7080; --line: #e7e2d8; --sheath: #eadfcb;
  --amber: #e8742c; --blue: #2f86b5; --good: #2f8f5b; color-scheme: light dark; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14161b; --card: #1c1f27; --ink: #e9e6df;
  --soft: #9a9fad; --line: #2d313c; --sheath: #3d3a36; --amber: #f28a44; --blue: #58a9d6; --good: #58b987; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "DejaVu Sans", sans-serif; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 28px 64px; }
header { margin-bottom: 30px; }
.axon { display: block; width: 100%; height: 46px; margin-bottom: 22px; }
.word { font-size: 13px; letter-spacing: .18em; text-transform: uppercase; color: var(--soft); }
h1 { font-size: 40px; line-height: 1.15; margin: 4px 0 4px; letter-spacing: -.02em; }
h2 { font-size: 20px; margin: 46px 0 2px; letter-spacing: -.01em; }
p { margin: 0 0 14px; color: var(--soft); max-width: 74ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 16px 18px; }
.tile b { display: block; font-size: 30px; line-height: 1.2; letter-spacing: -.02em; font-weight: 650; }
.tile b small { font-size: 16px; font-weight: 500; }
.tile i { display: block; font-style: normal; font-size: 13px; color: var(--soft); }
.tile.lead b { color: var(--amber); }
.meter { position: relative; height: 8px; border-radius: 4px; background: var(--line); margin: 10px 0 4px; }
.meter span { position: absolute; inset: 0 auto 0 0; border-radius: 4px; background: var(--amber); }
.meter u { position: absolute; top: -4px; width: 2px; height: 16px; background: var(--ink); }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
.scenes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr)); gap: 14px; }
.scenes.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
.scenes figure img { image-rendering: auto; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; }
figure img { display: block; width: 100%; image-rendering: pixelated; padding: 10px; }
figcaption { padding: 8px 14px 10px; font-size: 14px; border-top: 1px solid var(--line); color: var(--soft); }
figcaption strong { color: var(--ink); }
figure.wrong { border-color: var(--amber); }
figure.wrong figcaption em { color: var(--amber); font-style: normal; font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 12px; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 14px; align-items: start; }
.two + .card { margin-top: 14px; }
.card svg { display: block; width: 100%; height: auto; }
.card h3 { margin: 0 0 6px; font-size: 15px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12px; padding: 4px 10px 6px 0; }
td { padding: 5px 10px 5px 0; border-top: 1px solid var(--line); white-space: nowrap; }
.two td { padding-top: 3px; padding-bottom: 3px; white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
td.n, th.n { text-align: right; }
.two td.n, .two td:first-child code { white-space: nowrap; }
tr.total td { font-weight: 650; border-top: 2px solid var(--ink); }
.free { color: var(--good); font-weight: 600; }
code { font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { margin-top: 48px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media print { main { max-width: none; padding: 0; } body { font-size: 11pt; } h2 { break-after: avoid; }
  figure, .card, .tile, tr { break-inside: avoid; } .samples { grid-template-columns: repeat(6, 1fr); }
  .two { grid-template-columns: 1fr 1fr; } @page { margin: 14mm; } }
"""


def page(*, title: str, subtitle: str, sections: Iterable[str], footer: str) -> str:
    """Return the whole document."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} · Ranvier</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n<header>\n{_axon()}\n"
        f'<div class="word">Ranvier · report of a run</div>\n<h1>{escape(title)}</h1>\n<p>{escape(subtitle)}</p>\n'
        f"</header>\n" + "\n".join(sections) + f"\n<footer>{footer}</footer>\n</main>\n</body>\n</html>\n"
    )


def section(title: str, explanation: str, *content: str) -> str:
    """Return a titled part of the page; `explanation` tells a newcomer what to look at."""
    return f"<section>\n<h2>{escape(title)}</h2>\n<p>{escape(explanation)}</p>\n" + "\n".join(content) + "\n</section>"


def tile(label: str, value: str, unit: str = "", note: str = "", *, lead: bool = False, extra: str = "") -> str:
    """Return one large number with its name; `extra` is HTML below it."""
    small = f" <small>{escape(unit)}</small>" if unit else ""
    return (
        f'<div class="tile{" lead" if lead else ""}"><i>{escape(label)}</i><b>{escape(value)}{small}</b>{extra}'
        f"<i>{escape(note)}</i></div>"
    )


def meter(value: float, mark: float | None) -> str:
    """Return a bar from 0 to 1 with a mark at the number that was expected."""
    tick = "" if mark is None else f'<u style="left:{100 * mark:.2f}%"></u>'
    return f'<div class="meter"><span style="width:{100 * value:.2f}%"></span>{tick}</div>'


def figure(source: str, alt: str, caption: str, *, wrong: bool = False) -> str:
    """Return a picture, given by its address, with a caption (HTML); what is wrong is framed."""
    mark = " class=wrong" if wrong else ""
    return f'<figure{mark}><img alt="{escape(alt)}" src="{source}"><figcaption>{caption}</figcaption></figure>'


def legend(names: Sequence[str], colours: Sequence[str]) -> str:
    """Return what each colour means; colours repeat where there are more names."""
    chips = (
        f'<span><i style="background:{colours[k % len(colours)]}"></i>{escape(name)}</span>'
        for k, name in enumerate(names)
    )
    return f'<div class="legend">{"".join(chips)}</div>'


def card(content: str, title: str = "") -> str:
    """Return `content` (HTML) on a card."""
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<div class="card">{heading}{content}</div>'


def columns(*content: str) -> str:
    """Return cards side by side where the page is wide enough."""
    return '<div class="two">' + "\n".join(content) + "</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, total: Sequence[str] | None = None) -> str:
    """Return a table; cells are HTML, and columns whose head starts with `#` hold numbers."""
    numeric = [name.startswith("#") for name in head]

    def row(cells: Sequence[str], tag: str = "td") -> str:
        marks = (' class="n"' if right else "" for right in numeric)
        return "".join(f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, cells, strict=True))

    lines = [
        f"<tr>{row([name.lstrip('#') for name in head], 'th')}</tr>",
        *(f"<tr>{row(cells)}</tr>" for cells in rows),
    ]
    if total is not None:
        lines.append(f'<tr class="total">{row(total)}</tr>')
    return '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>"


def _axon() -> str:
    """The mark of Ranvier: a sheathed axon, and a spike that leaps from node to node."""
    sheath, gap, y, first = 92, 16, 30, 8
    pitch = sheath + gap
    parts = [f'<line x1="0" y1="{y}" x2="1024" y2="{y}" stroke="var(--amber)" stroke-width="3" opacity=".55"/>']
    for k in range(9):
        x = first + gap + k * pitch
        parts.append(f'<rect x="{x}" y="{y - 10}" width="{sheath}" height="20" rx="10" fill="var(--sheath)"/>')
        left, right = x - gap / 2, x + sheath + gap / 2
        parts.append(
            f'<path d="M{left} {y - 3} Q{(left + right) / 2} {-16} {right} {y - 3}" fill="none" stroke="var(--amber)" '
            f'stroke-width="2" stroke-linecap="round" opacity="{0.12 + 0.1 * k:.2f}"/>'
        )
    end = first + gap / 2 + 9 * pitch
    parts.append(f'<circle cx="{end}" cy="{y}" r="6.5" fill="var(--amber)"/>')
    box = 'viewBox="0 0 1024 46" preserveAspectRatio="xMinYMid meet"'
    return f'<svg class="axon" {box} aria-hidden="true">{"".join(parts)}</svg>'
