package asynchttp

import (
	"io"
	"time"
)

// recordHandshake is the first byte of a TLS connection.
const recordHandshake = 0x16

// handshake does the server's half of TLS, and reports whether it went well. It
// looks at the first bytes before: a client that speaks HTTP is told so.
func (c *serverConn) handshake() bool {
	s := c.srv
	if limit := s.handshakeLimit(); limit > 0 {
		timer := s.loop.CallLater(limit, func() { c.fail(&TimeoutError{"TLS handshake"}) })
		defer timer.Cancel()
	}
	first := make([]byte, 5)
	n := 0
	for n == 0 || n < len(first) && first[0] != recordHandshake {
		m, err := c.s.Read(first[n:])
		if err != nil {
			return false
		}
		n += m
	}
	if looksLikeHTTP(string(first[:n])) {
		_, err := io.WriteString(c.s, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		if err == nil {
			c.lingerOn()
		}
		return false
	}
	c.s.FeedData(first[:n])
	return c.s.StartServerTLS(c.own, s.tls) == nil
}

// handshakeLimit is the shortest of the limits that a handshake falls under; 0
// when there is none.
func (s *Server) handshakeLimit() time.Duration {
	limit := time.Duration(0)
	for _, d := range []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout} {
		if d > 0 && (limit == 0 || d < limit) {
			limit = d
		}
	}
	return limit
}

func looksLikeHTTP(first string) bool {
	switch first {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}
