"""The data sets: what digits holds, where files are looked for, and readers that trust nothing."""

import functools
import gzip
import hashlib
import http.server
import io
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironhorn.datasets import _files, digits, fashion_mnist, mnist

MADE = {
    "x_train": np.arange(5 * 28 * 28, dtype=np.uint8).reshape(5, 28, 28),
    "y_train": np.arange(5, dtype=np.uint8),
    "x_test": np.full((2, 28, 28), 7, np.uint8),
    "y_test": np.array([8, 9], np.uint8),
}
FASHION_ORDER = ["x_train", "y_train", "x_test", "y_test"]


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Empty caches, and an origin where nobody answers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("IRONHORN_DATASETS", raising=False)
    monkeypatch.setattr(_files, "ORIGIN", "http://127.0.0.1:9/")
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path


@pytest.fixture
def mnist_file(monkeypatch: pytest.MonkeyPatch) -> bytes:
    data = npz(**MADE)
    monkeypatch.setattr(mnist, "SHA256", sha256(data))
    return data


@pytest.fixture
def fashion_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    packed = {
        name: gzip.compress(idx(MADE[part]), mtime=0)
        for name, part in zip(fashion_mnist.SHA256, FASHION_ORDER, strict=True)
    }
    monkeypatch.setattr(fashion_mnist, "SHA256", {name: sha256(data) for name, data in packed.items()})
    return packed


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def assert_made(loaded: tuple) -> None:
    (x_train, y_train), (x_test, y_test) = loaded
    for got, part in zip((x_train, y_train, x_test, y_test), FASHION_ORDER, strict=True):
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, MADE[part])


# --- digits ----------------------------------------------------------------------------------------------------------


def test_digits_shapes_and_types() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8) and x_test.shape == (360, 8, 8)
    assert y_train.shape == (1437,) and y_test.shape == (360,)
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert x_train.min() == 0 and x_train.max() == 16


def test_digits_split_is_stratified() -> None:
    (_, y_train), (_, y_test) = digits.load_data()
    everything = np.bincount(y_train) + np.bincount(y_test)
    np.testing.assert_array_equal(everything, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])  # scikit-learn's
    assert np.abs(np.bincount(y_test) - everything * 360 / 1797).max() < 1


def test_digits_content_is_fixed() -> None:
    parts = [array.tobytes() for pair in digits.load_data() for array in pair]
    assert sha256(b"".join(parts)) == "fcfff6da2cea9e62066b8062f28625bebf56ab192209cb79c628f8d04b07a50c"


def test_digits_calls_are_independent() -> None:
    (x, _), _ = digits.load_data()
    x[:] = 0
    (again, _), _ = digits.load_data()
    assert again.any()


def test_digits_attribution_is_shipped() -> None:
    text = (Path(digits.__file__).parent / "digits.txt").read_text()
    assert "Alpaydin" in text and "CC BY 4.0" in text


# --- where files are looked for --------------------------------------------------------------------------------------


def test_local_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist_file: bytes) -> None:
    monkeypatch.setenv("IRONHORN_DATASETS", str(write(tmp_path / "data", **{"mnist.npz": mnist_file})))
    assert_made(mnist.load_data())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("subfolder", ["", "fashion-mnist"])
def test_fashion_mnist_in_a_local_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fashion_files: dict[str, bytes], subfolder: str
) -> None:
    write(tmp_path / "data" / subfolder, **fashion_files)
    monkeypatch.setenv("IRONHORN_DATASETS", str(tmp_path / "data"))
    assert_made(fashion_mnist.load_data())


def test_local_folder_without_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IRONHORN_DATASETS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"IRONHORN_DATASETS names the folder .* lacks .*mnist\.npz"):
        mnist.load_data()


def test_local_file_with_another_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist_file: bytes) -> None:
    monkeypatch.setenv("IRONHORN_DATASETS", str(write(tmp_path, **{"mnist.npz": mnist_file + b"!"})))
    with pytest.raises(ValueError, match=r"mnist\.npz: expected a file with the SHA-256 .* damaged"):
        mnist.load_data()


def test_keras_cache_is_read(tmp_path: Path, mnist_file: bytes, fashion_files: dict[str, bytes]) -> None:
    write(tmp_path / "keras" / "datasets", **{"mnist.npz": mnist_file})
    write(tmp_path / "keras" / "datasets" / "fashion-mnist", **fashion_files)
    assert_made(mnist.load_data())
    assert_made(fashion_mnist.load_data())


def test_absolute_path(tmp_path: Path, mnist_file: bytes) -> None:
    write(tmp_path / "mine", **{"some.npz": mnist_file})
    assert_made(mnist.load_data(str(tmp_path / "mine" / "some.npz")))


def test_mirror_then_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist_file: bytes, fashion_files: dict[str, bytes]
) -> None:
    write(tmp_path / "served", **{"mnist.npz": mnist_file}, **fashion_files)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("IRONHORN_DATASETS", f"http://127.0.0.1:{server.server_port}")
        assert_made(mnist.load_data())
        assert_made(fashion_mnist.load_data())
        with pytest.raises(ConnectionError, match="404"):
            _files.fetch("absent.npz", "0" * 64)
        server.shutdown()
        thread.join()

    monkeypatch.delenv("IRONHORN_DATASETS")
    assert_made(mnist.load_data())  # the origin does not answer, the cache does
    assert_made(fashion_mnist.load_data())
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()) == sorted(
        ["mnist.npz", *fashion_files]
    )


