package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// hold opens connections to a server, has each do a request, and asks the server
// what they take.
func hold(version, address, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	one := requestHTTP1
	if version == "2" {
		one = requestHTTP2
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	before, err := memory(address)
	if err != nil {
		return err
	}
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		conns = append(conns, c)
		if err := one(c); err != nil {
			return err
		}
	}
	after, err := memory(address)
	if err != nil {
		return err
	}
	fmt.Printf("%d connections of HTTP/%s, %.1f KB each\n", n, version, float64(after-before)/1000/float64(n))
	return nil
}

// memory asks a server what it has in use, over a connection of its own.
func memory(address string) (int64, error) {
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(must(http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+"/memory", nil)))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(b), 10, 64)
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func requestHTTP1(c net.Conn) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: hold\r\n\r\n"); err != nil {
		return err
	}
	var got []byte
	p := make([]byte, 4096)
	for !bytes.Contains(got, []byte("\r\n\r\n")) || len(got) < bytes.Index(got, []byte("\r\n\r\n"))+4+len(small) {
		n, err := c.Read(p)
		if err != nil {
			return err
		}
		got = append(got, p[:n]...)
	}
	return nil
}

func requestHTTP2(c net.Conn) error {
	var out, head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}, {"user-agent", "hold"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	out.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&out, c)
	if err := fr.WriteSettings(); err != nil {
		return err
	}
	if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		return err
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		return err
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		if d, ok := f.(*http2.DataFrame); ok && d.StreamEnded() {
			return nil
		}
	}
}
