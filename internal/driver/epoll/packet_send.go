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
	maxWritten = 32  // messages at a time
	maxPieces  = 128 // and pieces of memory, of which one message has at most maxJoined
	maxJoined  = 64  // what every kernel that cuts takes
)

// outbound is messages to be sent.
type outbound struct {
	msgs     [maxWritten]mmsghdr
	names    [maxWritten]rawPeer
	counts   [maxWritten]int // how many datagrams each message is
	controls [maxWritten]segmentControl
	iovs     [maxPieces]unix.Iovec
	n        int // messages
	pieces   int
}

// segmentControl says how long the pieces are into which the kernel cuts a message.
type segmentControl struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte
}

func (d *Driver) outbound() *outbound {
	if out, ok := d.outbounds.Get().(*outbound); ok {
		return out
	}
	return new(outbound)
}

// release forgets what the messages were, and keeps the memory for others.
func (out *outbound) release(d *Driver) {
	clear(out.iovs[:out.pieces])
	out.n, out.pieces = 0, 0
	d.outbounds.Put(out)
}

// WriteTo implements [driver.PacketConn].
func (p *batchPacket) WriteTo(b []byte, to net.Addr) (int, error) {
	if p.fd < 0 {
		return 0, net.ErrClosed
	}
	var raw rawPeer
	size, err := p.rawSockaddr(to, &raw)
	if err != nil {
		return 0, err
	}
	if size > 0 {
		err = sendto(p.fd, b, &raw, size)
	} else {
		err = sendto(p.fd, b, nil, 0)
	}
	if err := p.wrote(err); err != nil {
		return 0, err
	}
	return len(b), nil
}

// rawSockaddr puts the kernel's form of the address to send to into raw, and returns
// its length: 0 for the remote address.
func (p *batchPacket) rawSockaddr(to net.Addr, raw *rawPeer) (uint32, error) {
	if err := p.sendable(to); err != nil || to == nil {
		return 0, err
	}
	a, ok := to.(*net.UDPAddr)
	if !ok {
		_, err := p.sockaddr(to)
		return 0, err
	}
	binary.NativeEndian.PutUint16(raw[:], uint16(p.family))
	binary.BigEndian.PutUint16(raw[2:], uint16(a.Port))
	four := a.IP.To4()
	switch {
	case p.family == unix.AF_INET6:
		clear(raw[4:])
		copy(raw[8:], a.IP.To16())
		if four == nil {
			binary.NativeEndian.PutUint32(raw[24:], zoneID(a.Zone))
		}
		return unix.SizeofSockaddrInet6, nil
	case four == nil:
		_, err := p.sockaddr(to)
		return 0, err
	}
	copy(raw[4:], four)
	clear(raw[8:])
	return unix.SizeofSockaddrInet4, nil
}

