// Command datagram moves datagrams, to be measured beside others:
//
//	datagram echo|sink loop|conn|net
//	datagram blast loop|batch|net PORT SIZE COUNT
//	datagram sit ROUNDS PEER LABEL=PROGRAM,VARIANT...
//
// echo and sink print their port and serve until they are killed; sink then prints how
// many datagrams it got. blast sends. The variants are a protocol on the loop (loop), a
// task on a PacketConn (conn), SendBatch (batch), and goroutines on package net (net).
// sit runs all programs in turns, with the peer in C as the other side, and prints the
// CPU time for a datagram of each.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "datagram:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: datagram echo|sink VARIANT; blast VARIANT PORT SIZE COUNT; sit ROUNDS PEER LABEL=PROGRAM,VARIANT [LABEL=PROGRAM,VARIANT ...]")

func run(args []string) error {
	if len(args) > 3 && args[0] == "sit" {
		return sit(args[1:])
	}
	if len(args) != 2 && len(args) != 5 {
		return errUsage
	}
	what, variant := args[0], args[1]
	if len(args) == 5 {
		var n [3]int
		for i := range n {
			var err error
			if n[i], err = strconv.Atoi(args[2+i]); err != nil {
				return err
			}
		}
		if f := blasts[variant]; what == "blast" && f != nil {
			return f(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: n[0]}, make([]byte, n[1]), n[2])
		}
		return errUsage
	}
	f := servers[variant]
	if f == nil || what != "echo" && what != "sink" {
		return errUsage
	}
	s := &served{echo: what == "echo"}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		fmt.Println(s.got)
		os.Exit(0)
	}()
	return f(s)
}

// served is what a server has done. Its end reads it without more ado.
type served struct {
	echo bool
	got  int
}

var servers = map[string]func(*served) error{"loop": serveLoop, "conn": serveConn, "net": serveNet}

// blasts send count datagrams p.
var blasts = map[string]func(to *net.UDPAddr, p []byte, count int) error{"loop": blastLoop, "net": blastNet}

const here = "127.0.0.1:0"

func printPort(a net.Addr) { fmt.Println(a.(*net.UDPAddr).Port) }

// protocol counts, and echoes.
type protocol struct {
	asyncio.BaseDatagramProtocol
	served *served
	tr     asyncio.DatagramTransport
}

func (p *protocol) ConnectionMade(t asyncio.DatagramTransport) { p.tr = t }

func (p *protocol) DatagramReceived(data []byte, from net.Addr) {
	p.served.got++
	if p.served.echo {
		_ = p.tr.SendTo(data, from)
	}
}

func serveLoop(s *served) error {
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		tr, _, err := l.CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return &protocol{served: s} }, asyncio.WithLocalAddr(here))
		if err != nil {
			return err
		}
		printPort(tr.LocalAddr())
		return asyncio.WaitDone(ctx)
	})
}

func serveConn(s *served) error {
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		c, err := asyncio.OpenPacketConn(ctx, "udp4", asyncio.WithLocalAddr(here))
		if err != nil {
			return err
		}
		printPort(c.LocalAddr())
		return s.serve(c)
	})
}

func serveNet(s *served) error {
	c, err := net.ListenPacket("udp4", here)
	if err != nil {
		return err
	}
	printPort(c.LocalAddr())
	return s.serve(c)
}

func (s *served) serve(c net.PacketConn) error {
	p := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFrom(p)
		if err != nil {
			return err
		}
		s.got++
		if s.echo {
			_, _ = c.WriteTo(p[:n], from)
		}
	}
}

// sender is held up while the kernel has no room.
type sender struct {
	asyncio.BaseDatagramProtocol
	paused *asyncio.Event
}

func (s *sender) PauseWriting()  { s.paused.Clear() }
func (s *sender) ResumeWriting() { s.paused.Set() }

// sendTurns calls send, which returns how many it has sent, until those are count.
func sendTurns(to *net.UDPAddr, count int, send func(asyncio.DatagramTransport) (int, error)) error {
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		l, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		s := &sender{paused: &asyncio.Event{}}
		s.paused.Set()
		tr, _, err := l.CreateDatagramEndpoint(ctx, "udp4", func() asyncio.DatagramProtocol { return s }, asyncio.WithRemoteAddr(to.String()))
		if err != nil {
			return err
		}
		for sent := 0; sent < count; {
			n, err := send(tr)
			if err != nil {
				return err
			}
			sent += n
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
			if err := s.paused.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

const sendAtOnce = 64

func blastLoop(to *net.UDPAddr, p []byte, count int) error {
	return sendTurns(to, count, func(tr asyncio.DatagramTransport) (int, error) {
		for range sendAtOnce {
			if err := tr.SendTo(p, nil); err != nil {
				return 0, err
			}
		}
		return sendAtOnce, nil
	})
}

func blastNet(to *net.UDPAddr, p []byte, count int) error {
	c, err := net.DialUDP("udp4", nil, to)
	if err != nil {
		return err
	}
	for range count {
		_, _ = c.Write(p)
	}
	return nil
}
