// Package warc writes and reads WARC 1.1 files (ISO 28500): what went over the
// wire, as archives of the web keep it. Each record is a gzip member of its own,
// so that one can be read without those before it.
package warc

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Record is one of a file. Field names are as they are written, in any case.
type Record struct {
	Fields []Field
	Block  []byte
}

// A Field is a line of a record's header.
type Field struct{ Name, Value string }

// Get returns the value of a field, or "".
func (r *Record) Get(name string) string {
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

const version = "WARC/1.1\r\n"

// append appends a record as it stands in a file, before it is packed.
func (r *Record) append(b []byte) []byte {
	b = append(b, version...)
	for _, f := range r.Fields {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, oneLine(f.Value)...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.Block)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, r.Block...)
	return append(b, "\r\n\r\n"...)
}

// oneLine takes out of a value what would end its line.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}

// newID returns the identifier of a new record.
func newID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // it never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("<urn:uuid:%x-%x-%x-%x-%x>", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// digest is that of a block or payload, as the most tools write it.
func digest(parts ...[]byte) string {
	h := sha1.New()
	for _, p := range parts {
		h.Write(p)
	}
	return "sha1:" + base32.StdEncoding.EncodeToString(h.Sum(nil))
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// parse reads the header of a record: the version is read already.
func parseFields(lines []byte) (fields []Field, length int64, err error) {
	length = -1
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		if len(line) == 0 {
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			return nil, 0, fmt.Errorf("warc: the line %.40q is no field", line)
		}
		value = strings.TrimSpace(value)
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.ParseInt(value, 10, 64); err != nil || length < 0 {
				return nil, 0, fmt.Errorf("warc: the Content-Length %q is no length", value)
			}
			continue
		}
		fields = append(fields, Field{name, value})
	}
	if length < 0 {
		return nil, 0, fmt.Errorf("warc: a record has no Content-Length")
	}
	return fields, length, nil
}
