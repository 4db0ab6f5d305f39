"""No namespace's texts take the room of another's, and what was cut is counted."""

from checks.collect.kubernetes.texts import BEGINNING, BEGINNINGS, MAX_TEXT, Texts


def test_a_text_within_bounds_is_kept_without_its_secrets() -> None:
    texts = Texts()
    assert texts.safe("a", "web", "no such host") == "no such host"
    assert "hunter2" not in texts.safe("a", "web", "password=hunter2")
    assert texts.cut == 0


def test_an_equal_text_is_redacted_and_counted_each_time() -> None:
    texts = Texts(per_namespace=40, beginnings=0)
    first, second = texts.safe("a", "web", "password=hunter2"), texts.safe("b", "web", "password=hunter2")
    assert first == second == texts.redacted("password=hunter2") == "password=[redacted]"
    assert [len(texts.safe("a", "web", "password=hunter2")) for _ in range(3)] == [len(first), 8, 0]
    assert texts.cut == 2


def test_a_text_is_cut_at_its_length_and_counted() -> None:
    texts = Texts()
    assert len(texts.safe("a", "web", "x" * (MAX_TEXT + 1))) == MAX_TEXT
    assert texts.cut == 1


def test_a_secret_at_the_place_of_the_cut_is_taken_out() -> None:
    texts, key = Texts(), "x9FqB3" * 12 + "+AStAbCdEf=="
    assert "x9FqB3" not in texts.safe("a", "web", f"{'y ' * (MAX_TEXT // 2 - 20)} {key} {'z' * 2_000}")
    assert texts.start(f"the reason {key} of it", 40) == "the reason [redacted] of it"
    assert "x9FqB3" not in texts.start(f"the reason {key} {'z' * 900}", 40)


def test_a_namespace_has_no_more_than_its_share() -> None:
    texts = Texts(per_namespace=10, per_cluster=1_000, beginnings=0)
    assert texts.safe("greedy", "web", "x" * 8) == "x" * 8
    assert texts.safe("greedy", "web", "y" * 8) == "yy"
    assert texts.safe("greedy", "web", "z") == ""
    assert texts.safe("modest", "web", "no such host") == "no such ho"
    assert texts.cut == 3


def test_all_of_them_have_no_more_than_the_cluster_has_room_for() -> None:
    texts = Texts(per_namespace=10, per_cluster=15, beginnings=0)
    assert [len(texts.safe(name, "web", "x" * 10)) for name in "abc"] == [10, 5, 0]
    assert texts.cut == 2


def test_where_there_is_no_room_the_first_text_about_something_still_begins() -> None:
    texts = Texts(per_namespace=10, per_cluster=15)
    long = "y" * 2 * BEGINNING
    assert texts.safe("greedy", "noise", "x" * 15) == "x" * 15
    assert len(texts.safe("greedy", "web", long)) == BEGINNING
    assert texts.safe("greedy", "web", long) == ""
    assert len(texts.safe("modest", "web", long)) == BEGINNING
    assert texts.safe("late", "api", "no such host") == "no such host"


def test_a_pull_that_succeeded_is_told_as_it_is_unless_its_image_holds_a_secret() -> None:
    texts = Texts(per_namespace=300, beginnings=0)
    usual = 'Successfully pulled image "a.azurecr.io/web:1" in 2.6s (2.6s including waiting). Image size: 39 bytes.'
    assert [texts.of_pull("a", "web", usual) for _ in range(2)] == [usual, usual]
    assert texts.of_pull("a", "web", usual) == usual[: 300 - 2 * len(usual)] and texts.cut == 1
    for secret in ("web:x9FqB3Lm4Tk@a.azurecr.io/web:1", "https://web:hunter2@a.azurecr.io/web"):
        assert "x9FqB3Lm4Tk" not in (shown := texts.of_pull("b", "web", usual.replace("a.azurecr.io/web:1", secret)))
        assert "hunter2" not in shown
    assert "hunter2" not in texts.of_pull("c", "web", f"{usual} password=hunter2")


def test_beginnings_are_counted_too() -> None:
    texts = Texts(per_namespace=0)
    kept = [texts.safe("greedy", f"image-{number}", "no such host") for number in range(BEGINNINGS + 5)]
    assert kept == ["no such host"] * BEGINNINGS + [""] * 5
    assert texts.cut == 5
