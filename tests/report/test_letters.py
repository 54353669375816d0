from diffdemo.report.letters import check_letters, length, shortened, spelled, wrapped

TITLE = "After 250 steps of noise, 15 of 16 tries came back as face 17; a stranger shares 4.5."


def test_a_long_text_is_wrapped_between_words():
    lines = wrapped(TITLE, 21, 300)
    assert " ".join(lines) == TITLE
    assert max(length(line, 21) for line in lines) <= 300
    assert wrapped("a seventeen-letter-word", 21, 5) == ["a", "seventeen-letter-word"]


def test_a_text_is_shortened_to_what_fits():
    short = shortened("seed 3, 5 of 14", 13, 60)
    assert short.endswith("…")
    assert length(short, 13) <= 60
    assert shortened("seed 3", 13, 60) == "seed 3"
    assert shortened("seed", 13, 3) == ""


def test_what_the_font_lacks_is_spelled_without_accents_or_as_a_question_mark():
    check_letters("x_n = 250, 98 % (exact)…")
    assert spelled("ein Mädchen, ≠ 猫, x_n 98 %") == "ein Madchen, ? ?, x_n 98 %"
