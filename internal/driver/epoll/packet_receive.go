//go:build linux

package epoll

import (
	"encoding/binary"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

const (
	// roomStride is what lies between the rooms of two messages: a whole datagram,
	// and some lines of the cache more, so that short ones are not all kept in the
	// same few.
	roomStride  = 64<<10 + 17*64
	controlRoom = 256 // what users have asked for beside may come first
	knownPeers  = 64  // a power of two
)

// inbound is where datagrams are read into.
type inbound struct {
	driver.Batch
	room     []byte
	msgs     []mmsghdr
	iovs     []unix.Iovec
	names    []rawPeer
	controls [][controlRoom]byte
	known    [knownPeers]knownPeer
}

// knownPeer is an address that was heard of lately. Who hears from the same peer again
// gets the same *net.UDPAddr.
type knownPeer struct {
	raw  rawPeer
	addr *net.UDPAddr
}

// newInbound returns one for so many messages.
func newInbound(messages int) *inbound {
	in := &inbound{
		room:     make([]byte, messages*roomStride),
		msgs:     make([]mmsghdr, messages),
		iovs:     make([]unix.Iovec, messages),
		names:    make([]rawPeer, messages),
		controls: make([][controlRoom]byte, messages),
	}
	for i := range in.msgs {
		in.iovs[i].Base = &in.room[i*roomStride]
		in.iovs[i].SetLen(64 << 10)
		in.msgs[i].Iov = &in.iovs[i]
		in.msgs[i].SetIovlen(1)
	}
	return in
}

// inbound returns one that is not used, and takes it back when its batch is released.
// One for few messages stays, so that a datagram now and then needs no memory; those
// for many go when they are not used.
func (d *Driver) inbound(messages int) *inbound {
	if messages > fewRead {
		in, ok := d.inbounds.Get().(*inbound)
		if !ok {
			in = newInbound(maxRead)
			in.Free = func() { d.inbounds.Put(in) }
		}
		return in
	}
	in := d.few
	if d.few = nil; in == nil {
		in = newInbound(fewRead)
		in.Free = func() { d.few = in }
	}
	return in
}

// ReadBatch implements [driver.PacketBatcher].
func (p *batchPacket) ReadBatch() (*driver.Batch, error) {
	if p.fd < 0 {
		return nil, net.ErrClosed
	}
	in := p.d.inbound(p.messages)
	for i := range in.msgs[:p.messages] {
		m := &in.msgs[i]
		m.Name, m.Namelen, m.Control = nil, 0, nil
		m.SetControllen(0)
		if p.remote == nil {
			m.Name, m.Namelen = &in.names[i][0], uint32(len(in.names[i]))
		}
		if p.joins {
			m.Control = &in.controls[i][0]
			m.SetControllen(controlRoom)
		}
	}
	n, err := recvmmsg(p.fd, in.msgs[:p.messages])
	if err != nil {
		in.Release()
		return nil, failure("recvmmsg", err)
	}
	in.Drained = n < p.messages
	in.Datagrams = in.Datagrams[:0]
	for i := range in.msgs[:n] {
		in.take(i, p)
	}
	p.pace(n, len(in.Datagrams), !in.Drained)
	return &in.Batch, nil
}

// take appends the datagrams of a message.
func (in *inbound) take(i int, p *batchPacket) {
	m := &in.msgs[i]
	from := p.remote
	if from == nil {
		from = in.addr(&in.names[i], m.Namelen)
	}
	data := in.room[i*roomStride:][:m.n]
	if p.joins {
		size := joinedSize(in.controls[i][:m.Controllen])
		for size > 0 && len(data) > size {
			in.Datagrams = append(in.Datagrams, driver.Datagram{Data: data[:size:size], Addr: from})
			data = data[size:]
		}
	}
	in.Datagrams = append(in.Datagrams, driver.Datagram{Data: data[:len(data):len(data)], Addr: from})
}

// pace chooses how many messages to read next, by what n have brought.
func (p *batchPacket) pace(n, datagrams int, full bool) {
	switch {
	case datagrams > n: // two at least, so that the second says whether there was more
		p.messages = min(max(readTogether*n/datagrams, 2), maxRead)
	case full:
		p.messages = maxRead
	case n <= fewRead:
		p.messages = fewRead
	}
	if n < maxRead || p.askGRO < 0 {
		return
	}
	if p.askGRO--; p.askGRO < 0 {
		p.joins = unix.SetsockoptInt(p.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	}
}

// joinedSize returns the length of each of the datagrams that the kernel has joined
// to one, of which the last may be shorter; 0 when it was one.
func joinedSize(control []byte) int {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(control) {
			return 0
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && size >= unix.CmsgLen(4) {
			return int(int32(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):])))
		}
		control = control[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(control)):]
	}
	return 0
}

// addr returns Go's form of a sender; nil when the kernel names none.
func (in *inbound) addr(raw *rawPeer, size uint32) net.Addr {
	if size == 0 {
		return nil
	}
	k := &in.known[(raw[3]^raw[2]*31^raw[7]^raw[23])%knownPeers]
	if k.addr == nil || k.raw != *raw {
		p := raw.parse()
		addr := p.udpAddr()
		if addr == nil {
			return nil
		}
		if p.zone != 0 { // an interface may get another name
			return addr
		}
		k.raw, k.addr = *raw, addr
	}
	return k.addr
}

// udpAddr returns Go's form of the address of a datagram's sender; nil when it is of no
// family net knows. An IPv4 one may have come to a socket of both families.
func (p *peer) udpAddr() *net.UDPAddr {
	a := &struct {
		net.UDPAddr
		ip [16]byte
	}{ip: p.ip}
	a.Port, a.IP = int(p.port), a.ip[:]
	switch p.family {
	case unix.AF_INET:
		a.IP = a.ip[:4]
	case unix.AF_INET6:
		a.Zone = zoneName(p.zone)
		if four := a.IP.To4(); four != nil {
			a.IP = four
		}
	default:
		return nil
	}
	return &a.UDPAddr
}
