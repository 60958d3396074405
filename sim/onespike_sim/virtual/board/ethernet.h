// What an Ethernet frame is made of: byte order, addresses, checksums.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

constexpr Mac BROADCAST = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr unsigned ETHER_ARP = 0x0806, ETHER_IPV4 = 0x0800;
constexpr size_t ETHER_HEADER = 14, IPV4_HEADER = 20, UDP_HEADER = 8, ARP_BYTES = 28;
constexpr size_t LEAST_FRAME = 60;    // without the check sequence; shorter ones are padded
constexpr size_t MOST_PAYLOAD = 1500; // of a frame
constexpr size_t FCS_BYTES = 4;

inline void put(Bytes& bytes, uint64_t value, size_t count) {
    while (count-- > 0) bytes.push_back(value >> 8 * count);
}

inline void put(Bytes& bytes, const Mac& mac) { bytes.insert(bytes.end(), mac.begin(), mac.end()); }

// Number of `count` bytes at `at`, the highest byte first; the caller knows that they are there.
inline uint32_t number(const Bytes& bytes, size_t at, size_t count) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | bytes[at + i];
    return value;
}

inline Mac mac_at(const Bytes& bytes, size_t at) {
    Mac mac;
    for (size_t i = 0; i < mac.size(); ++i) mac[i] = bytes[at + i];
    return mac;
}

// The frame check sequence: CRC-32 of Ethernet.
inline uint32_t frame_check(const Bytes& bytes, size_t count) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

// One's complement sum of 16-bit words, as IPv4 and UDP have it; `sum` begins it.
inline uint16_t ones_sum(const Bytes& bytes, size_t from, size_t to, uint32_t sum = 0) {
    for (size_t i = from; i < to; i += 2) sum += bytes[i] << 8 | (i + 1 < to ? bytes[i + 1] : 0);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}
