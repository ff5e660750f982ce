package asyncio_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A server that sends each line back in capitals, and a client of it.
func ExampleStartServer() {
	shout := func(ctx context.Context, s *asyncio.Stream) error {
		for line, err := range s.Lines(ctx) {
			if err != nil {
				return err
			}
			if _, err := s.Write(bytes.ToUpper(line)); err != nil {
				return err
			}
		}
		return nil
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", shout)
		if err != nil {
			return err
		}
		defer srv.Close()

		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Fprint(s, "hello\nthere\n")
		if err := s.WriteEOF(); err != nil {
			return err
		}
		answer, err := s.ReadAll(ctx)
		fmt.Printf("%s", answer)
		return err
	})
	fmt.Println(err)
	// Output:
	// HELLO
	// THERE
	// <nil>
}

// What is written for io.Reader and net.Conn works on a stream, and suspends the
// task.
func ExampleStream_Conn() {
	greet := func(ctx context.Context, s *asyncio.Stream) error {
		_, err := fmt.Fprint(s, "hello 1 2 3\n")
		return err
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", greet)
		if err != nil {
			return err
		}
		defer srv.Close()
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		var conn net.Conn = s.Conn()
		defer conn.Close()
		words := bufio.NewScanner(conn)
		words.Split(bufio.ScanWords)
		n := 0
		for words.Scan() {
			n++
		}
		fmt.Println(n, "words")
		return words.Err()
	})
	fmt.Println(err)
	// Output:
	// 4 words
	// <nil>
}

// A client over TLS, which trusts the certificate of one server.
func ExampleWithTLS() {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(srv.Certificate())

	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Listener.Addr().String(),
			asyncio.WithTLS(&tls.Config{RootCAs: trusted, ServerName: "example.com"}))
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Println(s.ConnectionState().Version == tls.VersionTLS13)
		fmt.Fprint(s, "HEAD / HTTP/1.0\r\n\r\n")
		status, err := s.ReadLine(ctx)
		fmt.Printf("%s\n", bytes.TrimSpace(status))
		return err
	})
	fmt.Println(err)
	// Output:
	// true
	// HTTP/1.0 404 Not Found
	// <nil>
}

// The output of another program, or of a goroutine, comes through a pipe.
func ExampleLoop_ConnectReadPipe() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		go func() {
			fmt.Fprint(w, "through the pipe")
			w.Close()
		}()
		p := &collector{all: asyncio.NewFuture[string](loop)}
		if _, _, err := loop.ConnectReadPipe(ctx, func() asyncio.Protocol { return p }, r); err != nil {
			return err
		}
		text, err := p.all.Await(ctx)
		fmt.Println(text)
		return err
	})
	fmt.Println(err)
	// Output:
	// through the pipe
	// <nil>
}

// collector gives all that came to a future.
type collector struct {
	asyncio.BaseProtocol
	text bytes.Buffer
	all  *asyncio.Future[string]
}

func (c *collector) DataReceived(data []byte) { c.text.Write(data) }

func (c *collector) ConnectionLost(error) { _ = c.all.SetResult(c.text.String()) }

// A reader that is fed by hand stands for a connection in tests of what reads.
func ExampleStreamReader_ReadExactly() {
	run(func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		r := asyncio.NewStreamReader(loop, 0)
		r.FeedData([]byte("name:7:some"))
		r.FeedEOF()

		name, err := r.ReadUntil(ctx, []byte(":"))
		fmt.Printf("%s %v\n", name, err)
		length, err := r.ReadUntil(ctx, []byte(":"))
		fmt.Printf("%s %v\n", length, err)
		_, err = r.ReadExactly(ctx, 7)
		var incomplete *asyncio.IncompleteReadError
		fmt.Printf("%v %s\n", errors.As(err, &incomplete), incomplete.Partial)
		return nil
	})
	// Output:
	// name: <nil>
	// 7: <nil>
	// true some
}

// pong sends datagrams back.
type pong struct {
	asyncio.BaseDatagramProtocol
	transport asyncio.DatagramTransport
}

func (p *pong) ConnectionMade(t asyncio.DatagramTransport) { p.transport = t }

func (p *pong) DatagramReceived(data []byte, from net.Addr) {
	if err := p.transport.SendTo(data, from); err != nil {
		fmt.Println(err)
	}
}

// ping hands the first datagram to a future.
type ping struct {
	asyncio.BaseDatagramProtocol
	answer *asyncio.Future[string]
}

func (p *ping) DatagramReceived(data []byte, _ net.Addr) {
	if !p.answer.Done() {
		_ = p.answer.SetResult(string(data))
	}
}

func ExampleLoop_CreateDatagramEndpoint() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		far, _, err := loop.CreateDatagramEndpoint(ctx, "udp",
			func() asyncio.DatagramProtocol { return &pong{} },
			asyncio.WithLocalAddr("127.0.0.1:0"))
		if err != nil {
			return err
		}
		defer far.Close()

		p := &ping{answer: asyncio.NewFuture[string](loop)}
		near, _, err := loop.CreateDatagramEndpoint(ctx, "udp",
			func() asyncio.DatagramProtocol { return p },
			asyncio.WithRemoteAddr(far.LocalAddr().String()))
		if err != nil {
			return err
		}
		defer near.Close()
		if err := near.SendTo([]byte("are you there?"), nil); err != nil {
			return err
		}
		answer, err := p.answer.Await(ctx)
		fmt.Println(answer)
		return err
	})
	fmt.Println(err)
	// Output:
	// are you there?
	// <nil>
}

