"""Ethernet frames in bytes, without preamble and checksum: what a host on the network says and hears."""

import socket
import struct
import zlib

BROADCAST = b"\xff" * 6
ARP, IPV4 = 0x0806, 0x0800
ICMP, UDP = 1, 17
REQUEST, REPLY = 1, 2


def fcs(frame):
    """The four bytes of checksum that end a frame."""
    return struct.pack("<I", zlib.crc32(frame))


def mac(text):
    """Six bytes of a MAC address as text."""
    return bytes.fromhex(text.replace(":", ""))


def _sum(content):
    """The internet checksum."""
    content += b"\0" * (len(content) % 2)
    total = sum(struct.unpack(f">{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp(operation, sender, sender_ip, target, target_ip, to=BROADCAST):
    """An ARP packet; MAC addresses as bytes, IP addresses as text."""
    head = to + sender + struct.pack(">HHHBBH", ARP, 1, IPV4, 6, 4, operation)
    return head + sender + socket.inet_aton(sender_ip) + target + socket.inet_aton(target_ip)


def ipv4(protocol, source, source_ip, target, target_ip, payload):
    """An IPv4 packet."""

    def header(checksum):
        fixed = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, checksum)
        return fixed + socket.inet_aton(source_ip) + socket.inet_aton(target_ip)

    return target + source + struct.pack(">H", IPV4) + header(_sum(header(0))) + payload


def echo(kind, number, payload):
    """An ICMP message: ``kind`` 8 asks, 0 answers."""
    rest = struct.pack(">HH", 7, number) + payload
    return struct.pack(">BBH", kind, 0, _sum(struct.pack(">BBH", kind, 0, 0) + rest)) + rest


def udp(source_port, target_port, payload):
    """A UDP datagram without a checksum, which IPv4 allows."""
    return struct.pack(">HHHH", source_port, target_port, 8 + len(payload), 0) + payload


def packet(frame):
    """(MAC it goes to, MAC it comes from, protocol, IP from, IP to, payload) of an IPv4 frame; its checksum is right."""
    assert struct.unpack_from(">H", frame, 12)[0] == IPV4
    header, length = frame[14:34], struct.unpack_from(">H", frame, 16)[0]
    assert header[0] == 0x45 and _sum(header) == 0
    addresses = socket.inet_ntoa(header[12:16]), socket.inet_ntoa(header[16:20])
    return frame[:6], frame[6:12], header[9], *addresses, frame[34 : 14 + length]
