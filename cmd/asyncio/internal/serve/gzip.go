package serve

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// acceptsGzip reports whether the values of Accept-Encoding allow gzip.
func acceptsGzip(values []string) bool {
	star := false
	for _, v := range values {
		for item := range strings.SplitSeq(v, ",") {
			coding, params, _ := strings.Cut(item, ";")
			coding = strings.TrimSpace(coding)
			if !strings.EqualFold(coding, "gzip") && !strings.EqualFold(coding, "x-gzip") {
				star = star || coding == "*" && wanted(params)
				continue
			}
			return wanted(params)
		}
	}
	return star
}

// wanted reports whether the parameters of a coding leave it a weight.
func wanted(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return err == nil && q > 0
	}
	return true
}

// worthPacking reports whether bodies of a type become much smaller.
func worthPacking(mimeType string) bool {
	t, _, _ := strings.Cut(mimeType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	switch t {
	case "application/json", "application/javascript", "application/xml", "application/wasm", "application/x-javascript",
		"application/manifest+json", "application/x-ndjson", "application/toml", "application/yaml", "application/sql":
		return true
	}
	return strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+xml") || strings.HasSuffix(t, "+json")
}

// choose decides whether the document is packed.
func (d *document) choose(q query) {
	d.packable = d.size >= minZip && worthPacking(d.mime)
	d.zipped = d.packable && q.zip
	if d.zipped && d.tag != "" {
		d.tag = d.tag[:len(d.tag)-1] + `-gzip"`
	}
}

// pack decides whether the document is packed, and packs what is in memory. It
// runs in a thread.
func (d *document) pack(q query) error {
	d.choose(q)
	if !d.zipped || d.file != nil {
		return nil
	}
	var out bytes.Buffer
	err := newPacker(&out).add(d.body, true)
	d.body = out.Bytes()
	return err
}

// writers are compressors that wait for work: one has hundreds of kilobytes.
var writers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, 5) // the level is one
	return w
}}

// A packer packs one document.
type packer struct{ w *gzip.Writer }

func newPacker(to *bytes.Buffer) *packer {
	w := writers.Get().(*gzip.Writer)
	w.Reset(to)
	return &packer{w}
}

// add packs p, which is the last of the document if last is set.
func (p *packer) add(b []byte, last bool) error {
	_, err := p.w.Write(b)
	if err != nil || !last {
		return err
	}
	err = p.w.Close()
	p.w.Reset(nil)
	writers.Put(p.w)
	p.w = nil
	return err
}
