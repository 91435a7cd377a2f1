"""Who is asking: the client of a request, authenticated before anything of it is looked at."""

from api.edge import Call
from api.services import Services
from consent.client import Client, authenticated, credentials


async def authenticate(services: Services, call: Call, parameters: dict[str, str]) -> Client:
    """The authenticated client (A003, A004). Raises InvalidClient, InvalidRequest."""
    offered = credentials(call.header(b"authorization"), parameters)
    known = services.copied_client(offered.client_id) or await services.client(offered.client_id)
    client = authenticated(known, offered)
    call.facts["client"] = client.client_id
    return client
