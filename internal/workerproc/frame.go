package workerproc

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// A frame is its length in four bytes, and so many bytes.

// oneWrite is how many bytes are gathered before they are written: each write to a
// pipe wakes the reader. What is larger by itself is not copied.
const oneWrite = 64 << 10

// writeFrame writes a frame whose contents are head and p.
func writeFrame(w *bufio.Writer, head, p []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(head)+len(p)))
	if _, err := w.Write(length[:]); err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(p)
	return err
}

// readFrame returns the next frame; io.EOF when there is none.
func readFrame(r io.Reader, most int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(most) {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		return nil, fmt.Errorf("a message was cut off: %w", err)
	}
	return p, nil
}
