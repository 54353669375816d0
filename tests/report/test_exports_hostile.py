"""Random texts in PNG files, and random damage to them."""

import base64
import contextlib

import pytest
from doubles import png, png_with_chunk

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import RoundTrip
from diffdemo.report.exports import read_experiment

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

HASHED = RoundTrip(n=3, picture="sha256:" + "0" * 64).to_query()
PICTURE = base64.b64encode(png({})).decode()
FEW = hypothesis.settings(max_examples=40, deadline=None, derandomize=True, database=None)


def read_or_refuse(data: bytes) -> None:
    with contextlib.suppress(DiffdemoError):
        read_experiment(data)


@FEW
@hypothesis.given(
    st.binary(max_size=200),
    st.sampled_from([b"tEXt", b"zTXt", b"iTXt"]),
    st.sampled_from([b"diffdemo\0", b"diffdemo\0\0", b"diffdemo\0\1\0\0\0"]),
)
def test_a_random_text_is_read_or_refused(body, kind, head):
    read_or_refuse(png_with_chunk(kind, head + body))


@FEW
@hypothesis.given(st.data())
def test_a_damaged_file_is_read_or_refused(data):
    whole = bytearray(png({"diffdemo": HASHED, "diffdemo-picture": PICTURE}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(bytes(whole[: data.draw(st.integers(8, len(whole)))]))
