"""Messages between a server and its worker processes, over pipes.

A frame is a length (8 bytes) and a pickle; both ends are processes of one program on one machine.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">Q")


def write_frame(pipe: BinaryIO, message: Any) -> None:
    """Send one message.

    Parameters
    ----------
    pipe
        To the other end.
    message
        What can be pickled.
    """
    content = pickle.dumps(message)
    pipe.write(_LENGTH.pack(len(content)) + content)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> Any:
    """Receive the next message.

    Parameters
    ----------
    pipe
        From the other end.

    Returns
    -------
    Any
        The message.

    Raises
    ------
    EOFError
        The other end has closed.
    """
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)