def test_file_url_and_a_wrong_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist_file: bytes) -> None:
    served = write(tmp_path / "served", **{"mnist.npz": mnist_file[:-1]})
    monkeypatch.setenv("IRONHORN_DATASETS", served.as_uri())
    with pytest.raises(ValueError, match=r"expected a file with the SHA-256 .* nothing was stored"):
        mnist.load_data()
    assert not (tmp_path / "cache").exists()
    write(served, **{"mnist.npz": mnist_file})
    assert_made(mnist.load_data())


def test_damaged_cache_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist_file: bytes) -> None:
    cache = write(tmp_path / "cache" / "ironhorn", **{"mnist.npz": b"damaged"})
    monkeypatch.setenv("IRONHORN_DATASETS", write(tmp_path / "served", **{"mnist.npz": mnist_file}).as_uri())
    assert_made(mnist.load_data())
    assert (cache / "mnist.npz").read_bytes() == mnist_file


def test_no_network_says_what_to_do() -> None:
    with pytest.raises(ConnectionError, match=r"could not download .*IRONHORN_DATASETS.*folder.*mirror.*digits"):
        mnist.load_data()


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist_file: bytes) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    monkeypatch.setenv("IRONHORN_DATASETS", write(tmp_path / "served", **{"mnist.npz": mnist_file}).as_uri())
    assert_made(mnist.load_data())


# --- idx -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "dtype"), _files.IDX_TYPES.items())
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_types(code: int, dtype: str, pack: object) -> None:
    values = np.array([[1, -2, 3], [4, 5, 100]]).astype(dtype)
    got = _files.read_idx(pack(idx(values, code)))
    assert got.dtype == np.dtype(dtype).newbyteorder("=") and got.flags.writeable
    np.testing.assert_array_equal(got, values)


def test_idx_without_rows() -> None:
    assert _files.read_idx(idx(np.zeros((0, 28, 28), np.uint8))).shape == (0, 28, 28)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_every_truncation_and_one_byte_too_many(pack: object) -> None:
    whole = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="idx"):
            _files.read_idx(pack(whole[:length]))
    with pytest.raises(ValueError, match="more"):
        _files.read_idx(pack(whole + b"\0"))


def test_idx_every_gzip_truncation() -> None:
    whole = gzip.compress(idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)))
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"idx|gzip"):
            _files.read_idx(whole[:length])


def test_idx_wrong_checksum() -> None:
    whole = bytearray(gzip.compress(idx(np.arange(24, dtype=np.uint8))))
    whole[-8] ^= 1
    with pytest.raises(ValueError, match="gzip"):
        _files.read_idx(bytes(whole))


def test_idx_that_claims_too_much() -> None:
    head = struct.pack(">HBB8I", 0, 0x0E, 8, *[2**32 - 1] * 8)
    for data in (head, gzip.compress(head)):
        with pytest.raises(ValueError, match="limit"):
            _files.read_idx(data)


def test_idx_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(idx(np.zeros(4, np.uint8)) + bytes(1 << 26), 9)
    with pytest.raises(ValueError, match="more"):
        _files.read_idx(bomb)


# --- npz -------------------------------------------------------------------------------------------------------------


def npy(header: str, values: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "<f4", ">f8", "<u2", "<f2"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3), (4, 1, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_reads_what_numpy_writes(dtype: str, shape: tuple[int, ...], order: str) -> None:
    values = np.asarray(np.arange(np.prod(shape)).reshape(shape), dtype=dtype, order=order)
    (got,) = _files.read_npz(npz(x=values), ["x"])
    assert got.dtype == values.dtype.newbyteorder("=") and got.shape == shape
    np.testing.assert_array_equal(got, values)


def test_npz_refuses_pickles() -> None:
    with pytest.raises(ValueError, match="plain numbers"):
        _files.read_npz(npz(x=np.array([{"a": 1}], object)), ["x"])


def test_npz_names_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"expected an array file y\.npy, found \['x\.npy'\]"):
        _files.read_npz(npz(x=np.zeros(3)), ["y"])


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", b""),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", bytes(16)),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", bytes(16)),
        ("{'descr': '<f1', 'fortran_order': False, 'shape': (1,), }", bytes(1)),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 400 + "), }", bytes(8)),
        ("__import__('os').abort()", b""),
    ],
)
def test_npz_bad_headers(header: str, values: bytes) -> None:
    with pytest.raises(ValueError):
        _files.read_npz(npy(header, values), ["x"])


def test_npz_every_truncation_and_flip() -> None:
    whole = npz(x=np.arange(6, dtype=np.uint8))
    for length in range(len(whole)):
        with pytest.raises(ValueError):
            _files.read_npz(whole[:length], ["x"])
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            try:
                _files.read_npz(bytes(changed), ["x"])
            except ValueError:
                pass


# --- any bytes -------------------------------------------------------------------------------------------------------


def arrays_or_value_error(data: bytes) -> None:
    for read in (_files.read_idx, lambda data: _files.read_npz(data, ["x"])):
        try:
            read(data)
        except ValueError:
            pass


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda tail: b"\0\0\x08" + tail),
        st.binary(max_size=100).map(lambda tail: gzip.compress(b"\0\0\x0d" + tail)),
        st.binary(max_size=100).map(lambda tail: b"\x1f\x8b\x08" + tail),
    )
)
def test_any_bytes_give_arrays_or_value_error(data: bytes) -> None:
    arrays_or_value_error(data)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}'(),: <>|=iufOdescrshapFTnoalt_0123456789L", max_size=120), st.binary(max_size=64))
def test_any_npy_header_gives_arrays_or_value_error(header: str, values: bytes) -> None:
    arrays_or_value_error(npy(header, values))
