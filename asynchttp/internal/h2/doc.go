// Package h2 is HTTP/2 on an asyncio loop: a [Server] that runs an
// [net/http.Handler], and a [ClientConn] that carries any number of requests at
// once. It starts no goroutine.
//
// A connection has one task, which reads and takes whole frames, and nothing
// else: it never waits for a stream. Each stream of a server has a task, which
// runs the handler. What they all write goes into one buffer of the connection
// ([outbox]), which one callback a turn passes on to the socket. So a hundred
// answers cost one write, and nothing that suspends holds what others need.
//
//	read -> conn.received -> frame handlers -> stream -> body.read    (a handler's task)
//	                                                     sender.write (likewise)
//	socket <- outbox.flush <- outbox.fill <- sender <----'
//
// The parts, each with its state and nobody else's:
//
//	state       what may still be sent and received on a stream
//	sendWindow  what the peer takes now; recvWindow, what it may send now
//	sender      a stream's way out; body, its way in
//	outbox      the connection's way out, and whose turn it is
//	block       a header block that is being read
//	guard       what a peer costs beside what it asks for
//
// The rules are those of RFC 9113 and RFC 7541. Frames are read by the Framer
// of golang.org/x/net/http2, but for DATA and HEADERS, which are most of them and
// simple; headers by its hpack.
//
// Everything here is for the loop's goroutine.
package h2
