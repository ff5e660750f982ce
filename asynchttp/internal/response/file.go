package response

import (
	"io"
	"net/http"
	"os"
	"syscall"
)

// sniffLength is how much of a body [http.DetectContentType] looks at.
const sniffLength = 512

// ReadFrom implements [io.ReaderFrom], for [io.Copy] and for what net/http has
// to serve files. The rest of a file goes from the kernel to the connection, or
// is read in the executor where the kernel cannot do that; anything else is
// read and written here. The header stays open until src has given something:
// where that is the request's body, the client may still have to be told to send
// it.
func (w *Writer) ReadFrom(src io.Reader) (int64, error) {
	if err := w.mayWrite("write response"); err != nil {
		return 0, err
	}
	sent := int64(0)
	if !w.IsHead() && (w.Status == 0 || !w.Bodyless) {
		if part, ok := filePart(src); ok {
			defer part.close()
			n, err := w.writeFile(part)
			part.advance(n)
			if err != nil {
				return n, err
			}
			sent = n
		}
	}
	// What is left of a file is nothing, unless it has grown.
	n, err := w.copyFrom(src)
	return sent + n, err
}

// copyFrom reads src to its end, with a buffer that responses share.
func (w *Writer) copyFrom(src io.Reader) (int64, error) {
	buf := w.shared.Copies.Get()
	defer w.shared.Copies.Put(buf)
	total := int64(0)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			written, werr := w.Write(buf[:n])
			total += int64(written)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// A fileRange is a part of a file that is to be sent.
type fileRange struct {
	file      *os.File
	seeker    io.Seeker // of what is read of the file
	at        int64     // the seeker's position, which is offset in the file
	offset, n int64
	limit     *io.LimitedReader // through which the file would have been read, or nil
	dup       bool              // file is another one of the same, to be closed
}

// filePart looks whether src is a file, or a part of one, of more than few
// bytes. It is the rest of it from the file's position on.
func filePart(src io.Reader) (part fileRange, ok bool) {
	limit, _ := src.(*io.LimitedReader)
	if limit != nil {
		src = limit.R
	}
	if s, ok := src.(*io.SectionReader); ok {
		return sectionPart(s, limit)
	}
	f, ok := src.(interface { // an *os.File, or what its WriteTo makes of it
		Stat() (os.FileInfo, error)
		Name() string
		io.Seeker
		syscall.Conn
	})
	if !ok {
		return fileRange{}, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return fileRange{}, false
	}
	offset, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return fileRange{}, false
	}
	part = fileRange{seeker: f, at: offset, offset: offset, n: info.Size() - offset, limit: limit}
	if !part.worthIt() {
		return fileRange{}, false
	}
	file, own := f.(*os.File)
	if !own {
		if file = dupFile(f, f.Name()); file == nil {
			return fileRange{}, false
		}
	}
	part.file, part.dup = file, !own
	return part, true
}

// sectionPart is filePart for a section of a file, which has a position of its own:
// that costs no system call.
func sectionPart(s *io.SectionReader, limit *io.LimitedReader) (part fileRange, ok bool) {
	src, offset, n := s.Outer()
	f, ok := src.(*os.File)
	if !ok {
		return fileRange{}, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return fileRange{}, false
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return fileRange{}, false
	}
	offset += at
	part = fileRange{file: f, seeker: s, at: at, offset: offset, n: min(n-at, info.Size()-offset), limit: limit}
	return part, part.worthIt()
}

// worthIt bounds the part, and reports whether it is more than few bytes.
func (p *fileRange) worthIt() bool {
	if p.limit != nil {
		p.n = min(p.n, p.limit.N)
	}
	return p.n > holdBack
}

// close lets go of what filePart has made.
func (p *fileRange) close() {
	if p.dup {
		_ = p.file.Close() // nothing was written to it
	}
}

// advance makes it as if n bytes had been read.
func (p *fileRange) advance(n int64) {
	_, _ = p.seeker.Seek(p.at+n, io.SeekStart) // it was asked for its position before
	if p.limit != nil {
		p.limit.N -= n
	}
}

// writeFile sends a part of a file after what is held back.
func (w *Writer) writeFile(p fileRange) (int64, error) {
	if w.Status == 0 {
		w.setHeader(http.StatusOK)
	}
	if err := w.count(p.n); err != nil {
		return 0, err
	}
	if !w.Sent {
		var first []byte
		if len(w.held) == 0 && !w.Has.ContentType {
			first = make([]byte, min(p.n, sniffLength))
			n, err := p.file.ReadAt(first, p.offset)
			if err != nil && err != io.EOF {
				w.written -= p.n
				return 0, err
			}
			first = first[:n]
		}
		w.begin(first, false)
	}
	held := w.take()
	n, err := w.out.SendFile(held, p.file, p.offset, p.n)
	w.shared.held.Put(held)
	w.written -= p.n - n
	if err == nil && n < p.n {
		err = io.ErrUnexpectedEOF // the file has shrunk, and more was announced
	}
	w.fail(err)
	return n, err
}
