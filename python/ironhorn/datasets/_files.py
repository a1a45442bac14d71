"""Finds, checks and reads data files: local folder, caches, download; idx and npz.

A file is read once into memory, its SHA-256 checked there, and those bytes parsed: what was checked is what is used.
The readers trust nothing: any bytes become arrays or a ``ValueError``, and no pickle is ever opened.
"""

import hashlib
import io
import lzma
import math
import os
import re
import struct
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
TIMEOUT_SECONDS = 30
# More than any file or array of the data sets here needs.
LIMIT_BYTES = 1 << 30


# --- finding ---------------------------------------------------------------------------------------------------------


def fetch(name: str, sha256: str, folder: str = "", store_as: str | None = None) -> bytes:
    """The bytes of a data file, whose hash has been checked.

    Args:
        name: the file's name at its origin.
        sha256: the hash that its bytes must have.
        folder: its subfolder in a cache.
        store_as: its name in a cache, if another; an absolute path stands for itself.
    """
    where = os.environ.get("IRONHORN_DATASETS", "")
    mirror = where if re.match(r"(?i)(https?|file)://", where) else ""
    relative = Path(folder, store_as or name)
    if where and not mirror:
        local = Path(where).expanduser()
        return _read_local([local / relative, local / (store_as or name)], sha256, where)

    cached = _own_cache() / relative
    for path in (cached, _keras_cache() / relative):
        if path.is_file() and _matches(data := path.read_bytes(), sha256):
            return data
    url = (mirror.rstrip("/") + "/" if mirror else ORIGIN) + name
    data = _download(url, sha256)
    _store(cached, data)
    return data


def _own_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ironhorn"


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def _matches(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _read_local(paths: Iterable[Path], sha256: str, where: str) -> bytes:
    paths = list(dict.fromkeys(paths))
    for path in paths:
        if path.is_file():
            data = path.read_bytes()
            if not _matches(data, sha256):
                raise ValueError(
                    f"{path}: expected a file with the SHA-256 {sha256}, got {hashlib.sha256(data).hexdigest()}; "
                    "it is damaged or another version"
                )
            return data
    looked = " or ".join(str(path) for path in paths)
    raise FileNotFoundError(
        f"IRONHORN_DATASETS names the folder {where!r}, which lacks {looked}. Put the file there, "
        f"or unset IRONHORN_DATASETS to download it from {ORIGIN}"
    )


def _download(url: str, sha256: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            data = b""
            while len(data) < LIMIT_BYTES and (piece := response.read(1 << 24)):
                data += piece
    except (OSError, ValueError, HTTPException) as error:  # URLError, timeouts and refused connections are OSErrors
        raise ConnectionError(
            f"could not download {url} ({error}). Without network, put the file into a folder and set the environment "
            "variable IRONHORN_DATASETS to that folder, or to the base URL of a mirror; "
            "ironhorn.datasets.digits needs no download"
        ) from error
    if not _matches(data, sha256):
        raise ValueError(
            f"{url}: expected a file with the SHA-256 {sha256}, got {hashlib.sha256(data).hexdigest()} "
            f"({len(data)} bytes); nothing was stored"
        )
    return data


def _store(path: Path, data: bytes) -> None:
    """Writes a temporary file and renames it, so that a reader sees the whole file or none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
        try:
            with open(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError:
        return  # a cache that cannot be written costs the next download, not this one


# --- reading ---------------------------------------------------------------------------------------------------------

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IDX_RANKS = 8
NPY_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[|<>=][iuf][1248])', 'fortran_order': (?P<fortran>True|False), "
    r"'shape': \((?P<shape>[0-9, ]{0,999})\),? *\}\s*"
)


def read_idx(data: bytes) -> NDArray[Any]:
    """Reads the IDX format, plain or gzipped: ``0 0 type rank``, the big-endian sizes, the values.

    The header says how long the rest must be; no more than that is ever unpacked.
    """
    head = _unpacked(data, 4 + 4 * IDX_RANKS)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES:
        raise ValueError(f"not an idx file: expected 0 0, a known type and the rank, got {head[:4].hex(' ')!r}")
    rank, dtype = head[3], np.dtype(IDX_TYPES[head[2]])
    start = 4 + 4 * rank
    if not 1 <= rank <= IDX_RANKS or len(head) < start:
        raise ValueError(f"idx: expected 1 to {IDX_RANKS} dimensions and their sizes, got {rank} in {len(head)} bytes")
    shape = struct.unpack_from(f">{rank}I", head, 4)
    size = _checked_size(shape, dtype, "idx")
    values = _unpacked(data, start + size + 1, to_the_end=True)[start:]
    if len(values) != size:
        got = "more" if len(values) > size else len(values)
        raise ValueError(f"idx: the shape {shape} needs {size} bytes, got {got}")
    return _array(values, shape, dtype)


def _unpacked(data: bytes, limit: int, to_the_end: bool = False) -> bytes:
    """The first ``limit`` bytes of ``data``, which may be gzipped."""
    if data[:2] != b"\x1f\x8b":
        return data[:limit]
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(data, limit)
    except zlib.error as error:
        raise ValueError(f"damaged gzip file: {error}") from error
    if to_the_end and len(unpacked) < limit and not unpacker.eof:
        raise ValueError("damaged gzip file: it ends too early")
    return unpacked


def read_npz(data: bytes, names: Iterable[str]) -> list[NDArray[Any]]:
    """Reads arrays of plain numbers by name from an npz file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [_read_npy(_member(archive, f"{name}.npy"), name) for name in names]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error) as error:
        raise ValueError(f"not an npz file: {error}") from error
    except (EOFError, OSError, RuntimeError, OverflowError, IndexError) as error:  # zipfile's answers to damage
        raise ValueError(f"damaged npz file: {error}") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"npz: expected an array file {name}, found {archive.namelist()}") from None
    if info.file_size > LIMIT_BYTES:
        raise ValueError(f"npz: {name} claims {info.file_size} bytes; the limit is {LIMIT_BYTES}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"npz: {name} is packed by method {info.compress_type}, expected stored or deflated")
    return archive.read(info)


def _read_npy(data: bytes, name: str) -> NDArray[Any]:
    # NumPy's reader evaluates the header and allocates what it says; this one knows the few forms that occur.
    if data[:8] != b"\x93NUMPY\x01\x00" or len(data) < 10:
        raise ValueError(f"npz: {name} is not an npy file of version 1.0")
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    header = NPY_HEADER.fullmatch(data[10:start].decode("latin-1"))
    if header is None:
        raise ValueError(f"npz: {name} must hold plain numbers, its header is {data[10:start][:100]!r}")
    try:
        dtype = np.dtype(header["dtype"])
    except TypeError as error:
        raise ValueError(f"npz: {name} has an unknown type {header['dtype']!r}") from error
    shape = tuple(int(size) for size in re.findall("[0-9]+", header["shape"]))
    if len(data) - start != _checked_size(shape, dtype, name):
        raise ValueError(f"npz: {name} has {len(data) - start} bytes of values, which does not fit its shape {shape}")
    if header["fortran"] == "True":
        return np.ascontiguousarray(_array(data[start:], shape[::-1], dtype).T)
    return _array(data[start:], shape, dtype)


def _checked_size(shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> int:
    size = math.prod(shape) * dtype.itemsize
    if size > LIMIT_BYTES:
        raise ValueError(f"{what}: the shape {shape} asks for {size} bytes; the limit is {LIMIT_BYTES}")
    return size


def _array(values: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A new, writable array in the machine's byte order."""
    if not values:
        return np.zeros(shape, dtype.newbyteorder("="))
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="))
