package warc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
)

// An Exchange is a request and its response.
type Exchange struct {
	URL      string
	Addr     string // of the server; may be empty
	Time     time.Time
	Request  []byte // the header
	Response []byte // the header
	Payload  []byte // as the server sent it
	Metadata []Field
}

// A Writer writes files PREFIX-00000.warc.gz, PREFIX-00001.warc.gz and so on. One
// that is being written has .open after its name. It is not safe for concurrent
// use.
type Writer struct {
	prefix   string
	max      int64
	software string

	file  *os.File
	name  string // of the file when it is done
	size  int64
	next  int
	info  string // the ID of the file's warcinfo
	gz    *gzip.Writer
	plain []byte
	once  map[string]original // by payload digest
}

// original is the record of a payload that was written first.
type original struct{ id, url, date string }

// maxOriginals bounds how many payloads are remembered.
const maxOriginals = 200_000

// Suffixes of file names.
const (
	suffix = ".warc.gz"
	open   = ".open"
)

// NewWriter returns a writer. It goes on behind the files that are there, and
// first mends one that was not finished: what is not whole in it is cut off. A
// file is ended when it has max bytes; 0 means never.
func NewWriter(prefix string, max int64, software string) (*Writer, error) {
	w := &Writer{prefix: prefix, max: max, software: software, once: map[string]original{}}
	for ; ; w.next++ {
		name := w.fileName()
		_, err := os.Lstat(name)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if _, err := os.Lstat(name + open); err != nil {
			return w, nil
		}
		if err := mend(name); err != nil {
			return nil, fmt.Errorf("%s cannot be mended: %w", name+open, err)
		}
	}
}

func (w *Writer) fileName() string { return fmt.Sprintf("%s-%05d%s", w.prefix, w.next, suffix) }

// mend cuts off what is not whole of a file, and gives it its name.
func mend(name string) error {
	f, err := os.OpenFile(name+open, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	r := NewReader(f)
	good := int64(0)
	for {
		if _, err = r.Next(); err != nil {
			break
		}
		good = r.Offset()
	}
	err = f.Truncate(good)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(name+open, name)
}

// Write writes an exchange: its response, or where the same payload was written
// before a record that refers to that, its request, and what is known besides.
func (w *Writer) Write(e *Exchange) error {
	if err := w.begin(); err != nil {
		return err
	}
	at, payload, id := date(e.Time), digest(e.Payload), newID()
	response := Record{Fields: []Field{
		{"WARC-Type", "response"}, {"WARC-Record-ID", id}, {"WARC-Date", at}, {"WARC-Target-URI", e.URL},
		{"WARC-Warcinfo-ID", w.info}, {"Content-Type", "application/http;msgtype=response"}, {"WARC-Payload-Digest", payload},
	}}
	first, again := w.once[payload]
	if again && len(e.Payload) > 0 {
		response.Fields[0].Value = "revisit"
		response.Fields = append(response.Fields,
			Field{"WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"},
			Field{"WARC-Refers-To", first.id}, Field{"WARC-Refers-To-Target-URI", first.url}, Field{"WARC-Refers-To-Date", first.date})
		response.Block = e.Response
	} else {
		response.Block = append(append([]byte(nil), e.Response...), e.Payload...)
		if len(w.once) < maxOriginals {
			w.once[payload] = original{id, e.URL, at}
		}
	}
	if e.Addr != "" {
		response.Fields = append(response.Fields, Field{"WARC-IP-Address", e.Addr})
	}
	request := Record{Block: e.Request, Fields: []Field{
		{"WARC-Type", "request"}, {"WARC-Record-ID", newID()}, {"WARC-Date", at}, {"WARC-Target-URI", e.URL},
		{"WARC-Warcinfo-ID", w.info}, {"WARC-Concurrent-To", id}, {"Content-Type", "application/http;msgtype=request"},
	}}
	list := []*Record{&response, &request}
	if len(e.Metadata) > 0 {
		meta := Record{Fields: []Field{
			{"WARC-Type", "metadata"}, {"WARC-Record-ID", newID()}, {"WARC-Date", at}, {"WARC-Target-URI", e.URL},
			{"WARC-Warcinfo-ID", w.info}, {"WARC-Concurrent-To", id}, {"Content-Type", "application/warc-fields"},
		}}
		for _, f := range e.Metadata {
			meta.Block = fmt.Appendf(meta.Block, "%s: %s\r\n", f.Name, oneLine(f.Value))
		}
		list = append(list, &meta)
	}
	for _, r := range list {
		if err := w.record(r); err != nil {
			return err
		}
	}
	if w.max > 0 && w.size >= w.max {
		return w.end()
	}
	return nil
}

// begin opens the next file where none is open.
func (w *Writer) begin() error {
	if w.file != nil {
		return nil
	}
	for ; ; w.next++ {
		w.name = w.fileName()
		if _, err := os.Lstat(w.name); err == nil {
			continue
		}
		f, err := os.OpenFile(w.name+open, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		w.file, w.size = f, 0
		w.next++
		break
	}
	w.info = newID()
	return w.record(&Record{
		Fields: []Field{{"WARC-Type", "warcinfo"}, {"WARC-Record-ID", w.info}, {"WARC-Date", date(time.Now())}, {"Content-Type", "application/warc-fields"}},
		Block:  []byte("software: " + oneLine(w.software) + "\r\nformat: WARC File Format 1.1\r\nconformsTo: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"),
	})
}

// record writes a record as a gzip member.
func (w *Writer) record(r *Record) error {
	if r.Get("WARC-Block-Digest") == "" {
		r.Fields = append(r.Fields, Field{"WARC-Block-Digest", digest(r.Block)})
	}
	w.plain = r.append(w.plain[:0])
	count := &written{w: w.file}
	if w.gz == nil {
		w.gz = gzip.NewWriter(count)
	} else {
		w.gz.Reset(count)
	}
	_, err := w.gz.Write(w.plain)
	if err == nil {
		err = w.gz.Close()
	}
	if cap(w.plain) > 8<<20 {
		w.plain = nil
	}
	if err != nil {
		// What was written of it must not stay in the middle of the file.
		if e := w.file.Truncate(w.size); e == nil {
			_, _ = w.file.Seek(w.size, io.SeekStart)
		}
		return fmt.Errorf("%s cannot be written: %w", w.name, err)
	}
	w.size += count.n
	return nil
}

type written struct {
	w io.Writer
	n int64
}

func (c *written) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Sync makes what was written outlive a loss of power.
func (w *Writer) Sync() error {
	if w.file == nil {
		return nil
	}
	return w.file.Sync()
}

// end ends the file that is open.
func (w *Writer) end() error {
	err := w.file.Sync()
	if e := w.file.Close(); err == nil {
		err = e
	}
	w.file = nil
	if err != nil {
		return err
	}
	return os.Rename(w.name+open, w.name)
}

// Close ends the last file.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	return w.end()
}
