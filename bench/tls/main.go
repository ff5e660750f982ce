// Command tls is a TLS server, on the loop or on goroutines, to be measured beside
// others; bench/tls/run does it.
//
//	tls PORT echo|send|lines CERT KEY streams|proto|goroutines
//
// It echoes, or sends without end, 64 KiB at a time or 64 lines of 1 KiB. It serves
// until it is killed.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: tls PORT echo|send|lines CERT KEY streams|proto|goroutines")
		os.Exit(2)
	}
	if err := serve("127.0.0.1:"+os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, does, cert, key, kind string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}}
	if kind == "goroutines" {
		return goroutines(address, does, cfg)
	}
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := listen(ctx, address, does, kind, cfg)
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
}

func listen(ctx context.Context, address, does, kind string, cfg *tls.Config) (*asyncio.Server, error) {
	if kind == "streams" {
		handler := func(_ context.Context, s *asyncio.Stream) error {
			switch does {
			case "send":
				return send(s)
			case "lines":
				return sendLines(s)
			}
			return echo(s, buffer[:])
		}
		return asyncio.StartServer(ctx, "tcp", address, handler, asyncio.WithTLS(cfg))
	}
	if does != "echo" {
		return nil, errors.ErrUnsupported
	}
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	return l.CreateServer(ctx, "tcp", address, func() asyncio.Protocol { return &proto{} }, asyncio.WithTLS(cfg))
}

// buffer is shared by all handlers of a loop: between two waits nothing else runs.
var buffer [64 << 10]byte

type conn interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}

func echo(c conn, p []byte) error {
	for {
		n, err := c.Read(p)
		if err != nil {
			return nil // clients come and go
		}
		if _, err := c.Write(p[:n]); err != nil {
			return nil
		}
	}
}

func send(c conn) error {
	for {
		if _, err := c.Write(buffer[:]); err != nil {
			return nil
		}
	}
}

// lines is what sendLines writes.
func lines() [][]byte { return slices.Collect(slices.Chunk(buffer[:], 1<<10)) }

func sendLines(s *asyncio.Stream) error {
	lines := lines()
	for {
		if _, err := s.WriteLines(lines...); err != nil {
			return nil
		}
	}
}

func goroutines(address, does string, cfg *tls.Config) error {
	ln, err := tls.Listen("tcp", address, cfg)
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func(c net.Conn) {
			defer c.Close()
			switch does {
			case "send":
				_ = send(c)
			case "lines":
				for err := error(nil); err == nil; {
					all := net.Buffers(lines())
					_, err = all.WriteTo(c)
				}
			default:
				_ = echo(c, make([]byte, 16<<10))
			}
		}(c)
	}
}

// proto echoes, and is held up by a peer that does not read.
type proto struct {
	asyncio.BaseProtocol
	transport asyncio.Transport
}

func (p *proto) ConnectionMade(t asyncio.Transport) { p.transport = t }
func (p *proto) DataReceived(data []byte)           { _, _ = p.transport.Write(data) }
func (p *proto) PauseWriting()                      { p.transport.PauseReading() }
func (p *proto) ResumeWriting()                     { p.transport.ResumeReading() }
