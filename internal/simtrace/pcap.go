package simtrace

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// A Packet is what a capture of a link has of a message.
type Packet struct {
	At       time.Time
	From, To netip.AddrPort
	UDP      bool   // else TCP
	Flags    uint8  // of TCP, with the values that they have there
	Seq, Ack uint32 // of TCP
	Data     []byte
}

const (
	pcapMagic = 0xa1b23c4d // with nanoseconds
	linkRaw   = 101        // packets begin with the header of IP
	snapLen   = 1 << 18
	most      = 32 << 10 // of a stream in one packet: the length of an IP packet has 16 bits
	hops      = 64
	protoTCP  = 6
	protoUDP  = 17
)

// WritePcap writes a capture that tcpdump and Wireshark read.
func WritePcap(w io.Writer, packets []Packet) error {
	b := bufio.NewWriter(w)
	head := binary.LittleEndian.AppendUint32(nil, pcapMagic)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = append(head, make([]byte, 8)...)
	head = binary.LittleEndian.AppendUint32(head, snapLen)
	head = binary.LittleEndian.AppendUint32(head, linkRaw)
	if _, err := b.Write(head); err != nil {
		return err
	}
	for _, p := range packets {
		for more := true; more; {
			part := p
			if more = !p.UDP && len(p.Data) > most; more {
				part.Data, p.Data = p.Data[:most], p.Data[most:]
				p.Seq += most
			}
			if err := writePacket(b, &part); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

func writePacket(b *bufio.Writer, p *Packet) error {
	raw := p.ip()
	head := binary.LittleEndian.AppendUint32(nil, uint32(p.At.Unix()))
	head = binary.LittleEndian.AppendUint32(head, uint32(p.At.Nanosecond()))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(raw)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(raw)))
	if _, err := b.Write(head); err != nil {
		return err
	}
	_, err := b.Write(raw)
	return err
}

// ip returns the packet with its headers.
func (p *Packet) ip() []byte {
	from, to := p.From.Addr(), p.To.Addr()
	proto, inner := byte(protoTCP), p.tcp()
	at := 16 // where the checksum is
	if p.UDP {
		proto, inner, at = protoUDP, p.udp(), 6
	}
	ends := append(from.AsSlice(), to.AsSlice()...)
	c := sum16(sum16(0, ends), inner) + uint32(proto) + uint32(len(inner))
	if c = uint32(fold(c)); c == 0 && p.UDP {
		c = 0xffff // 0 means that there is none
	}
	binary.BigEndian.PutUint16(inner[at:], uint16(c))
	var head []byte
	if from.Is4() && to.Is4() {
		head = []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, hops, proto, 0, 0}
		binary.BigEndian.PutUint16(head[2:], uint16(20+len(inner)))
		head = append(head, ends...)
		binary.BigEndian.PutUint16(head[10:], fold(sum16(0, head)))
	} else {
		head = []byte{0x60, 0, 0, 0, 0, 0, proto, hops}
		binary.BigEndian.PutUint16(head[4:], uint16(len(inner)))
		head = append(head, ends...)
	}
	return append(head, inner...)
}

func (p *Packet) ports() []byte {
	b := binary.BigEndian.AppendUint16(nil, p.From.Port())
	return binary.BigEndian.AppendUint16(b, p.To.Port())
}

func (p *Packet) tcp() []byte {
	b := binary.BigEndian.AppendUint32(p.ports(), p.Seq)
	b = binary.BigEndian.AppendUint32(b, p.Ack)
	b = append(b, 5<<4, p.Flags, 0xff, 0xff, 0, 0, 0, 0)
	return append(b, p.Data...)
}

func (p *Packet) udp() []byte {
	b := binary.BigEndian.AppendUint16(p.ports(), uint16(8+len(p.Data)))
	return append(append(b, 0, 0), p.Data...)
}

// sum16 adds 16 bits at a time, as checksums of IP do.
func sum16(sum uint32, p []byte) uint32 {
	for ; len(p) > 1; p = p[2:] {
		sum += uint32(p[0])<<8 | uint32(p[1])
	}
	if len(p) == 1 {
		sum += uint32(p[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
