"""The window on what a host tells: fresh, stale, offline, and what it asks the host."""

import gc
import time
import weakref

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit, QPushButton, QWidget

from qnlab.errors import OutOfRange
from qnlab.gui import theme as themes
from qnlab.gui.feed import Feed
from qnlab.gui.widgets.forms import NumberEdit
from qnlab.gui.window import Window
from tests.gui.conftest import settle


@pytest.mark.parametrize("number", range(5))
def test_each_workspace_is_painted_within_three_seconds(number, qtbot, pretender, window, capfd):
    pretender.everything()
    begin = time.monotonic()
    window.show_workspace(number)
    window.redraw()
    assert not window.grab().isNull()
    assert time.monotonic() - begin < 3
    said = [line for line in capfd.readouterr().err.splitlines() if "plugin does not" not in line]
    assert said == []
    assert [action.isChecked() for action in window.choices].index(True) == number


def test_only_the_seen_workspace_is_drawn(pretender, window, monkeypatch):
    drawn = []
    for workspace in window.workspaces:
        monkeypatch.setattr(workspace, "refresh", lambda w=workspace: drawn.append(w.title))
    window.show_workspace(1)
    drawn.clear()
    window.redraw()
    assert drawn == ["QKD session"]


def test_figures_come_with_uncertainty_limit_and_count(pretender, window):
    pretender.everything()
    window.show_workspace(1)
    window.redraw()
    tile = window.workspaces[1].tiles["QBER key basis"]
    assert "1.00 ± 0.31 %" in tile.accessibleDescription()
    assert "limit 11 %, n = 1 k" in tile.accessibleDescription()
    assert "ok" in tile.accessibleDescription()


def test_a_bad_error_rate_is_an_alarm_by_word_and_shape(pretender, window):
    window.show_workspace(1)
    for index, (qber, state) in enumerate(((0.01, "ok"), (0.07, "warning"), (0.12, "alarm"))):
        pretender.block(index=index, qber=qber)
        window.redraw()
        tile = window.workspaces[1].tiles["QBER key basis"]
        assert f", {state}" in tile.accessibleDescription()


def test_old_figures_are_marked_stale_never_shown_as_live(qtbot, pretender, window):
    pretender.rates()
    window.redraw()
    tile = window.workspaces[0]._tiles["tagger: H"]
    assert not tile.stale
    settle(qtbot, window, lambda: tile.stale, 4000)
    assert "stale" in tile.accessibleDescription()
    pretender.rates()
    window.redraw()
    assert not tile.stale


def test_a_host_that_is_gone_is_told_in_the_banner(qtbot, pretender, window):
    window.redraw()
    assert not window.banner.isVisible()
    pretender.bus.close()
    window.redraw()
    assert window.banner.isVisible()
    assert "HOST OFFLINE" in window.banner.accessibleDescription()


def test_simulated_is_visible_and_only_then(qtbot, pretender, window):
    window.redraw()
    assert window.badge.isVisible()
    pretender.status(simulated=False)
    settle(qtbot, window, lambda: not window.badge.isVisible())


def test_stop_all_asks_at_once_by_button_and_by_key(qtbot, pretender, window):
    qtbot.mouseClick(window.stop_button, Qt.MouseButton.LeftButton)
    settle(qtbot, window, lambda: ("stop_all", {}) in pretender.asked)
    pretender.asked.clear()
    [action] = [a for a in window.all_actions if a.text() == "Stop all"]
    action.trigger()
    settle(qtbot, window, lambda: ("stop_all", {}) in pretender.asked)


def test_alarms_are_acknowledged_with_a_reason(qtbot, pretender, window):
    pretender.alarm()
    window.redraw()
    assert "QBER 12 %" in window.banner.accessibleDescription()
    window.banner._reason.setText("eve was here")
    qtbot.mouseClick(window.banner._acknowledge, Qt.MouseButton.LeftButton)
    wanted = ("alarm.acknowledge", {"id": "link/QBER_ABORT", "reason": "eve was here"})
    settle(qtbot, window, lambda: wanted in pretender.asked)
    pretender.alarm(state="active-ack")
    window.redraw()
    assert not window.banner.isVisible()


def test_a_setting_is_typed_with_its_unit_and_refused_in_place(qtbot, pretender, window):
    pretender.instrument()
    window.show_workspace(4)
    window.redraw()
    form = window.workspaces[4]._forms["laser"]
    [edit] = form.findChildren(NumberEdit)
    assert edit.text() == "1 mW"
    edit.setText("500 uW")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    wanted = ("instrument.apply", {"instrument": "laser", "settings": {"power_w": 5e-4}})
    settle(qtbot, window, lambda: wanted in pretender.asked)
    pretender.asked.clear()
    for wrong, why in (("5 W", "outside"), ("3 V", "should be in W"), ("abc", "not a number")):
        edit.setText(wrong)
        qtbot.keyClick(edit, Qt.Key.Key_Return)
        assert why in form._notes["power_w"].text()
    assert pretender.asked == []


def test_what_the_host_refuses_is_told(qtbot, pretender, window):
    def refuse(arguments):
        raise OutOfRange("laser", "power out of range", command="power_w")

    pretender.bus.serve("instrument.apply", refuse)
    window.act("instrument.apply", {"instrument": "laser", "settings": {}})
    settle(qtbot, window, lambda: "power out of range" in window.message.text())


