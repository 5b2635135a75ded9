"""One self-contained HTML file for a run: what went in, what the network said, what it costs, how to repeat it."""

from ranvier.report.write import write_report

__all__ = ["write_report"]
