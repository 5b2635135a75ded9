from importlib import metadata

import pytest

from ranvier import kernels as ranvier_kernels
from ranvier.cli import main
from ranvier.doctor import examine, packages
from ranvier.doctor import kernels as kernel_checks
from ranvier.kernels import native


def by_subject(checks):
    return {check.subject: check for check in checks}


def test_everything_is_examined(capsys):
    found = by_subject(examine())
    assert {"python", "ranvier", "kernels Triton", "reference", "threads", "recordings"} <= set(found)
    assert found["reference"].state == "ok"
    assert "neuron steps/s" in found["reference"].finding


@pytest.mark.skipif(native.load()[0] is None, reason="the C kernels were not built")
def test_the_c_kernels_pass_their_self_test():
    found = by_subject(kernel_checks.kernels())
    assert found["kernel lif"].state == "ok"
    assert "equal to the reference" in found["kernel lif"].finding
    assert found["kernel gather"].state == "ok"
    assert found["kernel wkv"].state == "ok"
    assert "mode steps/s" in found["kernel wkv"].finding
    assert found["kernel selective_scan"].state == "ok"
    assert "mode steps/s" in found["kernel selective_scan"].finding


@pytest.mark.skipif(native.load()[0] is None, reason="the C kernels were not built")
def test_a_wrong_kernel_is_found(monkeypatch):
    def wrong(x, **options):
        out = ranvier_kernels.lif(x, **options)
        return out if ranvier_kernels.uses_reference() else out._replace(s=out.s * 0.5)

    monkeypatch.setattr(kernel_checks, "lif", wrong)
    assert by_subject(kernel_checks.kernels())["kernel lif"].state == "broken"


def test_missing_c_kernels_come_with_a_remedy(monkeypatch):
    monkeypatch.setattr(native, "load", lambda: (None, "the C kernels were not built"))
    check = by_subject(kernel_checks.kernels())["kernels C"]
    assert (check.state, check.finding) == ("broken", "the C kernels were not built")
    assert check.remedy.startswith("pip install")


METADATA = [
    "torch>=2.11",
    "absent-package>=1",
    'h5py>=3; extra == "hdf5"',
    'surely-not-there>=2; extra == "hdf5"',
    'windows-only>=2; sys_platform == "win32" and extra == "hdf5"',
]


@pytest.fixture
def described(monkeypatch):
    class Described(dict):
        def get_all(self, name):
            return {"Provides-Extra": ["hdf5"]}[name]

    real = metadata.version

    def version(name):
        if name in ("absent-package", "surely-not-there"):
            raise metadata.PackageNotFoundError(name)
        return {"ranvier": packages.__version__, "h5py": "3.1"}.get(name) or real(name)

    monkeypatch.setattr(packages.metadata, "requires", lambda name: METADATA)
    monkeypatch.setattr(packages.metadata, "version", version)
    monkeypatch.setattr(packages.metadata, "metadata", lambda name: Described())


def test_versions_come_from_the_metadata(described):
    found = by_subject(packages.versions())
    assert found["torch"].state == found["ranvier"].state == "ok"
    assert (found["absent-package"].state, found["absent-package"].remedy) == (
        "broken",
        'pip install "absent-package>=1"',
    )
    assert "h5py" not in found


def test_an_extra_says_what_to_type(described):
    (check,) = packages.extras()
    assert (check.state, check.finding) == ("missing", "without surely-not-there")
    assert check.remedy == 'pip install "surely-not-there>=2"'


def test_the_command_prints_the_remedy_unharmed(described, capsys):
    assert main(["doctor"]) == 1
    assert 'type: pip install "surely-not-there>=2"' in capsys.readouterr().out
