package main

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

const (
	packetConnect     = 1
	packetConnAck     = 2
	packetPublish     = 3
	packetPubAck      = 4
	packetSubscribe   = 8
	packetSubAck      = 9
	packetUnsubscribe = 10
	packetUnsubAck    = 11
	packetPingReq     = 12
	packetPingResp    = 13
	packetDisconnect  = 14

	protocolLevel    = 4 // of 3.1.1
	flagWill         = 4
	flagWillRetain   = 0x20
	subscribeFailure = 0x80
)

var errMalformed = errors.New("malformed packet")

// appendPacket appends a packet with its head.
func appendPacket(b []byte, kind, flags byte, p []byte) []byte {
	b = append(b, kind<<4|flags)
	for n := len(p); ; {
		digit := byte(n & 0x7f)
		if n >>= 7; n == 0 {
			b = append(b, digit)
			break
		}
		b = append(b, digit|0x80)
	}
	return append(b, p...)
}

// appendText appends a text with its length.
func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}

// A decoder takes what is in a packet apart.
type decoder struct {
	rest []byte
	bad  bool // it was shorter than it says, or no UTF-8
}

func (d *decoder) take(n int) []byte {
	if len(d.rest) < n {
		d.bad, d.rest = true, nil
		return make([]byte, n)
	}
	p := d.rest[:n]
	d.rest = d.rest[n:]
	return p
}

func (d *decoder) byte() byte     { return d.take(1)[0] }
func (d *decoder) uint16() uint16 { return binary.BigEndian.Uint16(d.take(2)) }

func (d *decoder) bytes() []byte { return d.take(int(d.uint16())) }

func (d *decoder) text() string {
	p := d.bytes()
	d.bad = d.bad || !utf8.Valid(p)
	return string(p)
}
