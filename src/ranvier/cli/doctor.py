"""`ranvier doctor`."""

from dataclasses import asdict

from ranvier.cli.options import call, console, print_json

MARKS = {"ok": "[green]ok     [/]", "missing": "[yellow]missing[/]", "broken": "[red]broken [/]"}


def doctor(*, json: bool = False) -> int:
    """Say what this installation can do, and what to type where it lacks.

    Args:
        json: one line of JSON for a script.
    """
    from ranvier.doctor import examine

    if json:
        checks = list(examine())
        print_json([asdict(check) for check in checks])
    else:
        out, checks = console(), []
        for check in examine():
            checks.append(check)
            # Each line as soon as it is known: the self-tests take a second each.
            out.print(f"{MARKS[check.state]}  [bold]{check.subject:<18}[/] {check.finding}", soft_wrap=True)
            if check.remedy:
                out.print(f"{'':29}type: [bold]{check.remedy.replace('[', chr(92) + '[')}[/]", soft_wrap=True)
    return 1 if any(check.state == "broken" for check in checks) else 0


def run(arguments: list[str]) -> int:
    return call(doctor, arguments, verb="doctor")
