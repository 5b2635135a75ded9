"""`ranvier report RUN`."""

from ranvier.cli.options import RunFolder, call, console, wrote


def report(run: RunFolder) -> None:
    """Write one self-contained HTML file about a finished run, into its folder.

    Args:
        run: the folder of the run.
    """
    from ranvier.report import write_report
    from ranvier.run import open_run

    with console().status("writing the report"):
        path = write_report(open_run(run))
    wrote(path)


def run(arguments: list[str]) -> int:
    return call(report, arguments, verb="report")
