package asynchttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/internal/addresstest"
)

// h2Server is net/http's server over TLS, with HTTP/2.
func h2Server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// trusting is the configuration of clients of httptest's servers.
func trusting(s *httptest.Server) *tls.Config {
	return &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
}

// served is the configuration of servers with httptest's certificate.
func served(t *testing.T) *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

func protocols(set ...func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	for _, f := range set {
		f(p, true)
	}
	return p
}

var (
	http1Only = protocols((*http.Protocols).SetHTTP1)
	http2Only = protocols((*http.Protocols).SetHTTP2)
	plainOnly = protocols((*http.Protocols).SetUnencryptedHTTP2)
)

func TestRequestsToAnHTTP2HostShareAConnection(t *testing.T) {
	onEveryDriver(t, func(t *testing.T) {
		s := h2Server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto, " ", r.URL.Path) })
		tr := &asynchttp.Transport{TLSClientConfig: trusting(s), HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}}
		withClient(t, tr, func(ctx context.Context, c *http.Client) error {
			dials := 0
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectStart: func(string, string) { dials++ }})
			err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
				for i := range 300 {
					g.Go(func(context.Context) error {
						body, err := get(traced, c, fmt.Sprint(s.URL, "/", i))
						if err == nil && body != fmt.Sprint("HTTP/2.0 /", i) {
							err = fmt.Errorf("got %q", body)
						}
						return err
					})
				}
				return nil
			})
			if err != nil {
				return err
			}
			if all, idle, _ := tr.Counts(); dials != 1 || all != 1 || idle != 1 {
				t.Errorf("%d dials, %d connections, %d idle", dials, all, idle)
			}
			tr.CloseIdleConnections()
			if all, idle, hosts := tr.Counts(); all != 0 || idle != 0 || hosts != 0 {
				t.Errorf("left after CloseIdleConnections: %d connections, %d idle, %d hosts", all, idle, hosts)
			}
			return nil
		})
	})
}

func TestTheFirstRequestsToAnHTTP1HostAllDial(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	defer s.Close()
	tr := &asynchttp.Transport{TLSClientConfig: trusting(s), MaxConnsPerHost: 4}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 20 {
				g.Go(func(ctx context.Context) error {
					body, err := get(ctx, c, s.URL)
					if err == nil && body != "HTTP/1.1" {
						err = fmt.Errorf("got %q", body)
					}
					return err
				})
			}
			return nil
		})
	})
}

func TestAHostThatCannotBeReachedFailsAllWhoWait(t *testing.T) {
	const url = "https://127.0.0.1:1"
	tr := &asynchttp.Transport{}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		tasks := make([]*asyncio.Task[string], 5)
		for i := range tasks {
			tasks[i] = asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, url) })
		}
		for _, task := range tasks {
			if _, err := task.Await(ctx); err == nil || errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if all, _, hosts := tr.Counts(); all != 0 || hosts != 0 {
			t.Errorf("%d connections and %d hosts are left", all, hosts)
		}
		return nil
	})
}

