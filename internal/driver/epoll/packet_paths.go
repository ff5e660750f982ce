//go:build linux

package epoll

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// PathsVariable is the environment variable that turns ways to move datagrams off,
// for the loops that are made then: a list of "mmsg=0", several in one call of the
// system's; "gso=0", those that the kernel cuts; and "gro=0", those that it joins.
const PathsVariable = "ASYNCIO_DATAGRAMS"

// packetPaths is which of these ways a driver goes.
type packetPaths struct{ mmsg, gso, gro bool }

func packetPathsOf(asked string) (packetPaths, error) {
	p := packetPaths{mmsg: true, gso: true, gro: true}
	for off := range strings.SplitSeq(asked, ",") {
		switch off {
		case "":
		case "mmsg=0":
			p.mmsg = false
		case "gso=0":
			p.gso = false
		case "gro=0":
			p.gro = false
		default:
			return p, fmt.Errorf("%s=%s: %q is none of mmsg=0, gso=0 and gro=0: %w", PathsVariable, asked, off, os.ErrInvalid)
		}
	}
	return p, nil
}

// A batchPacket is a UDP socket of which several datagrams are read and written
// together.
type batchPacket struct {
	packet
	askGRO   int // GRO is asked for after so many full reads more; negative: never
	joins    bool
	messages int // to read next, at most
	// joinable is how long datagrams may be that the kernel cuts; 0: it is not
	// known yet whether it does.
	joinable int
}

var _ driver.PacketBatcher = (*batchPacket)(nil)

const (
	// fewRead messages are read at a time, and maxRead when there are more than
	// those; readTogether is how many datagrams it is to be about.
	fewRead      = 3
	maxRead      = 16
	readTogether = 64
	// busyReads is how many reads must have been full before GRO is asked for. A
	// socket that has little to do is spared the call: where no other has asked
	// for it, the kernel patches its own code for that.
	busyReads = 4

	maxUDP   = 65507 // bytes of a datagram
	unjoined = -1    // joinable of a socket whose datagrams the kernel does not cut
)

// batching returns p as one that is read and written in batches, where it can be.
func (p *packet) batching(own bool) driver.PacketConn {
	if p.family == unix.AF_UNIX || !p.d.paths.mmsg {
		return p
	}
	b := &batchPacket{packet: *p, messages: fewRead, askGRO: busyReads}
	if !own || !p.d.paths.gro {
		b.askGRO = -1
	}
	if !p.d.paths.gso {
		b.joinable = unjoined
	}
	return b
}

func askedPaths() (packetPaths, error) { return packetPathsOf(os.Getenv(PathsVariable)) }
