"""The only room that knows where pods, network definitions and devices come from."""
