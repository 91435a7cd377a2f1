"""
Who did what: the part of an audit event that a script in Redis cannot know.

An event stands in the stream of its slot, written by the script that makes the change, beside it.
Its code, the ids it is about and its time are the script's; this is the rest, as JSON.
"""

from typing import NamedTuple

import msgspec

UNTOLD = b"{}"  # an event of which nobody says who made it, or how
_USER_AGENT_CHARACTERS_MAX = 255


class Act(NamedTuple):
    """One call that may change something: what it does, who makes it and from where."""

    description: str
    client_id: str = ""
    ip: str = ""
    user_agent: str = ""
    method: str = ""
    path: str = ""

    def event(self, **subject: str) -> bytes:
        """
        JSON with the members of this, and `subject`: the ids of what is changed.

        No value of what was sent goes into it, for a body may hold secrets.
        """
        said: dict[str, object] = {
            "description": self.description,
            "client_id": self.client_id,
            "ip": self.ip,
            "user_agent": self.user_agent[:_USER_AGENT_CHARACTERS_MAX],
            "subject": subject,
        }
        if self.method:
            said["request"] = {"method": self.method, "path": self.path}
        return msgspec.json.encode(said)


def system_act(description: str) -> Act:
    """What the server does by itself."""
    return Act(description, client_id="nod")