func ExampleOpenConnection() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.Write([]byte("220 ready\r\n"))
			return err
		})
		if err != nil {
			return err
		}
		defer srv.Close()

		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String(), asyncio.WithConnectTimeout(10*time.Second))
		if err != nil {
			return err
		}
		defer s.Close()
		greeting, err := s.ReadLine(ctx)
		fmt.Printf("%q\n", greeting)
		return err
	})
	fmt.Println(err)
	// Output:
	// "220 ready\r\n"
	// <nil>
}

// A protocol that begins in the clear and goes on over TLS, as SMTP does.
func ExampleStream_StartTLS() {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate())
	serverTLS := &tls.Config{Certificates: cert.TLS.Certificates}
	clientTLS := &tls.Config{RootCAs: roots, ServerName: "example.com"}

	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			command, err := s.ReadLine(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("the client says %q\n", command)
			if _, err := s.Write([]byte("go ahead\n")); err != nil {
				return err
			}
			if err := s.StartServerTLS(ctx, serverTLS); err != nil {
				return err
			}
			_, err = s.Write([]byte("nobody else reads this\n"))
			return err
		})
		if err != nil {
			return err
		}
		defer srv.Close()

		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Fprintln(s, "STARTTLS")
		if _, err := s.ReadLine(ctx); err != nil {
			return err
		}
		if err := s.StartTLS(ctx, clientTLS); err != nil {
			return err
		}
		secret, err := s.ReadLine(ctx)
		fmt.Printf("over TLS: %s", secret)
		return err
	})
	fmt.Println(err)
	// Output:
	// the client says "STARTTLS\n"
	// over TLS: nobody else reads this
	// <nil>
}

func ExampleStreamReader_Lines() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		r := asyncio.NewStreamReader(loop, 0)
		r.FeedData([]byte("one\ntwo\nthree"))
		r.FeedEOF()
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%q\n", line)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// "one\n"
	// "two\n"
	// "three"
	// <nil>
}

// What one client says goes to all. While it is handed out no other task runs, so
// the set of clients cannot change, and no client holds up the others: one that
// does not read is ended when too much waits for it.
func ExampleStreamWriter_WriteNowait() {
	const tooMuch = 1 << 20
	clients := map[*asyncio.Stream]bool{}
	broadcast := func(line []byte) {
		for s := range clients {
			if err := s.WriteNowait(line); err != nil || s.WriteBufferSize() > tooMuch {
				s.Abort()
			}
		}
	}
	serve := func(ctx context.Context, s *asyncio.Stream) error {
		clients[s] = true
		defer delete(clients, s)
		for line, err := range s.Lines(ctx) {
			if err != nil {
				return err
			}
			broadcast(line)
		}
		return nil
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", serve)
		if err != nil {
			return err
		}
		defer srv.Close()
		var all []*asyncio.Stream
		for range 3 {
			s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
			if err != nil {
				return err
			}
			defer s.Close()
			all = append(all, s)
		}
		for len(clients) < len(all) { // until all are accepted
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		fmt.Fprintln(all[0], "hello")
		for _, s := range all {
			line, err := s.ReadLine(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello
	// hello
	// hello
	// <nil>
}

func ExampleServer_Shutdown() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, s *asyncio.Stream) error {
			_, err := io.Copy(s, s)
			return err
		})
		if err != nil {
			return err
		}
		s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Fprintln(s, "hello")
		if _, err := s.ReadLine(ctx); err != nil { // the server has accepted the connection
			return err
		}
		fmt.Fprint(s, "the last words")
		if err := s.WriteEOF(); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(limited); err != nil {
			return err // some connections did not end, and were aborted
		}
		answer, err := s.ReadAll(ctx)
		fmt.Printf("%s\n", answer)
		return err
	})
	fmt.Println(err)
	// Output:
	// the last words
	// <nil>
}

// net/http's server, with its goroutines, over connections of a loop.
func ExampleListen() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "you asked for %s\n", r.URL.Path)
		})}
		go web.Serve(ln)

		client := &http.Client{Transport: &http.Transport{
			DialContext:       asyncio.NewDialer(loop).DialShared,
			DisableKeepAlives: true,
		}}
		answer, err := asyncio.ToThread(ctx, func(ctx context.Context) ([]byte, error) {
			res, err := client.Get("http://" + ln.Addr().String() + "/page")
			if err != nil {
				return nil, err
			}
			defer res.Body.Close()
			return io.ReadAll(res.Body)
		})
		fmt.Printf("%s", answer)
		ln.Close()
		return errors.Join(err, ln.Server().WaitClosed(ctx))
	})
	fmt.Println(err)
	// Output:
	// you asked for /page
	// <nil>
}
