"""The words of other programs, as ours quote them."""

from dlt_threecx.errors import first_line


def test_the_reason_that_dlt_names_at_the_end_of_a_long_sentence_is_what_counts() -> None:
    error = ValueError(f"Connection with {'x' * 400} failed. The actual reason given is: no such host\nand more")
    assert first_line(error) == "no such host"
    assert first_line(ValueError("disk full\nand more")) == "disk full"
    assert first_line(ValueError()) == "ValueError"