func TestProtocolsChooseTheVersion(t *testing.T) {
	cfg := served(t)
	for _, x := range []struct {
		server, client *http.Protocols
		tls            bool
		want           string
	}{
		{nil, nil, true, "HTTP/2.0"},
		{nil, nil, false, "HTTP/1.1"},
		{nil, plainOnly, false, "HTTP/2.0"},
		{nil, http1Only, true, "HTTP/1.1"},
		{nil, http2Only, true, "HTTP/2.0"},
		{http1Only, nil, true, "HTTP/1.1"},
		{http2Only, nil, true, "HTTP/2.0"},
		{plainOnly, plainOnly, false, "HTTP/2.0"},
	} {
		run(t, func(ctx context.Context) error {
			srv := handle(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
			srv.Protocols = x.server
			scheme := "http://"
			if x.tls {
				srv.TLSConfig, scheme = cfg, "https://"
			}
			addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			tr := &asynchttp.Transport{Protocols: x.client, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			got, err := get(ctx, &http.Client{Transport: tr}, scheme+addr.String())
			if err != nil || got != x.want {
				t.Errorf("server %v, client %v, TLS %v: got %q, %v", x.server, x.client, x.tls, got, err)
			}
			return errors.Join(tr.Close(), srv.Shutdown(ctx))
		})
	}
}

func TestAnHTTP2ServerThatShutsDownLosesNoRequest(t *testing.T) {
	onEveryDriver(t, func(t *testing.T) {
		cfg := served(t)
		run(t, func(ctx context.Context) error {
			tr := &asynchttp.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer tr.Close()
			c := &http.Client{Transport: tr}
			var srv *asynchttp.Server
			var addr string
			start := func(at string) error {
				srv = handle(func(w http.ResponseWriter, r *http.Request) {
					_ = asyncio.Sleep(r.Context(), time.Millisecond)
					fmt.Fprint(w, r.Proto)
				})
				srv.TLSConfig = cfg
				a, err := srv.Start(ctx, "tcp", at)
				if err == nil {
					addr = a.String()
				}
				return err
			}
			if err := start("127.0.0.1:0"); err != nil {
				return err
			}
			over := false
			answered := 0 // by the server that clients are to go to
			clients := asyncio.Go(ctx, func(ctx context.Context) error {
				return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
					for range 10 {
						g.Go(func(ctx context.Context) error {
							for !over {
								at := addr
								if body, err := get(ctx, c, "https://"+at); err != nil || body != "HTTP/2.0" {
									return fmt.Errorf("%q: %w", body, err)
								}
								if at == addr {
									answered++
								}
							}
							return nil
						})
					}
					return nil
				})
			})
			for range 3 {
				for answered = 0; answered < 50 && !clients.Done(); {
					if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
				}
				old := srv
				if err := start("127.0.0.1:0"); err != nil { // clients go to the new one from now on
					return err
				}
				if err := old.Shutdown(ctx); err != nil {
					return err
				}
			}
			over = true
			if _, err := clients.Await(ctx); err != nil {
				t.Error(err)
			}
			return errors.Join(tr.Close(), srv.Shutdown(ctx))
		})
	})
}

func TestGzipAndLimitsHoldOnHTTP2(t *testing.T) {
	s := h2Server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, strings.Repeat("squeezed ", 1000))
			_ = z.Close()
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 5000))
		case "/slow":
			<-r.Context().Done()
		}
	})
	patiently(t, 300*time.Millisecond, func(limit time.Duration) (failed error) {
		tr := &asynchttp.Transport{TLSClientConfig: trusting(s), MaxResponseHeaderBytes: 4000, ResponseHeaderTimeout: limit}
		withClient(t, tr, func(ctx context.Context, c *http.Client) error {
			resp, body, err := fetch(ctx, c, "GET", s.URL+"/gzip", nil)
			if err != nil || body != strings.Repeat("squeezed ", 1000) || !resp.Uncompressed || resp.TLS == nil {
				failed = fmt.Errorf("gzip: %.30q, %v", body, err)
			}
			if _, err := get(ctx, c, s.URL+"/header"); !errors.Is(err, asynchttp.ErrHeaderTooLarge) {
				failed = fmt.Errorf("a long header: %v", err)
			}
			var late *asynchttp.TimeoutError
			if _, err := get(ctx, c, s.URL+"/slow"); !errors.As(err, &late) {
				failed = fmt.Errorf("a slow answer: %v", err)
			}
			if all, _, _ := tr.Counts(); all != 1 {
				failed = fmt.Errorf("%d connections: none of this should have cost one", all)
			}
			return nil
		})
		return failed
	})
}

func TestAnUpgradeAsksForHTTP1(t *testing.T) {
	s := h2Server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	withClient(t, &asynchttp.Transport{TLSClientConfig: trusting(s)}, func(ctx context.Context, c *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
		if _, body, err := do(c, req); err != nil || body != "HTTP/1.1" {
			t.Errorf("%q, %v", body, err)
		}
		if body, err := get(ctx, c, s.URL); err != nil || body != "HTTP/2.0" {
			t.Errorf("%q, %v", body, err)
		}
		return nil
	})
}

func TestClosingTheTransportFailsWhatIsUnderWayOnHTTP2(t *testing.T) {
	s := h2Server(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	tr := &asynchttp.Transport{TLSClientConfig: trusting(s)}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		var tasks []*asyncio.Task[string]
		for range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, s.URL) }))
		}
		if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		tr.Close()
		for _, task := range tasks {
			if _, err := task.Await(ctx); !errors.Is(err, asynchttp.ErrTransportClosed) {
				t.Error(err)
			}
		}
		return nil
	})
}

