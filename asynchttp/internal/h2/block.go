package h2

import (
	"net/http"
	"strconv"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// blockKind is what a header block is, which says what may be in it.
type blockKind uint8

const (
	requestBlock blockKind = iota
	responseBlock
	trailerBlock
	unwantedBlock // it is only read because the table of hpack hangs on it
)

// blockLimits bound a header block.
type blockLimits struct {
	bytes  int // of the list, as SETTINGS_MAX_HEADER_LIST_SIZE counts them
	fields int
}

// A block is a header block that is being read: a HEADERS frame and its
// CONTINUATIONs. Each piece is decoded when it comes, so none is kept.
//
// What is wrong with it is told when it has ended (err), for until then the
// table of hpack must follow. Only a block that is beyond all bounds ends at
// once, and its connection with it.
type block struct {
	names  *nameCache
	limits blockLimits
	dec    *hpack.Decoder

	open    bool // CONTINUATIONs are to come
	id      uint32
	kind    blockKind
	end     bool // END_STREAM
	pieces  int
	encoded int
	size    int // of the list
	fields  int
	regular bool // a field has come that is no pseudo-header
	wrong   string
	large   bool

	header  http.Header
	strings []string // room for values that are alone under their name
	method, path, scheme, authority,
	status string
	length int64 // the content-length, or -1
}

// start begins a block.
func (b *block) start(id uint32, kind blockKind, end bool) {
	if b.dec == nil {
		b.dec = hpack.NewDecoder(tableSize, b.emit)
		b.dec.SetMaxStringLength(2 * b.limits.bytes) // up to that, only the stream fails
	}
	*b = block{names: b.names, limits: b.limits, dec: b.dec, open: true, id: id, kind: kind, end: end, length: -1}
	if kind != unwantedBlock {
		b.header = make(http.Header)
	}
}

// tableSize is the size of both tables of hpack. RFC 9113, 6.5.2.
const tableSize = 4096

// maxPieces bounds the CONTINUATIONs of a block: frames as they are usually
// sent for so many bytes, and some.
func (l blockLimits) maxPieces() int { return 64 + l.bytes/(8<<10) }

// add decodes a piece. Its error is one of the connection.
func (b *block) add(p []byte, last bool) error {
	b.pieces++
	b.encoded += len(p)
	switch {
	case b.pieces > b.limits.maxPieces():
		return connError(http2.ErrCodeEnhanceYourCalm, "too many CONTINUATION frames")
	case b.encoded > 2*b.limits.bytes:
		return connError(http2.ErrCodeEnhanceYourCalm, "header block too large")
	}
	if _, err := b.dec.Write(p); err != nil {
		if err == hpack.ErrStringLength {
			return connError(http2.ErrCodeEnhanceYourCalm, "header field too large")
		}
		return connError(http2.ErrCodeCompression, err.Error())
	}
	if b.size > 2*b.limits.bytes || b.fields > 2*b.limits.fields {
		return connError(http2.ErrCodeEnhanceYourCalm, "header list too large")
	}
	if !last {
		return nil
	}
	b.open = false
	if err := b.dec.Close(); err != nil {
		return connError(http2.ErrCodeCompression, err.Error())
	}
	return nil
}

// release lets go of what was read.
func (b *block) release() { b.header, b.strings = nil, nil }

// emit takes a field.
func (b *block) emit(f hpack.HeaderField) {
	b.size += int(f.Size())
	b.fields++
	if b.kind == unwantedBlock || b.wrong != "" {
		return
	}
	if b.size > b.limits.bytes || b.fields > b.limits.fields {
		b.large = true
		return
	}
	if f.IsPseudo() {
		b.pseudo(f)
		return
	}
	b.regular = true
	key, usual := canonicalNames[f.Name]
	if !usual {
		if connectionSpecific(f.Name) {
			b.wrong = "header of a connection: " + f.Name
			return
		}
		if key = b.names.canonical(f.Name); key == "" {
			b.wrong = "invalid header name " + strconv.Quote(f.Name)
			return
		}
	}
	if !httpguts.ValidHeaderFieldValue(f.Value) {
		b.wrong = "invalid value of header " + f.Name
		return
	}
	switch key {
	case "Content-Length":
		b.contentLength(f.Value)
	case "Te":
		if f.Value != "trailers" {
			b.wrong = "te is not trailers"
		}
	}
	b.put(key, f.Value)
}

func (b *block) put(key, value string) {
	if vs, ok := b.header[key]; ok {
		b.header[key] = append(vs, value)
		return
	}
	if len(b.strings) == 0 {
		b.strings = make([]string, 4)
	}
	b.strings[0] = value
	b.header[key], b.strings = b.strings[:1:1], b.strings[1:]
}

// contentLength takes the length that is announced: one number, also when it is
// announced twice.
func (b *block) contentLength(v string) {
	if b.kind == trailerBlock {
		b.wrong = "content-length in a trailer"
		return
	}
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil || b.length >= 0 && b.length != int64(n) {
		b.wrong = "invalid content-length"
		return
	}
	b.length = int64(n)
}

// pseudo takes a pseudo-header.
func (b *block) pseudo(f hpack.HeaderField) {
	if b.regular {
		b.wrong = "pseudo-header after others"
		return
	}
	var to *string
	switch {
	case b.kind == responseBlock && f.Name == ":status":
		to = &b.status
	case b.kind != requestBlock:
	case f.Name == ":method":
		to = &b.method
	case f.Name == ":path":
		to = &b.path
	case f.Name == ":scheme":
		to = &b.scheme
	case f.Name == ":authority":
		to = &b.authority
	}
	switch {
	case to == nil:
		b.wrong = "unexpected pseudo-header " + strconv.Quote(f.Name)
	case *to != "":
		b.wrong = "pseudo-header twice: " + f.Name
	case f.Value == "" && f.Name != ":authority":
		b.wrong = "empty pseudo-header " + f.Name
	case !httpguts.ValidHeaderFieldValue(f.Value):
		b.wrong = "invalid value of pseudo-header " + f.Name
	}
	if to != nil {
		*to = f.Value
	}
}
