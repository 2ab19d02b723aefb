"""Options by letter: every option once at every place, and the letters in the task's own order."""

from __future__ import annotations

from interp.data import OptionMark, Prompt, Task, UniversalItem, language, lettered_examples, rotations


def task(code: str, *texts: str) -> Task:
    marks = tuple(OptionMark(text, "wrong", frozenset({code}), i) for i, text in enumerate(texts))
    return Task("universal", "none", "c", Prompt("i", code, "", texts), marks, "Q?")


def test_each_option_stands_once_at_every_place_and_its_letter_follows_it() -> None:
    options = ("one", "two", "three")
    prompts = rotations(task("el", *options), examples="E\n\n")
    letters = language("el").letters
    assert letters[:3] == ("Α", "Β", "Γ")
    seen = set()
    for prompt in prompts:
        first, *lines, last = prompt.text.removeprefix("E\n\n").split("\n")
        assert (first, last) == ("Q?", language("el").answer)
        shown = dict(line.split(". ") for line in lines)
        assert list(shown) == list(letters[:3])
        for option, ending in zip(options, prompt.continuations, strict=True):
            assert shown[ending.strip()] == option
            seen.add((option, ending))
    assert len(seen) == 9


def test_a_worked_example_ends_with_its_letter() -> None:
    item = UniversalItem("k", "r", "c", "fit", {"ko": ("Q?",)}, ({"ko": "a"}, {"ko": "b"}), 1, ())
    letters = language("ko").letters
    assert lettered_examples([item], "ko") == f"Q?\n{letters[0]}. a\n{letters[1]}. b\n답변: {letters[1]}\n\n"
