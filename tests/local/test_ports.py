"""Ports: free ones are free, taken ones are refused with the setting's name."""

import socket

import pytest

from segue.errors import Misconfigured
from segue.local.ports import LAST_PORT, LOOPBACK, free_port, is_free, require_free


def test_free_port_can_be_bound_and_is_no_outgoing_port() -> None:
    port = free_port()
    assert port <= LAST_PORT < 32_768
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
    assert is_free(port)


def test_taken_port_names_the_setting_to_change() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} .* is taken") as caught:
            require_free(port, setting="SEGUE_LOCAL_REDIS_PORT")
    assert caught.value.setting == "SEGUE_LOCAL_REDIS_PORT"
    assert "SEGUE_LOCAL_REDIS_PORT" in caught.value.remedy
