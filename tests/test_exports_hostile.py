"""Random texts and random damage to PNG files; needs hypothesis, which is among the developer tools."""

import base64
import contextlib

import pytest
from doubles import png, png_with_chunk

from diffdemo.errors import DiffdemoError
from diffdemo.experiment import RoundTrip
from diffdemo.exports import read_experiment

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

HASHED = RoundTrip(n=3, picture="sha256:" + "0" * 64).to_query()
FEW = hypothesis.settings(max_examples=40, deadline=None, derandomize=True, database=None)


def reads_or_refuses(data: bytes) -> None:
    with contextlib.suppress(DiffdemoError):
        read_experiment(data)


@FEW
@hypothesis.given(
    st.binary(max_size=200), st.sampled_from([b"tEXt", b"zTXt", b"iTXt"]), st.sampled_from([b"diffdemo\0", b"diffdemo\0\0", b"diffdemo\0\1\0\0\0"])
)
def test_no_text_does_any_harm(body, kind, head):
    reads_or_refuses(png_with_chunk(kind, head + body))


@FEW
@hypothesis.given(st.data())
def test_no_change_of_a_file_does_any_harm(data):
    whole = bytearray(png({"diffdemo": HASHED, "diffdemo-picture": base64.b64encode(png({})).decode()}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    reads_or_refuses(bytes(whole[: data.draw(st.integers(8, len(whole)))]))
