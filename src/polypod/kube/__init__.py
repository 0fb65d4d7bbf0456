"""The only room that knows where pods and network definitions come from."""
