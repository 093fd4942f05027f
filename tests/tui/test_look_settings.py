"""A user's own theme, keys and hints: read, complained of, kept."""

from __future__ import annotations

from pathlib import Path

from backstep.tui.keys import KEYS, SECTIONS, hints, remapped
from backstep.tui.look import look_of_terminal
from backstep.tui.settings import Settings, read_settings, settings_folder
from backstep.view.theme import THEMES

ACTIONS = {key.id: key.keys for key in KEYS}


def read(folder: Path, *, keys: str = "", settings: str = "") -> Settings:
    (folder / "keys.toml").write_text(keys, encoding="utf-8")
    (folder / "settings.toml").write_text(settings, encoding="utf-8")
    return read_settings(folder, ACTIONS)


def test_keys_are_remapped_by_their_ids(tmp_path: Path) -> None:
    settings = read(tmp_path, keys='step.fwd = "space, d"\n[phase]\nfwd = "ctrl+n"\n')
    assert dict(settings.keys) == {"step.fwd": "space,d", "phase.fwd": "ctrl+n"} and not settings.complaint
    shown = dict((word, keys) for keys, word in hints(remapped(SECTIONS, settings.keys)))
    assert shown["step"] == "space/←" and shown["phase"] == "ctrl+n/P"


def test_what_is_wrong_in_a_file_is_said_and_the_rest_counts(tmp_path: Path) -> None:
    settings = read(tmp_path, keys='step.fwd = 3\nfly = "f"\nquit = "x"\n', settings='theme = "beige"\n')
    assert dict(settings.keys) == {"quit": "x"} and settings.theme == "dark"
    assert settings.complaint == (
        "keys.toml: step.fwd is no key, such as 'right,l'; keys.toml: no action is called fly; "
        "settings.toml: no theme is called 'beige'; there are dark, light, contrast"
    )
    assert "keys.toml: " in read(tmp_path, keys="step.fwd = ").complaint
    (tmp_path / "keys.toml").write_bytes(b"\xff\xfe")
    assert "keys.toml: " in read_settings(tmp_path, ACTIONS).complaint


def test_what_is_set_is_there_the_next_time(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "new" / "backstep", ACTIONS)
    assert settings == Settings(folder=tmp_path / "new" / "backstep")
    settings.with_theme("light").with_closed("first")
    again = read_settings(tmp_path / "new" / "backstep", ACTIONS)
    assert again.theme == "light" and again.closed == {"first"}


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = read_settings(tmp_path / "file" / "backstep", ACTIONS).with_theme("contrast")
    assert settings.theme == "contrast" and settings.folder is None


def test_the_folder_is_where_the_desktop_says() -> None:
    assert settings_folder({"XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/backstep")
    assert settings_folder({"XDG_CONFIG_HOME": "not/absolute"}) == Path.home() / ".config" / "backstep"


def test_what_is_asked_for_goes_before_what_is_set(tmp_path: Path) -> None:
    here = {"XDG_CONFIG_HOME": str(tmp_path), "LANG": "en_US.UTF-8"}
    (tmp_path / "backstep").mkdir()
    read(tmp_path / "backstep", settings='theme = "light"\nclosed = ["first", "backward"]\n')
    look = look_of_terminal(environment=here)
    assert (look.settings.theme, look.ascii, look.hints) == ("light", False, {"accumulate"})
    asked = look_of_terminal("contrast", True, True, here)
    assert (asked.settings.theme, asked.ascii, len(asked.hints)) == ("contrast", True, 3)
    assert set(THEMES) >= {"light", "contrast"}
