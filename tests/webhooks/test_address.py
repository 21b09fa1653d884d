"""Whom a webhook may call."""

import asyncio
import ipaddress
import socket

import pytest

from app.errors import InvalidRequest
from app.settings import WebhookSettings
from app.webhooks.address import BlockedAddress, check_target, is_public, resolve_public

PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # carrier-grade NAT
    "169.254.169.254",  # metadata of clouds
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",  # translated (RFC 2765)
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",  # local NAT64
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:a00:1::1",  # 6to4 of 10.0.0.1
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:db8::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",  # multicast of global scope
]


def _resolve(host, **fields):
    return asyncio.run(resolve_public(host, 443, WebhookSettings(**fields)))


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_of_anything_else_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_name_of_an_address_that_is_not_public_is_blocked(names, address):
    names["evil.example"] = [address]
    with pytest.raises(BlockedAddress):
        _resolve("evil.example")


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if "%" not in address])
def test_address_in_the_url_is_blocked_at_once(address):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(BlockedAddress):
        check_target(f"https://{host}/hook", WebhookSettings())


@pytest.mark.parametrize("order", [1, -1])
def test_name_of_a_public_and_a_private_address_is_blocked(names, order):
    names["evil.example"] = ["93.184.216.34", "10.0.0.1"][::order]
    with pytest.raises(BlockedAddress):
        _resolve("evil.example")


def test_public_addresses_come_in_the_order_of_the_resolver_and_once(names):
    names["good.example"] = ["2606:4700:4700::1111", "93.184.216.34", "93.184.216.34"]
    assert _resolve("good.example") == ["2606:4700:4700::1111", "93.184.216.34"]


def test_private_address_may_be_called_if_that_is_allowed(names):
    names["inside.example"] = ["10.0.0.1"]
    assert _resolve("inside.example", allow_private=True) == ["10.0.0.1"]
    check_target("https://10.0.0.1/hook", WebhookSettings(allow_private=True))


@pytest.mark.parametrize("host", ["0x7f.1", "127.1", "2130706433", "0177.0.0.1", "localhost"])
def test_other_spellings_of_this_machine_are_blocked_by_the_real_resolver(host):
    with pytest.raises((BlockedAddress, socket.gaierror)):
        _resolve(host)


def test_name_that_does_not_resolve_is_an_os_error(names):
    with pytest.raises(OSError, match="not known"):
        _resolve("nowhere.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "//hooks.example/",
        "hooks.example",
        "",
        "https://",
        "https:///path",
        "https://user@hooks.example/",
        "https://user:password@hooks.example/",
        "https://:password@hooks.example/",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example:port/",
        "https://hooks example/",
        "https://hooks%00.example/",
        "https://hooks.example\\@10.0.0.1/",
        "https://hooks.example/\r\nX: y",
        "https://hooks..example/",
        "https://[::1/",
        "https://hooks.example/" + "a" * 2048,
    ],
)
def test_what_is_no_plain_https_url_is_refused(url):
    with pytest.raises(InvalidRequest):
        check_target(url, WebhookSettings())


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/a?b=c",
        "https://hooks.example:8443",
        "HTTPS://Hooks.Example./",
        "https://bücher.example",
    ],
)
def test_plain_https_url_is_accepted_without_a_look_at_the_dns(url):
    check_target(url, WebhookSettings())


@pytest.mark.parametrize("host", ["hooks.example", "HOOKS.example", "hooks.example.", "bücher.example"])
def test_allowed_host_is_accepted_however_it_is_written(host):
    check_target(f"https://{host}/", WebhookSettings(allow_hosts=("Hooks.example", "bücher.example")))


@pytest.mark.parametrize("host", ["evil.example", "a.hooks.example", "hooks.example.evil.example", "8.8.8.8"])
def test_other_host_is_refused_where_hosts_are_listed(host):
    with pytest.raises(InvalidRequest) as caught:
        check_target(f"https://{host}/", WebhookSettings(allow_hosts=("hooks.example",)))
    assert caught.value.setting == "EARSIGHT_WEBHOOKS__ALLOW_HOSTS"
