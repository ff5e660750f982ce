package asyncio

import (
	"crypto/tls"
	"net"
	"time"
)

// A tlsWire is the private connection under crypto/tls, but for its Read.
// Writing only queues; the records of one call of send go out in one system
// call.
type tlsWire struct {
	sock  *socket
	due   int          // bytes of this slice that send has still to encrypt, at most
	more  bool         // and then there are further slices
	batch *recordBatch // those that were encrypted and wait for the last; nil: none
}

// send has conn, which stands on w, encrypt and write what is in bufs.
func (w *tlsWire) send(conn *tls.Conn, bufs ...[]byte) (total int, err error) {
	defer w.drop()
	for i, p := range bufs {
		w.due, w.more = len(p), i+1 < len(bufs)
		n, err := conn.Write(p)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, w.flush(nil)
}

// Write is given a record. crypto/tls uses its memory again.
func (w *tlsWire) Write(p []byte) (int, error) {
	// A record is longer than what is in it, so this is nothing for the last
	// one; and a single one, which is the usual case, is copied nowhere.
	w.due -= len(p)
	last := w.due <= 0 && !w.more
	if w.batch == nil && (last || len(p) > gatheredRecord) || !w.sock.direct() {
		return w.sock.write(p)
	}
	if w.batch == nil {
		w.batch = borrowRecords(w.sock.loop)
	}
	if !last && w.batch.add(p) {
		return len(p), nil
	}
	if err := w.flush(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes what has been gathered, and last after it.
func (w *tlsWire) flush(last []byte) error {
	b := w.batch
	if b == nil || len(b.gathered)+len(last) == 0 {
		return nil
	}
	b.both = [2][]byte{b.gathered, last}
	_, err := w.sock.writev(b.both[:])
	b.both = [2][]byte{}
	b.gathered = b.gathered[:0]
	return err
}

// drop forgets what has been gathered: there is nothing, unless an error has
// ended the call.
func (w *tlsWire) drop() {
	w.due, w.more = 0, false
	if b := w.batch; b != nil {
		w.batch = nil
		b.gathered = b.gathered[:0]
		connectionsOf(w.sock.loop).records = b
	}
}

// Close is never what ends the connection: its owner does.
func (w *tlsWire) Close() error         { return nil }
func (w *tlsWire) LocalAddr() net.Addr  { return w.sock.conn.LocalAddr() }
func (w *tlsWire) RemoteAddr() net.Addr { return w.sock.conn.RemoteAddr() }

// Deadlines are the owner's; crypto/tls sets one for its close_notify, which
// must not drop what is queued.
func (w *tlsWire) SetDeadline(time.Time) error      { return nil }
func (w *tlsWire) SetReadDeadline(time.Time) error  { return nil }
func (w *tlsWire) SetWriteDeadline(time.Time) error { return nil }

// A recordBatch is records on the way to one system call.
type recordBatch struct {
	gathered []byte
	both     [2][]byte // gathered and the last one, for writev
}

const (
	recordBatchSize = 64 << 10 // how much is gathered before it is written
	gatheredRecord  = 8 << 10  // to copy a longer record costs what the system call does
)

// borrowRecords returns an empty batch. A loop keeps one: nothing waits between
// the first record of a call and the last.
func borrowRecords(l *Loop) *recordBatch {
	c := connectionsOf(l)
	b := c.records
	c.records = nil
	if b == nil {
		b = &recordBatch{gathered: make([]byte, 0, recordBatchSize)}
	}
	return b
}

// add copies a record to the end, unless it is long or there is no room, and
// reports whether it did.
func (b *recordBatch) add(p []byte) bool {
	if len(p) > gatheredRecord || len(p) > cap(b.gathered)-len(b.gathered) {
		return false
	}
	b.gathered = append(b.gathered, p...)
	return true
}
