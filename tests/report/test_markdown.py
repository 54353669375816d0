from diffdemo.report.markdown import table


def test_a_table_has_a_line_a_row_below_its_head():
    assert table(("n", "RMSE"), [(250, 0.1), (1000, "none")]) == [
        "| n | RMSE |",
        "|---|---|",
        "| 250 | 0.1 |",
        "| 1000 | none |",
    ]
