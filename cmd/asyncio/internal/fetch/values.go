package fetch

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The values of curl's options, as they are written on the command line.

// ParseSeconds reads a time limit in seconds, which may have a fraction.
func ParseSeconds(s string) (time.Duration, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		return 0, fmt.Errorf("%q is not a number of seconds", s)
	}
	if f > math.MaxInt64/float64(time.Second)/2 {
		return 0, fmt.Errorf("%q seconds is too long", s)
	}
	return time.Duration(f * float64(time.Second)), nil
}

// ParseSize reads a number of bytes, with K, M, G, T or P after it for the
// powers of 1024.
func ParseSize(s string) (int64, error) {
	digits, shift := s, 0
	if s != "" {
		if i := strings.IndexByte("bkmgtp", s[len(s)-1]|0x20); i >= 0 {
			digits, shift = s[:len(s)-1], 10*i
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a number of bytes", s)
	}
	if n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q bytes is too much", s)
	}
	return n << shift, nil
}

// A Rate is how often a transfer may start. The zero value is as often as can be.
type Rate struct{ interval time.Duration }

// ParseRate reads N/U: so many starts in a second (s), minute (m), hour (h) or
// day (d). Without a unit it is an hour, as in curl.
func ParseRate(s string) (Rate, error) {
	number, unit, has := strings.Cut(s, "/")
	per := time.Hour
	if has {
		var ok bool
		units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
		if per, ok = units[unit]; !ok {
			return Rate{}, fmt.Errorf("%q: the unit of a rate is s, m, h or d", s)
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return Rate{}, fmt.Errorf("%q is not a rate such as 10/s", s)
	}
	return Rate{per / time.Duration(n)}, nil
}

// ParseHeader reads a header as curl's -H does: "Name: value" sends it,
// "Name:" takes it away, "Name;" sends it without a value.
func ParseHeader(s string) (Header, error) {
	i := strings.IndexAny(s, ":;")
	if i <= 0 || strings.ContainsAny(s, "\r\n\x00") || !isToken(s[:i]) {
		return Header{}, fmt.Errorf("%q is not a header", s)
	}
	name, value := s[:i], strings.TrimSpace(s[i+1:])
	switch {
	case s[i] == ';' && value != "":
		return Header{}, fmt.Errorf("%q is not a header", s)
	case s[i] == ';':
		return Header{Name: name}, nil
	case value == "":
		return Header{Name: name, Remove: true}, nil
	}
	return Header{Name: name, Value: value}, nil
}

// isToken reports whether s can be the name of a header, or a method.
func isToken(s string) bool {
	if s == "" {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}

// ValidMethod reports whether s can be the method of a request.
func ValidMethod(s string) bool { return isToken(s) }

// ParseResolve reads HOST:PORT:ADDRESS[,ADDRESS]... An address of version 6
// may stand in brackets. A plus sign before the host, with which curl lets the
// entry age, changes nothing here.
func ParseResolve(s string) (ResolveRule, error) {
	bad := func(why string) (ResolveRule, error) {
		return ResolveRule{}, fmt.Errorf("%q: %s; it has to be host:port:address", s, why)
	}
	rest := strings.TrimPrefix(s, "+")
	var host string
	if strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 || !strings.HasPrefix(rest[end+1:], ":") {
			return bad("the bracket is not closed")
		}
		host, rest = rest[1:end], rest[end+2:]
	} else {
		var ok bool
		if host, rest, ok = strings.Cut(rest, ":"); !ok {
			return bad("there is no port")
		}
	}
	portText, list, ok := strings.Cut(rest, ":")
	if host == "" || !ok {
		return bad("there is no address")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return bad("the port is wrong")
	}
	r := ResolveRule{Host: strings.ToLower(host), Port: uint16(port)}
	for text := range strings.SplitSeq(list, ",") {
		a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
		if err != nil {
			return bad("the address is wrong")
		}
		r.Addrs = append(r.Addrs, a)
	}
	return r, nil
}

// FormBody joins the values of -d as curl does: with & between them. A value
// that begins with @ is the name of a file, whose line ends and NULs are left
// out; read reads it.
func FormBody(values []string, read func(name string) ([]byte, error)) ([]byte, error) {
	var body []byte
	for i, v := range values {
		if i > 0 {
			body = append(body, '&')
		}
		name, isFile := strings.CutPrefix(v, "@")
		if !isFile {
			body = append(body, v...)
			continue
		}
		b, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("-d %s: %w", v, err)
		}
		for _, c := range b {
			if c != '\r' && c != '\n' && c != 0 {
				body = append(body, c)
			}
		}
	}
	return body, nil
}
