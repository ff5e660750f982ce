package workerproc

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A frame is its length in four bytes, and so many bytes.

// oneWrite is up to what size a frame is copied, to be written at once. Each write
// to a pipe wakes the reader.
const oneWrite = 64 << 10

func writeFrame(w io.Writer, p []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(p)))
	if len(p) <= oneWrite {
		_, err := w.Write(append(append(make([]byte, 0, len(head)+len(p)), head[:]...), p...))
		return err
	}
	if _, err := w.Write(head[:]); err != nil {
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
