// Command socks is a proxy as Python's pproxy is: SOCKS5 and HTTP at one port, told apart
// by the first byte that comes.
//
//	socks [-user NAME:PASSWORD] [ADDRESS]
//
// The same as there: SOCKS5 with and without a password, with names and addresses of both
// kinds; CONNECT of HTTP, with Basic authentication; both directions of a connection are
// passed on until both have ended; what was passed on is told in one line.
//
// Other than there: one proxy, not a chain of them; CONNECT of TCP alone, and neither UDP
// nor BIND; HTTP without CONNECT is refused. The end of one half of a connection is passed
// on, too, where pproxy closes both.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
)

const (
	greetingTime = 10 * time.Second // for all that comes before the connection
	version      = 5
)

// A proxy serves clients.
type proxy struct {
	user string // "name:password", or empty: everybody may use it
	log  io.Writer
}

func main() {
	p := &proxy{log: flag.CommandLine.Output()}
	flag.StringVar(&p.user, "user", "", "who may use it, as NAME:PASSWORD")
	flag.Parse()
	address := flag.Arg(0)
	if address == "" {
		address = "127.0.0.1:8080"
	}
	asyncio.Main(func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", address, p.serve)
		if err != nil {
			return err
		}
		fmt.Println("listening at", srv.Addr())
		return srv.ServeForever(ctx)
	})
}

// serve is the task of a client.
func (p *proxy) serve(ctx context.Context, client *asyncio.Stream) error {
	var server *asyncio.Stream
	in := bufio.NewReader(client)
	err := asyncio.Timeout(ctx, greetingTime, func(ctx context.Context) (err error) {
		server, err = p.greet(ctx, client, in)
		return err
	})
	if err == nil {
		defer server.Close()
		err = p.join(ctx, client, in, server)
	}
	if err != nil && !asyncio.IsCancelled(err) {
		fmt.Fprintf(p.log, "%v: %v\n", client.RemoteAddr(), err)
		return nil
	}
	return err
}

// greet finds out where a client wants to go, and connects it.
func (p *proxy) greet(ctx context.Context, client *asyncio.Stream, in *bufio.Reader) (*asyncio.Stream, error) {
	first, err := in.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] == version {
		return p.greetSOCKS(ctx, client, in)
	}
	return p.greetHTTP(ctx, client, in)
}

// greetSOCKS is RFC 1928, with RFC 1929 for passwords.
func (p *proxy) greetSOCKS(ctx context.Context, client *asyncio.Stream, in *bufio.Reader) (*asyncio.Stream, error) {
	const none, password, unacceptable = 0, 2, 0xff
	head, err := read(in, 2)
	if err != nil {
		return nil, err
	}
	methods, err := read(in, int(head[1]))
	if err != nil {
		return nil, err
	}
	method := byte(none)
	if p.user != "" {
		method = password
	}
	if !bytes.Contains(methods, []byte{method}) {
		client.Write([]byte{version, unacceptable})
		return nil, errors.New("no method of authentication fits")
	}
	if _, err := client.Write([]byte{version, method}); err != nil {
		return nil, err
	}
	if method == password {
		if err := p.checkPassword(client, in); err != nil {
			return nil, err
		}
	}
	command, err := read(in, 3)
	if err != nil {
		return nil, err
	}
	target, err := readTarget(in)
	if err != nil {
		return nil, err
	}
	const connect, unsupported = 1, 7
	if command[1] != connect {
		client.Write(reply(unsupported, nil))
		return nil, fmt.Errorf("command %d is not supported", command[1])
	}
	server, err := asyncio.OpenConnection(ctx, "tcp", target)
	if err != nil {
		const unreachable = 4
		client.Write(reply(unreachable, nil))
		return nil, err
	}
	if _, err := client.Write(reply(0, server.LocalAddr())); err != nil {
		server.Close()
		return nil, err
	}
	return server, nil
}

