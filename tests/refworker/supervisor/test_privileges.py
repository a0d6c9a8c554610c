import grp
import json
import os
import pwd
import subprocess
import sys
from typing import Any

import pytest

from refworker.supervisor.privileges import Identity, resolve
from refworker.supervisor.settings import SettingError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

FORKED = """
import json, logging, os, sys
from refworker.supervisor.privileges import Identity, resolve

logging.basicConfig(format="%(message)s")

def rights():
    lines = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
    return {name: [int(number) for number in lines[name].split()] for name in ("Uid", "Gid", "Groups")}

def run():
    EXPRESSION
    print(json.dumps(rights()), flush=True)

if not os.fork():
    try:
        run()
        os._exit(0)
    finally:
        os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""

NOBODY = pwd.getpwnam("nobody")
OTHER = next(group for group in grp.getgrall() if group.gr_gid not in {0, NOBODY.pw_gid, os.getegid()})


def forked(expression: str) -> tuple[dict[str, Any], str]:
    """The rights of a forked child after an expression, and its log."""
    command = [sys.executable, "-c", FORKED.replace("EXPRESSION", expression)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


# -- names -----------------------------------------------------------------------------------------


def test_where_nothing_is_asked_for_nothing_changes() -> None:
    assert resolve("", "") is None


def test_a_user_comes_with_the_primary_group() -> None:
    assert resolve("nobody", "") == Identity("nobody", NOBODY.pw_uid, NOBODY.pw_gid)


def test_another_group_may_be_asked_for_with_or_without_a_user() -> None:
    assert resolve("nobody", OTHER.gr_name) == Identity("nobody", NOBODY.pw_uid, OTHER.gr_gid)
    own = pwd.getpwuid(os.geteuid()).pw_name
    assert resolve("", OTHER.gr_name) == Identity(own, os.geteuid(), OTHER.gr_gid)


@pytest.mark.parametrize(
    ("user", "group", "message"),
    [
        ("nosuchuser", "", "user 'nosuchuser' does not exist .* user="),
        ("nosuchuser", "nosuchgroup", "user 'nosuchuser'"),
        ("nobody", "nosuchgroup", "group 'nosuchgroup' does not exist .* group="),
        ("", "nosuchgroup", "group 'nosuchgroup'"),
        ("no\0body", "", "user 'no.*body'"),
        ("", "no\0group", "group 'no.*group'"),
    ],
)
def test_an_unknown_name_is_one_clear_line(user: str, group: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        resolve(user, group)
    assert "\n" not in str(caught.value)


# -- rights ----------------------------------------------------------------------------------------


@as_root
def test_root_becomes_the_user_with_all_its_groups() -> None:
    rights, log = forked("resolve('nobody', '').take()")
    assert rights["Uid"] == [NOBODY.pw_uid] * 4
    assert rights["Gid"] == [NOBODY.pw_gid] * 4
    assert set(rights["Groups"]) == set(os.getgrouplist("nobody", NOBODY.pw_gid))
    assert log == ""


@as_root
def test_root_takes_another_group_as_well() -> None:
    rights, _ = forked(f"resolve('nobody', {OTHER.gr_name!r}).take()")
    assert rights["Gid"] == [OTHER.gr_gid] * 4
    assert set(rights["Groups"]) == set(os.getgrouplist("nobody", OTHER.gr_gid))


@as_root
def test_a_user_without_a_name_has_only_that_group() -> None:
    rights, _ = forked("Identity('', 54321, 54322).take()")
    assert rights == {"Uid": [54321] * 4, "Gid": [54322] * 4, "Groups": [54322]}


@as_root
def test_what_was_given_up_is_gone_for_good() -> None:
    expression = (
        "resolve('nobody', '').take()\n"
        "    for back in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):\n"
        "        try: back()\n"
        "        except PermissionError: continue\n"
        "        raise SystemExit(1)"
    )
    assert forked(expression)[0]["Uid"] == [NOBODY.pw_uid] * 4


@as_root
def test_without_roots_rights_a_warning_is_logged_and_the_process_goes_on() -> None:
    rights, log = forked("resolve('nobody', '').take(); resolve('daemon', '').take()")
    assert rights["Uid"] == [NOBODY.pw_uid] * 4
    assert log.count("\n") == 1
    assert "You must have the root privileges to change uid and gid" in log
    assert f"uid {NOBODY.pw_uid}" in log


@as_root
def test_who_is_that_user_already_is_not_warned() -> None:
    assert forked("resolve('nobody', '').take(); resolve('nobody', '').take()")[1] == ""


@as_root
def test_a_user_that_vanished_from_the_system_is_no_way_to_stay_root() -> None:
    rights, _ = forked("Identity('vanished', 54321, 54322).take()")
    assert rights == {"Uid": [54321] * 4, "Gid": [54322] * 4, "Groups": [54322]}


@as_root
def test_a_number_may_do_without_a_name() -> None:
    expression = "Identity('', 54321, 54322).take(); assert resolve('', 'GROUP').name == ''"
    assert forked(expression.replace("GROUP", OTHER.gr_name))[0]["Uid"] == [54321] * 4
