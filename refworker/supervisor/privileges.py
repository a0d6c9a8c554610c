"""Whose rights the worker processes have: those of `user` and `group` (manual: worker/user; LIFE-009,
LIFE-010).

The names are looked up before the first fork, so that a service whose user does not exist does not start: it
must never serve with more rights than were asked for.
"""

import grp
import os
import pwd
from dataclasses import dataclass

from refworker.callbacks import logger
from refworker.supervisor.settings import SettingError


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, by name and number, and the group that goes with it. `name` is empty for a number without
    one.
    """

    name: str
    uid: int
    gid: int

    def take(self) -> None:
        """In the child: be that user from now on, for good. The listening sockets are bound by then, so ports
        under 1024 are no obstacle.

        Without root's rights a process stays what it is; where that is another than was asked for, the log
        says so. Raises OSError where the system refuses. The kernel forgets at this change whom the process
        wanted to die with (prctl(2), PR_SET_PDEATHSIG): take the identity first.
        """
        if os.geteuid() == 0:
            self._become()
        elif (self.uid, self.gid) != (os.geteuid(), os.getegid()):
            logger.warning(
                "Warning: You must have the root privileges to change uid and gid; "
                "worker processes go on as the user that started the service, uid %d",
                os.geteuid(),
            )

    def _become(self) -> None:
        # In this order: who is not root any more may change neither groups nor group.
        if self.name:
            os.initgroups(self.name, self.gid)
        else:
            os.setgroups([self.gid])
        os.setgid(self.gid)
        os.setuid(self.uid)


def resolve(user: str, group: str) -> Identity | None:
    """Who `user` and `group` are; None where neither is asked for.

    Without `user` it is the user of this process, without `group` the user's primary group. Raises
    SettingError for a name that the system does not know.
    """
    if not user and not group:
        return None
    name, uid, gid = account(user) if user else own_account()
    return Identity(name, uid, group_number(group) if group else gid)


def account(user: str) -> tuple[str, int, int]:
    """Name, number and primary group of a user. Raises SettingError."""
    try:
        found = pwd.getpwnam(user)
    except (KeyError, ValueError):  # ValueError: a name that no system can have
        raise SettingError(
            f"user {user!r} does not exist on this system; create it, or choose another with user="
        ) from None
    return found.pw_name, found.pw_uid, found.pw_gid


def own_account() -> tuple[str, int, int]:
    """The same of the user of this process, who need not have a name."""
    return own_name(), os.geteuid(), os.getegid()


def own_name() -> str:
    """The name of the user of this process, empty where that is only a number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


def group_number(group: str) -> int:
    """The number of a group. Raises SettingError."""
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise SettingError(
            f"group {group!r} does not exist on this system; create it, or choose another with group="
        ) from None
