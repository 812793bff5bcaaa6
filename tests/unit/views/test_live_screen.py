"""What is drawn again and again, where there is no terminal."""

import pytest

from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.views import live_screen
from cobalt_tasks.views.tables import Output


@pytest.mark.parametrize("is_plain", [True, False])
def test_what_is_away_for_a_while_is_tried_again(capsys: pytest.CaptureFixture[str], *, is_plain: bool) -> None:
    """Also in a pipe: the reason stands on standard error, and the next text comes. Break: CobaltError or `end` in _repeat."""
    answers = iter(["first", DatabaseUnavailableError("the database is away"), "third"])

    def draw(output: Output) -> None:
        answer = next(answers, KeyboardInterrupt())
        if not isinstance(answer, str):
            raise answer
        output.line(answer)

    live_screen.show(draw, 0.001, is_plain=is_plain)
    shown = capsys.readouterr()
    # Lines for programs have no empty one between them.
    assert shown.out.splitlines() == (["first", "third"] if is_plain else ["first", "", "", "third", ""])
    assert shown.err == "the database is away\n"
