// Command headers asks several hosts for the headers of their front page, all
// at once, by an HTTP/1.0 request written by hand:
//
//	headers example.com go.dev:80 python.org
//
// Without arguments it asks three servers of its own, on the same loop.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := asyncio.Run(context.Background(), run); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	hosts := os.Args[1:]
	for len(os.Args) == 1 && len(hosts) < 3 {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", serve)
		if err != nil {
			return err
		}
		hosts = append(hosts, srv.Addr().String())
	}

	var asked []*asyncio.Task[[]string]
	for _, host := range hosts {
		asked = append(asked, asyncio.CreateTask(ctx, func(ctx context.Context) ([]string, error) {
			return headers(ctx, host)
		}))
	}
	answers, err := asyncio.GatherSettled(ctx, asked...)
	if err != nil {
		return err
	}
	for i, host := range hosts {
		fmt.Println(host)
		for _, line := range answers[i].Value {
			fmt.Println("   ", line)
		}
		if err := answers[i].Err; err != nil {
			fmt.Println("    failed:", err)
		}
	}
	return nil
}

// headers returns the status line and the headers of the host's front page.
func headers(ctx context.Context, host string) (lines []string, err error) {
	address := host
	if !strings.Contains(host, ":") {
		address = net.JoinHostPort(host, "80")
	}
	err = asyncio.Timeout(ctx, 10*time.Second, func(ctx context.Context) error {
		s, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := fmt.Fprintf(s, "HEAD / HTTP/1.0\r\nHost: %s\r\n\r\n", host); err != nil {
			return err
		}
		lines, err = readHeader(ctx, s)
		return err
	})
	return lines, err
}

// readHeader reads lines up to the first empty one.
func readHeader(ctx context.Context, s *asyncio.Stream) (lines []string, err error) {
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			return lines, nil
		}
		lines = append(lines, text)
	}
	return nil, io.ErrUnexpectedEOF
}

// serve answers one request. The server closes the stream after it.
func serve(ctx context.Context, s *asyncio.Stream) error {
	request, err := readHeader(ctx, s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s, "HTTP/1.0 200 OK\r\nServer: headers\r\nX-Request: %s\r\n\r\n", request[0])
	return err
}
