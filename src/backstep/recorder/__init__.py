"""The recorder: the only room that knows torch. It writes a trace and reads none."""

from backstep.recorder.recording import record

__all__ = ["record"]
