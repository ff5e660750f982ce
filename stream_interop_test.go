package asyncio_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// tool returns the path of a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed: " + err.Error())
	}
	return path
}

// A peer is another program that runs beside the loop. Its methods wait in the
// executor.
type peer struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader // its standard output
	err   *bufio.Reader // its standard error
}

func startPeer(t *testing.T, name string, args ...string) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a peer that is stuck
	t.Cleanup(cancel)
	p := &peer{t: t, cmd: exec.CommandContext(ctx, tool(t, name), args...)}
	p.stdin = must(p.cmd.StdinPipe())
	p.out = bufio.NewReaderSize(must(p.cmd.StdoutPipe()), 1<<20)
	p.err = bufio.NewReader(must(p.cmd.StderrPipe()))
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *peer) say(ctx context.Context, s string) {
	p.t.Helper()
	if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return io.WriteString(p.stdin, s) }); err != nil {
		p.t.Fatal(err)
	}
}

// find reads r up to a line that matches.
func (p *peer) find(ctx context.Context, r *bufio.Reader, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var seen strings.Builder
	m, err := asyncio.ToThread(ctx, func(context.Context) ([]string, error) {
		for {
			line, err := r.ReadString('\n')
			seen.WriteString(line)
			if m := re.FindStringSubmatch(line); m != nil {
				return m, nil
			}
			if err != nil {
				return nil, err
			}
		}
	})
	if err != nil {
		p.t.Fatalf("no %q in %q: %v", pattern, seen.String(), err)
	}
	return m
}

// rest returns the rest of its output, and waits for its end.
func (p *peer) rest(ctx context.Context) string {
	p.t.Helper()
	all, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
		p.stdin.Close()
		all, err := io.ReadAll(p.out)
		complaints, _ := io.ReadAll(p.err)
		if werr := p.cmd.Wait(); werr != nil {
			err = fmt.Errorf("%w: %s", werr, complaints)
		}
		return string(all), err
	})
	if err != nil {
		p.t.Errorf("%s: %v; it wrote %q", p.cmd.Path, err, all)
	}
	return all
}

// pemFiles writes the certificate and its key.
func pemFiles(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c := certificate()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(cert, "CERTIFICATE", c.Certificate[0])
	write(key, "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(c.PrivateKey)))
	return cert, key
}

// streamer answers "go" with many lines and "end" with END.
type streamer struct {
	echoProtocol
	left int
}

const streamLine = "a line that is sent many times over, while the keys change\n"

func (p *streamer) DataReceived(data []byte) {
	if bytes.Contains(data, []byte("go\n")) {
		p.left += 20_000
		p.send()
	}
	if bytes.Contains(data, []byte("end\n")) {
		p.transport.Write([]byte("END\n"))
	}
}

func (p *streamer) send() {
	for ; p.left > 0 && p.transport.WriteBufferSize() < 64<<10; p.left-- {
		p.transport.Write([]byte(streamLine))
	}
}

func (p *streamer) PauseWriting()  {}
func (p *streamer) ResumeWriting() { p.send() }

func TestOpenSSLClientUpdatesKeysWhileBothSidesWrite(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		tool(t, "openssl")
		srv := host(t, ctx, func() asyncio.Protocol { return &streamer{} }, asyncio.WithTLS(serverTLS()))
		p := startPeer(t, "openssl", "s_client", "-connect", srv.Addr().String(), "-tls1_3")
		p.find(ctx, p.out, "Verify return code|Verification")
		p.say(ctx, "go\n")
		p.find(ctx, p.out, "a line that is sent")
		p.say(ctx, "K\n") // a key update, and a request for one
		p.find(ctx, p.err, "KEYUPDATE")
		p.say(ctx, "k\n") // a key update
		p.find(ctx, p.err, "KEYUPDATE")
		p.say(ctx, "go\n")
		p.find(ctx, p.out, "a line that is sent")
		p.say(ctx, "end\n")
		p.find(ctx, p.out, "^END")
		srv.CloseClients()
		p.rest(ctx)
		shutdown(t, ctx, srv)
	})
}

func TestOpenSSLServerUpdatesKeysWhileBothSidesWrite(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		tool(t, "openssl")
		cert, key := pemFiles(t)
		p := startPeer(t, "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-naccept", "1", "-tls1_3")
		addr := p.find(ctx, p.out, `ACCEPT (127\.0\.0\.1:\d+)`)[1]
		client := &recorder{}
		tr, _, err := loopOf(ctx).CreateConnection(ctx, "tcp", addr, func() asyncio.Protocol { return client }, asyncio.WithTLS(clientTLS()))
		if err != nil {
			t.Fatal(err)
		}
		tr.Write([]byte("hello from the loop\n"))
		p.find(ctx, p.out, "hello from the loop")
		p.say(ctx, "one\n")
		client.untilData(ctx, len("one\n"))
		p.say(ctx, "K\n")
		for range 1000 {
			tr.Write([]byte(streamLine))
		}
		p.find(ctx, p.out, "a line that is sent")
		p.say(ctx, "two\n")
		client.untilData(ctx, len("one\ntwo\n"))
		tr.Write([]byte("the last line\n"))
		p.find(ctx, p.out, "the last line")
		tr.Close()
		client.untilCall(ctx, "lost")
		if string(client.data) != "one\ntwo\n" || client.lost != nil {
			t.Errorf("got %q, lost with %v", client.data, client.lost)
		}
		p.rest(ctx)
	})
}