func (p *proxy) checkPassword(client *asyncio.Stream, in *bufio.Reader) error {
	if _, err := read(in, 1); err != nil {
		return err
	}
	name, err := readCounted(in)
	if err != nil {
		return err
	}
	secret, err := readCounted(in)
	if err != nil {
		return err
	}
	if !p.knows(string(name) + ":" + string(secret)) {
		client.Write([]byte{1, 1})
		return fmt.Errorf("%q may not use it", name)
	}
	_, err = client.Write([]byte{1, 0})
	return err
}

func (p *proxy) knows(user string) bool {
	return subtle.ConstantTimeCompare([]byte(user), []byte(p.user)) == 1
}

// readTarget reads an address of SOCKS.
func readTarget(in *bufio.Reader) (string, error) {
	const ipv4, name, ipv6 = 1, 3, 4
	kind, err := in.ReadByte()
	if err != nil {
		return "", err
	}
	var host []byte
	switch kind {
	case ipv4:
		host, err = read(in, 4)
	case ipv6:
		host, err = read(in, 16)
	case name:
		host, err = readCounted(in)
	default:
		err = fmt.Errorf("there is no kind %d of addresses", kind)
	}
	if err != nil {
		return "", err
	}
	port, err := read(in, 2)
	if err != nil {
		return "", err
	}
	text := string(host)
	if ip, ok := netip.AddrFromSlice(host); ok && kind != name {
		text = ip.String()
	}
	return net.JoinHostPort(text, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), nil
}

// reply is the answer of SOCKS to a command, with the address from which it connects.
func reply(code byte, from net.Addr) []byte {
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if tcp, ok := from.(*net.TCPAddr); ok {
		at = netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), uint16(tcp.Port))
	}
	kind := byte(1)
	if at.Addr().Is6() {
		kind = 4
	}
	answer := append([]byte{version, code, 0, kind}, at.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(answer, at.Port())
}

// greetHTTP answers a CONNECT.
func (p *proxy) greetHTTP(ctx context.Context, client *asyncio.Stream, in *bufio.Reader) (*asyncio.Stream, error) {
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil, err
	}
	refuse := func(status int, header string) error {
		fmt.Fprintf(client, "HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status), header)
		return fmt.Errorf("%s %s: %s", req.Method, req.RequestURI, http.StatusText(status))
	}
	if req.Method != http.MethodConnect {
		return nil, refuse(http.StatusMethodNotAllowed, "")
	}
	if auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user)); p.user != "" && req.Header.Get("Proxy-Authorization") != auth {
		return nil, refuse(http.StatusProxyAuthRequired, "Proxy-Authenticate: Basic realm=\"proxy\"\r\n")
	}
	server, err := asyncio.OpenConnection(ctx, "tcp", req.RequestURI)
	if err != nil {
		return nil, errors.Join(err, refuse(http.StatusBadGateway, ""))
	}
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		server.Close()
		return nil, err
	}
	return server, nil
}

// join passes on what comes, in both directions.
func (p *proxy) join(ctx context.Context, client *asyncio.Stream, in *bufio.Reader, server *asyncio.Stream) error {
	var up, down int64
	err := asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
		g.Go(func(context.Context) (err error) {
			up, err = pass(server, in)
			return err
		})
		g.Go(func(context.Context) (err error) {
			down, err = pass(client, server)
			return err
		})
		return nil
	})
	fmt.Fprintf(p.log, "%v -> %v: %d bytes there, %d back\n", client.RemoteAddr(), server.RemoteAddr(), up, down)
	return err
}

// pass copies until the end, and passes the end on.
func pass(to *asyncio.Stream, from io.Reader) (int64, error) {
	n, err := io.Copy(to, from)
	if err != nil {
		return n, err
	}
	return n, to.WriteEOF()
}

func read(in *bufio.Reader, n int) ([]byte, error) {
	p := make([]byte, n)
	_, err := io.ReadFull(in, p)
	return p, err
}

func readCounted(in *bufio.Reader) ([]byte, error) {
	n, err := in.ReadByte()
	if err != nil {
		return nil, err
	}
	return read(in, int(n))
}
