package requesturi

import (
	"net"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ASCIIHost returns a host, with its port if it has one, as it is asked for and connected
// to: a name with letters beyond ASCII in the form that the DNS has for it, in which
// capital and small letters are the same. What is ASCII stays as it is.
func ASCIIHost(hostport string) (string, error) {
	if isASCII(hostport) {
		return hostport, nil
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil { // no port, or none that can be told from the rest
		return idna.Lookup.ToASCII(hostport)
	}
	if host, err = idna.Lookup.ToASCII(host); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