func TestOpenSSLServerReversesLinesOfAStream(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		tool(t, "openssl")
		cert, key := pemFiles(t)
		p := startPeer(t, "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-naccept", "1", "-rev")
		addr := p.find(ctx, p.out, `ACCEPT (127\.0\.0\.1:\d+)`)[1]
		s, err := asyncio.OpenConnection(ctx, "tcp", addr, asyncio.WithTLS(clientTLS()))
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("stressed\n"))
		if got, err := s.ReadLine(ctx); string(got) != "desserts\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		p.rest(ctx)
	})
}

// webProtocol answers one HTTP request and closes.
type webProtocol struct {
	echoProtocol
	request []byte
}

func (p *webProtocol) DataReceived(data []byte) {
	p.request = append(p.request, data...)
	if bytes.HasSuffix(p.request, []byte("\r\n\r\n")) {
		body := pattern(300_000)
		p.transport.WriteLines([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\n"), fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(body)), body)
		p.transport.Close()
	}
}

func TestCurlFetchesFromAProtocol(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		tool(t, "curl")
		cert, _ := pemFiles(t)
		for _, scheme := range []string{"http", "https"} {
			var opts []asyncio.ServerOption
			if scheme == "https" {
				cfg := serverTLS()
				cfg.NextProtos = []string{"http/1.1"}
				opts = append(opts, asyncio.WithTLS(cfg))
			}
			srv := host(t, ctx, func() asyncio.Protocol { return &webProtocol{} }, opts...)
			p := startPeer(t, "curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", cert, scheme+"://"+srv.Addr().String()+"/")
			if got := p.rest(ctx); got != string(pattern(300_000)) {
				t.Errorf("%s: curl got %d bytes, or other ones", scheme, len(got))
			}
			shutdown(t, ctx, srv)
		}
	})
}

func TestSocatTalksWithAProtocol(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		tool(t, "socat")
		cert, _ := pemFiles(t)
		for _, kind := range []string{"TCP", "UNIX-CONNECT", "OPENSSL"} {
			network, address, suffix := "tcp", "127.0.0.1:0", ""
			var opts []asyncio.ServerOption
			switch kind {
			case "UNIX-CONNECT":
				network, address = "unix", filepath.Join(t.TempDir(), "s")
			case "OPENSSL":
				opts = append(opts, asyncio.WithTLS(serverTLS()))
				suffix = ",cafile=" + cert
			}
			srv, err := loopOf(ctx).CreateServer(ctx, network, address, newEcho, opts...)
			if err != nil {
				t.Fatal(err)
			}
			p := startPeer(t, "socat", "-t5", "-", kind+":"+srv.Addr().String()+suffix)
			p.say(ctx, "hello\n")
			p.find(ctx, p.out, "^hello")
			if rest := p.rest(ctx); rest != "" {
				t.Errorf("%s: more came: %q", kind, rest)
			}
			shutdown(t, ctx, srv)
		}
	})
}

func TestProtocolTalksWithSocat(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		tool(t, "socat")
		cert, key := pemFiles(t)
		path := filepath.Join(t.TempDir(), "s")
		for _, listen := range []string{
			"TCP4-LISTEN:0,bind=127.0.0.1", "UNIX-LISTEN:" + path,
			"OPENSSL-LISTEN:0,bind=127.0.0.1,pf=ip4,verify=0,cert=" + cert + ",key=" + key,
		} {
			p := startPeer(t, "socat", "-d", "-d", listen, "EXEC:cat")
			said := p.find(ctx, p.err, `listening on .* ?"?(127\.0\.0\.1:\d+|/[^"\n]*/s)`)
			var addr net.Addr = &net.UnixAddr{Name: path, Net: "unix"}
			if !strings.HasPrefix(listen, "UNIX") {
				addr = must(net.ResolveTCPAddr("tcp", said[1]))
			}
			var opts []asyncio.ConnOption
			if strings.HasPrefix(listen, "OPENSSL") {
				opts = append(opts, asyncio.WithTLS(clientTLS()))
			}
			client := &recorder{}
			tr := join(t, ctx, addr, client, opts...)
			data := pattern(200_000)
			tr.Write(data)
			client.untilData(ctx, len(data))
			tr.WriteEOF()
			client.untilCall(ctx, "lost")
			if !bytes.Equal(client.data, data) || !legal(client.calls) || client.lost != nil {
				t.Errorf("%s: %d bytes came back, the calls were %v, lost with %v", listen, len(client.data), client.calls, client.lost)
			}
			p.stdin.Close()
			asyncio.ToThread(ctx, func(context.Context) (int, error) {
				io.Copy(io.Discard, p.err)
				return 0, p.cmd.Wait()
			})
		}
	})
}
