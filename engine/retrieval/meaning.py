"""Finding by meaning: passages whose vectors lie nearest to that of a question.

Candidates are found by codes of one bit a number and then compared exactly; an index of few passages is compared as a whole.
sqlite-vec scans the codes. Where it cannot be loaded they are made from the vectors once and scanned here, with the same result.
"""

import threading
from collections import OrderedDict
from pathlib import Path

import numpy

from storage import passages, publishing
from storage.home import Home
from storage.records import Index

LEAST = 128  # candidates
KEPT = 2  # versions whose codes stay in memory where sqlite-vec is not there, an eighth of a byte a number
Codes = tuple[numpy.ndarray, numpy.ndarray]  # the numbers of passages, and their codes in words of 64 bits
_kept: OrderedDict[tuple[Path, int], Codes] = OrderedDict()
_lock = threading.Lock()


def best(
    home: Home, index: Index, version: int, question: numpy.ndarray, count: int, among: int = LEAST
) -> list[tuple[int, float]]:
    """The passages nearest to a question's vector (float32, of length 1), with the cosine of each, the nearest first.

    They are the exact nearest of ``among`` candidates, at least LEAST.
    """
    middle = passages.centre(home, index)
    if middle is None:
        found = list(passages.vectors(home, index, version=version))
    else:
        among = max(LEAST, among, count)
        found = list(passages.vectors(home, index, ids=candidates(home, index, version, question, middle, among)))
    if not found:
        return []
    ids = numpy.array([number for number, _ in found])
    exact = numpy.stack([numpy.frombuffer(stored, numpy.float16) for _, stored in found]).astype(numpy.float32)
    near = exact @ question
    order = numpy.lexsort((ids, -near))[:count]
    return [(int(ids[i]), float(near[i])) for i in order]


def candidates(home: Home, index: Index, version: int, question: numpy.ndarray, middle: bytes, count: int) -> list[int]:
    """The passages of a version whose codes differ least from that of a question."""
    code = publishing.coded(question, numpy.frombuffer(middle, numpy.float32))
    found = passages.nearest(home, index, version, code.tobytes(), count)
    return _scanned(_codes(home, index, version, middle), code, count) if found is None else found


def _scanned(codes: Codes, code: numpy.ndarray, count: int) -> list[int]:
    ids, known = codes
    differing = numpy.bitwise_count(known ^ _wide(code[None])).sum(1, dtype=numpy.int32)
    return ids[numpy.argsort(differing, kind="stable")[:count]].tolist()


def _codes(home: Home, index: Index, version: int, middle: bytes) -> Codes:
    """The codes of a version, made from its vectors; a version never changes, so that is done once."""
    key = (passages.path(home, index), version)
    with _lock:
        if key in _kept:
            return _kept[key]
    ids, parts = [], []
    centre = numpy.frombuffer(middle, numpy.float32)
    for number, stored in passages.vectors(home, index, version=version):
        ids.append(number)
        parts.append(publishing.coded(numpy.frombuffer(stored, numpy.float16), centre))
    order = numpy.argsort(ids)
    made = numpy.array(ids)[order], _wide(numpy.stack(parts)[order])
    with _lock:
        _kept[key] = made
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return made


def _wide(codes: numpy.ndarray) -> numpy.ndarray:
    """Codes of bytes as words of 64 bits, filled up with zeros."""
    missing = -codes.shape[1] % 8
    return numpy.ascontiguousarray(numpy.pad(codes, ((0, 0), (0, missing)))).view(numpy.uint64)
