package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/writequeue"
)

// A fileSend is a file that the kernel sends on a socket. It comes after what
// was written before, and before what is written meanwhile.
type fileSend struct {
	sender driver.FileSender
	file   *os.File
	offset int64
	left   int64 // how much is still to be sent, at most
	sent   int64
	behind writequeue.Queue // what was written meanwhile
	done   future
}

const (
	sendfileAtOnce = 1 << 20  // bytes in one turn, so that others have theirs
	copyAtOnce     = 64 << 10 // bytes read into this process, where it must be
)

// errCopy says that the kernel cannot send this file on this socket.
var errCopy = errors.New("asyncio: the kernel cannot send this file")

// sendFile sends what the kernel takes of the file, and what is behind it when
// that is all. Its error is the socket's.
func (s *socket) sendFile() error {
	f := s.out.sending
	for budget := int64(sendfileAtOnce); f.left > 0; {
		if budget <= 0 {
			s.schedule()
			return driver.ErrWouldBlock
		}
		n, err := f.sender.SendFile(f.file, f.offset, int(min(f.left, budget)))
		f.offset += int64(n)
		f.left -= int64(n)
		f.sent += int64(n)
		budget -= int64(n)
		if err != nil && !fileTrouble(err) {
			return err
		}
		if err != nil || n == 0 {
			if f.sent == 0 && errors.Is(err, errors.ErrUnsupported) {
				err = errCopy
			}
			s.endFile(err)
			return s.out.queue.Flush(s.conn)
		}
	}
	s.endFile(nil)
	return s.out.queue.Flush(s.conn)
}

// fileTrouble reports whether an error of sending a file is about the file and not
// about the connection.
func fileTrouble(err error) bool {
	for _, e := range []syscall.Errno{syscall.EIO, syscall.EINVAL, syscall.EBADF, syscall.EOVERFLOW} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrClosed)
}

// endFile ends the sending of a file; what is behind it is the queue then.
func (s *socket) endFile(err error) {
	f := s.out.sending
	s.out.sending = nil
	s.out.queue.Append(&f.behind)
	if f.done.state != pending {
		return
	}
	if err != nil {
		f.done.retrieved = true // whoever waits is told
		f.done.setError(err)
	} else {
		f.done.setResult()
	}
}

// kernelSendfile sends up to count bytes of the file, and suspends t until the
// kernel has them. It returns errCopy, and has done nothing, where the kernel does
// not do that.
func (s *socket) kernelSendfile(t *task, level context.Context, file *os.File, offset, count int64) (int64, error) {
	sender, ok := s.conn.(driver.FileSender)
	if !ok {
		return 0, errCopy
	}
	f := &fileSend{sender: sender, file: file, offset: offset, left: count}
	f.done.loop = s.loop
	s.output().sending = f
	s.flush() // at once: what was just written and the file then go together
	if f.done.state != pending {
		if err := f.done.err; err != nil {
			return f.sent, err
		}
		return f.sent, t.yield() // others have their turn, however fast the peer takes it
	}
	err := t.wait(&f.done, level)
	if s.out.sending == f { // the wait was interrupted: the rest is not sent
		s.endFile(nil)
		s.schedule()
	}
	return f.sent, err
}

// checkSendfile looks at the arguments, and returns the count as a number.
func (s *socket) checkSendfile(file *os.File, offset, count int64) (int64, error) {
	if err := s.writable(); err != nil {
		return 0, fmt.Errorf("sendfile: %w", err)
	}
	if s.sendsFile() {
		return 0, fmt.Errorf("sendfile: %w: another file is being sent", ErrInvalidState)
	}
	count, err := checkFile(file, offset, count)
	if err != nil {
		return 0, fmt.Errorf("sendfile: %w", err)
	}
	return count, nil
}

// checkFile looks at what is to be sent of a file, and returns the count as a
// number.
func checkFile(file *os.File, offset, count int64) (int64, error) {
	if offset < 0 {
		return 0, fmt.Errorf("the offset %d is negative: %w", offset, os.ErrInvalid)
	}
	if count < 0 {
		count = math.MaxInt64
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file: %w", file.Name(), os.ErrInvalid)
	}
	return count, nil
}

func (s *socket) sendfile(t *task, level context.Context, to copySink, secure bool, file *os.File, offset, count int64) (int64, error) {
	count, err := s.checkSendfile(file, offset, count)
	if err != nil {
		return 0, err
	}
	n, err := int64(0), errCopy
	if !secure {
		n, err = s.kernelSendfile(t, level, file, offset, count)
	}
	if err == errCopy {
		n, err = copyFile(t, level, to, file, offset, count)
	}
	if err != nil {
		return n, fmt.Errorf("sendfile: %w", err)
	}
	return n, nil
}

// A copySink is where a file goes that is sent by copying.
type copySink interface {
	put(p []byte) (int, error)
	// drain suspends t while too much is queued.
	drain(t *task, level context.Context) error
}

// copyFile sends a file by reading and writing it.
func copyFile(t *task, level context.Context, to copySink, file *os.File, offset, count int64) (sent int64, err error) {
	buf := make([]byte, min(count, copyAtOnce))
	for sent < count {
		p := buf[:min(int64(len(buf)), count-sent)]
		n, rerr := toThread(t, level, func(context.Context) (int, error) {
			n, err := file.ReadAt(p, offset+sent)
			if err == io.EOF && n > 0 {
				err = nil
			}
			return n, err
		})
		if rerr != nil && rerr != io.EOF {
			return sent, rerr
		}
		if n == 0 {
			return sent, nil
		}
		if _, err := to.put(p[:n]); err != nil {
			return sent, err
		}
		sent += int64(n)
		if err := to.drain(t, level); err != nil {
			return sent, err
		}
	}
	return sent, nil
}
