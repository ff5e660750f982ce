package asyncio

import "net"

// What a loop's connections show to who looks into it.

// describe says that w waits for the socket to do something, and returns the socket.
func (s *socket) describe(w *WaitLook, doing string) (object any) {
	w.Kind, w.Detail = "socket", doing
	if s.closed || s.conn == nil {
		return s
	}
	if peer := addrText(s.conn.RemoteAddr()); peer != "" {
		w.Detail += " " + peer
	} else if here := addrText(s.conn.LocalAddr()); here != "" {
		w.Detail += " " + here
	}
	return s
}

// addrText returns an address as text; "" for none, as an unnamed unix socket has.
func addrText(a net.Addr) string {
	if a == nil || a.String() == "@" { // as net writes the missing name
		return ""
	}
	return a.String()
}

// look implements lookingPart.
func (c *connections) look(k *seenLoop) { c.unserved.look(k) }

func (l *socketList) look(k *seenLoop) {
	k.SocketCount += l.n
	for s := l.head; s != nil && k.wantsSocket(); s = s.next {
		k.sockets = append(k.sockets, s)
	}
}

func (s *socket) lookAtSocket() SocketLook {
	k := SocketLook{Kind: "connection", State: "open"}
	if s.closing {
		k.State = "closing"
	}
	if !s.closed && s.conn != nil {
		k.Local, k.Remote = addrText(s.conn.LocalAddr()), addrText(s.conn.RemoteAddr())
	}
	return k
}

// look implements lookingPart.
func (s *serverList) look(k *seenLoop) {
	for _, srv := range s.servers {
		k.SocketCount += len(srv.addrs)
		for _, a := range srv.addrs {
			if k.wantsSocket() {
				k.sockets = append(k.sockets, servingSocket{srv, a})
			}
		}
		srv.clients.look(k)
	}
}

// A servingSocket is one of a server's own.
type servingSocket struct {
	srv *Server
	at  net.Addr
}

func (s servingSocket) lookAtSocket() SocketLook {
	return SocketLook{Kind: "server", State: s.srv.lookState(), Local: addrText(s.at)}
}

func (s *Server) lookState() string {
	switch {
	case s.closed:
		return "closing"
	case !s.serving:
		return "not serving"
	}
	return "open"
}

func (s *Server) describeWait(w *WaitLook) any {
	w.Kind = "server"
	if len(s.addrs) > 0 {
		w.Detail = "the end of " + addrText(s.addrs[0])
	}
	return s
}
