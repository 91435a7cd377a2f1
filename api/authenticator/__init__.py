"""The browser authenticator: its files, and the page that a ticket's URL leads to."""
