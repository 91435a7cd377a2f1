"""What `import` makes of an export of Auth0: reading it, translating it, taking it over."""