def test_read_only_changes_nothing_but_can_stop(qtbot, pretender, window):
    window.read_only = True
    window.act("instrument.apply", {"instrument": "laser", "settings": {"power_w": 1.0}})
    window.stop_all()
    settle(qtbot, window, lambda: ("stop_all", {}) in pretender.asked)
    assert [name for name, _ in pretender.asked] == ["stop_all"]


def test_a_procedure_is_started_from_its_form(qtbot, pretender, window):
    window.launcher.show()
    settle(qtbot, window, lambda: window.launcher._form is not None)
    [field] = window.launcher._form.findChildren(QLineEdit)
    field.setText("x")
    window.launcher._go("run.start")
    assert "not a number" in window.launcher._problem.text()
    field.setText("25")
    window.launcher._go("run.start")
    wanted = ("run.start", {"procedure": "bb84", "parameters": {"duration_s": 25.0}})
    settle(qtbot, window, lambda: wanted in pretender.asked)


def test_the_palette_finds_an_action_by_a_few_letters(qtbot, pretender, window):
    window._open_palette()
    qtbot.keyClicks(window.palette_.search, "opera")
    assert "Operate" in window.palette_.found.item(0).text()
    qtbot.keyClick(window.palette_.search, Qt.Key.Key_Return)
    assert window.current.title == "Operate"


def test_layouts_survive_and_garbage_does_not_matter(qtbot, pretender, window, tmp_path):
    window.show_workspace(1)
    window.save_layout()
    other = Window(Feed(pretender.bus), themes.LIGHT, tmp_path)
    other.timer.stop()
    qtbot.addWidget(other)
    other.show()
    for number in range(5):
        other.show_workspace(number)
        assert all(dock.isVisible() for dock in other.workspaces[number].docks.values())
    (tmp_path / "layout-0.json").write_text('{"Qkd": "AAAA", "window": "!"}', encoding="ascii")
    third = Window(Feed(pretender.bus), themes.LIGHT, tmp_path)
    third.timer.stop()
    qtbot.addWidget(third)
    third.show()
    third.show_workspace(1)
    assert all(dock.isVisible() for dock in third.workspaces[1].docks.values())


def test_every_action_has_a_key_or_is_in_the_palette_and_widgets_have_names(pretender, window):
    pretender.everything()
    for number in range(5):
        window.show_workspace(number)
        window.redraw()
    for action in window.actions():
        assert action.shortcut().toString() or action in window.all_actions
    for workspace in window.workspaces:
        for widget in workspace.findChildren(QWidget):
            ours = type(widget).__module__.startswith("qnlab.gui.widgets")
            if ours and type(widget).__name__ not in ("LogView", "SettingsForm"):
                assert widget.accessibleName(), type(widget).__name__
            if isinstance(widget, QPushButton):
                assert widget.text() or widget.accessibleName()
            if isinstance(widget, QLineEdit) and not isinstance(widget.parent(), QAbstractSpinBox):
                named = widget.accessibleName() or widget.parent().accessibleName()
                assert named, widget.parent().objectName()


def test_a_memory_run_is_shown_with_errors_and_the_classical_limit(pretender, window):
    for k in range(4):
        pretender.bus.publish("run/event/scan", {
            "uid": "run-2", "stream": "scan", "seq": k + 1, "bench_s": 0.0,
            "data": {"storage_ns": 100.0 * (k + 1), "efficiency": 0.2 / (k + 1),
                     "efficiency_error": 0.01, "mu_1": 0.1},
        })  # fmt: skip
    pretender.bus.publish("run/result", {
        "uid": "run-2", "procedure": "memory-lifetime", "exit_status": "success", "reason": "",
        "detail": "", "folder": "", "simulated": True,
        "result": {"fidelity": 0.95, "fidelity_error": 0.01, "classical_fidelity": 0.81,
                   "lifetime_ns": 1500.0, "lifetime_error_ns": 20.0, "model": "exponential",
                   "initial_efficiency": 0.2,
                   "fits": {"exponential": {"lifetime_ns": 1500.0, "power": 1.0}}},
    })  # fmt: skip
    window.show_workspace(2)
    window.redraw()
    memory = window.workspaces[2]
    assert "95 ± 1 % classical limit 81.0 %, ok" in memory.tiles["fidelity"].accessibleDescription()
    assert "1.5 us ± 20 ns exponential" in memory.tiles["lifetime"].accessibleDescription()
    assert len(memory._points[0].xData) == 4
    assert memory._fit.yData[0] == pytest.approx(20.0 * 2.718281828 ** (-100 / 1500), rel=1e-6)


def test_windows_that_are_closed_are_gone(qtbot, pretender, tmp_path):
    gone = []
    for _ in range(5):
        window = Window(Feed(pretender.bus), themes.LIGHT, tmp_path)
        window.show()
        window.show_workspace(0)
        window.close()
        window.deleteLater()
        gone.append(weakref.ref(window))
        del window
    qtbot.wait(50)
    gc.collect()
    qtbot.wait(50)
    assert sum(ref() is not None for ref in gone) <= 1
