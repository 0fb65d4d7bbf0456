"""Results survive every version of the JSON, as far as the version can say them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.property.cni_values import RESULTS

from polypod.cni import versions
from polypod.cni.labels import ALL_VERSIONS, FLAT_VERSIONS, MIDDLE_VERSIONS
from polypod.cni.result import IPConfig, Result, Route
from polypod.errors import PluginError

NEW = ("1.0.0", "1.1.0")


def as_said(result: Result, version: str) -> Result:
    """Return what is left of a result in a version."""
    if version in NEW:
        return result
    if version in MIDDLE_VERSIONS:
        links = (replace(one, mtu=0, socket_path="", pci_id="") for one in result.interfaces)
        return replace(result, interfaces=tuple(links))
    first = {ip.address.version: ip for ip in reversed(result.ips)}
    families = sorted(first)
    return Result(
        ips=tuple(
            IPConfig(address=first[family].address, gateway=first[family].gateway)
            for family in families
        ),
        routes=tuple(
            Route(dst=route.dst, gw=route.gw)
            for family in families
            for route in result.routes
            if route.dst.version == family
        ),
        dns=result.dns,
    )


@pytest.mark.parametrize("version", ALL_VERSIONS)
@given(result=RESULTS)
def test_what_was_written_can_be_read(version: str, result: Result) -> None:
    if version in FLAT_VERSIONS and not result.ips:
        with pytest.raises(PluginError, match="cannot convert: no valid IP addresses"):
            versions.render(result, version)
        return

    written = versions.render(result, version)

    assert versions.parse(written, version) == as_said(result, version)
    assert versions.parse(written, "") == as_said(result, version)
    assert versions.render(versions.parse(written, version), version) == written


@pytest.mark.parametrize("version", ALL_VERSIONS)
@given(result=RESULTS)
def test_a_result_is_printed_as_the_reference_prints(version: str, result: Result) -> None:
    if version in FLAT_VERSIONS and not result.ips:
        return

    text = versions.render(result, version).decode()

    assert not set("<>&\u2028\u2029") & set(text)
    assert text.startswith('{\n    "cniVersion"') and not text.endswith("\n")
    found = json.loads(text)
    assert found["cniVersion"] == version
    assert ("dns" in found) == (version not in NEW or not result.dns.is_empty())
    if version in NEW:
        assert _is_sorted(found)
    for ip in found.get("ips", []):
        assert ("version" in ip) == (version in MIDDLE_VERSIONS)


def _is_sorted(value: object) -> bool:
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(_is_sorted(one) for one in value.values())
    return all(_is_sorted(one) for one in value) if isinstance(value, list) else True


@given(result=RESULTS, one=st.sampled_from(ALL_VERSIONS), other=st.sampled_from(ALL_VERSIONS))
def test_a_detour_by_a_newer_version_loses_nothing(result: Result, one: str, other: str) -> None:
    older, newer = sorted((one, other), key=ALL_VERSIONS.index)
    if older in FLAT_VERSIONS and not result.ips:
        return

    direct = versions.render(result, older)
    detour = versions.parse(versions.render(result, newer), newer)

    assert versions.render(detour, older) == direct
