import ctypes
import gc

from diffdemo.serving import memory


def test_garbage_collection_is_paused_and_what_was_made_meanwhile_is_frozen():
    gc.unfreeze()
    with memory.garbage_collection_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_another_c_library_than_glibc_is_left_alone(monkeypatch):
    memory.share_heaps()
    memory.return_freed_memory()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    memory.share_heaps()
    memory.return_freed_memory()