func TestHooksOfAServerHoldOnHTTP2(t *testing.T) {
	type key struct{}
	base, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "base"))
	defer cancel()
	run(t, func(ctx context.Context) error {
		var states []http.ConnState
		var hangs asyncio.Event
		srv := handle(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hang" {
				hangs.Set()
				_ = asyncio.Sleep(r.Context(), time.Minute)
			}
			_, local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
			fmt.Fprint(w, r.Proto, " ", r.Context().Value(key{}), local, server, r.RemoteAddr != "")
		})
		srv.BaseContext = func(net.Listener) context.Context { return base }
		srv.ConnState = func(_ net.Conn, s http.ConnState) { states = append(states, s) }
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{Protocols: plainOnly}
		c := &http.Client{Transport: tr}
		if body, err := get(ctx, c, "http://"+addr.String()); err != nil || body != "HTTP/2.0 basetrue true true" {
			t.Errorf("%q, %v", body, err)
		}
		hung := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) { return get(ctx, c, "http://"+addr.String()+"/hang") })
		if err := hangs.Wait(ctx); err != nil {
			return err
		}
		cancel()
		if _, err := hung.Await(ctx); err == nil {
			t.Error("the end of BaseContext has not ended a request")
		}
		err = errors.Join(tr.Close(), srv.Shutdown(ctx))
		if got := fmt.Sprint(states); !strings.HasPrefix(got, "[new active idle active idle active closed") {
			t.Error("states:", got)
		}
		return err
	})
}

// program returns the path of a program, or skips the test.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func TestOtherClientsOfHTTP2(t *testing.T) {
	large := bytes.Repeat([]byte("large "), 100000)
	srv := handle(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/large" {
			w.Write(large)
			return
		}
		fmt.Fprintf(w, "%s %s %d", r.Proto, r.Method, len(b))
	})
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, large, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		args []string
		path string
		tls  bool
		want string
	}{
		{"curl", []string{"-sS", "--http2-prior-knowledge"}, "/", false, "HTTP/2.0 GET 0"},
		{"curl", []string{"-sS", "--http2-prior-knowledge", "-T", file}, "/", false, "HTTP/2.0 PUT 600000"},
		{"curl", []string{"-sS", "--http1.1"}, "/", false, "HTTP/1.1 GET 0"},
		{"curl", []string{"-sSk", "--http2"}, "/", true, "HTTP/2.0 GET 0"},
		{"curl", []string{"-sSk", "--http1.1"}, "/", true, "HTTP/1.1 GET 0"},
		{"curl", []string{"-sSk", "--http2"}, "/large", true, string(large)},
		{"nghttp", []string{"--no-dep"}, "/", false, "HTTP/2.0 GET 0"},
		{"nghttp", []string{"-d", file}, "/", true, "HTTP/2.0 POST 600000"},
		{"h2load", []string{"-n", "500", "-c", "5", "-m", "10"}, "/", false, "500 succeeded, 0 failed"},
		{"h2load", []string{"-n", "100", "-c", "2", "-m", "10"}, "/large", true, "100 succeeded, 0 failed"},
	} {
		t.Run(x.name+" "+strings.Join(x.args[:1], " "), func(t *testing.T) {
			path := program(t, x.name)
			srv := &asynchttp.Server{Handler: srv.Handler}
			scheme := "http://"
			if x.tls {
				srv.TLSConfig, scheme = served(t), "https://"
			}
			withServer(t, srv, func(addr string) error {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				out, err := exec.CommandContext(ctx, path, append(x.args, scheme+addr+x.path)...).CombinedOutput()
				if err != nil || !strings.Contains(string(out), x.want) {
					t.Errorf("%v: %.300s", err, out)
				}
				return nil
			})
		})
	}
}

func TestOtherServersOfHTTP2(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("large ", 100000)
	if err := os.WriteFile(filepath.Join(dir, "large"), []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	nghttpd := program(t, "nghttpd")
	addr := addresstest.Free(t, 1)[0]
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(nghttpd, "--no-tls", "-a", host, "-d", dir, port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	tr := &asynchttp.Transport{Protocols: plainOnly}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		for {
			s, err := asyncio.OpenConnection(ctx, "tcp", addr)
			if err == nil {
				s.Close()
				break
			}
			if err := asyncio.Sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range 50 {
				g.Go(func(ctx context.Context) error {
					body, err := get(ctx, c, "http://"+addr+"/large")
					if err == nil && body != large {
						err = fmt.Errorf("%d bytes", len(body))
					}
					return err
				})
			}
			return nil
		})
	})
}
