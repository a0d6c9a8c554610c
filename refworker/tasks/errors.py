"""What can go wrong with a call, one class for each cause; `except TaskError` catches them all.

TaskError
  TaskFailed           the function raised, or the task worker refused the request
  TaskTimeout          no answer in time: the call waited, or ran, for too long
    TaskUnreachable    no host could be reached in that time
  TaskBusy             too many calls wait already
  TaskConnectionLost   the connection ended before the answer: the call may have run, or not
  TaskInvalid          the call cannot be sent as it is: nothing has been
  TaskClosed           the dispatcher was closed
"""


class TaskError(Exception):
    """A call without a result. `message` is one line; `type` names the cause: the remote exception's class
    where the function raised, else the class of this one.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.type = kind or type(self).__name__


class TaskFailed(TaskError):
    """The task worker answered with an error."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message, kind)
        self.add_note(f"The task worker answered {self.type}; its log has the traceback.")


class TaskTimeout(TaskError):
    """No answer in time. A call that had begun may still be running."""


class TaskUnreachable(TaskTimeout):
    """In all the time that the call had, no task worker could be reached."""


class TaskBusy(TaskError):
    """More than `max_waiting` calls wait; this one was refused at once."""


class TaskConnectionLost(TaskError):
    """The connection ended before the answer: the call may have run, or not. `retries=` repeats such calls,
    where that is safe.
    """


class TaskInvalid(TaskError):
    """Arguments that JSON cannot carry, or too many bytes of them."""


class TaskClosed(TaskError):
    """The dispatcher was closed before the answer, or before the call."""
