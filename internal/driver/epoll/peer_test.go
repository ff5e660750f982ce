//go:build linux

package epoll

import (
	"encoding/binary"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPeerOfLinkLocalAddressHasItsZone(t *testing.T) {
	raw := rawPeer{2: 0x1f, 3: 0x90, 8: 0xfe, 9: 0x80, 23: 1}
	binary.NativeEndian.PutUint16(raw[0:], unix.AF_INET6)
	binary.NativeEndian.PutUint32(raw[24:], 1<<31-2) // an interface that there is not
	p := raw.parse()
	got, _ := p.addr().(*net.TCPAddr)
	if got == nil || got.String() != "[fe80::1%2147483646]:8080" {
		t.Errorf("got %v", got)
	}
}
