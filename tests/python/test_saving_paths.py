"""Where a model file goes: names, targets that cannot be written."""

import subprocess
import sys
import textwrap

import pytest

import ironhorn
from ironhorn.errors import LoadError
from saved import chain, same


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.hdf5", "a.weights.h5"])
def test_keras_own_formats_come_later(name, tmp_path):
    for call in (chain().save, chain().save_weights, chain().load_weights, ironhorn.load_model):
        with pytest.raises(ValueError, match="not there yet"):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_targets_that_cannot_be_written(tmp_path):
    model = chain()
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "nowhere" / "net")
    with pytest.raises(OSError, match="regular file"):
        model.save(tmp_path)
    with pytest.raises(OSError, match="regular file"):
        model.save("/dev/full")
    (tmp_path / "there").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "there", overwrite=False)
    assert (tmp_path / "there").read_bytes() == b"old"
    model.save(tmp_path / "there")
    ironhorn.load_model(tmp_path / "there").save(tmp_path / "there")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    for wrong in (tmp_path / "none", tmp_path, "/dev/zero"):
        with pytest.raises(LoadError, match=str(wrong)):
            ironhorn.load_model(wrong)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    code = """
        import resource, signal, sys, ironhorn
        from ironhorn.layers import Dense, Input
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        model = ironhorn.Sequential([Input((64,)), Dense(64)])
        model.save(sys.argv[1])
        old = open(sys.argv[1], "rb").read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        model.set_weights([w + 1 for w in model.get_weights()])
        try:
            model.save(sys.argv[1])
        except OSError as error:
            assert error.filename == sys.argv[1]
        else:
            raise SystemExit("saved")
        assert open(sys.argv[1], "rb").read() == old
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "net")], check=True, timeout=120)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_a_link_stays_a_link(tmp_path):
    model = chain()
    model.save(tmp_path / "net")
    (tmp_path / "link").symlink_to(tmp_path / "net")
    model.set_weights([w + 1 for w in model.get_weights()])
    model.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    same(ironhorn.load_model(tmp_path / "net").get_weights(), model.get_weights())
