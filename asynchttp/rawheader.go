package asynchttp

import "bytes"

// A rawHeader is what the server has to know of a request's header and net/http
// does not tell: it puts the host of the URL in the place of Host, and drops a
// Content-Length or a Transfer-Encoding that does not count.
type rawHeader struct {
	hosts    int    // how many fields were named Host
	host     string // the value of the last one
	length   bool   // there was a Content-Length
	transfer bool   // there was a Transfer-Encoding
	first    bool   // the request's line was seen
	inHost   bool   // the last line was a Host field
}

// line takes note of a line of the header.
func (h *rawHeader) line(p []byte) {
	if !h.first {
		h.first = true
		return
	}
	if len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		if h.inHost { // the value goes on, as none does
			h.host += " " + string(bytes.TrimSpace(p))
		}
		return
	}
	h.inHost = false
	i := bytes.IndexByte(p, ':')
	if i < 0 {
		return
	}
	switch i {
	case len("Host"):
		if bytes.EqualFold(p[:i], []byte("Host")) {
			h.hosts++
			h.host, h.inHost = string(bytes.TrimSpace(p[i+1:])), true
		}
	case len("Content-Length"):
		h.length = h.length || bytes.EqualFold(p[:i], []byte("Content-Length"))
	case len("Transfer-Encoding"):
		h.transfer = h.transfer || bytes.EqualFold(p[:i], []byte("Transfer-Encoding"))
	}
}
