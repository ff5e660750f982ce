package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
)

// ErrForeign is returned for a file that is not a journal of this program.
var ErrForeign = errors.New("the file is no journal, or one of another version")

// Scan hands each record of a journal to read, in order, and returns where the
// last whole one ends: 0 where not even the first line of the file is whole. The
// slice is read's only until it returns.
func Scan(r io.Reader, read func(record []byte) error) (good int64, err error) {
	in := bufio.NewReaderSize(r, 16<<10)
	head := make([]byte, len(magic))
	if n, err := io.ReadFull(in, head); string(head[:n]) != magic[:n] {
		return 0, ErrForeign
	} else if err != nil {
		return 0, unlessEnd(err)
	}
	good = int64(len(magic))
	var frame []byte
	for {
		var n int
		if frame, n, err = next(in, frame); err != nil || n < 0 {
			return good, err
		}
		if err := read(frame[len(frame)-n:]); err != nil {
			return good, err
		}
		good += 4 + int64(len(frame))
	}
}

// next reads a frame without its checksum, into a buffer that it may take
// another for, and returns the length of its record: negative when there is no
// whole frame.
func next(in *bufio.Reader, frame []byte) ([]byte, int, error) {
	var sum [4]byte
	if _, err := io.ReadFull(in, sum[:]); err != nil {
		return frame, -1, unlessEnd(err)
	}
	frame = frame[:0]
	var length uint64
	for shift := 0; ; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return frame, -1, unlessEnd(err)
		}
		frame = append(frame, b)
		length |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if shift > 28 {
			return frame, -1, nil
		}
	}
	if length > MaxRecord {
		return frame, -1, nil
	}
	n := int(length)
	for left := n; left > 0; { // memory is taken for what is there, not for what a length says
		step := min(left, 256<<10)
		at := len(frame)
		frame = slices.Grow(frame, step)[:at+step]
		if _, err := io.ReadFull(in, frame[at:]); err != nil {
			return frame, -1, unlessEnd(err)
		}
		left -= step
	}
	if crc32.Checksum(frame, table) != binary.LittleEndian.Uint32(sum[:]) {
		return frame, -1, nil
	}
	return frame, n, nil
}

// unlessEnd returns an error of reading, but nil for the end of the file.
func unlessEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}
