package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A query is what is asked for.
type query struct {
	name  string // below the directory
	path  string // as it stands in the URL
	slash bool   // there was a slash at the end
	zip   bool   // gzip will be understood
}

// A document is the answer to a query.
type document struct {
	redirect string // where it is instead

	file     *os.File // open; nil where body is all of it
	body     []byte
	size     int64 // before packing
	modified time.Time
	tag      string
	mime     string
	packable bool // other clients get it packed
	zipped   bool // this one does
}

func (d *document) close() {
	if d.file != nil {
		_ = d.file.Close() // it was only read
	}
}

// indexes are what stands for a directory.
var indexes = []string{"index.html", "index.htm"}

// look makes the document. It runs in a thread.
func (s *site) look(q query) (*document, error) {
	f, info, err := s.open(q.name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if q.slash {
			_ = f.Close()
			return nil, fs.ErrNotExist
		}
		return packedDocument(f, info, q)
	}
	defer f.Close()
	if !q.slash {
		return &document{redirect: relative(path.Base(q.path) + "/")}, nil
	}
	for _, name := range indexes {
		index, info, err := s.open(filepath.Join(q.name, name))
		if err == nil && !info.IsDir() {
			return packedDocument(index, info, q)
		}
		if err == nil {
			_ = index.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	page, err := s.listing(f, q)
	if err != nil {
		return nil, err
	}
	d := &document{body: page, size: int64(len(page)), mime: "text/html; charset=utf-8"}
	return d, d.pack(q)
}

// open opens a regular file or a directory. It does not wait for the other end of
// a named pipe.
func (s *site) open(name string) (*os.File, fs.FileInfo, error) {
	f, err := s.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotServed}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// packedDocument makes a document of a file as a query wants it.
func packedDocument(f *os.File, info fs.FileInfo, q query) (*document, error) {
	d, err := newDocument(f, info, readStart)
	if err != nil {
		return nil, err
	}
	return d, d.pack(q)
}

// A starter fills p with the beginning of a file; io.EOF where the file is shorter.
type starter func(f *os.File, p []byte) (int, error)

// readStart is the starter that waits for the disk.
func readStart(f *os.File, p []byte) (int, error) { return f.ReadAt(p, 0) }

// newDocument makes a document of a file, which it closes if it is small, or if it
// fails.
func newDocument(f *os.File, info fs.FileInfo, start starter) (*document, error) {
	d := &document{file: f, size: info.Size(), modified: info.ModTime()}
	tag := append(make([]byte, 0, 40), '"')
	tag = strconv.AppendInt(tag, d.modified.UnixNano(), 36)
	tag = append(tag, '-')
	tag = strconv.AppendInt(tag, d.size, 36)
	d.tag = string(append(tag, '"'))
	if err := d.read(info.Name(), start); err != nil {
		_ = f.Close()
		return nil, err
	}
	return d, nil
}

// read finds the type of a file, and reads it if it is small.
func (d *document) read(name string, fill starter) error {
	if d.size <= smallFile {
		d.body = make([]byte, d.size)
		if n, err := fill(d.file, d.body); err == io.EOF {
			d.body, d.size = d.body[:n], int64(n) // it has shrunk meanwhile
		} else if err != nil {
			return err
		}
	}
	if d.mime = typeOf(name); d.mime == "" {
		start := d.body
		if start == nil {
			start = make([]byte, 512)
			n, err := fill(d.file, start)
			if err != nil && err != io.EOF {
				return err
			}
			start = start[:n]
		}
		d.mime = http.DetectContentType(start)
	}
	if d.body != nil {
		err := d.file.Close()
		d.file = nil
		return err
	}
	return nil
}

// commonTypes are the types that must not depend on the machine.
var commonTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".json": "application/json",
	".txt": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".xml": "text/xml; charset=utf-8", ".svg": "image/svg+xml", ".wasm": "application/wasm", ".gz": "application/gzip",
	".bin": "application/octet-stream", ".pdf": "application/pdf", ".zip": "application/zip",
}

// typeOf returns the type of a file by its name, or nothing.
func typeOf(name string) string {
	ext := strings.ToLower(filepath.Ext(name))
	if t := commonTypes[ext]; t != "" || ext == "" {
		return t
	}
	return mime.TypeByExtension(ext)
}

// send sends the document, or what the conditions of the request ask for. It runs
// on the loop.
func (d *document) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", d.mime)
	if d.packable {
		h.Set("Vary", "Accept-Encoding")
	}
	if d.tag != "" {
		h.Set("Etag", d.tag)
	}
	if d.zipped {
		h.Set("Content-Encoding", "gzip")
	}
	// net/http sends several ranges with a goroutine and a pipe, and that would
	// block the loop. Whoever asks for them must be ready for the whole.
	if strings.Contains(r.Header.Get("Range"), ",") {
		r.Header.Del("Range")
	}
	var content io.ReadSeeker
	var pieces *pieces
	switch {
	case d.file == nil:
		content = bytes.NewReader(d.body)
	case d.zipped:
		pieces = newPieces(r.Context(), d)
		content = pieces
	default:
		content = io.NewSectionReader(d.file, 0, d.size) // which the server sends, or has read in threads
	}
	if d.zipped {
		p := &packed{ResponseWriter: w}
		if d.file == nil && r.Method == http.MethodGet {
			p.length = len(d.body)
		}
		w = p
	}
	http.ServeContent(w, r, "", d.modified, content)
	if pieces != nil && pieces.err != nil && pieces.err != io.EOF {
		panic(http.ErrAbortHandler) // so that nobody takes it for the whole
	}
}

