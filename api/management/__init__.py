"""/api/v2: what administrators do over HTTP, in Auth0's wire format (auth0-wire 3)."""
