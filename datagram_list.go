package asyncio

import "sync"

// datagrams is what a loop keeps for its datagram endpoints.
type datagrams struct {
	endpoints    []*datagramTransport
	readUnixInto []byte    // what unix sockets are read into: their datagrams may be longer than others
	answers      sync.Pool // those that no endpoint has: *answers
}

func datagramsOf(l *Loop) *datagrams { return partOf[datagrams](l, datagramsPart) }

func (d *datagrams) add(t *datagramTransport) {
	t.index = len(d.endpoints)
	d.endpoints = append(d.endpoints, t)
}

func (d *datagrams) remove(t *datagramTransport) {
	last := len(d.endpoints) - 1
	d.endpoints[t.index] = d.endpoints[last]
	d.endpoints[t.index].index = t.index
	d.endpoints[last] = nil
	d.endpoints = d.endpoints[:last]
}

// close closes the endpoints.
func (d *datagrams) close(*Loop) {
	for len(d.endpoints) > 0 {
		d.endpoints[0].finish(ErrLoopClosed)
	}
}

// look implements lookingPart.
func (d *datagrams) look(k *seenLoop) {
	k.SocketCount += len(d.endpoints)
	for _, t := range d.endpoints {
		if !k.wantsSocket() {
			break
		}
		k.sockets = append(k.sockets, t)
	}
}

func (t *datagramTransport) lookAtSocket() SocketLook {
	k := SocketLook{Kind: "datagram", State: "open", Local: addrText(t.LocalAddr()), Remote: addrText(t.RemoteAddr())}
	if t.closing {
		k.State = "closing"
	}
	return k
}

// describeWait implements waitDescriber.
func (t *datagramTransport) describeWait(w *WaitLook) any {
	w.Kind, w.Detail = "socket", "datagrams "+addrText(t.LocalAddr())
	return t
}
