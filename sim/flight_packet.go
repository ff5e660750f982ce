package sim

import (
	"hash/crc32"
	"net"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A flightPacket is a datagram socket of a [flight].
type flightPacket struct {
	flightHandle
	inner driver.PacketConn
}

var _ driver.PacketConn = (*flightPacket)(nil)

// OpenPacket implements [driver.Driver].
func (d *flight) OpenPacket(spec driver.PacketSpec, h driver.Handler) (driver.PacketConn, error) {
	p := new(flightPacket)
	e := p.open(d, opOpenPacket, addressSum(spec.Local)^addressSum(spec.Remote)<<32, h, func(told driver.Handler) (err error) {
		p.inner, err = d.inner.OpenPacket(spec, told)
		return err
	})
	if e.err != nil {
		return nil, e.err
	}
	return p, nil
}

// ReadFrom implements [driver.PacketConn]. An entry has the address before the bytes.
func (p *flightPacket) ReadFrom(b []byte) (int, net.Addr, error) {
	e := p.d.do(opReadFrom, p.id, uint64(len(b)), func(e *entry) {
		n, from, err := p.inner.ReadFrom(b)
		if e.err = err; err == nil {
			address := encodeAddr(from)
			e.n, e.data = int64(len(address)), append(address, b[:n]...)
		}
	})
	if e.err != nil {
		return 0, nil, e.err
	}
	size := min(max(int(e.n), 0), len(e.data))
	return copy(b, e.data[size:]), decodeAddr(e.data[:size]), nil
}

// WriteTo implements [driver.PacketConn].
func (p *flightPacket) WriteTo(b []byte, to net.Addr) (int, error) {
	e := p.d.do(opWrite, p.id, uint64(len(b))<<32|uint64(crc32.ChecksumIEEE(b)^uint32(addressSum(to))), func(e *entry) {
		n, err := p.inner.WriteTo(b, to)
		e.n, e.err = int64(n), err
	})
	return int(e.n), e.err
}

// Close implements [driver.PacketConn].
func (p *flightPacket) Close() error { return p.shut(opClose, func() error { return p.inner.Close() }) }

// LocalAddr implements [driver.PacketConn].
func (p *flightPacket) LocalAddr() net.Addr {
	return p.address(opLocal, func() net.Addr { return p.inner.LocalAddr() })
}

// RemoteAddr implements [driver.PacketConn].
func (p *flightPacket) RemoteAddr() net.Addr {
	return p.address(opRemote, func() net.Addr { return p.inner.RemoteAddr() })
}

// SyscallConn implements [driver.PacketConn].
func (p *flightPacket) SyscallConn() (syscall.RawConn, error) { return nil, p.d.cannot("a descriptor") }
