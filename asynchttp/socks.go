package asynchttp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// The bytes of SOCKS 5 (RFC 1928, RFC 1929).
const (
	socksVersion     = 5
	socksConnect     = 1
	socksNoAuth      = 0
	socksPassword    = 2
	socksAuthVersion = 1
	socksIPv4        = 1
	socksName        = 3
	socksIPv6        = 4
)

var socksReplies = []string{
	"succeeded", "general failure", "connection not allowed", "network unreachable", "host unreachable",
	"connection refused", "TTL expired", "command not supported", "address type not supported",
}

// connectSOCKS asks a SOCKS 5 proxy for a connection to target. The proxy
// resolves names.
func (c *conn) connectSOCKS(proxy *url.URL, target string) error {
	if err := c.loginSOCKS(proxy.User); err != nil {
		return err
	}
	p, err := socksRequest(target)
	if err != nil {
		return err
	}
	answer, err := c.ask(p, 5)
	if err != nil {
		return err
	}
	rest, err := socksAnswer(answer)
	if err != nil {
		return err
	}
	_, err = c.ask(nil, rest)
	return err
}

// loginSOCKS agrees on how to log in, and does it.
func (c *conn) loginSOCKS(user *url.Userinfo) error {
	method := byte(socksNoAuth)
	if user != nil {
		method = socksPassword
	}
	answer, err := c.ask([]byte{socksVersion, 1, method}, 2)
	if err != nil {
		return err
	}
	if answer[0] != socksVersion || answer[1] != method {
		return fmt.Errorf("socks: the proxy does not take our way to log in: % x", answer)
	}
	if method == socksNoAuth {
		return nil
	}
	name := user.Username()
	password, _ := user.Password()
	if len(name) == 0 || len(name) > 255 || len(password) > 255 {
		return errors.New("socks: user or password too long, or no user")
	}
	p := append([]byte{socksAuthVersion, byte(len(name))}, name...)
	p = append(append(p, byte(len(password))), password...)
	if answer, err = c.ask(p, 2); err != nil {
		return err
	}
	if answer[1] != 0 {
		return errors.New("socks: user or password refused")
	}
	return nil
}

// socksAnswer looks at the first bytes of the answer to a request, and returns
// how many there are to come: the rest of an address, which nobody wants, and
// its port.
func socksAnswer(answer []byte) (rest int, err error) {
	if answer[0] != socksVersion || answer[2] != 0 {
		return 0, fmt.Errorf("socks: malformed answer: % x", answer)
	}
	if code := int(answer[1]); code != 0 {
		text := "code " + strconv.Itoa(code)
		if code < len(socksReplies) {
			text = socksReplies[code]
		}
		return 0, errors.New("socks: " + text)
	}
	switch answer[3] {
	case socksIPv4:
		return 4 - 1 + 2, nil
	case socksIPv6:
		return 16 - 1 + 2, nil
	case socksName:
		return int(answer[4]) + 2, nil
	}
	return 0, fmt.Errorf("socks: malformed answer: % x", answer)
}

// ask writes p and reads n bytes, not one more: what follows is not for us.
func (c *conn) ask(p []byte, n int) ([]byte, error) {
	if len(p) > 0 {
		if _, err := c.Write(p); err != nil {
			return nil, err
		}
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(c, answer)
	return answer, err
}

func socksRequest(target string) ([]byte, error) {
	name, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("socks: port: %w", err)
	}
	p := []byte{socksVersion, socksConnect, 0}
	if ip, err := netip.ParseAddr(name); err == nil {
		ip = ip.Unmap()
		kind := byte(socksIPv6)
		if ip.Is4() {
			kind = socksIPv4
		}
		p = append(append(p, kind), ip.AsSlice()...)
	} else {
		if len(name) > 255 {
			return nil, errors.New("socks: host name too long")
		}
		p = append(append(p, socksName, byte(len(name))), name...)
	}
	return append(p, byte(port>>8), byte(port)), nil
}