// WriteBatch implements [driver.PacketBatcher].
func (p *batchPacket) WriteBatch(ds []driver.Datagram) (int, error) {
	if p.fd < 0 {
		return 0, net.ErrClosed
	}
	out := p.d.outbound()
	defer out.release(p.d)
	done, single := 0, false
	for done < len(ds) {
		if err := out.fill(p, ds[done:], single); err != nil {
			return done, err
		}
		n, err := sendmmsg(p.fd, out.msgs[:out.n])
		if err == nil {
			if single {
				// It can be sent alone, and not joined with others.
				if p.joinable, single = len(ds[done].Data)-1, false; p.joinable == 0 {
					p.joinable = unjoined
				}
			}
			for _, count := range out.counts[:n] {
				done += count
			}
			err = p.wrote(nil)
		} else if out.counts[0] > 1 && p.refusesJoined(err) {
			single = p.joinable != unjoined
			continue
		} else {
			err = p.wrote(err)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// refusesJoined reports whether the error of a message that the kernel was to cut says
// that it cannot. It may also be that of any of the datagrams.
func (p *batchPacket) refusesJoined(err error) bool {
	switch err {
	case unix.EIO: // the device does not make checksums
		p.joinable = unjoined
		return true
	case unix.EINVAL, unix.EMSGSIZE: // they are longer than what the device sends
		return true
	}
	return false
}

// fill makes messages of the first datagrams, of at least one. The error is that of
// the address of the first. With single, it is the first alone.
//
// A socket that is connected is told in the midst of sending that nobody receives what
// it has sent, and sendmmsg does not return the error of a message that is not its
// first. So there is one message for such a socket.
func (out *outbound) fill(p *batchPacket, ds []driver.Datagram, single bool) error {
	clear(out.iovs[:out.pieces])
	out.n, out.pieces = 0, 0
	most := maxWritten
	if p.remote != nil || single {
		most = 1
	}
	for len(ds) > 0 && out.n < most && out.pieces < maxPieces {
		size, err := p.rawSockaddr(ds[0].Addr, &out.names[out.n])
		if err != nil {
			if out.n > 0 {
				return nil // it is the error of the next one then
			}
			return err
		}
		count := 1
		if !single {
			count = p.joined(ds[:min(len(ds), maxJoined, maxPieces-out.pieces)])
		}
		out.add(ds[:count], size)
		ds = ds[count:]
	}
	return nil
}

// add appends a message of datagrams that belong together.
func (out *outbound) add(ds []driver.Datagram, nameSize uint32) {
	i := out.n
	m := &out.msgs[i]
	*m = mmsghdr{}
	if nameSize > 0 {
		m.Name, m.Namelen = &out.names[i][0], nameSize
	}
	m.Iov = &out.iovs[out.pieces]
	first := out.pieces
	for _, d := range ds {
		out.piece(d.Data, first)
	}
	m.SetIovlen(out.pieces - first)
	if len(ds) > 1 {
		c := &out.controls[i]
		c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
		c.size = uint16(len(ds[0].Data))
		m.Control = (*byte)(unsafe.Pointer(c))
		m.SetControllen(unix.CmsgSpace(2))
	}
	out.counts[i] = len(ds)
	out.n++
}

// piece appends memory to a message whose pieces begin at first. What lies behind the
// one before it is one piece with that.
func (out *outbound) piece(data []byte, first int) {
	base := unsafe.SliceData(data)
	if out.pieces > first && len(data) > 0 {
		last := &out.iovs[out.pieces-1]
		if uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) == uintptr(unsafe.Pointer(base)) {
			last.SetLen(int(last.Len) + len(data))
			return
		}
	}
	v := &out.iovs[out.pieces]
	v.Base = base
	v.SetLen(len(data))
	out.pieces++
}

// joined returns how many of the first datagrams can be one message: they have one
// receiver and one length, but for the last, which may be shorter.
func (p *batchPacket) joined(ds []driver.Datagram) int {
	size := len(ds[0].Data)
	if len(ds) == 1 || !mayJoin(ds[0], ds[1], size) || !p.canJoin(size) {
		return 1
	}
	total, n := size, 1
	for n < len(ds) && mayJoin(ds[0], ds[n], size) && total+len(ds[n].Data) <= maxUDP {
		total += len(ds[n].Data)
		n++
		if len(ds[n-1].Data) < size {
			break
		}
	}
	return n
}

func mayJoin(first, d driver.Datagram, size int) bool {
	return len(d.Data) > 0 && len(d.Data) <= size && sameAddr(first.Addr, d.Addr)
}

func sameAddr(a, b net.Addr) bool {
	if a == b {
		return true
	}
	u, ok := a.(*net.UDPAddr)
	v, also := b.(*net.UDPAddr)
	return ok && also && u.Port == v.Port && u.Zone == v.Zone && u.IP.Equal(v.IP)
}

// canJoin reports whether the kernel may be asked to cut a message into datagrams of
// the size. Where it knows nothing of that it would send the message as it is, so it
// is asked first. A user who has it cut all messages does so himself.
func (p *batchPacket) canJoin(size int) bool {
	if p.joinable == 0 {
		p.joinable = maxUDP
		if set, err := unix.GetsockoptInt(p.fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT); err != nil || set != 0 {
			p.joinable = unjoined
		}
	}
	return size <= p.joinable
}