// packed is the response that has a packed body, of which net/http promises too
// much and says too little.
type packed struct {
	http.ResponseWriter
	length int // 0: it is not known
}

// WriteHeader implements [http.ResponseWriter].
func (w *packed) WriteHeader(status int) {
	h := w.Header()
	if h.Get("Content-Encoding") != "" {
		h.Del("Accept-Ranges")
		if w.length > 0 && status == http.StatusOK {
			h.Set("Content-Length", strconv.Itoa(w.length))
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// ReadFrom implements [io.ReaderFrom]: what is below has buffers to copy with.
func (w *packed) ReadFrom(src io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, src) }

// pieces is the content of a file, read in threads piece by piece, and packed
// there.
type pieces struct {
	ctx    context.Context
	file   *os.File
	size   int64 // as it was announced
	offset int64 // of what is read next
	buf    []byte
	ready  bytes.Buffer // what has not been given yet
	zip    *packer
	err    error
}

func newPieces(ctx context.Context, d *document) *pieces {
	p := &pieces{ctx: ctx, file: d.file, size: d.size}
	p.zip = newPacker(&p.ready)
	return p
}

// Read implements [io.Reader], in a coroutine.
func (p *pieces) Read(b []byte) (int, error) {
	for p.ready.Len() == 0 {
		if p.err != nil {
			return 0, p.err
		}
		// After a cancellation the thread may still be at work on p, so
		// nothing of it is touched then.
		err, cancelled := asyncio.ToThread(p.ctx, func(context.Context) (error, error) { return p.next(), nil })
		if p.err = err; cancelled != nil {
			return 0, cancelled
		}
	}
	return p.ready.Read(b)
}

// next reads the next piece. It runs in a thread.
func (p *pieces) next() error {
	if p.buf == nil {
		p.buf = make([]byte, pieceSize)
	}
	n, err := p.file.ReadAt(p.buf[:min(pieceSize, p.size-p.offset)], p.offset)
	p.offset += int64(n)
	p.ready.Reset()
	switch {
	case err == io.EOF && p.offset < p.size:
		return io.ErrUnexpectedEOF // the file has shrunk
	case err != nil && err != io.EOF:
		return err
	}
	whole := p.offset >= p.size
	if err := p.zip.add(p.buf[:n], whole); err != nil {
		return err
	}
	if whole {
		return io.EOF
	}
	return nil
}

// Seek implements [io.Seeker], for [http.ServeContent]. A packed file has no
// length before its end; what it is taken for is never sent.
func (p *pieces) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekEnd:
		return 1 << 62, nil
	case io.SeekCurrent:
		offset += p.offset - int64(p.ready.Len())
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: p.file.Name(), Err: fs.ErrInvalid}
	}
	p.offset = offset
	p.ready.Reset()
	return offset, nil
}
