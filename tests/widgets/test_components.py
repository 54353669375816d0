import io
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from diffdemo.widgets.components import UploadBox, html


@pytest.fixture
def box():
    return UploadBox()


def test_only_uploaded_files_are_opened(box, tmp_path):
    outside = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    for path in (str(outside), "/etc/passwd", "../x.png", "", None, 5, "\0"):
        with pytest.raises(gr.Error):
            box.preprocess({"path": path})
    with pytest.raises(gr.Error):
        box.preprocess("x")
    assert box.preprocess(None) is None


def test_an_uploaded_file_is_read(box):
    folder = Path(gr.utils.get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    file = folder / "diffdemo-test.png"
    file.write_bytes(buffer.getvalue())
    found = box.preprocess({"path": str(file)})
    assert found.picture.getpixel((0, 0)) == (255, 0, 0)
    assert found.experiment is None


def test_a_component_gets_its_scripts_in_the_order_they_need_each_other():
    made = html("leads", "<p></p>", "answer", None, ("runs",))
    scripts = [made.js_on_load.index(word) for word in ("const isPng", "const openTab", ".leads")]
    assert scripts == sorted(scripts)
    assert made.elem_id == "leads"
